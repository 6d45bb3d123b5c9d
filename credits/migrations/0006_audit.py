"""The tables of this app come under the audit trail (see clinics/trail.py)."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0005_audit"),
        ("credits", "0005_requests_sql"),
    ]

    operations = [
        pgtrigger.migrations.AddTrigger(
            model_name="billingrules",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('rules', 'id', '{appeal_days,auto_release_hours,bonus_valid_days,charging_stopped_at,dispute_hours,held_valid_days,release_batch,repeat_window_days,returned_valid_days,staff_refund_limit,top_ups_stopped_at}', '{}', '{}')",
                    func="RETURN NULL;",
                    hash="0f94366213cda77f4ed6c914a8c8cea3abebeb6a",
                    operation='INSERT OR UPDATE OF "appeal_days", "auto_release_hours", "bonus_valid_days", "charging_stopped_at", "dispute_hours", "held_valid_days", "id", "release_batch", "repeat_window_days", "returned_valid_days", "staff_refund_limit", "top_ups_stopped_at" OR DELETE',
                    pgid="pgtrigger_audited_8e521",
                    table="billing_rules",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="billingrules",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="893c269e6f4a593d3f912d37198af25286c7e27d",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_64028",
                    table="billing_rules",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="creditaccount",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('account', 'clinic_id', '{auto_release,daily_cap,frozen_at,frozen_reason,highest_cost,monthly_cap,paused_at,paused_until}', '{}', '{clinic_id=clinic}')",
                    func="RETURN NULL;",
                    hash="599f54ed265d96cf85d30df02161dfe68fd3b78a",
                    operation='INSERT OR UPDATE OF "auto_release", "clinic_id", "daily_cap", "frozen_at", "frozen_reason", "highest_cost", "monthly_cap", "paused_at", "paused_until" OR DELETE',
                    pgid="pgtrigger_audited_f53fd",
                    table="credit_accounts",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="creditaccount",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="8d1fa73c26ab35b18999c0f6691c794ca024b7b2",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_3b3fb",
                    table="credit_accounts",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="creditpackage",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('credit-package', 'id', '{created_at,credits,is_active,name,price}', '{}', '{}')",
                    func="RETURN NULL;",
                    hash="4277251a74432efe979d4827abeecb8b2a7a49f8",
                    operation='INSERT OR UPDATE OF "created_at", "credits", "id", "is_active", "name", "price" OR DELETE',
                    pgid="pgtrigger_audited_bf0f8",
                    table="credit_packages",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="creditpackage",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="201363464a454c20976a39a714b016293ac5d576",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_aedf3",
                    table="credit_packages",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="promocode",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('promo-code', 'id', '{code,created_at,fixed_bonus,is_active,least_price,max_uses,max_uses_per_clinic,percent,valid_from,valid_until}', '{}', '{}')",
                    func="RETURN NULL;",
                    hash="84df3343ecbe033597e258e6246940403c2680f6",
                    operation='INSERT OR UPDATE OF "code", "created_at", "fixed_bonus", "id", "is_active", "least_price", "max_uses", "max_uses_per_clinic", "percent", "valid_from", "valid_until" OR DELETE',
                    pgid="pgtrigger_audited_8b4e3",
                    table="promo_codes",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="promocode",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="24849daa615eda69bea7ecc3cd76cd0a59f23df6",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_8c3bf",
                    table="promo_codes",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="reviewitem",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('review-item', 'id', '{closed_at,closed_by_id,key,kind,payment_id,raised_at,resolution,state,top_up_id}', '{note}', '{closed_by_id=user,top_up_id=top-up}')",
                    func="RETURN NULL;",
                    hash="03b32fd97a1e0e93a8e1c7aee5b8561fa16121da",
                    operation='INSERT OR UPDATE OF "closed_at", "closed_by_id", "id", "key", "kind", "note", "payment_id", "raised_at", "resolution", "state", "top_up_id" OR DELETE',
                    pgid="pgtrigger_audited_d2130",
                    table="review_items",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="reviewitem",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="30b674ec18b2c56d08b86ab2e06696fceeac2f15",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_215ac",
                    table="review_items",
                    when="BEFORE",
                ),
            ),
        ),
    ]
