"""A clinic's notices, newest first: read for the bell on every page. The index by clinic alone is not needed beside it."""

import django.db.models.deletion
from django.db import migrations, models

from clinics.migration_operations import BuildIndexConcurrently, RunSQLPatiently


class Migration(migrations.Migration):
    atomic = False  # beside the traffic: every charge writes a notice
    dependencies = [("clinics", "0008_notice_kinds")]
    operations = [
        BuildIndexConcurrently(
            "notice",
            models.Index(
                models.F("clinic"),
                models.OrderBy(models.F("id"), descending=True),
                name="notices_newest_of_clinic",
            ),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField(
                    "notice",
                    "clinic",
                    models.ForeignKey(
                        "clinics.clinic",
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="notices",
                        db_index=False,
                    ),
                ),
            ],
            database_operations=[
                RunSQLPatiently(
                    "DROP INDEX CONCURRENTLY IF EXISTS notices_clinic_id_5ddb218a",
                    "CREATE INDEX CONCURRENTLY IF NOT EXISTS notices_clinic_id_5ddb218a ON notices (clinic_id)",
                ),
            ],
        ),
    ]
