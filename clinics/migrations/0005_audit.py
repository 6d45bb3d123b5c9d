"""The audit trail: its table, what writes it, and the triggers on the tables of this app (see clinics/trail.py)."""

import django.contrib.postgres.fields
import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("clinics", "0004_requests_sql"),
        ("mfa", "0003_authenticator_type_uniq"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditEvent",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "occurred_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), verbose_name="when"
                    ),
                ),
                (
                    "operation",
                    models.CharField(
                        choices=[("insert", "Made"), ("update", "Changed"), ("delete", "Taken away")],
                        max_length=6,
                    ),
                ),
                ("table_name", models.CharField(max_length=63, verbose_name="table")),
                ("row_key", models.CharField(max_length=64)),
                (
                    "about",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=90),
                        help_text="«clinic:7», «user:5»: the row itself first.",
                        size=None,
                    ),
                ),
                ("before", models.JSONField(null=True)),
                ("after", models.JSONField(null=True)),
                (
                    "concealed",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=63), size=None
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[
                            ("back_office", "Back office"),
                            ("site", "Site"),
                            ("command", "Command"),
                            ("database", "Database"),
                        ],
                        max_length=12,
                        verbose_name="through",
                    ),
                ),
                (
                    "source",
                    models.CharField(blank=True, help_text="The route or the command.", max_length=100),
                ),
                ("reason", models.CharField(blank=True, max_length=300)),
                ("request_id", models.CharField(blank=True, max_length=64)),
                (
                    "context_id",
                    models.UUIDField(help_text="One for all that one request or command changed.", null=True),
                ),
                ("os_user", models.CharField(blank=True, max_length=64)),
                ("db_role", models.CharField(max_length=63)),
            ],
            options={
                "verbose_name": "audit event",
                "verbose_name_plural": "trail",
                "db_table": "audit_events",
                "default_permissions": ("view",),
            },
        ),
        migrations.AddField(
            model_name="auditevent",
            name="actor",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        InstallSQL(__file__, "audit.sql"),
        pgtrigger.migrations.AddTrigger(
            model_name="apitoken",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('token', 'digest', '{clinic_id,created,expiry,name,partner_id,revoked_at,scopes,user_id}', '{digest,token_key}', '{clinic_id=clinic,partner_id=partner,user_id=user}')",
                    func="RETURN NULL;",
                    hash="f3dc09c87a4bb9618a86c8077e009f30ac6f255d",
                    operation='INSERT OR UPDATE OF "clinic_id", "created", "digest", "expiry", "name", "partner_id", "revoked_at", "scopes", "token_key", "user_id" OR DELETE',
                    pgid="pgtrigger_audited_2eb7d",
                    table="api_tokens",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="apitoken",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="98cf0ed325e25c7de1c5887b3877cf124a0af554",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_b7152",
                    table="api_tokens",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="clinic",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('clinic', 'id', '{address,city,created_at,google_rating,google_review_count,gstin,is_active,latitude,longitude,name,operating_hours,pincode,slug,specialties,state,website_url}', '{email,phone}', '{}')",
                    func="RETURN NULL;",
                    hash="d71a123435f2ad693da5b3059be539a5f5000047",
                    operation='INSERT OR UPDATE OF "address", "city", "created_at", "email", "google_rating", "google_review_count", "gstin", "id", "is_active", "latitude", "longitude", "name", "operating_hours", "phone", "pincode", "slug", "specialties", "state", "website_url" OR DELETE',
                    pgid="pgtrigger_audited_67b20",
                    table="clinics",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="clinic",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="0241d7885a03d98afe9ce4e1346e7bc810f51d54",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_325b9",
                    table="clinics",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="membership",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('membership', 'id', '{clinic_id,created_at,is_active,role,user_id}', '{}', '{clinic_id=clinic,user_id=user}')",
                    func="RETURN NULL;",
                    hash="e4cfca37fdcf08fb595ae9873b4e97c5f974d673",
                    operation='INSERT OR UPDATE OF "clinic_id", "created_at", "id", "is_active", "role", "user_id" OR DELETE',
                    pgid="pgtrigger_audited_b3b2d",
                    table="clinic_memberships",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="membership",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="beac74c459bd69c50660ffb001becead43649ab7",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_fe5fc",
                    table="clinic_memberships",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="partner",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('partner', 'id', '{created_at,is_active,name,service_user_id,slug}', '{}', '{service_user_id=user}')",
                    func="RETURN NULL;",
                    hash="f49a8ae691efdecb323e32408410e398e192e627",
                    operation='INSERT OR UPDATE OF "created_at", "id", "is_active", "name", "service_user_id", "slug" OR DELETE',
                    pgid="pgtrigger_audited_e4f55",
                    table="partners",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="partner",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="0f888332bdc18b4df1cf92f20f2cf4848fd6e2b7",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_d5017",
                    table="partners",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="staffrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('request', 'id', '{clinic_id,decided_at,decided_by_id,kind,object_key,outcome,reason_code,requested_at,requested_by_id,state}', '{}', '{clinic_id=clinic,decided_by_id=user,object_key=,requested_by_id=user}')",
                    func="RETURN NULL;",
                    hash="160ea3f8b939b73c3668f93835de7b6a530e91a9",
                    operation='INSERT OR UPDATE OF "clinic_id", "decided_at", "decided_by_id", "id", "kind", "object_key", "outcome", "reason_code", "requested_at", "requested_by_id", "state" OR DELETE',
                    pgid="pgtrigger_audited_198b5",
                    table="staff_requests",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="staffrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="ab9aa8c9b19e7e1ac5e336bc388bc8bd84bca64b",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_3a0fb",
                    table="staff_requests",
                    when="BEFORE",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="user",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('user', 'id', '{date_joined,is_active,is_staff,is_superuser}', '{email,full_name,password}', '{}')",
                    func="RETURN NULL;",
                    hash="e326ef8b0e2b09e0d8c73aebdecc26fbb1cd2364",
                    operation='INSERT OR UPDATE OF "date_joined", "email", "full_name", "id", "is_active", "is_staff", "is_superuser", "password" OR DELETE',
                    pgid="pgtrigger_audited_e7a6c",
                    table="users",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="user",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="5b7007e8f67242d1d78d720a7f3d9c1447549b0d",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_83e8d",
                    table="users",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=django.contrib.postgres.indexes.GinIndex(
                fastupdate=False, fields=["about"], name="audit_events_about"
            ),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                models.F("actor"), models.OrderBy(models.F("id"), descending=True), name="audit_events_actor"
            ),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                models.F("table_name"),
                models.OrderBy(models.F("id"), descending=True),
                name="audit_events_table",
            ),
        ),
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(
                models.F("channel"),
                models.OrderBy(models.F("id"), descending=True),
                name="audit_events_channel",
            ),
        ),
    ]
