"""Two people (rule 7): one asks, another approves, and the database carries it out at that moment or not at all.

What a kind of request does is an SQL function, `carry_out_<kind>` (see `clinics/sql/requests.sql`). It is rehearsed
when it is asked for, so that what can't be done now is refused at once and with the same words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import DatabaseError, IntegrityError, transaction
from django.db.models import Model
from django.utils import timezone
from django.utils.formats import date_format, number_format

from clinics import door
from clinics.models import Clinic, StaffRequest, User

# What the page said: label, how it is, how it will be.
Shown = Sequence[tuple[str, str, str]]

VALID_FOR: Final = timedelta(hours=72)  # for showing; `request_valid_for()` decides
NO_VALUE: Final = "–"
# Its own service (disputes) checks it under the dispute's lock.
NOT_REHEARSED: Final = frozenset({StaffRequest.Kind.DISPUTE_REFUND})


class RequestRefused(Exception):
    """The request can't be made or decided; the text says why, for staff."""


class RequestNotFound(RequestRefused):
    """There is no such request."""


class RequestNotPending(RequestRefused):
    """It was decided, has expired, or is void."""


class RequestBySamePerson(RequestRefused):
    """Who asked can't approve, and nobody decides about themselves."""


class RequestRightMissing(RequestRefused):
    """Who would approve does not have the right to."""


class RequestPendingAlready(RequestRefused):
    """Another request about the same object waits."""


class RequestOutdated(RequestRefused):
    """What it is about has changed since it was made; it has to be asked for anew."""


class RequestImpossible(RequestRefused):
    """The deed itself is refused: too few credits, a gap between tiers, nothing would change …"""


REFUSALS: Final[dict[str, type[RequestRefused]]] = {
    "CC017": RequestBySamePerson,
    "CC019": RequestNotPending,
    "CC020": RequestOutdated,
    "CC023": RequestNotFound,
    "CC026": RequestRightMissing,
}


@dataclass(frozen=True, slots=True)
class Why:
    """Who asks, and why: a code of the closed list, and words."""

    by: User
    reason_code: str
    reason: str


def ask(
    *,
    kind: StaffRequest.Kind,
    object_key: str,
    details: dict[str, Any],
    shown: Shown,
    reason_code: str,
    reason: str,
    by: User,
    clinic: Clinic | None = None,
) -> StaffRequest:
    """One person asks. Raises RequestPendingAlready where another request about `object_key` waits, and what an
    approval would be refused with now."""
    expire()
    try:
        with transaction.atomic():
            request = StaffRequest.objects.create(
                kind=kind,
                object_key=object_key,
                details=details,
                shown=[list(line) for line in shown],
                reason_code=reason_code,
                reason=reason,
                requested_by=by,
                clinic=clinic,
            )
            if kind not in NOT_REHEARSED:
                _decide("rehearse_request", p_request_id=request.pk)
            return request
    except IntegrityError as error:
        if "request_one_pending_per_object" not in str(error):
            raise
        raise RequestPendingAlready("Another request about the same waits for a decision.") from error
    except DatabaseError as error:
        if (refusal := _refusal(error)) is None:
            raise
        raise refusal from error


def ask_change(
    *,
    kind: StaffRequest.Kind,
    object_key: str,
    facts: dict[str, Any],
    row: Model | None,
    after: Mapping[str, Any],
    labels: Mapping[str, str],
    why: Why,
    about: str = "",
) -> StaffRequest:
    """Asks for a row with other values, or for a new one (`row` None). `facts` say which row; `after` has a value for
    each column in `labels`. Shown is what changes. Raises what `ask` raises, RequestImpossible where nothing does."""
    before = None if row is None else {name: getattr(row, name) for name in labels}
    shown = [
        (label, NO_VALUE if before is None else as_text(before[name]), as_text(after[name]))
        for name, label in labels.items()
        if (before is None and after[name] is not None)
        or (before is not None and before[name] != after[name])
    ]
    if not shown:
        raise RequestImpossible("Nothing would change.")
    return ask(
        kind=kind,
        object_key=object_key,
        details={**facts, "before": before and as_details(before), "after": as_details(after)},
        shown=[*([(about, "", "")] if about else []), *shown],
        reason_code=why.reason_code,
        reason=why.reason,
        by=why.by,
    )


def approve(*, request: StaffRequest, by: User, note: str = "") -> StaffRequest:
    """Another person approves: carried out in the same transaction, exactly as it was shown.

    Raises RequestNotPending, RequestBySamePerson, RequestOutdated, RequestNotFound, and RequestImpossible for what the
    deed itself is refused with; nothing changed then.
    """
    return _decided("approve_request", request, by, note)


def reject(*, request: StaffRequest, by: User, note: str) -> StaffRequest:
    """Another person rejects, or who asked withdraws. Raises RequestNotPending."""
    return _decided("reject_request", request, by, note)


def expire() -> int:
    """Ends the requests nobody approved in time; returns how many."""
    return int(door.call("expire_requests").expire_requests)


def expires_at(request: StaffRequest) -> datetime:
    """When it can no longer be approved."""
    return request.requested_at + VALID_FOR


def as_details(values: Mapping[str, Any]) -> dict[str, Any]:
    """As `details` carry it: amounts as text, never as a float; times with their zone."""
    return {
        name: str(value)
        if isinstance(value, Decimal)
        else value.isoformat()
        if isinstance(value, datetime)
        else value
        for name, value in values.items()
    }


def as_text(value: Any) -> str:
    """As `shown` says it to people."""
    if value is None or value == "":
        return NO_VALUE
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        return number_format(value, 2) if value.is_finite() else str(value)
    if isinstance(value, datetime):
        return date_format(timezone.localtime(value), "j M Y H:i")
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value)) or NO_VALUE
    return str(value)


def _decided(function: str, request: StaffRequest, by: User, note: str) -> StaffRequest:
    try:
        row = _decide(function, p_request_id=request.pk, p_by=by.pk, p_note=note)
    except DatabaseError as error:
        if (refusal := _refusal(error)) is None:
            raise
        raise refusal from error
    return StaffRequest.objects.get(pk=row.id)


def _decide(function: str, /, **arguments: Any) -> Any:
    return door.call(function, **arguments)


def _refusal(error: DatabaseError) -> RequestRefused | None:
    """The refusal for people, where it is one of ours (CC…)."""
    state = door.refusal_of(error) or ""
    if not state.startswith("CC"):
        return None
    text = str(error.__cause__.diag.message_primary)  # type: ignore[union-attr]
    return REFUSALS.get(state, RequestImpossible)(f"{text[:1].upper()}{text[1:]}.")
