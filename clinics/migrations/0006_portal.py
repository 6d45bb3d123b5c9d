"""What the portal needs: languages, invitations, requests to staff, and what a member wants to hear of."""

import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

import clinics.models.people


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("clinics", "0005_audit"),
    ]

    operations = [
        migrations.CreateModel(
            name="AlertPreference",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("lead_delivered", "Lead delivered"),
                            ("lead_held", "Lead held"),
                            ("dispute_asked", "Question about a dispute"),
                            ("dispute_decided", "Dispute decided"),
                        ],
                        max_length=40,
                    ),
                ),
                ("in_portal", models.BooleanField(default=True)),
                ("by_email", models.BooleanField(default=True)),
            ],
            options={
                "db_table": "alert_preferences",
            },
        ),
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("email", clinics.models.people.LowercaseEmailField(max_length=254)),
                (
                    "role",
                    models.CharField(
                        choices=[("owner", "Owner"), ("billing", "Billing"), ("front_desk", "Front desk")],
                        max_length=20,
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("expires_at", models.DateTimeField()),
                ("accepted_at", models.DateTimeField(blank=True, null=True)),
                ("revoked_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "db_table": "clinic_invitations",
            },
        ),
        migrations.CreateModel(
            name="SupportRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("refund", "Money back"),
                            ("closure", "Close the account"),
                            ("other", "Something else"),
                        ],
                        max_length=10,
                    ),
                ),
                ("message", models.TextField()),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("answer", models.TextField(blank=True)),
                ("answered_at", models.DateTimeField(blank=True, null=True)),
            ],
            options={
                "db_table": "support_requests",
            },
        ),
        migrations.AddField(
            model_name="membership",
            name="notices_seen_up_to",
            field=models.BigIntegerField(
                db_default=0, editable=False, help_text="Notices with a greater id are new to this member."
            ),
        ),
        migrations.AddField(
            model_name="user",
            name="language",
            field=models.CharField(
                blank=True,
                choices=[("en", "English"), ("hi", "हिन्दी")],
                default="",
                help_text="Empty: as the browser says.",
                max_length=2,
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("language__in", ["", "en", "hi"])), name="user_language_is_known"
            ),
        ),
        migrations.AddField(
            model_name="alertpreference",
            name="membership",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="alert_preferences",
                to="clinics.membership",
            ),
        ),
        migrations.AddField(
            model_name="invitation",
            name="accepted_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="invitation",
            name="clinic",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="invitations", to="clinics.clinic"
            ),
        ),
        migrations.AddField(
            model_name="invitation",
            name="invited_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddField(
            model_name="supportrequest",
            name="answered_by",
            field=models.ForeignKey(
                blank=True,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="supportrequest",
            name="clinic",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT,
                related_name="support_requests",
                to="clinics.clinic",
            ),
        ),
        migrations.AddField(
            model_name="supportrequest",
            name="made_by",
            field=models.ForeignKey(
                on_delete=django.db.models.deletion.PROTECT, related_name="+", to=settings.AUTH_USER_MODEL
            ),
        ),
        migrations.AddConstraint(
            model_name="alertpreference",
            constraint=models.UniqueConstraint(
                fields=("membership", "kind"), name="alert_preference_once_per_member_and_kind"
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("accepted_at__isnull", True), ("revoked_at__isnull", True)),
                fields=("clinic", "email"),
                name="invitation_open_once_per_clinic_and_address",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["owner", "billing", "front_desk"])),
                name="invitation_role_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("accepted_at__isnull", True), ("accepted_by__isnull", True)),
                    models.Q(
                        ("accepted_at__isnull", False),
                        ("accepted_by__isnull", False),
                        ("revoked_at__isnull", True),
                    ),
                    _connector="OR",
                ),
                name="invitation_accepted_iff_by_somebody",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.CheckConstraint(
                condition=models.Q(("expires_at__gt", models.F("created_at"))),
                name="invitation_expires_after_it_is_made",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="invitation",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('invitation', 'id', '{accepted_at,accepted_by_id,clinic_id,created_at,expires_at,invited_by_id,revoked_at,role}', '{email}', '{accepted_by_id=user,clinic_id=clinic,invited_by_id=user}')",
                    func="RETURN NULL;",
                    hash="82cbd18db4d29179f0b0120e27ce236672029681",
                    operation='INSERT OR UPDATE OF "accepted_at", "accepted_by_id", "clinic_id", "created_at", "email", "expires_at", "id", "invited_by_id", "revoked_at", "role" OR DELETE',
                    pgid="pgtrigger_audited_ed897",
                    table="clinic_invitations",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="invitation",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="0b7e8a047dc39c7624a87de080db7e0985e2f07f",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_4e4d3",
                    table="clinic_invitations",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="supportrequest",
            index=models.Index(
                condition=models.Q(("answered_at__isnull", True)), fields=["id"], name="support_requests_open"
            ),
        ),
        migrations.AddConstraint(
            model_name="supportrequest",
            constraint=models.UniqueConstraint(
                condition=models.Q(("answered_at__isnull", True)),
                fields=("clinic", "kind"),
                name="support_request_open_once_per_clinic_and_kind",
            ),
        ),
        migrations.AddConstraint(
            model_name="supportrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("kind__in", ["refund", "closure", "other"])),
                name="support_request_kind_is_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="supportrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(("message", ""), _negated=True), name="support_request_says_something"
            ),
        ),
        migrations.AddConstraint(
            model_name="supportrequest",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("answer", ""), ("answered_at__isnull", True), ("answered_by__isnull", True)),
                    models.Q(
                        ("answered_at__isnull", False),
                        ("answered_by__isnull", False),
                        models.Q(("answer", ""), _negated=True),
                    ),
                    _connector="OR",
                ),
                name="support_request_answered_iff_by_somebody",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="supportrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('support-request', 'id', '{answered_at,answered_by_id,clinic_id,created_at,kind,made_by_id}', '{answer,message}', '{answered_by_id=user,clinic_id=clinic,made_by_id=user}')",
                    func="RETURN NULL;",
                    hash="e4bc0aa85118d3a7fb5d8430b9c8fdb74e15fcee",
                    operation='INSERT OR UPDATE OF "answer", "answered_at", "answered_by_id", "clinic_id", "created_at", "id", "kind", "made_by_id", "message" OR DELETE',
                    pgid="pgtrigger_audited_4af85",
                    table="support_requests",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="supportrequest",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="6200fcc645aae960976580cbeca85d514c03c6a0",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_3eb66",
                    table="support_requests",
                    when="BEFORE",
                ),
            ),
        ),
    ]
