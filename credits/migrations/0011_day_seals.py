"""Days are closed with seals over the ledger and the trail."""

import django.db.models.deletion
import pgtrigger.compiler
import pgtrigger.migrations
from django.conf import settings
from django.db import migrations, models

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [
        ("credits", "0010_reviews_by_staff"),
        ("clinics", "0005_audit"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="DayClosing",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                (
                    "opened_at",
                    models.DateTimeField(
                        help_text="When posting was locked out and the last rows were noted."
                    ),
                ),
                ("ledger_up_to", models.BigIntegerField(verbose_name="ledger sealed up to")),
                ("trail_up_to", models.BigIntegerField(verbose_name="trail sealed up to")),
                ("closed_at", models.DateTimeField(null=True)),
                ("seal_number", models.BigIntegerField(help_text="The last seal of this day.", null=True)),
                ("seal_digest", models.CharField(blank=True, db_default="", max_length=64)),
                ("figures", models.JSONField(null=True)),
                ("figures_digest", models.CharField(blank=True, db_default="", max_length=64)),
                ("unexplained", models.JSONField(null=True)),
                ("signed_off_at", models.DateTimeField(null=True)),
                ("note", models.TextField(blank=True, db_default="")),
                ("note_digest", models.CharField(blank=True, db_default="", max_length=64)),
                (
                    "closed_by",
                    models.ForeignKey(
                        help_text="Empty: the worker.",
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "signed_off_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "closed day",
                "db_table": "day_closings",
                "default_permissions": ("view", "change"),
            },
        ),
        migrations.CreateModel(
            name="DaySeal",
            fields=[
                ("number", models.BigIntegerField(primary_key=True, serialize=False)),
                (
                    "source",
                    models.CharField(choices=[("ledger", "Ledger"), ("trail", "Trail")], max_length=6),
                ),
                ("after_id", models.BigIntegerField()),
                ("up_to_id", models.BigIntegerField()),
                ("rows", models.IntegerField()),
                ("ids", models.TextField(blank=True)),
                ("tags", models.BinaryField()),
                ("key_id", models.CharField(max_length=16)),
                ("previous", models.BinaryField()),
                ("digest", models.BinaryField()),
                (
                    "closing",
                    models.ForeignKey(
                        db_column="day",
                        db_index=False,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="seals",
                        to="credits.dayclosing",
                    ),
                ),
            ],
            options={
                "db_table": "day_seals",
                "default_permissions": (),
            },
        ),
        migrations.AddConstraint(
            model_name="dayclosing",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("closed_at__isnull", True), ("figures__isnull", True), ("seal_number__isnull", True)
                    ),
                    models.Q(
                        ("closed_at__isnull", False),
                        ("figures__isnull", False),
                        ("seal_number__isnull", False),
                        ("unexplained__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="closing_is_closed_with_its_page_and_seal",
            ),
        ),
        migrations.AddConstraint(
            model_name="dayclosing",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("signed_off_at__isnull", True), ("signed_off_by__isnull", True)),
                    models.Q(
                        ("closed_at__isnull", False),
                        ("signed_off_at__isnull", False),
                        ("signed_off_by__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="closing_is_signed_off_by_somebody_once_closed",
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="dayclosing",
            trigger=pgtrigger.compiler.Trigger(
                name="audited",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="audit_change('closing', 'day', '{closed_at,closed_by_id,figures_digest,ledger_up_to,note_digest,opened_at,seal_digest,seal_number,signed_off_at,signed_off_by_id,trail_up_to,unexplained}', '{note}', '{closed_by_id=user,signed_off_by_id=user}')",
                    func="RETURN NULL;",
                    hash="c6741b641f2415eed5bc321ac4cf54110bbcd920",
                    operation='INSERT OR UPDATE OF "closed_at", "closed_by_id", "day", "figures_digest", "ledger_up_to", "note", "note_digest", "opened_at", "seal_digest", "seal_number", "signed_off_at", "signed_off_by_id", "trail_up_to", "unexplained" OR DELETE',
                    pgid="pgtrigger_audited_750f0",
                    table="day_closings",
                    when="AFTER",
                ),
            ),
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="dayclosing",
            trigger=pgtrigger.compiler.Trigger(
                name="audited_never_truncated",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    execute="refuse_emptying()",
                    func="RETURN NULL;",
                    hash="92a731e4fb4657c063ee2ed7448893390a726cd1",
                    level="STATEMENT",
                    operation="TRUNCATE",
                    pgid="pgtrigger_audited_never_truncated_795e0",
                    table="day_closings",
                    when="BEFORE",
                ),
            ),
        ),
        migrations.AddConstraint(
            model_name="dayseal",
            constraint=models.CheckConstraint(
                condition=models.Q(("source__in", ["ledger", "trail"])), name="seal_source_is_known"
            ),
        ),
        migrations.AddConstraint(
            model_name="dayseal",
            constraint=models.CheckConstraint(
                condition=models.Q(("up_to_id__gte", models.F("after_id"))), name="seal_is_of_rows_in_order"
            ),
        ),
        InstallSQL(__file__, "seals.sql"),
    ]
