"""The inbox: who took a lead up first, and what came of each attempt to reach its patient."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [
        ("leads", "0006_leads_by_time"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]
    operations = [
        migrations.AddField(
            "lead",
            "opened_at",
            models.DateTimeField(
                null=True,
                blank=True,
                editable=False,
                help_text="When somebody of the clinic first took it up.",
            ),
        ),
        migrations.AddField(
            "lead",
            "opened_by",
            models.ForeignKey(
                settings.AUTH_USER_MODEL,
                on_delete=django.db.models.deletion.PROTECT,
                null=True,
                blank=True,
                editable=False,
                related_name="+",
                db_constraint=False,
                db_index=False,
            ),
        ),
        InstallSQL(__file__, "inbox.sql"),
    ]
