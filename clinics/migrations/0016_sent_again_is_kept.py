"""The audit trail keeps that somebody had a mail sent again."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0015_owners_webhooks"),
    ]

    operations = [
        pgtrigger.migrations.AddTrigger(
            model_name="outgoingmail",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    condition='WHEN (NEW."done_at" IS NULL AND NEW."given_up_at" IS NULL AND OLD."given_up_at" IS NOT NULL)',
                    execute="audit_change('mail', 'id', '{clinic_id,done_at,given_up_at,membership_id,problem,tries}', '{}', '{clinic_id=clinic}')",
                    func="RETURN NULL;",
                    hash="49a93ee8c1b71cec7bc412540f5960eb050db906",
                    operation='UPDATE OF "clinic_id", "done_at", "given_up_at", "id", "membership_id", "problem", "tries"',
                    pgid="pgtrigger_audited_90c1f",
                    table="outgoing_mails",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="outgoingmail",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="25695eb382e75108b911ef2c76c058b3830eeddf",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_97726",
                    table="outgoing_mails",
                    when="BEFORE",
                ),
            ),
        ),
    ]
