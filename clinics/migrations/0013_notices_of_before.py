"""Nobody is mailed what was in the portal before there were mails."""

from django.db import migrations

from clinics.migration_operations import RunSQLPatiently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("clinics", "0012_outbox")]
    operations = [
        RunSQLPatiently(
            "UPDATE notices SET sent_at = statement_timestamp() WHERE sent_at IS NULL", migrations.RunSQL.noop
        ),
    ]
