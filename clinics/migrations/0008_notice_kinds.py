"""Notices about money and limits."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("clinics", "0007_owners"),
    ]

    operations = [
        migrations.AlterField(
            model_name="alertpreference",
            name="kind",
            field=models.CharField(
                choices=[
                    ("lead_delivered", "Lead delivered"),
                    ("lead_held", "Lead held"),
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
        migrations.AlterField(
            model_name="notice",
            name="kind",
            field=models.CharField(
                choices=[
                    ("lead_delivered", "Lead delivered"),
                    ("lead_held", "Lead held"),
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
    ]
