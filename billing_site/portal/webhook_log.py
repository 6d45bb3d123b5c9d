"""What was sent to one endpoint, newest first, in words."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.utils.translation import gettext as _

from billing_site.outbox.webhook_events import type_name
from billing_site.outbox.webhook_problems import Problem, in_words
from clinics.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint

PAGE_SIZE: Final = 20
MOST_ATTEMPTS_SHOWN: Final = 12  # all of one run; those of earlier runs before a replay are older


@dataclass(frozen=True, slots=True)
class Try:
    started_at: datetime
    answer: str
    milliseconds: int


@dataclass(frozen=True, slots=True)
class Line:
    """One event. `tone` is the pill's; `next_at`: when one that failed is tried again."""

    delivery: WebhookDelivery
    event_id: str
    type: str
    state: str
    tone: str
    problem: str
    can_be_sent_again: bool
    next_at: datetime | None
    tries: list[Try]


@dataclass(frozen=True, slots=True)
class Log:
    lines: list[Line]
    next_before: int | None


def log_of(endpoint: WebhookEndpoint, *, before: int | None) -> Log:
    """A page of it, by the number of the notice: those further back cost as little as the first."""
    found = WebhookDelivery.objects.filter(endpoint=endpoint).select_related("notice").order_by("-notice_id")
    if before is not None:
        found = found.filter(notice_id__lt=before)
    rows = list(found[: PAGE_SIZE + 1])
    shown = rows[:PAGE_SIZE]
    tries: dict[int, list[WebhookAttempt]] = {}
    for attempt in WebhookAttempt.objects.filter(delivery__in=[row.pk for row in shown]).order_by("-pk"):
        tries.setdefault(attempt.delivery_id, []).append(attempt)
    lines = [_line(row, tries.get(row.pk, [])) for row in shown]
    return Log(lines, shown[-1].notice_id if len(rows) > PAGE_SIZE else None)


def _line(delivery: WebhookDelivery, attempts: list[WebhookAttempt]) -> Line:
    is_open = delivery.done_at is None and delivery.given_up_at is None
    status = attempts[0].status_code if attempts else None
    state, tone = _state(delivery)
    return Line(
        delivery=delivery,
        event_id=str(delivery.notice.event_id),
        type=type_name(delivery.notice.kind),
        state=state,
        tone=tone,
        problem=in_words(delivery.problem, status) if delivery.problem else "",
        # Not what nobody waited for: an owner stopped it then.
        can_be_sent_again=delivery.given_up_at is not None or (not is_open and bool(attempts)),
        next_at=delivery.due_at if is_open and delivery.problem else None,
        tries=[_try(attempt) for attempt in attempts[:MOST_ATTEMPTS_SHOWN]],
    )


def _state(delivery: WebhookDelivery) -> tuple[str, str]:
    if delivery.given_up_at is not None:
        return (_("Not sent") if delivery.problem == Problem.STOPPED else _("Given up")), "held"
    if delivery.done_at is not None:
        return (_("Not sent"), "plain") if delivery.problem else (_("Arrived"), "delivered")
    return (_("Will be tried again"), "held") if delivery.problem else (_("Waiting"), "free")


def _try(attempt: WebhookAttempt) -> Try:
    if attempt.problem:
        answer = in_words(attempt.problem, attempt.status_code)
    else:
        answer = _("It answered %(status)d.") % {"status": attempt.status_code}
    return Try(attempt.started_at, answer, attempt.milliseconds)
