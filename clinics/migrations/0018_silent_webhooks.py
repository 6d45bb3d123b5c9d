"""A webhook that takes nothing is told of and stopped; who sent again what was given up is kept."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0017_mails_of_requests"),
    ]

    operations = [
        migrations.AddField(
            model_name="webhookendpoint",
            name="rests_until",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="webhookendpoint",
            name="failing_since",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="webhookendpoint",
            name="failing_told_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AlterField(
            model_name="alertpreference",
            name="kind",
            field=models.CharField(
                choices=[
                    ("lead_delivered", "Lead delivered"),
                    ("lead_held", "Lead held"),
                    ("lead_withdrawn", "Patient withdrew"),
                    ("dispute_asked", "Question about a dispute"),
                    ("dispute_decided", "Dispute decided"),
                    ("low_balance", "Low balance"),
                    ("budget_reached", "Limit reached"),
                    ("payment_credited", "Payment credited"),
                    ("credits_expiring", "Credits expire soon"),
                    ("webhook_failing", "Webhook fails"),
                    ("daily_digest", "Daily summary"),
                ],
                max_length=40,
            ),
        ),
        migrations.AlterField(
            model_name="notice",
            name="kind",
            field=models.CharField(
                choices=[
                    ("lead_delivered", "Lead delivered"),
                    ("lead_held", "Lead held"),
                    ("lead_withdrawn", "Patient withdrew"),
                    ("dispute_asked", "Question about a dispute"),
                    ("dispute_decided", "Dispute decided"),
                    ("low_balance", "Low balance"),
                    ("budget_reached", "Limit reached"),
                    ("payment_credited", "Payment credited"),
                    ("credits_expiring", "Credits expire soon"),
                    ("webhook_failing", "Webhook fails"),
                ],
                max_length=40,
            ),
        ),
        migrations.AlterField(
            model_name="webhookendpoint",
            name="stopped_because",
            field=models.CharField(
                blank=True,
                choices=[
                    ("by_hand", "Stopped by an owner"),
                    ("gone", "It answered 410: gone"),
                    ("owner_left", "Who added it is no longer an owner"),
                    ("silent", "Nothing got through for days"),
                ],
                db_default="",
                max_length=10,
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="webhookdelivery",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (NEW."done_at" IS NULL AND NEW."given_up_at" IS NULL AND OLD."given_up_at" IS NOT NULL)',
                    execute="audit_change('webhook-delivery', 'id', '{done_at,endpoint_id,given_up_at,problem,tries}', '{}', '{endpoint_id=webhook-endpoint}')",
                    func="RETURN NULL;",
                    hash="3aae3741bac5202fb45457ffd8920664334efa41",
                    operation='UPDATE OF "done_at", "endpoint_id", "given_up_at", "id", "problem", "tries"',
                    pgid="pgtrigger_audited_eeb05",
                    table="webhook_deliveries",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="webhookdelivery",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="3be9ed37b7a3588973cc3bc85b0f1c22aab31f88",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_282f8",
                    table="webhook_deliveries",
                    when="BEFORE",
                ),
            ),
        ),
        # Those whose last word was a failure, of their own. Back: what stopped them is not known by that name there.
        migrations.RunSQL(
            "UPDATE webhook_endpoints SET failing_since = last_failure_at"
            " WHERE last_failure_at > coalesce(last_success_at, '-infinity') AND last_failure <> 'secret_lost'",
            "UPDATE webhook_endpoints SET stopped_because = 'by_hand' WHERE stopped_because = 'silent'",
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(("kinds__contains", ["webhook_failing"]), _negated=True),
                name="webhook_endpoint_hears_nothing_of_webhooks",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("stopped_because", "silent"), _negated=True),
                    ("failing_since__isnull", False),
                    _connector="OR",
                ),
                name="webhook_endpoint_silent_since_a_moment",
            ),
        ),
        InstallSQL(__file__, "webhooks.sql"),
    ]
