"""A notice's key without the index for LIKE that Django makes beside each unique text: every enquiry wrote it."""

from django.db import migrations, models

from clinics.migration_operations import RunSQLPatiently


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("clinics", "0018_silent_webhooks")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.AlterField("notice", "unique_key", models.CharField(max_length=100)),
                migrations.AddConstraint(
                    "notice", models.UniqueConstraint(fields=("unique_key",), name="a_fact_is_told_once")
                ),
            ],
            database_operations=[
                # First, for it can be done again; the other, which is quick, is done or not.
                RunSQLPatiently(
                    "DROP INDEX CONCURRENTLY IF EXISTS notices_unique_key_ec5aa993_like",
                    "CREATE INDEX CONCURRENTLY IF NOT EXISTS notices_unique_key_ec5aa993_like"
                    " ON notices (unique_key varchar_pattern_ops)",
                ),
                migrations.RunSQL(
                    "ALTER TABLE notices RENAME CONSTRAINT notices_unique_key_key TO a_fact_is_told_once",
                    "ALTER TABLE notices RENAME CONSTRAINT a_fact_is_told_once TO notices_unique_key_key",
                ),
            ],
        )
    ]
