"""How often programs may ask: a bucket for each, in a table that is not logged, and a limit of each partner's own."""

import django.core.validators
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0010_jobs"),
    ]

    operations = [
        migrations.CreateModel(
            name="RequestRate",
            fields=[
                (
                    "key",
                    models.CharField(
                        help_text="token:<digest>, partner:<id>, …",
                        max_length=80,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("empty_at", models.DateTimeField()),
            ],
            options={
                "db_table": "request_rates",
            },
        ),
        migrations.RunSQL("ALTER TABLE request_rates SET UNLOGGED", migrations.RunSQL.noop),
        pgtrigger.migrations.RemoveTrigger(
            model_name="partner",
            name="audited",
        ),
        migrations.AddField(
            model_name="partner",
            name="requests_per_minute",
            field=models.PositiveIntegerField(
                blank=True,
                help_text="Of all its tokens together. Empty: what every program may send.",
                null=True,
                validators=[django.core.validators.MinValueValidator(1)],
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="partner",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('partner', 'id', '{created_at,is_active,name,requests_per_minute,service_user_id,slug}', '{}', '{service_user_id=user}')",
                    func="RETURN NULL;",
                    hash="7e47422280d0d1ead36b2f7e7f471d940a8d71e2",
                    operation='INSERT OR UPDATE OF "created_at", "id", "is_active", "name", "requests_per_minute", "service_user_id", "slug" OR DELETE',
                    pgid="pgtrigger_audited_e4f55",
                    table="partners",
                    when="AFTER",
                ),
            ),
        ),
    ]
