"""What helps staff to judge an enquiry held for review, the right to decide on one, and a count that is never too low."""

import django.db.models.deletion
from django.db import migrations, models

from clinics.migration_operations import InstallSQL


class Migration(migrations.Migration):
    dependencies = [("leads", "0009_leads_by_delivery")]

    operations = [
        migrations.CreateModel(
            name="ReviewFacts",
            fields=[
                (
                    "lead",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        related_name="review_facts",
                        serialize=False,
                        to="leads.lead",
                    ),
                ),
                ("address_hmac", models.BinaryField(blank=True, max_length=32, null=True)),
                (
                    "in_last_hour",
                    models.PositiveIntegerField(
                        blank=True,
                        help_text="Enquiries from its address in the hour up to it; empty: not counted.",
                        null=True,
                    ),
                ),
                ("honeypot_filled", models.BooleanField()),
            ],
            options={"db_table": "lead_review_facts"},
        ),
        migrations.AddIndex(
            "reviewfacts",
            models.Index(
                condition=models.Q(("address_hmac__isnull", False)),
                fields=["address_hmac"],
                name="review_facts_address",
            ),
        ),
        migrations.AlterModelOptions(
            name="lead",
            options={"permissions": [("review_lead", "Can release or refuse enquiries held for review")]},
        ),
        InstallSQL(__file__, "guards.sql"),
    ]
