"""`manage.py release_leads`: tries held leads again (PRODUCT rule 1), or one of them, by hand."""

from argparse import ArgumentParser
from collections.abc import Iterable
from typing import Any

from django.core.management.base import CommandError
from django.db import OperationalError

from credits.management.clinic_command import ClinicCommand, is_busy
from credits.models import BillingRules
from credits.services.ledger import BillingService, LeadNotFound
from leads.models import Lead


class Command(ClinicCommand):
    help = (
        "Tries the held leads that release by themselves, oldest first; rules and prices are as at arrival. "
        "With --lead one lead of any age, also from review. Exits 1 if an account was busy."
    )
    summary = "Released {done} held leads at {clinics} clinics."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--lead", type=int, metavar="ID", help="this one, as a person releases it")

    def handle(self, *args: Any, clinic: str | None, **options: Any) -> None:
        lead: int | None = options["lead"]
        if lead is None:
            super().handle(*args, clinic=clinic, **options)
        elif clinic is not None:
            raise CommandError("--lead needs no --clinic.")
        else:
            self.stdout.write(release_by_hand(lead))

    def due_clinics(self) -> Iterable[int]:
        """Not each clinic with held leads: those that nothing can be done for are left alone."""
        return BillingService.clinics_to_release()

    def treat(self, clinic_id: int) -> int:
        """In batches, each a transaction, so that a long queue does not lock the account for long."""
        batch = BillingRules.objects.get().release_batch
        released = BillingService.release_leads(clinic_id, batch)
        total = released
        while released >= batch:
            released = BillingService.release_leads(clinic_id, batch)
            total += released
        return total


def release_by_hand(lead_id: int) -> str:
    """What became of the lead, in a sentence. Raises CommandError where it is not there or its account is busy."""
    was_held = Lead.objects.held().filter(pk=lead_id).exists()
    try:
        delivery = BillingService.release_lead(lead_id)
    except LeadNotFound as error:
        raise CommandError(f"There is no lead {lead_id}.") from error
    except OperationalError as error:
        if not is_busy(error):
            raise
        raise CommandError(f"The account of lead {lead_id} is busy: try again.") from error
    if not was_held:
        return f"Lead {lead_id} was not held: it is {delivery.delivery_state}."
    match delivery.delivery_state:
        case "delivered":
            return f"Lead {lead_id} is delivered, for {delivery.cost} credits."
        case "free":
            return f"Lead {lead_id} is free: it repeats one that was charged."
        case _:
            reason = Lead.HeldReason(delivery.held_reason)
            return f"Lead {lead_id} stays held: {reason.value} ({reason.label})."
