"""Staff release or refuse enquiries in review, with a reason; releasing visits only clinics where something changes."""

from django.db import migrations, models

from clinics.migration_operations import InstallSQL

REASONS = [
    ("genuine", "Reads like a patient's own enquiry"),
    ("shared_address", "Many people share the address"),
    ("clinic_asked", "The clinic asked for it"),
    ("scripted", "Sent by a script"),
    ("nonsense", "Nonsense or advertising"),
    ("repeated", "The same enquiry again"),
    ("test", "Somebody's test"),
]


class Migration(migrations.Migration):
    dependencies = [("credits", "0009_withdrawals_told"), ("leads", "0010_enquiries_for_review")]

    operations = [
        migrations.AddField(
            "heldleaddecision",
            "reason_code",
            models.CharField(
                blank=True,
                choices=REASONS,
                db_default="",
                help_text="Given by staff alone.",
                max_length=20,
                verbose_name="why",
            ),
        ),
        migrations.AddConstraint(
            "heldleaddecision",
            models.CheckConstraint(
                condition=models.Q(
                    ("reason_code", ""),
                    models.Q(
                        ("action", "release"),
                        ("reason_code__in", ["genuine", "shared_address", "clinic_asked"]),
                    ),
                    models.Q(
                        ("action", "refuse"),
                        ("reason_code__in", ["scripted", "nonsense", "repeated", "test", "clinic_asked"]),
                    ),
                    _connector="OR",
                ),
                name="held_decision_reason_fits_its_action",
            ),
        ),
        InstallSQL(
            __file__,
            "door.sql",
            "delivery.sql",
            "release.sql",
            "due.sql",
            "held.sql",
            replaces=(
                "held_lead_decided(leads, text, bigint, timestamptz)",
                "release_lead(bigint, bigint)",
                "refuse_lead(bigint, bigint)",
            ),
        ),
    ]
