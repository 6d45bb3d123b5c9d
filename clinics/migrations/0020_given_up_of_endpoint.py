"""What was given up is found by its endpoint. The index by number alone is not needed beside it."""

from django.db import migrations, models

from clinics.migration_operations import BuildIndexConcurrently, RunSQLPatiently


class Migration(migrations.Migration):
    atomic = False  # beside the traffic: every event to an endpoint is a delivery
    dependencies = [("clinics", "0019_facts_told_once")]
    operations = [
        BuildIndexConcurrently(
            "webhookdelivery",
            models.Index(
                fields=["endpoint", "notice"],
                name="webhooks_given_up_of_endpoint",
                condition=models.Q(given_up_at__isnull=False),
            ),
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[migrations.RemoveIndex("webhookdelivery", "webhooks_given_up")],
            database_operations=[
                RunSQLPatiently(
                    "DROP INDEX CONCURRENTLY IF EXISTS webhooks_given_up",
                    "CREATE INDEX CONCURRENTLY IF NOT EXISTS webhooks_given_up ON webhook_deliveries (id)"
                    " WHERE given_up_at IS NOT NULL",
                ),
            ],
        ),
    ]
