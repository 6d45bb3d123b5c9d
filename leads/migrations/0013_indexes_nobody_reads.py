"""Indexes on leads that every enquiry wrote and no page read.

By hand: Django would take each foreign key away and make it anew, which reads the whole table under a lock.
"""

import django.db.models.deletion
from django.db import migrations, models

from clinics.migration_operations import RunSQLPatiently

INDEXES = (
    ("package", "leads.treatmentpackage", "leads_package_id_d193c23e"),
    ("partner", "clinics.partner", "leads_partner_id_aa947b27"),
    ("treatment", "leads.treatment", "leads_treatment_id_153337f3"),
)


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0012_leads_of_partner"), ("clinics", "0016_sent_again_is_kept")]
    operations = [
        RunSQLPatiently(
            sql=f"DROP INDEX CONCURRENTLY IF EXISTS {index}",
            reverse_sql=f"CREATE INDEX CONCURRENTLY IF NOT EXISTS {index} ON leads ({name}_id)",
            state_operations=[
                migrations.AlterField(
                    model_name="lead",
                    name=name,
                    field=models.ForeignKey(
                        blank=True,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="leads",
                        to=model,
                    ),
                )
            ],
        )
        for name, model, index in INDEXES
    ]
