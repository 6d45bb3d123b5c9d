"""Calls the endpoints of what is due: at least once each, and those of one lead one after the other.

A claim is committed before its request leaves, the request is made by a thread that knows no database, and what came
of it is written here, in the main thread. Who dies in between leaves the delivery due again when its lease ends.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.utils import timezone

from billing_site.outbox.webhook_calls import DEADLINE, Call, Outcome, make
from billing_site.outbox.webhook_events import call_for, test_call_for
from billing_site.outbox.webhook_problems import BY_OURSELVES, Problem
from billing_site.problems import place_of
from clinics.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from clinics.services import webhooks as endpoints
from clinics.stored_secrets import SecretUnreadable

logger = logging.getLogger(__name__)

AT_ONCE: Final = 8
FOR_FAILING: Final = AT_ONCE // 2  # the other half is kept for endpoints that answer
DEADLINE_OF_A_TEST: Final = 3.0  # seconds
LEASE: Final = timedelta(seconds=60)  # well above the deadline of a call
LONGEST_ROUND: Final = (
    60.0  # seconds; what is still due then is the next round's, and so are the ones that failed
)
WAITS: Final = tuple(
    timedelta(minutes=minutes) for minutes in (1 / 6, 1, 5, 15, 30, 60, 2 * 60, 4 * 60, 8 * 60, 8 * 60)
)  # 10 seconds to a day in all
LONGEST_RETRY_AFTER: Final = timedelta(hours=4)

# For each endpoint that listens, what is due there next: nothing that an earlier open one of its lead stands before.
# Another sender may see the same ones: `claim` gives each to one.
DUE: Final = """
SELECT next.id, endpoint.id, endpoint.clinic_id, endpoint.failing_since IS NOT NULL
  FROM webhook_endpoints endpoint
  JOIN clinics clinic ON clinic.id = endpoint.clinic_id AND clinic.is_active
 CROSS JOIN LATERAL (
       SELECT delivery.id, delivery.due_at
         FROM webhook_deliveries delivery
        WHERE delivery.endpoint_id = endpoint.id AND delivery.done_at IS NULL AND delivery.given_up_at IS NULL
          AND delivery.due_at <= statement_timestamp()
          AND NOT EXISTS (
              SELECT FROM webhook_deliveries earlier
               WHERE earlier.endpoint_id = delivery.endpoint_id AND earlier.lead_id = delivery.lead_id
                 AND earlier.notice_id < delivery.notice_id
                 AND earlier.done_at IS NULL AND earlier.given_up_at IS NULL)
        ORDER BY delivery.due_at, delivery.id LIMIT 1) AS next
 WHERE endpoint.removed_at IS NULL AND endpoint.stopped_at IS NULL AND endpoint.id <> ALL(%(but)s)
   AND (endpoint.rests_until IS NULL OR endpoint.rests_until <= statement_timestamp())
 ORDER BY next.due_at, next.id
"""


@dataclass(frozen=True, slots=True)
class Due:
    delivery: int
    endpoint: int
    clinic: int
    is_failing: bool


@dataclass(slots=True)
class Sent:
    """A request on its way."""

    delivery: WebhookDelivery
    is_failing: bool
    started_at: datetime


@dataclass(slots=True)
class Round:
    """One endpoint gets one request at a time, and none any more once it has failed: a dead one costs one time-out.

    `served` adds up, for each clinic, the seconds that its requests kept a thread, of those on their way the most they
    can take; the clinic with the least comes next. By their number, a slow server would make all others as slow.
    """

    until: float
    on_the_way: "dict[Future[Outcome], Sent]" = field(default_factory=dict)
    failed: set[int] = field(default_factory=set)
    served: defaultdict[int, float] = field(default_factory=lambda: defaultdict(float))
    succeeded: int = 0

    def run(self) -> int:
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="webhook") as pool:
            while True:
                if time.monotonic() < self.until:
                    self.send_more(pool)
                if not self.on_the_way:
                    return self.succeeded
                self.take_in(wait(self.on_the_way, return_when=FIRST_COMPLETED).done)

    def send_more(self, pool: ThreadPoolExecutor) -> None:
        free = AT_ONCE - len(self.on_the_way)
        while free and (chosen := self.choose(self.due(), free)):
            for delivery in claim([one.delivery for one in chosen.values()]):
                self.served[delivery.endpoint.clinic_id] += DEADLINE
                self.send(pool, delivery, is_failing=chosen[delivery.endpoint_id].is_failing)
            if len(self.on_the_way) == AT_ONCE - free:
                return  # others were quicker with all of them
            free = AT_ONCE - len(self.on_the_way)

    def due(self) -> list[Due]:
        busy = {sent.delivery.endpoint_id for sent in self.on_the_way.values()}
        with connection.cursor() as cursor:
            cursor.execute(DUE, {"but": list(self.failed | busy)})
            return [Due(*row) for row in cursor.fetchall()]

    def choose(self, due: Sequence[Due], free: int) -> dict[int, Due]:
        """Who gets the free threads, by endpoint."""
        served = self.served.copy()
        failing = FOR_FAILING - sum(sent.is_failing for sent in self.on_the_way.values())
        chosen: dict[int, Due] = {}
        waiting = list(due)
        while waiting and len(chosen) < free:
            next_one = min(waiting, key=lambda one: served[one.clinic])  # among equals, the longest due
            waiting.remove(next_one)
            if next_one.is_failing and failing <= 0:
                continue
            failing -= next_one.is_failing
            served[next_one.clinic] += DEADLINE
            chosen[next_one.endpoint] = next_one
        return chosen

    def send(self, pool: ThreadPoolExecutor, delivery: WebhookDelivery, *, is_failing: bool) -> None:
        sent = Sent(delivery, is_failing, timezone.now())
        try:
            call = call_for(delivery)
        except SecretUnreadable:
            self.keep(sent, Outcome(0, Problem.SECRET_LOST))
        except Exception as problem:  # a row nobody thought of: it must not keep the others from being sent
            self.keep(sent, ours(problem, delivery))
        else:
            self.on_the_way[pool.submit(make, call)] = sent

    def take_in(self, done: "set[Future[Outcome]]") -> None:
        for future in done:
            sent = self.on_the_way.pop(future)
            problem = future.exception()
            self.keep(sent, ours(problem, sent.delivery) if problem else future.result())

    def keep(self, sent: Sent, outcome: Outcome) -> None:
        """What can't be written is sent again when its lease ends; what came of the others is still kept."""
        self.served[sent.delivery.endpoint.clinic_id] -= DEADLINE - outcome.milliseconds / 1000
        try:
            keep(sent.delivery, outcome, started_at=sent.started_at)
        except Exception as problem:
            outcome = ours(problem, sent.delivery)
        if outcome.succeeded:
            self.succeeded += 1
        else:
            self.failed.add(sent.delivery.endpoint_id)


def send_due_webhooks() -> int:
    """Sends what is due, at most for about a minute, and says how many endpoints took theirs."""
    endpoints.forget_old_secrets()
    endpoints.drop_what_nobody_waits_for(WebhookDelivery.objects.all())
    return Round(time.monotonic() + LONGEST_ROUND).run()


def send_test(endpoint: WebhookEndpoint) -> Outcome:
    """A signed `test.ping`, now; it is no event, so nothing is stored. Somebody waits: not within a transaction."""
    try:
        call: Call = test_call_for(endpoint)
    except SecretUnreadable:
        return Outcome(0, Problem.SECRET_LOST)
    return make(call, deadline=DEADLINE_OF_A_TEST)


def ours(problem: BaseException, delivery: WebhookDelivery) -> Outcome:
    kind, place = type(problem).__name__, place_of(problem)
    logger.error("Webhook delivery %d failed: %s at %s", delivery.pk, kind, place)
    return Outcome(0, Problem.OURS)


def claim(ids: Sequence[int]) -> list[WebhookDelivery]:
    chosen = WebhookDelivery.objects.filter(pk__in=ids).select_related("endpoint", "notice")
    return chosen.claim(most=len(ids), lease=LEASE)


@transaction.atomic
def keep(delivery: WebhookDelivery, outcome: Outcome, *, started_at: datetime) -> None:
    """The attempt for the log, what becomes of the delivery, how the endpoint does: a failure of ours counts for
    nothing there, and is said only where its owner can end it (a lost secret)."""
    # The endpoint first, as its owner's pages do: each waits for the other's whole change, not for half of it.
    endpoint = WebhookEndpoint.objects.select_for_update(of=("self",)).get(pk=delivery.endpoint_id)
    WebhookAttempt.objects.create(
        delivery=delivery,
        started_at=started_at,
        milliseconds=outcome.milliseconds,
        status_code=outcome.status,
        problem=outcome.problem,
    )
    if outcome.succeeded:
        delivery.finish()
        endpoints.note_success(endpoint=endpoint)
        return
    delivery.put_off(outcome.problem, waits=waits_after(outcome, tries=delivery.tries))
    if outcome.problem == Problem.OURS:
        return
    counts = outcome.problem not in BY_OURSELVES
    endpoints.note_failure(
        endpoint=endpoint,
        problem=outcome.problem,
        status=outcome.status,
        rest=rest_asked_for(outcome),
        counts=counts,
    )
    if outcome.problem == Problem.GONE:
        endpoints.stop_by_itself(endpoint=endpoint, because=WebhookEndpoint.StoppedBecause.GONE)
    elif delivery.given_up_at is not None and counts:
        endpoints.tried_in_vain(endpoint=endpoint)


def rest_asked_for(outcome: Outcome) -> timedelta | None:
    """By a busy server, of all its calls; within bounds."""
    if outcome.status not in (429, 503) or outcome.retry_after is None:
        return None
    return min(timedelta(seconds=min(outcome.retry_after, 10**7)), LONGEST_RETRY_AFTER)


def waits_after(outcome: Outcome, *, tries: int) -> list[timedelta]:
    """WAITS, with the one after this try no shorter than a busy endpoint asked for."""
    waits, rest = list(WAITS), rest_asked_for(outcome)
    if rest is not None and tries <= len(waits):
        waits[tries - 1] = max(waits[tries - 1], rest / 0.9)  # what jitter takes off is put on before
    return waits
