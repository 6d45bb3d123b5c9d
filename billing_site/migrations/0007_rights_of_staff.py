"""Who of staff sees and does what with enquiries for review, mails, webhooks, schedules and closed days.

As docs/staff_rights.md lists.
"""

from django.db import migrations

from clinics.migration_operations import GiveRights


class Migration(migrations.Migration):
    dependencies = [
        ("billing_site", "0006_held_decision_rights"),
        ("clinics", "0014_webhook_health"),
        ("leads", "0010_enquiries_for_review"),
        ("credits", "0011_day_seals"),
    ]
    operations = [
        GiveRights(
            {
                "support": (
                    "leads.review_lead",
                    "clinics.view_outgoingmail",
                    "clinics.change_outgoingmail",
                    "clinics.view_webhookendpoint",
                    "clinics.view_webhookdelivery",
                ),
                "resolver": ("leads.review_lead",),
                "finance": (
                    "clinics.view_scheduledrun",
                    "credits.view_dayclosing",
                    "credits.change_dayclosing",
                ),
                "auditor": (
                    "clinics.view_outgoingmail",
                    "clinics.view_webhookendpoint",
                    "clinics.view_webhookdelivery",
                    "clinics.view_scheduledrun",
                    "credits.view_dayclosing",
                ),
                "user admin": ("clinics.view_scheduledrun",),
            }
        ),
    ]
