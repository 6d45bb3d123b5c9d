"""A clinic that buys credits: our routes on one side, the sandbox on the other, and time that can pass."""

import hashlib
import hmac
import itertools
import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from typing import Any

from django.core.management import call_command
from django.test import Client

from billing_site.razorpay_sandbox import KEY_SECRET, WEBHOOK_SECRET, RunningSandbox
from billing_site.razorpay_sandbox.state import Event
from clinics.models import Clinic, Membership, StaffRequest, User
from clinics.requests import Why, approve
from credits.models import CreditAccount, CreditTransaction, Reversal, ReviewItem, TopUp
from credits.services.requests import ask_cash_refund
from tests import factories

WEBHOOK = "/razorpay/webhook"
NUMBERS = itertools.count(1)


class Shop:
    """`order` and `callback` are what a browser does; `pay` is the customer at the gateway."""

    def __init__(self, sandbox: RunningSandbox, clinic: Clinic, client: Client) -> None:
        self.sandbox, self.clinic, self.client = sandbox, clinic, client
        self.offset = timedelta()

    # --- our routes -------------------------------------------------------------------------------
    def ask(self, path: str, body: Any, **headers: str) -> Any:
        return self.client.post(path, data=json.dumps(body), content_type="application/json", headers=headers)

    def order(self, amount: int = 1000, **fields: Any) -> TopUp:
        response = self.ask("/create-razorpay-order", {"amount": amount, **fields})
        assert response.status_code == 200, response.content
        return TopUp.objects.get(pk=json.loads(response.content)["top_up"])

    def callback(self, outcome: dict[str, Any], **changed: Any) -> Any:
        """What the page posts after paying; `outcome` is what `pay` returned."""
        return self.ask("/verify-payment", {**outcome["response"], **changed})

    def poll(self, top_up: TopUp) -> dict[str, Any]:
        answer: dict[str, Any] = self.client.get(f"/payment-success?top_up={top_up.pk}").json()
        return answer

    def post(
        self,
        event: Event | bytes | dict[str, Any],
        *,
        event_id: str | None = None,
        secret: str = WEBHOOK_SECRET,
    ) -> Any:
        """A webhook, signed as the gateway signs it."""
        if isinstance(event, Event):
            raw, event_id = event.body.encode(), event_id or event.id
        else:
            raw = event if isinstance(event, bytes) else json.dumps(event).encode()
        headers = {"X-Razorpay-Signature": signed(raw, secret)}
        if event_id is not None:
            headers["X-Razorpay-Event-Id"] = event_id
        return self.client.post(WEBHOOK, data=raw, content_type="application/json", headers=headers)

    def post_all(self) -> None:
        """Every event that has happened so far, in order."""
        for event in self.events():
            assert self.post(event).status_code == 200

    def reconcile(self, *options: str) -> tuple[int, str]:
        """Exit code, and what the command printed."""
        printed = StringIO()
        try:
            call_command("reconcile_payments", *options, stdout=printed, stderr=printed)
        except SystemExit as end:
            return int(end.code or 0), printed.getvalue()
        return 0, printed.getvalue()

    # --- the gateway ------------------------------------------------------------------------------
    def pay(self, top_up: TopUp, vpa: str = "success@razorpay", **choice: Any) -> dict[str, Any]:
        choice = {"vpa": vpa, **choice}
        return self.sandbox.control("pay", order_id=top_up.razorpay_order_id, **choice)

    def paid(self, amount: int = 1000, **choice: Any) -> TopUp:
        """A top-up that was paid, and its callback heard."""
        top_up = self.order(amount)
        assert self.callback(self.pay(top_up, **choice)).status_code == 200
        top_up.refresh_from_db()
        return top_up

    def refund(self, top_up: TopUp, paise: int | None = None) -> dict[str, Any]:
        """Made in the gateway's dashboard."""
        amount = {} if paise is None else {"amount": paise}
        return self.sandbox.control("dashboard_refund", payment_id=top_up.razorpay_payment_id, **amount)

    def dispute(self, top_up: TopUp, event: str, **fields: Any) -> dict[str, Any]:
        return self.sandbox.control("dispute", payment_id=top_up.razorpay_payment_id, event=event, **fields)

    def events(self, name: str = "") -> list[Event]:
        return [event for event in self.sandbox.sandbox.state.events.values() if name in ("", event.name)]

    def event(self, name: str) -> Event:
        """The last of that name."""
        return self.events(name)[-1]

    def fault(self, match: str, do: Any, times: int = 1) -> None:
        self.sandbox.control("faults", match=match, times=times, do=do)

    def orders(self) -> list[Any]:
        return list(self.sandbox.sandbox.state.orders.values())

    # --- time and books ---------------------------------------------------------------------------
    def later(self, **delta: float) -> None:
        """So much time passes for the product; the sandbox has a clock of its own (`advance`)."""
        self.offset += timedelta(**delta)

    def balance(self) -> Any:
        """A Decimal, as `owed`; loosely typed, since tests compare it with whole numbers in tuples."""
        return CreditAccount.objects.get(clinic=self.clinic).balance

    def owed(self) -> Any:
        return CreditAccount.objects.get(clinic=self.clinic).owed

    def credits(self) -> int:
        return CreditTransaction.objects.filter(transaction_type="credit").count()

    def books(self) -> tuple[str, str, str, str, str]:
        """What must not depend on the order of events: balance, owed, and the sums of what is taken."""
        taken = list(Reversal.objects.filter(state="taken"))
        return (
            str(self.balance()),
            str(self.owed()),
            str(sum((loss.paid_share for loss in taken), Decimal(0))),
            str(sum((loss.bonus_share for loss in taken), Decimal(0))),
            str(sum((loss.owed_open for loss in taken), Decimal(0))),
        )


def approved_refund(top_up: TopUp, amount: Decimal) -> StaffRequest:
    """A cash refund that one of finance asked for and another approved: debited, the gateway not asked yet."""
    one, another = factories.staff_of("finance"), factories.staff_of("finance")
    why = Why(one, "asked_by_clinic", "They closed a branch.")
    return approve(request=ask_cash_refund(top_up=top_up, amount=amount, why=why), by=another)


def signed(raw: bytes, secret: str = WEBHOOK_SECRET) -> str:
    return hmac.new(secret.encode(), raw, hashlib.sha256).hexdigest()


def callback_signature(order_id: str, payment_id: str, secret: str = KEY_SECRET) -> str:
    return signed(f"{order_id}|{payment_id}".encode(), secret)


def member(clinic: Clinic, role: str) -> User:
    """Without a password, whose digest would cost more than the test."""
    user = User.objects.create(email=f"{role}{next(NUMBERS)}@example.com", password="!")
    Membership.objects.create(user=user, clinic=clinic, role=role)
    return user


def reviews() -> list[str]:
    """The kinds of what waits for people."""
    return sorted(ReviewItem.objects.filter(state="open").values_list("kind", flat=True))


def payment_entity(top_up: TopUp, **changed: Any) -> dict[str, Any]:
    """A captured payment as an event carries it, for what the sandbox would never say."""
    return {
        "id": f"pay_{next(NUMBERS):014d}",
        "entity": "payment",
        "amount": top_up.gross_paise,
        "currency": "INR",
        "status": "captured",
        "order_id": top_up.razorpay_order_id,
        "captured": True,
        "amount_refunded": 0,
        "notes": [],
        **changed,
    }


def event_of(name: str, **entities: Any) -> dict[str, Any]:
    return {
        "entity": "event",
        "account_id": "acc_SANDBOX0000001",
        "event": name,
        "contains": list(entities),
        "payload": {kind: {"entity": entity} for kind, entity in entities.items()},
        "created_at": 1764000005,
    }
