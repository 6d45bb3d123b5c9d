"""Closes days: seals the rows, matches the gateway, proves the books, and keeps one page of what was found."""

import logging
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django.utils import timezone
from psycopg.types.json import Jsonb

from clinics import door
from clinics.models import User
from credits.gateway import GatewayMisconfigured
from credits.models import DayClosing
from credits.services import seals, verification
from credits.services.closing_figures import figures_of
from credits.services.reconciliation import reconcile

logger = logging.getLogger(__name__)

Progress = Callable[[str], None]


class DayCannotBeClosed(Exception):
    """The day is not over, lies before the first closed one, or was closed or signed off by somebody else."""


def close_days(*, day: date | None, by: User | None, progress: Progress) -> list[DayClosing]:
    """Closes every day up to `day` (the one that ended last) that is not closed yet, in order.

    A day that was closed before is returned as it is; the first closing seals all rows there are. Raises
    DayCannotBeClosed, SealKeyMissing, BooksTooBusy.
    """
    ended = timezone.localdate(door.call("ledger_clock").ledger_clock) - timedelta(days=1)
    wanted = ended if day is None else day
    if wanted > ended:
        raise DayCannotBeClosed(f"{wanted} is not over yet.")
    known = DayClosing.objects.filter(day=wanted, closed_at__isnull=False).first()
    if known is not None:
        return [known]
    days = _days_up_to(wanted)
    seals.present_key()
    found: tuple[dict[str, Any], list[str]] | None = None
    closed = []
    for one in days:
        progress(f"seal of {one}")
        seals.seal(seals.open_closing(one))
        if found is None:
            found = _examine(progress)
        closed.append(_finish(one, by, *found))
    return closed


def sign_off(*, closing: DayClosing, by: User, note: str) -> DayClosing:
    """Somebody of finance has read the page and says what is to be said.

    Raises DayCannotBeClosed where it is done, or `by` has no right to.
    """
    door.call_or_refuse(
        "sign_off_closing", {seals.REFUSED: DayCannotBeClosed}, p_day=closing.day, p_by=by.pk, p_note=note
    )
    return DayClosing.objects.get(pk=closing.pk)


def is_unexplained(closing: DayClosing) -> bool:
    """Something on its page nobody has explained; signing off is the explanation."""
    return bool(closing.unexplained) and closing.signed_off_at is None


def _days_up_to(wanted: date) -> list[date]:
    last = DayClosing.objects.filter(closed_at__isnull=False).order_by("-day").first()
    begun = DayClosing.objects.filter(closed_at__isnull=True).order_by("day").first()
    first = last.day + timedelta(days=1) if last else begun.day if begun else wanted
    if wanted < first:
        raise DayCannotBeClosed(f"{wanted} lies before the first day that was closed.")
    return [first + timedelta(days=number) for number in range((wanted - first).days + 1)]


def _examine(progress: Progress) -> tuple[dict[str, Any], list[str]]:
    """Once for all days that are closed now: what is asked of the gateway and proved is as it is now."""
    unexplained: list[str] = []
    counts: dict[str, int] = {}
    try:
        report = reconcile(settlement_days=[], progress=progress)
        counts, unexplained = report.counts, [f"Reconciliation: {failure}" for failure in report.failures]
    except GatewayMisconfigured as problem:
        unexplained.append(f"The gateway is not set up: {problem}")
    progress("checks")
    with verification.snapshot() as cursor:
        findings = list(verification.verify(cursor))
    for finding in findings:
        if finding.violations:
            examples = ", ".join(map(str, finding.examples))
            words = f"{finding.check}: {finding.violations} ({finding.noun} {examples}) {finding.note}"
            unexplained.append(words.strip())
    checks = [[finding.check, finding.violations] for finding in findings]
    return {"reconciliation": counts, "checks": checks}, unexplained


def _finish(day: date, by: User | None, found: dict[str, Any], unexplained: list[str]) -> DayClosing:
    figures, more = figures_of(day)
    door.call(
        "finish_closing", p_day=day, p_figures=Jsonb({**figures, **found}), p_unexplained=Jsonb([*unexplained, *more]),
        p_by=by and by.pk,
    )  # fmt: skip
    closing = DayClosing.objects.get(day=day)
    # A log leaves this machine: who takes the last seal away here, with its closing and trail, can't take it there.
    logger.info(
        "Day %s closed: seal %s %s, %d unexplained",
        day,
        closing.seal_number,
        closing.seal_digest,
        len(closing.unexplained or []),
    )
    return closing
