"""Up to where each member has read a dispute."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("disputes", "0004_audit"),
    ]

    operations = [
        migrations.CreateModel(
            name="DisputeReader",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "dispute",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="readers",
                        to="disputes.leaddispute",
                    ),
                ),
                (
                    "member",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("read_up_to", models.BigIntegerField()),
            ],
            options={
                "db_table": "dispute_readers",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("dispute", "member"), name="reader_once_per_dispute_and_member"
                    )
                ],
            },
        ),
    ]
