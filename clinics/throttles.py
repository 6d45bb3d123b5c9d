"""How often somebody may ask: one bucket for each program or person, counted in the database by one statement.

A bucket holds a minute's worth of requests and leaks evenly, so a burst of that many is served at once and from then
on one request for each that has leaked. The count is right across all web processes; one that cannot be written
(a database that only reads for now) keeps nobody from reading.
"""

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from typing import Any, Final

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from clinics.models import ApiToken, Partner

logger = logging.getLogger(__name__)
MINUTE: Final = timedelta(minutes=1)
# A full bucket is left as it is: then no row comes back.
FILL: Final = """
INSERT INTO request_rates AS rate (key, empty_at) VALUES (%(key)s, statement_timestamp() + %(cost)s)
ON CONFLICT (key) DO UPDATE
   SET empty_at = greatest(rate.empty_at, statement_timestamp()) + %(cost)s
 WHERE greatest(rate.empty_at, statement_timestamp()) + %(cost)s <= statement_timestamp() + %(size)s
RETURNING 0
"""
WAIT: Final = """
SELECT extract(epoch FROM empty_at + %(cost)s - %(size)s - statement_timestamp())
  FROM request_rates WHERE key = %(key)s
"""


def seconds_to_wait(key: str, *, per_minute: int, requests: int = 1) -> float:
    """Counts `requests` more of this caller and returns 0; or counts nothing and says when they would fit.

    More than fit in a minute at once count as a minute's worth.
    """
    cost = MINUTE * min(requests, per_minute) / per_minute
    values: dict[str, Any] = {"key": key, "cost": cost, "size": MINUTE}
    # A transaction that somebody has open goes on without the count; outside of one this costs no round trip.
    guard: AbstractContextManager[None] = (
        transaction.atomic() if connection.in_atomic_block else nullcontext()
    )
    try:
        with guard, connection.cursor() as cursor:
            cursor.execute(FILL, values)
            if cursor.fetchone():
                return 0
            cursor.execute(WAIT, values)
            row = cursor.fetchone()
    except DatabaseError as problem:
        logger.warning("A request was not counted: %s", type(problem).__name__)
        return 0
    return max(float(row[0]), 0.001) if row else 0.001


def wait_of_program(token: ApiToken, requests: int = 1) -> float:
    """`seconds_to_wait` of a clinic's token, or of a partner with all its tokens."""
    partner: Partner | None = token.partner
    if partner is None:
        key, own_limit = f"token:{token.digest[:32]}", None
    else:
        key, own_limit = f"partner:{partner.pk}", partner.requests_per_minute
    return seconds_to_wait(key, per_minute=own_limit or settings.API_REQUESTS_PER_MINUTE, requests=requests)


def wait_of_quote(user_id: int | None) -> float:
    """`seconds_to_wait` of somebody who asks for a price, or buys with a promo code, by program or on the page."""
    return seconds_to_wait(f"quotes:{user_id}", per_minute=settings.QUOTES_PER_MINUTE)


class Throttle(BaseThrottle):
    """A subclass says in `seconds` how long this request would have to wait."""

    def seconds(self, request: Request) -> float:
        raise NotImplementedError

    def allow_request(self, request: Request, view: APIView) -> bool:
        self.to_wait = self.seconds(request)
        return not self.to_wait

    def wait(self) -> float:
        return self.to_wait


class ProgramThrottle(Throttle):
    """Programs alone: people at their pages are not counted."""

    def seconds(self, request: Request) -> float:
        token: Any = request.auth
        return wait_of_program(token) if isinstance(token, ApiToken) else 0


class QuoteThrottle(Throttle):
    """Price quotes, and orders with a promo code: whoever asks often enough would find out which codes there are."""

    def seconds(self, request: Request) -> float:
        if request.method == "POST" and not self.has_code(request):
            return 0
        return wait_of_quote(request.user.pk)

    def has_code(self, request: Request) -> bool:
        return isinstance(request.data, Mapping) and bool(request.data.get("promo_code"))
