"""Switches that one person of finance throws at once: charging, top-ups, one clinic. Enquiries are stored meanwhile.

Each is idempotent: thrown again it changes nothing and says so. What was held is tried again afterwards (rule 1).
"""

import logging
from typing import Final

from django.db import OperationalError, transaction
from django.utils import timezone

from clinics import audit
from clinics.models import Clinic
from credits.models import BillingRules, CreditAccount
from credits.services.ledger import BillingService
from leads.models import Lead

logger = logging.getLogger(__name__)

LONGEST_REASON: Final = 200
AT_ONCE: Final = (
    50  # clinics whose held leads are tried here; `release_leads` finds the others within minutes
)


def stop_charging(*, reason: str) -> bool:
    """Every lead is held from now on, at every clinic. False where that was so already."""
    return _throw("charging", "charging_stopped_at", reason, is_stop=True)


def resume_charging(*, reason: str) -> bool:
    """Held leads are released as the rules allow. False where charging was on already."""
    resumed = _throw("charging", "charging_stopped_at", reason, is_stop=False)
    frozen = Lead.objects.held().filter(held_reason=Lead.HeldReason.FROZEN)
    for clinic_id in list(frozen.values_list("clinic_id", flat=True).distinct()[:AT_ONCE]) if resumed else []:
        _release(clinic_id)
    return resumed


def stop_top_ups(*, reason: str) -> bool:
    """No top-up can be started; those that were started can be paid. False where that was so already."""
    return _throw("top-ups", "top_ups_stopped_at", reason, is_stop=True)


def resume_top_ups(*, reason: str) -> bool:
    """False where top-ups were on already."""
    return _throw("top-ups", "top_ups_stopped_at", reason, is_stop=False)


def freeze_clinic(*, clinic: Clinic, reason: str) -> bool:
    """Its leads are held, whatever its balance. False where it was frozen already: the first reason stands."""
    with audit.because(reason), transaction.atomic():
        account = CreditAccount.objects.select_for_update(no_key=True).get(clinic=clinic)
        if account.frozen_at is not None:
            return False
        account.frozen_at, account.frozen_reason = timezone.now(), reason[:LONGEST_REASON]
        account.save(update_fields=["frozen_at", "frozen_reason"])
    logger.warning("Clinic %d frozen: %s", clinic.pk, reason)
    return True


def unfreeze_clinic(*, clinic: Clinic, reason: str) -> bool:
    """The freeze lifts and its held leads are tried again. False where it was not frozen by staff."""
    with audit.because(reason), transaction.atomic():
        account = CreditAccount.objects.select_for_update(no_key=True).get(clinic=clinic)
        if account.frozen_at is None:
            return False
        account.frozen_at, account.frozen_reason = None, ""
        account.save(update_fields=["frozen_at", "frozen_reason"])
    logger.warning("Clinic %d unfrozen: %s", clinic.pk, reason)
    _release(clinic.pk)
    return True


def _throw(what: str, column: str, reason: str, *, is_stop: bool) -> bool:
    now = timezone.now()
    with audit.because(reason), transaction.atomic():
        rules = BillingRules.objects.select_for_update(no_key=True).get()
        if (getattr(rules, column) is not None) is is_stop:
            return False
        BillingRules.objects.update(**{column: now if is_stop else None, "updated_at": now})
    logger.warning("%s %s: %s", what.capitalize(), "stopped" if is_stop else "resumed", reason)
    return True


def _release(clinic_id: int) -> None:
    """After the switch is committed: whoever is busy now is found by the next `release_leads`."""
    try:
        BillingService.release_leads(clinic_id, BillingRules.objects.get().release_batch)
    except OperationalError as problem:
        logger.warning("Held leads of clinic %d wait: %s", clinic_id, type(problem).__name__)
