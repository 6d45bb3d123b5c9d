"""A clinic's received leads in the order of their delivery: what its own system reads, page by page."""

from django.db import migrations, models

from clinics.migration_operations import BuildIndexConcurrently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("leads", "0008_unread_leads")]
    operations = [
        BuildIndexConcurrently(
            "lead",
            models.Index(
                condition=models.Q(("delivery_state__in", ["delivered", "free"])),
                fields=["clinic", "delivered_at", "id"],
                name="leads_by_delivery",
            ),
        ),
    ]
