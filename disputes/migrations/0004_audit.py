"""The tables of this app come under the audit trail (see clinics/trail.py)."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0005_audit"),
        ("disputes", "0003_default_policy"),
    ]

    operations = [
        pgtrigger.migrations.AddTrigger(
            model_name="disputepolicy",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('dispute-policy', 'id', '{dispute_type,evidence_needed,guidance,is_accepted,is_automatic,least_contact_attempts,partner_percent,position,suggested_percent,window_days}', '{}', '{}')",
                    func="RETURN NULL;",
                    hash="671074ac2449c52d74b6e160f5fdf66b045e97e0",
                    operation='INSERT OR UPDATE OF "dispute_type", "evidence_needed", "guidance", "id", "is_accepted", "is_automatic", "least_contact_attempts", "partner_percent", "position", "suggested_percent", "window_days" OR DELETE',
                    pgid="pgtrigger_audited_af2e5",
                    table="dispute_policies",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="disputepolicy",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="cf59fde6c5dc6b5c96b40345be2dd28cbe3f4eea",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_238ee",
                    table="dispute_policies",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="leaddispute",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('dispute', 'id', '{appeal_of_id,approved_by_id,assigned_to_id,awaiting_clinic_since,clinic_id,created_at,dispute_type,due_at,filed_by_id,is_automatic,lead_id,reason_code,refund_amount,refund_transaction_id,resolved_at,resolved_by_id,status}', '{admin_notes}', '{appeal_of_id=dispute,approved_by_id=user,assigned_to_id=user,clinic_id=clinic,filed_by_id=user,lead_id=lead,resolved_by_id=user}')",
                    func="RETURN NULL;",
                    hash="bcd481ac077a3193a0f6df64bbda0d987e0cd93a",
                    operation='INSERT OR UPDATE OF "admin_notes", "appeal_of_id", "approved_by_id", "assigned_to_id", "awaiting_clinic_since", "clinic_id", "created_at", "dispute_type", "due_at", "filed_by_id", "id", "is_automatic", "lead_id", "reason_code", "refund_amount", "refund_transaction_id", "resolved_at", "resolved_by_id", "status" OR DELETE',
                    pgid="pgtrigger_audited_da821",
                    table="lead_disputes",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="leaddispute",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="098e3b5bb200a3e78fc11822af2712d110b3cae6",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_52aea",
                    table="lead_disputes",
                    when="BEFORE",
                ),
            ),
        ),
    ]
