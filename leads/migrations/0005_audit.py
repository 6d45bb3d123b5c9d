"""The tables of this app come under the audit trail (see clinics/trail.py)."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0005_audit"),
        ("leads", "0004_requests_sql"),
    ]

    operations = [
        pgtrigger.migrations.AddTrigger(
            model_name="pricingtier",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('tier', 'id', '{credits,price_below,price_from,version_id}', '{}', '{version_id=price-list}')",
                    func="RETURN NULL;",
                    hash="cf169ae59e746641c94cf6506cd22f03a7cd1beb",
                    operation='INSERT OR UPDATE OF "credits", "id", "price_below", "price_from", "version_id" OR DELETE',
                    pgid="pgtrigger_audited_b04f8",
                    table="lead_pricing_tiers",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="pricingtier",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="79f4925826a567753e7a961aa5f801b14e63c2c4",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_275b8",
                    table="lead_pricing_tiers",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="pricingversion",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('price-list', 'id', '{created_at,effective_at,note}', '{}', '{}')",
                    func="RETURN NULL;",
                    hash="3c2f2a98b13e36fec3d1565f6e2c2f02a0d62cff",
                    operation='INSERT OR UPDATE OF "created_at", "effective_at", "id", "note" OR DELETE',
                    pgid="pgtrigger_audited_7aeb4",
                    table="lead_pricing_versions",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="pricingversion",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="2c52120f67a2f4d63b6805a02c413e7476ed6978",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_2d251",
                    table="lead_pricing_versions",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="treatment",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('treatment', 'id', '{category,duration,max_price,min_price,name}', '{}', '{}')",
                    func="RETURN NULL;",
                    hash="f2674d6d09af66ba89cfa11cb6dfb29c382c0308",
                    operation='INSERT OR UPDATE OF "category", "duration", "id", "max_price", "min_price", "name" OR DELETE',
                    pgid="pgtrigger_audited_185c3",
                    table="treatments",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="treatment",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="5dca9dc0d99ca3c61007bdbc85e0ee987b3850f0",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_78b5f",
                    table="treatments",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="treatmentpackage",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('package', 'id', '{clinic_id,created_at,is_active,price,title,treatment_id}', '{}', '{clinic_id=clinic,treatment_id=treatment}')",
                    func="RETURN NULL;",
                    hash="eee37a7dc71f02c5816d503e09fb595431bdf0af",
                    operation='INSERT OR UPDATE OF "clinic_id", "created_at", "id", "is_active", "price", "title", "treatment_id" OR DELETE',
                    pgid="pgtrigger_audited_e6e68",
                    table="packages",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="treatmentpackage",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="a06bfcfc95d0b5fc6e0b3b3ad80594f989a7b91d",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_6299a",
                    table="packages",
                    when="BEFORE",
                ),
            ),
        ),
    ]
