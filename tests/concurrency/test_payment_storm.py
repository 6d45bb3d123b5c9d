"""Payments told by everybody at once, over and over, to a real server: each is credited exactly once.

PAYMENT_STORM=full runs the sizes of the product's promise: 1,000 orders, 2,000 events.
"""

import json
import os
import random
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from functools import partial
from typing import Any, Final

import pytest
import requests
from django.db import connection
from django.db.models import Sum
from django.test import Client
from django.utils import timezone

from billing_site.razorpay_sandbox import RunningSandbox
from credits.gateway import Gateway
from credits.models import CreditAccount, CreditTransaction, GatewayEvent, Reversal, ReviewItem, TopUp
from credits.services.payments import apply_payment
from credits.services.reconciliation import reconcile
from tests.concurrency.books import assert_books_are_right
from tests.credits.payments.conftest import sandbox as sandbox  # noqa: PLC0414 - the fixture
from tests.credits.payments.processes import web_server
from tests.credits.payments.shop import WEBHOOK, member, signed
from tests.factories import ClinicFactory

pytestmark = pytest.mark.django_db(transaction=True)
FULL: Final = os.environ.get("PAYMENT_STORM") == "full"
ORDERS: Final = 1000 if FULL else 60
EVENTS: Final = 2000 if FULL else 100
MOST_TIMES: Final = 70 if FULL else 25
CLINICS: Final = 8
THREADS: Final = 12


class Crowd:
    """Many callers, each with its own connections to the server and the database."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.own = threading.local()
        self.statuses: Counter[int] = Counter()
        self.lock = threading.Lock()

    @property
    def http(self) -> requests.Session:
        if not hasattr(self.own, "http"):
            self.own.http = requests.Session()
        session: requests.Session = self.own.http
        return session

    def post(self, path: str, raw: bytes, headers: dict[str, str]) -> requests.Response:
        answer = self.http.post(
            f"{self.address}{path}",
            data=raw,
            headers={"Content-Type": "application/json", **headers},
            timeout=180,
        )
        with self.lock:
            self.statuses[answer.status_code] += 1
        return answer

    def webhook(self, raw: bytes, event_id: str) -> None:
        self.post(WEBHOOK, raw, {"X-Razorpay-Signature": signed(raw), "X-Razorpay-Event-Id": event_id})

    def run(self, jobs: Iterable[Callable[[], Any]]) -> list[Any]:
        """All jobs by twelve threads, in the order given; any failure ends the test."""

        def done(job: Callable[[], Any]) -> Any:
            try:
                return job()
            finally:
                connection.close()

        with ThreadPoolExecutor(THREADS) as pool:
            return list(pool.map(done, jobs))


class Buyer:
    """An owner in a browser."""

    def __init__(self, crowd: Crowd) -> None:
        clinic = ClinicFactory.create()
        client = Client()
        client.force_login(member(clinic, "owner"))
        token = "c" * 32
        cookies = f"sessionid={client.cookies['sessionid'].value}; csrftoken={token}"
        self.crowd, self.clinic = crowd, clinic
        self.headers = {"Cookie": cookies, "X-CSRFToken": token}

    def buy(self, amount: int) -> str:
        answer = self.crowd.post("/create-razorpay-order", f'{{"amount":{amount}}}'.encode(), self.headers)
        return str(answer.json()["order_id"])

    def callback(self, outcome: dict[str, Any]) -> None:
        self.crowd.post("/verify-payment", json.dumps(outcome["response"]).encode(), self.headers)


def reconcile_one(order_id: str) -> None:
    """What reconciliation does about one open top-up."""
    with Gateway() as gateway:
        for entity in gateway.order_payments(order_id):
            apply_payment(entity, source="reconciliation")


def captured_paise(sandbox: RunningSandbox) -> int:
    return sum(payment.amount for payment in sandbox.sandbox.state.payments.values() if payment.captured)


def credited() -> tuple[int, int]:
    """How many credits of top-ups, and their sum in paise."""
    rows = CreditTransaction.objects.filter(transaction_type="credit")
    return rows.count(), int((rows.aggregate(sum=Sum("amount"))["sum"] or Decimal(0)) * 100)


def test_every_path_at_once_credits_each_order_exactly_once(sandbox: RunningSandbox) -> None:
    rng = random.Random(ORDERS)  # noqa: S311
    with web_server() as address:
        crowd = Crowd(address)
        buyers = [Buyer(crowd) for _ in range(CLINICS)]
        who = [buyers[number % CLINICS] for number in range(ORDERS)]
        orders = crowd.run([partial(buyer.buy, rng.randrange(1000, 5000)) for buyer in who])
        outcomes = [sandbox.control("pay", order_id=order_id, vpa="success@razorpay") for order_id in orders]
        events = list(sandbox.sandbox.state.events.values())
        assert len(events) == 3 * ORDERS
        TopUp.objects.update(next_check_at=timezone.now())
        jobs: list[Callable[[], Any]] = []
        for number in rng.sample(range(ORDERS), ORDERS):  # what is told of one order is told at one moment
            told = events[3 * number : 3 * number + 3]
            of_order: list[Callable[[], Any]] = [
                *(partial(crowd.webhook, event.body.encode(), event.id) for event in told),
                partial(who[number].callback, outcomes[number]),
                *[partial(reconcile_one, orders[number])] * 2,
            ]
            jobs += rng.sample(of_order, len(of_order))
        jobs[:0] = [lambda: reconcile(settlement_days=[], progress=lambda _: None)] * 2
        crowd.run(jobs)

    assert set(crowd.statuses) == {200}
    assert sum(crowd.statuses.values()) == 5 * ORDERS
    assert credited() == (ORDERS, captured_paise(sandbox))
    assert set(TopUp.objects.values_list("state", flat=True)) == {"paid"}
    assert CreditAccount.objects.aggregate(sum=Sum("balance"))["sum"] * 100 == captured_paise(sandbox)
    assert GatewayEvent.objects.filter(outcome="applied").count() == 3 * ORDERS
    assert ReviewItem.objects.count() == 0
    assert_books_are_right()


def test_every_event_many_times_in_any_order_counts_once(sandbox: RunningSandbox) -> None:
    rng = random.Random(EVENTS)  # noqa: S311
    state = sandbox.sandbox.state
    with web_server() as address:
        crowd = Crowd(address)
        buyers = [Buyer(crowd) for _ in range(CLINICS)]
        needed = EVENTS // 5 + 1
        orders = crowd.run([partial(buyers[number % CLINICS].buy, 1000) for number in range(needed)])
        make_events(sandbox, orders, rng)
        events = list(state.events.values())[:EVENTS]
        assert len(events) == EVENTS
        copies = [event for event in events for _ in range(rng.randint(5, MOST_TIMES))]
        rng.shuffle(copies)
        crowd.run([partial(crowd.webhook, event.body.encode(), event.id) for event in copies])

    told = {event.body for event in events}
    assert set(crowd.statuses) == {200}
    assert sum(crowd.statuses.values()) == len(copies) + needed
    captures = [payment for payment in state.payments.values() if any(payment.id in body for body in told)]
    assert credited() == (len(captures), sum(payment.amount for payment in captures))
    lost = sum(refund.amount for refund in state.refunds.values() if any(refund.id in body for body in told))
    lost += sum(
        dispute.amount
        for dispute in state.disputes.values()
        if dispute.status != "won" and any(dispute.id in body for body in told)
    )
    left = CreditAccount.objects.aggregate(sum=Sum("balance"))["sum"] * 100
    assert left == sum(payment.amount for payment in captures) - lost
    taken = Reversal.objects.filter(state="taken").aggregate(sum=Sum("paid_share"))["sum"] or Decimal(0)
    assert taken * 100 == lost
    assert GatewayEvent.objects.filter(processed_at__isnull=True).count() == 0
    assert GatewayEvent.objects.aggregate(sum=Sum("deliveries"))["sum"] == len(copies)
    assert_books_are_right()


def make_events(sandbox: RunningSandbox, orders: list[str], rng: random.Random) -> None:
    """Paid, and of some a part refunded or disputed, won or lost: about five events an order."""
    for order_id in orders:
        payment_id = sandbox.control("pay", order_id=order_id)["payment_id"]
        for _ in range(rng.randrange(3)):
            sandbox.control("dashboard_refund", payment_id=payment_id, amount=rng.randrange(100, 30_000))
        if rng.random() < 0.4:
            amount = rng.randrange(30_000, 40_000)
            sandbox.control("dispute", payment_id=payment_id, event="created", amount=amount)
            sandbox.control("dispute", payment_id=payment_id, event=rng.choice(["won", "lost"]))
