"""What leaves the house: mails and webhooks that wait to be sent, and where clinics listen."""

import uuid

import django.contrib.postgres.fields
import django.db.models.deletion
import django.db.models.functions.datetime
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0011_api_limits"),
    ]

    operations = [
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
                ],
                max_length=40,
            ),
        ),
        migrations.CreateModel(
            name="WebhookDelivery",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("due_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("tries", models.PositiveSmallIntegerField(db_default=0)),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                ("given_up_at", models.DateTimeField(blank=True, null=True)),
                (
                    "problem",
                    models.CharField(
                        blank=True,
                        db_default="",
                        help_text="Of the last try; never an address or a name.",
                        max_length=200,
                    ),
                ),
                ("lead_id", models.BigIntegerField(blank=True, null=True)),
                (
                    "notice",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="webhook_deliveries",
                        to="clinics.notice",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "webhook deliveries",
                "db_table": "webhook_deliveries",
            },
        ),
        migrations.CreateModel(
            name="WebhookAttempt",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("started_at", models.DateTimeField()),
                ("milliseconds", models.PositiveIntegerField()),
                (
                    "status_code",
                    models.PositiveSmallIntegerField(
                        blank=True, help_text="Empty: there was no answer.", null=True
                    ),
                ),
                ("problem", models.CharField(blank=True, max_length=200)),
                (
                    "delivery",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="attempts",
                        to="clinics.webhookdelivery",
                    ),
                ),
            ],
            options={
                "db_table": "webhook_attempts",
            },
        ),
        migrations.CreateModel(
            name="WebhookEndpoint",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("url", models.URLField(max_length=500)),
                (
                    "kinds",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(
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
                            ],
                            max_length=40,
                        ),
                        size=None,
                    ),
                ),
                ("secret", models.TextField(editable=False)),
                ("previous_secret", models.TextField(blank=True, default="", editable=False)),
                ("previous_secret_until", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("stopped_at", models.DateTimeField(blank=True, null=True)),
                ("removed_at", models.DateTimeField(blank=True, null=True)),
                (
                    "clinic",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="webhook_endpoints",
                        to="clinics.clinic",
                    ),
                ),
                (
                    "made_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "db_table": "webhook_endpoints",
            },
        ),
        migrations.AddField(
            model_name="webhookdelivery",
            name="endpoint",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="deliveries",
                to="clinics.webhookendpoint",
            ),
        ),
        migrations.CreateModel(
            name="OutgoingMail",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("created_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("due_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("tries", models.PositiveSmallIntegerField(db_default=0)),
                ("done_at", models.DateTimeField(blank=True, null=True)),
                ("given_up_at", models.DateTimeField(blank=True, null=True)),
                (
                    "problem",
                    models.CharField(
                        blank=True,
                        db_default="",
                        help_text="Of the last try; never an address or a name.",
                        max_length=200,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("notice", "Notice to a member"),
                            ("digest", "Daily digest to a member"),
                            ("patient_waiting", "To a patient whose enquiry is held"),
                        ],
                        max_length=20,
                    ),
                ),
                ("unique_key", models.CharField(max_length=100, unique=True)),
                ("data", models.JSONField(default=dict, help_text="Ids and dates only.")),
                ("message_id", models.UUIDField(default=uuid.uuid4, editable=False)),
                (
                    "clinic",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="mails",
                        to="clinics.clinic",
                    ),
                ),
                (
                    "membership",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="mails",
                        to="clinics.membership",
                    ),
                ),
                (
                    "notice",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="mails",
                        to="clinics.notice",
                    ),
                ),
            ],
            options={
                "db_table": "outgoing_mails",
                "indexes": [
                    models.Index(
                        condition=models.Q(("done_at", None), ("given_up_at", None)),
                        fields=["due_at", "id"],
                        name="mails_due",
                    ),
                    models.Index(
                        condition=models.Q(("given_up_at__isnull", False)),
                        fields=["id"],
                        name="mails_given_up",
                    ),
                    models.Index(
                        condition=models.Q(("done_at__isnull", False)), fields=["done_at"], name="mails_done"
                    ),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("done_at", None), ("given_up_at", None), _connector="OR"),
                        name="mail_is_done_or_given_up",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "notice"), ("notice__isnull", False)),
                            models.Q(models.Q(("kind", "notice"), _negated=True), ("notice", None)),
                            _connector="OR",
                        ),
                        name="mail_of_a_notice_has_one",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("kind", "patient_waiting"), ("membership", None)),
                            models.Q(
                                models.Q(("kind", "patient_waiting"), _negated=True),
                                ("membership__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="mail_to_a_member_or_a_patient",
                    ),
                ],
            },
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.UniqueConstraint(
                condition=models.Q(("removed_at", None)),
                fields=("clinic", "url"),
                name="webhook_endpoint_once_per_clinic_and_url",
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("previous_secret", ""), ("previous_secret_until", None)),
                    models.Q(
                        models.Q(("previous_secret", ""), _negated=True),
                        ("previous_secret_until__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="webhook_previous_secret_ends",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="webhookendpoint",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('webhook-endpoint', 'id', '{clinic_id,created_at,kinds,made_by_id,previous_secret_until,removed_at,stopped_at,url}', '{previous_secret,secret}', '{clinic_id=clinic,made_by_id=user}')",
                    func="RETURN NULL;",
                    hash="f4179d1f70a43545010273f7bde8540349f58f93",
                    operation='INSERT OR UPDATE OF "clinic_id", "created_at", "id", "kinds", "made_by_id", "previous_secret", "previous_secret_until", "removed_at", "secret", "stopped_at", "url" OR DELETE',
                    pgid="pgtrigger_audited_59af1",
                    table="webhook_endpoints",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="webhookendpoint",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="94919d3c4293e547ed67ffbcd8e59e9348e9eeb3",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_da70c",
                    table="webhook_endpoints",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(
                condition=models.Q(("done_at", None), ("given_up_at", None)),
                fields=["due_at", "id"],
                name="webhooks_due",
            ),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(
                condition=models.Q(("done_at", None), ("given_up_at", None)),
                fields=["endpoint", "lead_id", "notice"],
                name="webhooks_open_of_lead",
            ),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(
                condition=models.Q(("given_up_at__isnull", False)), fields=["id"], name="webhooks_given_up"
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookdelivery",
            constraint=models.UniqueConstraint(
                fields=("endpoint", "notice"), name="webhook_delivery_once_per_endpoint_and_notice"
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookdelivery",
            constraint=models.CheckConstraint(
                condition=models.Q(("done_at", None), ("given_up_at", None), _connector="OR"),
                name="webhook_delivery_is_done_or_given_up",
            ),
        ),
    ]
