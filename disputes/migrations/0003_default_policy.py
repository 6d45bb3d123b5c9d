"""The dispute policy a new installation starts with (PRODUCT rule 6)."""

from django.db import migrations

# Reason, accepted, days from delivery, per cent suggested, per cent where a partner sent it, automatic, guidance.
POLICY = [
    ("invalid_contact", True, 7, 100, None, False,
     "The number does not exist, is out of service, or belongs to somebody who never asked."),
    ("duplicate", True, 30, 100, None, True,
     "You paid for the same person twice within 30 days. Where our books show it, the credits come back at once."),
    ("spam", True, 7, 100, None, False, "Advertising, abuse or a robot instead of a patient."),
    ("outside_area", True, 7, 100, None, False, "The patient cannot come to your clinic. Say where they are."),
    ("wrong_treatment", True, 7, 50, 100, False,
     "The patient wants something you do not offer. Half the credits come back; all of them where a partner site sent "
     "the enquiry to the wrong clinic."),
    ("technical_error", True, 30, 100, None, False, "The enquiry reached you broken, empty or twice by a fault of ours."),
    ("not_interested", False, 0, None, None, False,
     "A patient who decides against a treatment was still a patient: this cannot be disputed."),
    ("price_only", False, 0, None, None, False,
     "Asking for the price is how many patients begin: this cannot be disputed."),
    ("other", True, 7, None, None, False, "Tell us what happened; a person will read it."),
]  # fmt: skip


def install_policy(apps, schema_editor):
    policies = apps.get_model("disputes", "DisputePolicy").objects.using(schema_editor.connection.alias)
    for position, row in enumerate(POLICY, start=1):
        reason, accepted, days, percent, partner_percent, automatic, guidance = row
        policies.create(
            dispute_type=reason,
            position=position,
            is_accepted=accepted,
            window_days=days,
            suggested_percent=percent,
            partner_percent=partner_percent,
            is_automatic=automatic,
            guidance=guidance,
        )


def remove_policy(apps, schema_editor):
    apps.get_model("disputes", "DisputePolicy").objects.using(schema_editor.connection.alias).all().delete()


class Migration(migrations.Migration):
    dependencies = [("disputes", "0002_disputes_sql")]
    operations = [migrations.RunPython(install_policy, remove_policy)]
