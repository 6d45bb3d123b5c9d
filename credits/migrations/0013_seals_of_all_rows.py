"""A seal also has one keyed digest over all its rows, so that they are checked without making a tag for each."""

from django.db import migrations, models

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [("credits", "0012_many_leads_at_once")]

    operations = [
        migrations.AddField("dayseal", "whole", models.BinaryField(db_default=b"")),
        InstallSQL(
            __file__,
            "seals.sql",
            replaces=(
                "add_seal(bigint, date, text, bigint, bigint, integer, text, bytea, text, bytea, bytea)",
            ),
        ),
    ]
