"""Each group, and a superuser, tries every POST of the back office alone: no route by which one person moves credits
above the limit, changes what is sold, or gives a right (rule 7).

The walk is made from the URLconf: an address it does not know fails it.
"""

import re
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import count
from typing import Any, Final

import pytest
from django.apps import apps
from django.contrib import admin
from django.test import Client, RequestFactory
from django.urls import URLResolver, get_resolver

from clinics import requests, staff_rights
from clinics.models import Clinic, StaffRequest, User
from credits.models import BillingRules, CreditAccount, CreditTransaction
from credits.services.requests import RULES_LABELS
from disputes.models import LeadDispute
from tests import factories
from tests.site.back_office import WHY, first_of, make_rows, person, sign_in
from tests.site.requesting import KINDS, Kind, ask, of_group
from tests.site.test_request_pages import REASON, what_to_ask

pytestmark = pytest.mark.django_db

WHO: Final = ("support", "resolver", "finance", "auditor", "user admin", "superuser")
LIMIT: Final = Decimal(2000)
# Django's own for each model; «Perhaps it was deleted?» and the sites' own have no name or are listed below.
OF_EVERY_MODEL: Final = ("changelist", "add", "history", "delete", "change")
NO_ROW: Final = {
    "admin/", "admin/login/", "admin/logout/", "admin/password_change/", "admin/password_change/done/",
    "admin/autocomplete/", "admin/jsi18n/", "admin/disputes", "admin/disputes/", "admin/disputes/bulk",
    "admin/disputes/next", "admin", "admin/clinics/auditevent/export/", "admin/credits/promocode/ask-new/",
    "admin/credits/creditpackage/ask-new/", "admin/leads/pricingversion/ask-new/", "admin/leads/lead/review/",
}  # fmt: skip
OF_A_ROW: Final = {
    "clinics/staffrequest": {"approve", "reject", "withdraw"},
    "clinics/user": {"password", "ask-rights"},
    "clinics/clinic": {"invite-owner"},
    "clinics/partner": {"make-token"},
    "credits/creditaccount": {"ask-adjustment", "switch-freeze", "explain"},
    "credits/gatewayevent": {"replay"},
    "credits/promocode": {"ask-change"},
    "credits/reviewitem": {"close"},
    "credits/topup": {"ask-refund"},
    "credits/creditpackage": {"ask-change"},
    "credits/dayclosing": {"sign-off"},
    "credits/billingrules": {"ask-change", "switch-charging", "switch-top-ups"},
    "leads/lead": {"who-saw"},
    "disputes/disputepolicy": {"ask-change"},
}
OF_A_DISPUTE: Final = {"", "/resolve", "/note", "/assign", "/contact", "/evidence/<int:evidence_id>"}
# What one person may never change alone. Credits are counted apart.
TABLES: Final = (
    "credits.creditpackage", "credits.promocode", "leads.pricingversion", "leads.pricingtier",
    "disputes.disputepolicy",
    "credits.gatewayrefund", "credits.topup", "credits.reversal", "auth.group",
)  # fmt: skip


def routes(resolver: URLResolver | None = None, before: str = "") -> Iterator[str]:
    """Every route of the back office, as the URLconf writes it."""
    for pattern in (resolver or get_resolver()).url_patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, route)
        elif route.startswith("admin"):
            yield route


class Stage:
    """A clinic with something of everything, and the requests the attacker made: all addresses lead to these."""

    def __init__(self, attacker: User) -> None:
        make_rows(1)
        for request in StaffRequest.objects.filter(state="pending"):  # nobody else's wait for a second person
            requests.reject(request=request, by=request.requested_by, note="Not on this stage")
        self.attacker, self.clinic, self.numbers = attacker, Clinic.objects.get(), count()
        factories.give_credits(self.clinic, 100_000)
        self.disputes = [self._dispute(number) for number in range(11, 17)]
        self.member, self.colleague = factories.UserFactory.create(password=None), of_group("finance")
        self.former = of_group("user admin", is_active=False)
        self.forms = dict(what_to_ask(self.clinic).values())
        self.own = [self._own_request(kind) for kind in KINDS]

    def _dispute(self, number: int) -> LeadDispute:
        return factories.dispute(
            factories.deliver(self.clinic, phone=number, price=200_000)
        )  # 500 credits each

    def _own_request(self, kind: str) -> StaffRequest:
        facts = {"clinic": self.clinic} if kind == Kind.ADJUSTMENT else {}
        return ask(kind, by=self.attacker, **facts)

    def addresses(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every address, and what an attacker would send there."""
        for route in routes():
            if found := re.fullmatch(r"admin/disputes/<int:dispute_id>(.*)", route):
                assert found[1] in OF_A_DISPUTE, f"a new address: {route}"
                for dispute in self.disputes:
                    path = f"/admin/disputes/{dispute.pk}{found[1]}".replace("<int:evidence_id>", "1")
                    yield path, self.decision(found[1])
            elif found := re.fullmatch(r"admin/(\w+/\w+)/(?:<path:object_id>/|<id>/)?([\w-]*)/?", route):
                yield from self._of_model(found[1], found[2], route)
            else:
                assert route in NO_ROW or self._is_a_catch_all(route), f"a new address: {route}"
                yield f"/{route}", {**self.everything(), "dispute": [row.pk for row in self.disputes]}

    def _is_a_catch_all(self, route: str) -> bool:
        return route.startswith(("admin/^(?P<app_label>", "admin/(?P<url>", "admin/r/<path:content_type_id>"))

    def _of_model(self, model: str, name: str, route: str) -> Iterator[tuple[str, dict[str, Any]]]:
        label = model.replace("/", ".")
        beside = f"/admin/{model}/"
        if "<" not in route and route in NO_ROW:
            yield f"/{route}", {**self.form_of(f"/{route}"), **REASON}
        elif route == f"admin/{model}/":
            for action in self._actions(label):
                for key in self._keys(label):
                    chosen = {"action": action, "_selected_action": key, "select_across": "1"}
                    yield beside, {**self.forged(label, key), **chosen}
        elif name == "add":
            yield f"{beside}add/", self.forged(label, self._keys(label)[0])
        else:
            assert name in {"", *OF_EVERY_MODEL} or name in OF_A_ROW.get(model, ()), f"a new address: {route}"
            for key in self._keys(label):
                path = f"{beside}{key}/{name}/" if name else f"{beside}{key}/"
                data = {**self.forged(label, key), **self.form_of(path)}
                yield path, data
                if label == "clinics.user":  # groups that are no choice would hide what else is taken
                    yield path, {name: value for name, value in data.items() if name != "groups"}

    def _actions(self, label: str) -> list[str]:
        model_admin = admin.site._registry[apps.get_model(label)]
        request = RequestFactory().get("/")
        request.user = self.attacker
        return [*model_admin.get_actions(request), "delete_selected"]

    def _keys(self, label: str) -> list[Any]:
        if label == "clinics.user":
            return [self.member.pk, self.colleague.pk, self.former.pk, self.attacker.pk]
        if label == "clinics.staffrequest":
            return [request.pk for request in self.own]
        return [first_of(label)]

    def form_of(self, path: str) -> dict[str, Any]:
        return self.forms.get(path, {})

    def forged(self, label: str, key: Any) -> dict[str, Any]:
        """The row's own values, its numbers higher, with every right and flag there is."""
        row = apps.get_model(label)._default_manager.filter(pk=key).values().first() or {}
        money = ("amount", "balance", "remaining", "credits", "price", "bonus", "cost", "limit")
        values = {
            name: "7777" if any(word in name for word in money) else str(value)
            for name, value in row.items()
            if value is not None
        }
        return {**values, **self.everything()}

    def everything(self) -> dict[str, Any]:
        groups = self.colleague.groups.model.objects.values_list("pk", flat=True)
        return {
            **self.decision(""), **REASON, "audit_reason": WHY, "note": "Why not", "resolution": "explained",
            "to": "off", "post": "yes", "_save": "Save", "is_active": "on", "is_staff": "on", "is_superuser": "on",
            "groups": list(groups), "password1": "a fairly long pass phrase 7", "usable_password": "true",
            "password2": "a fairly long pass phrase 7", "email": f"me{next(self.numbers)}@attacker.example",
        }  # fmt: skip

    def decision(self, action: str) -> dict[str, Any]:
        return {
            "action": "approve", "refund_amount": "500", "amount": "500", "reason_code": "confirmed",
            "admin_notes": "We rang it too.", "reason": WHY, "text": WHY, "assigned_to": self.attacker.pk,
            "dispute": [dispute.pk for dispute in self.disputes],
        }  # fmt: skip


def held_by_two() -> dict[str, Any]:
    rows: dict[str, Any] = {
        label: list(apps.get_model(label)._default_manager.order_by("pk").values()) for label in TABLES
    }
    rows["rules"] = BillingRules.objects.values(*RULES_LABELS).get()
    return rows


def rights() -> dict[int, dict[str, Any]]:
    return {user.pk: staff_rights.rights_of(user) for user in User.objects.all()}


def movements() -> dict[str, Decimal]:
    """Σ of the ledger's rows by type."""
    sums: dict[str, Decimal] = {}
    for kind, amount in CreditTransaction.objects.values_list("transaction_type", "amount"):
        sums[kind] = sums.get(kind, Decimal(0)) + amount
    return sums


@pytest.mark.parametrize("who", WHO)
def test_alone_nobody_moves_more_than_the_limit_nor_changes_what_takes_two(who: str) -> None:
    attacker = person(who)
    stage = Stage(attacker)
    kept, had, moved = held_by_two(), rights(), movements()
    balance = CreditAccount.objects.get(clinic=stage.clinic).balance
    client, answers = Client(), Counter[int]()
    sign_in(client, attacker)

    first = list(stage.addresses())
    again = [
        one for one in first if "/disputes/" in one[0] or "/staffrequest/" in one[0] or "/user/" in one[0]
    ]
    for path, data in [*first, *again]:  # what the first round opened
        response = client.post(path, data, headers={"Accept": "text/html"})
        if response.status_code == 302 and "/login/" in response.headers["Location"]:  # signed out on the way
            User.objects.filter(pk=attacker.pk).update(is_active=True)
            sign_in(client, attacker)
            response = client.post(path, data, headers={"Accept": "text/html"})
        assert response.status_code < 500, path
        answers[response.status_code] += 1

    assert sum(answers.values()) > 300
    assert answers[302] > 30 or who in ("support", "auditor"), answers  # the forms were really taken
    assert held_by_two() == kept
    for key, after in rights().items():
        before = had.get(key, {"is_active": True, "is_staff": False, "is_superuser": False, "groups": []})
        assert not staff_rights.gives_rights(before, after), (key, before, after)
    after_all = movements()
    refunded = after_all.pop("refund", Decimal(0)) - moved.pop("refund", Decimal(0))
    assert after_all == moved
    assert refunded == (LIMIT if who in ("resolver", "superuser") else 0)
    assert CreditAccount.objects.get(clinic=stage.clinic).balance == balance + refunded
    assert not StaffRequest.objects.filter(state="approved", decided_by=attacker).exists()


def test_an_address_that_the_walk_does_not_know_fails_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(person("auditor"))
    for new in (
        "admin/credits/creditaccount/<path:object_id>/gift/",
        "admin/credits/creditaccount/gift/",
        "admin/gift/",
        "admin/disputes/<int:dispute_id>/gift",
    ):
        monkeypatch.setattr("tests.site.test_nobody_alone.routes", lambda new=new: iter([new]))
        with pytest.raises(AssertionError, match="a new address"):
            list(stage.addresses())
