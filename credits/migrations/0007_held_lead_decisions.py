"""Held leads released by hand, of any age, and who released or refused them."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [
        ("credits", "0006_audit"),
        ("leads", "0006_leads_by_time"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="HeldLeadDecision",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "action",
                    models.CharField(choices=[("release", "Released"), ("refuse", "Refused")], max_length=10),
                ),
                (
                    "held_reason",
                    models.CharField(
                        choices=[
                            ("review", "Waits for a check"),
                            ("frozen", "Delivery is frozen"),
                            ("paused", "Delivery is paused"),
                            ("budget", "Above your budget"),
                            ("no_credits", "Not enough credits"),
                            ("busy", "Being processed"),
                        ],
                        max_length=12,
                    ),
                ),
                (
                    "delivery_state",
                    models.CharField(
                        choices=[
                            ("delivered", "Delivered"),
                            ("free", "Free"),
                            ("held", "Held"),
                            ("expired", "Expired"),
                        ],
                        max_length=10,
                    ),
                ),
                (
                    "still_held_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("review", "Waits for a check"),
                            ("frozen", "Delivery is frozen"),
                            ("paused", "Delivery is paused"),
                            ("budget", "Above your budget"),
                            ("no_credits", "Not enough credits"),
                            ("busy", "Being processed"),
                        ],
                        max_length=12,
                    ),
                ),
                ("decided_at", models.DateTimeField()),
                (
                    "decided_by",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "lead",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="held_decisions",
                        to="leads.lead",
                    ),
                ),
            ],
            options={
                "db_table": "held_lead_decisions",
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("action__in", ["release", "refuse"])),
                        name="held_decision_action_is_known",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("action", "refuse"), ("delivery_state", "expired")),
                            models.Q(
                                ("action", "release"), ("delivery_state__in", ["delivered", "free", "held"])
                            ),
                            _connector="OR",
                        ),
                        name="held_decision_fits_its_outcome",
                    ),
                ],
            },
        ),
        InstallSQL(
            __file__,
            "delivery.sql",
            "events.sql",
            "held.sql",
            replaces=(
                "delivery_release(credit_accounts, integer)",
                "release_lead(bigint)",
                "refuse_lead(bigint)",
            ),
        ),
    ]
