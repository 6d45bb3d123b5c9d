"""What waits for a look, across all clinics: the staff's queue."""

from django.db import migrations, models

from clinics.migration_operations import BuildIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0010_enquiries_for_review")]
    operations = [
        BuildIndexConcurrently(
            "lead",
            models.Index(
                condition=models.Q(("delivery_state", "held"), ("held_reason", "review")),
                fields=["id"],
                name="leads_in_review",
            ),
        ),
    ]
