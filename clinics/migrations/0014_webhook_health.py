"""How an endpoint does (its last success and failure, why it is stopped), and what is due at each of them."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0013_notices_of_before"),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="webhookendpoint",
            name="audited",
        ),
        migrations.AddField(
            model_name="webhookendpoint",
            name="last_failure",
            field=models.CharField(blank=True, db_default="", editable=False, max_length=30),
        ),
        migrations.AddField(
            model_name="webhookendpoint",
            name="last_failure_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="webhookendpoint",
            name="last_failure_status",
            field=models.PositiveSmallIntegerField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="webhookendpoint",
            name="last_success_at",
            field=models.DateTimeField(blank=True, editable=False, null=True),
        ),
        migrations.AddField(
            model_name="webhookendpoint",
            name="stopped_because",
            field=models.CharField(
                blank=True,
                choices=[
                    ("by_hand", "Stopped by an owner"),
                    ("gone", "It answered 410: gone"),
                    ("owner_left", "Who added it is no longer an owner"),
                ],
                db_default="",
                max_length=10,
            ),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(
                condition=models.Q(("done_at__isnull", False)), fields=["done_at"], name="webhooks_done"
            ),
        ),
        migrations.AddIndex(
            model_name="webhookdelivery",
            index=models.Index(
                condition=models.Q(("done_at", None), ("given_up_at", None)),
                fields=["endpoint", "due_at", "id"],
                name="webhooks_due_of_endpoint",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="webhookendpoint",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('webhook-endpoint', 'id', '{clinic_id,created_at,kinds,made_by_id,previous_secret_until,removed_at,stopped_at,stopped_because}', '{previous_secret,secret,url}', '{clinic_id=clinic,made_by_id=user}')",
                    func="RETURN NULL;",
                    hash="d249fd336699a33ee0d01b27b09092321b8d15cb",
                    operation='INSERT OR UPDATE OF "clinic_id", "created_at", "id", "kinds", "made_by_id", "previous_secret", "previous_secret_until", "removed_at", "secret", "stopped_at", "stopped_because", "url" OR DELETE',
                    pgid="pgtrigger_audited_59af1",
                    table="webhook_endpoints",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="webhookendpoint",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("stopped_at", None), ("stopped_because", "")),
                    models.Q(("stopped_at__isnull", False), models.Q(("stopped_because", ""), _negated=True)),
                    _connector="OR",
                ),
                name="webhook_endpoint_stopped_for_a_reason",
            ),
        ),
    ]
