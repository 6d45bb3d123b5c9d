"""Notices about money: low balance, a cap that holds, a payment, credits that expire soon."""

from decimal import Decimal

import django.contrib.postgres.fields
import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations, models

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [
        ("credits", "0007_held_lead_decisions"),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="creditaccount",
            name="audited",
        ),
        migrations.AddField(
            model_name="creditaccount",
            name="low_balance_thresholds",
            field=django.contrib.postgres.fields.ArrayField(
                base_field=models.DecimalField(decimal_places=2, max_digits=12),
                db_default=[Decimal("1000.00"), Decimal("300.00")],
                help_text="A notice each time the balance falls below one of these.",
                size=None,
            ),
        ),
        migrations.AddField(
            model_name="creditaccount",
            name="low_balance_told",
            field=models.DecimalField(
                blank=True,
                db_default=Decimal("300.00"),
                decimal_places=2,
                editable=False,
                help_text="This threshold and those above it are told and rest until the balance has recovered.",
                max_digits=12,
                null=True,
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="creditaccount",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('account', 'clinic_id', '{auto_release,daily_cap,frozen_at,frozen_reason,highest_cost,low_balance_thresholds,monthly_cap,paused_at,paused_until}', '{}', '{clinic_id=clinic}')",
                    func="RETURN NULL;",
                    hash="8840c160a47f34e1bff1c1dabe668245b40aca3b",
                    operation='INSERT OR UPDATE OF "auto_release", "clinic_id", "daily_cap", "frozen_at", "frozen_reason", "highest_cost", "low_balance_thresholds", "monthly_cap", "paused_at", "paused_until" OR DELETE',
                    pgid="pgtrigger_audited_f53fd",
                    table="credit_accounts",
                    when="AFTER",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="creditaccount",
            constraint=models.CheckConstraint(
                condition=models.Q(("low_balance_thresholds__len__lte", 5)),
                name="account_has_few_low_balance_thresholds",
            ),
        ),
        InstallSQL(__file__, "door.sql", "delivery.sql", "events.sql", "notices.sql"),
        # Who is below a threshold already knows: the next fall counts.
        migrations.RunSQL(
            "UPDATE credit_accounts SET low_balance_told ="
            " (SELECT min(t) FROM unnest(low_balance_thresholds) AS t WHERE t > balance)",
            migrations.RunSQL.noop,
        ),
    ]
