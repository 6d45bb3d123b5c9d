"""A clinic's leads that nobody has taken up: counted on every view of its inbox."""

from django.db import migrations, models

from clinics.migration_operations import BuildIndexConcurrently


class Migration(migrations.Migration):
    atomic = False  # built beside the traffic: an enquiry must not wait for it
    dependencies = [("leads", "0007_inbox")]
    operations = [
        BuildIndexConcurrently(
            "lead",
            models.Index(
                models.F("clinic"),
                models.F("delivered_at").desc(),
                models.F("id").desc(),
                name="leads_unread",
                condition=models.Q(delivery_state__in=["delivered", "free"], opened_at=None, status="new"),
            ),
        ),
    ]
