"""Requests in the back office: asked for where one looks for them, shown as they were, decided by another person."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from clinics import requests
from clinics.models import Clinic, StaffRequest, User
from credits.models import BillingRules, CreditAccount, CreditPackage, GatewayRefund, PromoCode, TopUp
from disputes.models import DisputePolicy
from leads.models import PricingVersion
from tests import factories
from tests.clock import Clock
from tests.site.back_office import GROUPS, grow_old, page, payment_facts, person, sign_in, signed_in
from tests.site.requesting import KINDS, Kind, ask, of_group, paid_by_gateway, second_person

pytestmark = pytest.mark.django_db

REASON = {"reason_code": "commercial", "reason": "As we agreed on Monday."}
REQUESTS = page("clinics.staffrequest", "")


def address(request: StaffRequest, action: str = "change") -> str:
    return page("clinics.staffrequest", action, request.pk)


def client_of(user: User) -> Client:
    client = Client()
    sign_in(client, user)
    return client


def tiers(*rows: tuple[str, str, str]) -> dict[str, str]:
    data = {"tiers-TOTAL_FORMS": str(len(rows)), "tiers-INITIAL_FORMS": "0"}
    for number, row in enumerate(rows):
        for name, value in zip(("price_from", "price_below", "credits"), row, strict=True):
            data[f"tiers-{number}-{name}"] = value
    return data


def what_to_ask(clinic: Clinic) -> dict[str, tuple[str, dict[str, Any]]]:
    """For each kind that is asked for by a form: the form's address, and what somebody types."""
    top_up = paid_by_gateway(clinic)
    package, policy = CreditPackage.objects.get(price=5000), DisputePolicy.objects.get(dispute_type="spam")
    user = factories.UserFactory.create(password=None)
    support = user.groups.model.objects.get(name="support")
    rules = dict.fromkeys(("bonus_valid_days", "returned_valid_days", "repeat_window_days", "auto_release_hours",
                           "release_batch", "held_valid_days", "appeal_days", "dispute_hours"), "20")  # fmt: skip
    return {
        Kind.ADJUSTMENT: (page("credits.creditaccount", "ask-adjustment", clinic.pk),
                          {"amount": "-20.50", "description": "Given twice"}),
        Kind.CASH_REFUND: (page("credits.topup", "ask-refund", top_up.pk), {"amount": "400"}),
        Kind.PRICE_LIST: (page("leads.pricingversion", "ask-new"),
                          {"note": "Flat", **tiers(("0", "8000", "150"), ("8000", "", "300"), ("", "", ""))}),
        Kind.CREDIT_PACKAGE: (page("credits.creditpackage", "ask-change", package.pk),
                              {"name": package.name, "price": "5000", "credits": "5600", "is_active": "on"}),
        Kind.PROMO_CODE: (page("credits.promocode", "ask-new"),
                          {"code": "DIWALI", "percent": "10", "least_price": "0", "is_active": "on",
                           "valid_until_0": "2030-11-01", "valid_until_1": "00:00"}),
        Kind.BILLING_RULES: (page("credits.billingrules", "ask-change", 1),
                             {**rules, "staff_refund_limit": "1500"}),
        Kind.DISPUTE_POLICY: (page("disputes.disputepolicy", "ask-change", policy.pk),
                              {"window_days": "10", "least_contact_attempts": "0", "guidance": "Rang twice?",
                               "is_accepted": "on"}),
        Kind.STAFF_RIGHTS: (page("clinics.user", "ask-rights", user.pk),
                            {"is_active": "on", "is_staff": "on", "groups": [support.pk]}),
    }  # fmt: skip


def asker(kind: str) -> str:
    return "user admin" if kind == Kind.STAFF_RIGHTS else "finance"


class TestAsking:
    def test_each_kind_is_asked_for_by_a_form_and_approved_on_its_page(self, funded_clinic: Clinic) -> None:
        forms = what_to_ask(funded_clinic)
        assert set(forms) == set(KINDS) - {Kind.DISPUTE_REFUND}  # asked for on the dispute's own page
        for kind, (form, typed) in forms.items():
            client = signed_in(asker(kind))
            assert client.get(form).status_code == 200, kind
            response = client.post(form, {**typed, **REASON})
            assert response.status_code == 302, (kind, response.context and response.context["form"].errors)
            request = StaffRequest.objects.get(kind=kind)
            assert response.headers["Location"] == address(request)
            assert (request.reason_code, request.reason) == ("commercial", "As we agreed on Monday.")
            done = signed_in(asker(kind)).post(address(request, "approve"), {"note": "Checked."}, follow=True)
            assert f"Request {request.pk}: approved." in done.content.decode(), kind
        assert set(StaffRequest.objects.values_list("state", flat=True)) == {"approved"}
        # 1,000 given, 1,000 paid, 400 of them paid back, 20.50 taken
        assert CreditAccount.objects.get(clinic=funded_clinic).balance == Decimal("1579.50")

    @pytest.mark.parametrize("missing", ["reason_code", "reason"])
    def test_a_reason_from_the_list_and_in_words_is_needed(self, funded_clinic: Clinic, missing: str) -> None:
        for kind, (form, typed) in what_to_ask(funded_clinic).items():
            response = signed_in(asker(kind)).post(form, {**typed, **REASON, missing: ""})
            assert response.status_code == 400, kind
            assert "Nothing was done" in response.content.decode(), kind
        assert not StaffRequest.objects.exists()

    def test_a_code_that_is_not_on_the_list_is_refused(self, clinic: Clinic) -> None:
        form, typed = what_to_ask(clinic)[Kind.CASH_REFUND]
        for code in ("because", "above_limit"):
            assert (
                signed_in("finance").post(form, {**typed, **REASON, "reason_code": code}).status_code == 400
            )
        assert not StaffRequest.objects.exists()

    @pytest.mark.parametrize("who", ["nobody", *GROUPS, "superuser"])
    def test_finance_asks_for_money_user_admins_for_rights_nobody_else(
        self, funded_clinic: Clinic, who: str
    ) -> None:
        client = signed_in(who)
        for kind, (form, typed) in what_to_ask(funded_clinic).items():
            may = who in (asker(kind), "superuser")
            assert client.get(form).status_code == (200 if may else 403), (who, kind)
            assert client.post(form, {**typed, **REASON}).status_code == (302 if may else 403), (who, kind)
            assert StaffRequest.objects.filter(kind=kind).exists() is may, (who, kind)

    def test_an_old_sign_in_is_asked_again_first(self, funded_clinic: Clinic) -> None:
        for kind, (form, typed) in what_to_ask(funded_clinic).items():
            client = signed_in(asker(kind))
            grow_old(client.session, 6)
            assert client.get(form).headers["Location"].startswith("/accounts/reauthenticate/"), kind
            assert client.post(form, {**typed, **REASON}).status_code == 403, kind
        assert not StaffRequest.objects.exists()

    def test_what_cannot_be_is_refused_with_the_databases_own_words(self, funded_clinic: Clinic) -> None:
        forms, client = what_to_ask(funded_clinic), signed_in("finance")
        for kind, changed, text in (
            (Kind.ADJUSTMENT, {"amount": "-2000.01"}, "Balance 2000.00 is below 2000.01"),
            (Kind.CASH_REFUND, {"amount": "1000.01"}, "less than 1000.01"),
            (Kind.PRICE_LIST, tiers(("0", "10", "5"), ("20", "", "9")), "leave a gap or overlap"),
            (Kind.PRICE_LIST, tiers(("0", "20", "5"), ("10", "", "9")), "leave a gap or overlap"),
            (Kind.CREDIT_PACKAGE, {"credits": "4000"}, "at least as many credits"),
            (Kind.PROMO_CODE, {"fixed_bonus": "10"}, "a percentage or fixed credits"),
        ):
            form, typed = forms[kind]
            response = client.post(form, {**typed, **REASON, **changed})
            assert response.status_code == 400, kind
            assert text in response.content.decode(), kind
        assert not StaffRequest.objects.exists()

    def test_bad_values_are_never_an_error_of_ours(self, funded_clinic: Clinic) -> None:
        values = [
            "",
            "\x00",
            "abc",
            "-1",
            "1" + "0" * 30,
            "NaN",
            "Infinity",
            "0.001",
            "\u202eabc",
            "é" * 3000,
        ]
        for kind, (form, typed) in what_to_ask(funded_clinic).items():
            client = signed_in(asker(kind))
            for value in values:
                for name in typed:
                    response = client.post(form, {**typed, **REASON, name: value})
                    assert response.status_code in (302, 400, 409), (kind, name, value)
                StaffRequest.objects.filter(kind=kind, state="pending").first()
        assert CreditAccount.objects.get(clinic=funded_clinic).balance == 2000

    def test_another_request_about_the_same_is_in_the_way(self) -> None:
        ask(Kind.BILLING_RULES)
        form = page("credits.billingrules", "ask-change", 1)
        data = dict.fromkeys(signed_in("finance").get(form).context["form"].fields, "20")
        response = signed_in("finance").post(form, {**data, **REASON})
        assert response.status_code == 409
        assert "Another request about the same" in response.content.decode()

    def test_only_a_paid_top_up_can_be_paid_back(self, clinic: Clinic) -> None:
        client = signed_in("finance")
        open_one = factories.top_up(clinic, 1000)
        assert (
            "Ask for a cash refund"
            not in client.get(page("credits.topup", "change", open_one.pk)).content.decode()
        )
        assert client.get(page("credits.topup", "ask-refund", open_one.pk)).status_code == 403
        paid = paid_by_gateway(clinic)
        assert (
            "Ask for a cash refund" in client.get(page("credits.topup", "change", paid.pk)).content.decode()
        )
        assert "1,000.00" in client.get(page("credits.topup", "ask-refund", paid.pk)).content.decode()

    def test_a_review_item_leads_to_an_adjustment_that_names_it(self, clinic: Clinic) -> None:
        item = payment_facts(factories.paid_top_up(clinic, 5000), 0)
        client = signed_in("finance")
        form = f"{page('credits.creditaccount', 'ask-adjustment', clinic.pk)}?item={item.pk}"
        assert form in client.get(page("credits.reviewitem", "change", item.pk)).content.decode()
        assert client.get(form).context["form"]["review_item"].value() == item.pk
        typed = {"amount": "100", "description": "Payment of Monday", "review_item": item.pk}
        assert client.post(form, {**typed, **REASON}).status_code == 302
        request = StaffRequest.objects.get()
        assert request.details["review_item"] == item.pk
        for odd in ("abc", "%00", "9" * 30):
            assert client.get(form.replace(f"item={item.pk}", f"item={odd}")).status_code == 200

    def test_the_item_of_another_clinic_is_no_choice(self, clinic: Clinic, other_clinic: Clinic) -> None:
        item = payment_facts(factories.paid_top_up(other_clinic, 5000), 0)
        form = page("credits.creditaccount", "ask-adjustment", clinic.pk)
        typed = {"amount": "100", "description": "Payment of Monday", "review_item": item.pk}
        assert signed_in("finance").post(form, {**typed, **REASON}).status_code == 400


class TestThePage:
    @pytest.mark.parametrize("kind", KINDS)
    def test_it_shows_what_was_shown_then(self, kind: str) -> None:
        request = ask(kind)
        CreditPackage.objects.update(name="Renamed since")
        body = client_of(second_person(request)).get(address(request)).content.decode()
        for label, before, after in request.shown:
            for text in (label, before, after):
                assert text.replace("'", "&#x27;") in body, text
        assert request.reason in body
        assert "Renamed since" not in body

    def test_ones_own_cannot_be_approved_and_says_so(self) -> None:
        request = ask(Kind.BILLING_RULES)
        client = client_of(request.requested_by)
        body = client.get(address(request)).content.decode()
        assert "You asked for this, so somebody else decides it." in body
        assert address(request, "approve") not in body
        response = client.post(address(request, "approve"), {"note": "Mine"})
        assert response.status_code == 409
        assert "made by the same person" in response.content.decode()
        assert client.post(address(request, "reject"), {"note": "Mine"}).status_code == 409
        request.refresh_from_db()
        assert request.state == "pending"
        assert client.post(address(request, "withdraw"), {}).status_code == 302
        request.refresh_from_db()
        assert (request.state, BillingRules.objects.get().bonus_valid_days) == ("withdrawn", 180)

    def test_a_superuser_is_one_person_too(self) -> None:
        boss = person("superuser")
        request = ask(Kind.STAFF_RIGHTS, user=boss, groups=["finance"], is_superuser=True)
        client = client_of(boss)
        assert "This is about you" in client.get(address(request)).content.decode()
        assert client.post(address(request, "approve"), {}).status_code == 409
        own = ask(Kind.CREDIT_PACKAGE, by=boss)
        assert client.post(address(own, "approve"), {}).status_code == 409
        assert not boss.groups.exists()

    def test_to_reject_one_says_why(self) -> None:
        request = ask(Kind.BILLING_RULES)
        client = signed_in("finance")
        assert client.post(address(request, "reject"), {"note": " "}).status_code == 400
        assert client.post(address(request, "reject"), {"note": "Too long"}).status_code == 302
        request.refresh_from_db()
        assert (request.state, request.decision_note) == ("rejected", "Too long")
        assert client.post(address(request, "approve"), {"note": ""}).status_code == 409

    def test_nobody_else_withdraws(self) -> None:
        request = ask(Kind.BILLING_RULES)
        assert signed_in("finance").post(address(request, "withdraw"), {}).status_code == 403

    def test_after_72_hours_it_has_expired(self, clock: Clock) -> None:
        request = ask(Kind.BILLING_RULES)
        clock.advance(hours=73)
        response = signed_in("finance").post(address(request, "approve"), {"note": ""})
        assert response.status_code == 409
        assert "has expired" in response.content.decode()

    def test_what_moves_money_is_refused_readably(self, funded_clinic: Clinic) -> None:
        request = ask(Kind.ADJUSTMENT, clinic=funded_clinic, amount=Decimal("-950.00"))
        factories.deliver(funded_clinic)
        response = signed_in("finance").post(address(request, "approve"), {"note": ""})
        assert response.status_code == 400
        assert "Balance 900.00 is below 950.00. Nothing was changed." in response.content.decode()
        outdated = ask(Kind.CREDIT_PACKAGE)
        CreditPackage.objects.update(name="Renamed since")
        response = signed_in("finance").post(address(outdated, "approve"), {"note": ""})
        assert response.status_code == 409
        assert "changed since this was asked for" in response.content.decode()

    def test_an_old_sign_in_is_asked_again_first(self) -> None:
        request = ask(Kind.BILLING_RULES)
        for user, action in ((second_person(request), "approve"), (second_person(request), "reject"),
                             (request.requested_by, "withdraw")):  # fmt: skip
            client = client_of(user)
            grow_old(client.session, 6)
            assert client.post(address(request, action), {"note": "x"}).status_code == 403
        request.refresh_from_db()
        assert request.state == "pending"

    @pytest.mark.parametrize("action", ["approve", "reject", "withdraw"])
    def test_a_link_decides_nothing_and_odd_keys_are_no_error(self, action: str) -> None:
        request = ask(Kind.BILLING_RULES)
        client = client_of(request.requested_by if action == "withdraw" else second_person(request))
        assert client.get(address(request, action)).status_code == 405
        for key in ("abc", "0", "9" * 30, "%00"):
            assert client.post(page("clinics.staffrequest", action, key), {"note": "x"}).status_code < 500


class TestTheList:
    def test_pending_ones_first_the_oldest_on_top(self) -> None:
        done, older, newer = ask(Kind.BILLING_RULES), ask(Kind.PRICE_LIST), ask(Kind.CREDIT_PACKAGE)
        requests.reject(request=done, by=second_person(done), note="No")
        listed = signed_in("auditor").get(REQUESTS)
        assert [row.pk for row in listed.context["cl"].result_list] == [older.pk, newer.pk, done.pk]
        body = listed.content.decode()
        assert older.requested_by.email in body
        assert "Credits in all: 5,600.00" in body
        assert "2\xa0days" in body or "3\xa0days" in body

    @pytest.mark.parametrize(
        ("who", "kinds"),
        [
            ("user admin", {Kind.STAFF_RIGHTS}),
            ("resolver", {Kind.DISPUTE_REFUND}),
            ("finance", set(KINDS) - {Kind.STAFF_RIGHTS}),
            ("auditor", set(KINDS)),
            ("superuser", set(KINDS)),
        ],
    )
    def test_each_sees_what_they_have_to_do_with(self, who: str, kinds: set[str]) -> None:
        made = {kind: ask(kind) for kind in KINDS}
        client = signed_in(who)
        assert {row.kind for row in client.get(REQUESTS).context["cl"].result_list} == kinds
        for kind, request in made.items():
            seen = client.get(address(request)).status_code
            assert seen == (200 if kind in kinds else 302), (
                kind
            )  # Django's «doesn't exist. Perhaps it was deleted?»

    def test_it_is_narrowed_by_state_kind_and_person(self) -> None:
        mine = ask(Kind.BILLING_RULES)
        ask(Kind.PRICE_LIST)
        client = client_of(mine.requested_by)
        for query, found in (
            ("state=pending", 2), ("state=approved", 0), ("kind=price_list", 1), ("whose=mine", 1),
            ("whose=others", 1), ("kind=zzz", 0), ("q=billing_rules", 1),
        ):  # fmt: skip
            assert len(client.get(f"{REQUESTS}?{query}").context["cl"].result_list) == found, query

    @pytest.mark.parametrize("who", ["nobody", "support"])
    def test_the_others_see_none(self, who: str) -> None:
        assert signed_in(who).get(REQUESTS).status_code == 403


def test_each_form_is_offered_on_its_page_to_those_who_may(funded_clinic: Clinic) -> None:
    code = PromoCode.objects.create(code="CODE1", percent=10)
    for kind, (form, _) in what_to_ask(funded_clinic).items():
        before = form.rsplit("/", 2)[0]
        pages = [f"{before}/change/" if before[-1].isdigit() else f"{before}/"]
        for who in (asker(kind), "auditor"):
            offered = form in signed_in(who).get(pages[0]).content.decode()
            assert offered is (who == asker(kind)), (kind, who)
    assert signed_in("finance").get(page("credits.promocode", "ask-change", code.pk)).status_code == 200
    assert signed_in("finance").get(page("credits.creditpackage", "ask-new")).status_code == 200


def test_nobody_asks_for_their_own_rights() -> None:
    me = of_group("user admin")
    form = page("clinics.user", "ask-rights", me.pk)
    assert client_of(me).get(form).status_code == 403
    assert client_of(me).post(form, {"is_active": "on", "is_staff": "on", **REASON}).status_code == 403


def test_a_new_price_list_begins_with_the_one_there_is() -> None:
    form = signed_in("finance").get(page("leads.pricingversion", "ask-new")).context["form"]
    assert len(form.rows.forms) == 9
    assert PricingVersion.objects.count() == 1
    assert TopUp.objects.count() == GatewayRefund.objects.count() == 0
