"""A partner's leads, newest first: of the leads that have a partner alone, where the index of before held them all."""

from django.db import migrations, models

from clinics.migration_operations import BuildIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0011_leads_in_review")]
    operations = [
        BuildIndexConcurrently(
            "lead",
            models.Index(
                models.F("partner"),
                models.OrderBy(models.F("id"), descending=True),
                condition=models.Q(("partner__isnull", False)),
                name="leads_of_partner",
            ),
        ),
    ]
