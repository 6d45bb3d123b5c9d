"""Spam cannot drain a clinic, nor shut patients out (PRODUCT rule 9): campaigns through the real route."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models import Count
from django.test import Client

from clinics.models import Clinic, Notice
from credits.models import CreditTransaction
from credits.services.ledger import BillingService
from leads.models import EnquiryHit, Lead, LeadContact
from leads.services.origin import counted_as
from tests import factories
from tests.api.stage import bearer, partner, token_of
from tests.clock import Clock
from tests.credits.books import account

pytestmark = pytest.mark.django_db
CAMPAIGN = 1_000
A_MINUTE = 20  # below the flood level, and all within the hour
NAME = "Zubeida Qureshi"
BROWSER = Client()  # one for all: each new one loads every middleware anew, which would be most of the time


def send(clinic: Clinic, phone: int = 0, *, as_page: bool = False, **changes: Any) -> Any:
    """One enquiry, as the clinic's page sends it or as a script does; `address`, `proxied` and `token` say who."""
    address = changes.pop("address", "203.0.113.9")
    headers = {"Accept": "text/html"} if as_page else {}
    if "proxied" in changes:
        headers["X-Forwarded-For"] = changes.pop("proxied")
    if "token" in changes:
        headers |= bearer(changes.pop("token"))
    body = {
        "clinic_id": clinic.pk,
        "patient_name": NAME,
        "mobile_number": factories.PHONES[phone],
        "consent_given": "true",
        **changes,
    }
    kind: dict[str, Any] = {} if as_page else {"content_type": "application/json"}
    return BROWSER.post("/contact-clinic", body, headers=headers, REMOTE_ADDR=address, **kind)


def fates() -> Counter[tuple[str, str]]:
    return Counter(Lead.objects.values_list("delivery_state", "held_reason"))


def charges() -> int:
    return CreditTransaction.objects.filter(transaction_type="deduction").count()


@pytest.mark.long
def test_a_thousand_enquiries_from_one_address_within_an_hour_charge_five_and_lose_none(
    funded_clinic: Clinic, other_clinic: Clinic, clock: Clock
) -> None:
    factories.give_credits(other_clinic, 1000)
    owner = Client()
    owner.force_login(factories.member_of(funded_clinic, "owner"))

    answers: Counter[int] = Counter()
    for number in range(CAMPAIGN):
        clinic = (funded_clinic, other_clinic)[number // 2 % 2]
        answers[send(clinic, number % 300, as_page=bool(number % 2)).status_code] += 1
        if number % A_MINUTE == A_MINUTE - 1:
            clock.advance(minutes=1)

    assert answers == {201: CAMPAIGN // 2, 303: CAMPAIGN // 2}
    assert fates() == {("delivered", ""): 5, ("held", "review"): CAMPAIGN - 5}
    assert charges() == 5
    assert account(funded_clinic).balance + account(other_clinic).balance == 2000 - 5 * 100
    assert LeadContact.objects.visible().count() == 5
    assert LeadContact.objects.filter(name=NAME).count() == CAMPAIGN
    held_page = owner.get("/clinic/leads/held").content.decode()
    assert "Waits for a check" in held_page
    assert "Zubeida" not in held_page
    assert "98765" not in held_page
    # Nor is the clinic drowned in alerts: of what waits for a look the first of an hour is told.
    assert Notice.objects.filter(kind="lead_held").count() <= 2 * 2
    # A person lets those of one phone through: it is charged once in 30 days, however often it came.
    of_one_phone = LeadContact.objects.filter(clinic=funded_clinic, phone=factories.PHONES[12])
    for lead in Lead.objects.in_review().filter(contact__in=of_one_phone).order_by("pk"):
        BillingService.release_lead(lead.pk)
    assert Counter(of_one_phone.values_list("lead__delivery_state", flat=True)) == {
        "delivered": 1,
        "free": of_one_phone.count() - 1,
    }
    # The address is let in again an hour after its last: nobody is shut out for good.
    clock.advance(minutes=61)
    send(funded_clinic, 999)
    assert Lead.objects.latest("pk").delivery_state == "delivered"


@pytest.mark.parametrize("as_page", [False, True])
def test_above_the_flood_level_nothing_is_stored_and_the_minute_after_it_is(
    funded_clinic: Clinic, clock: Clock, *, as_page: bool
) -> None:
    for number in range(60):
        send(funded_clinic, number, as_page=as_page)

    floods = [send(funded_clinic, 60 + number, as_page=as_page) for number in range(3)]
    elsewhere = send(funded_clinic, 70, as_page=as_page, address="203.0.113.10")

    assert [(flood.status_code, flood["Retry-After"]) for flood in floods] == [(429, "60")] * 3
    assert elsewhere.status_code in (201, 303)
    assert Lead.objects.count() == LeadContact.objects.count() == EnquiryHit.objects.count() == 61
    clock.advance(seconds=61)
    assert send(funded_clinic, 71, as_page=as_page).status_code in (201, 303)
    assert Lead.objects.latest("pk").held_reason == "review"


def test_what_was_counted_is_kept_for_those_who_look_at_it_without_the_address(funded_clinic: Clinic) -> None:
    for number in range(7):
        send(funded_clinic, number, website="https://spam.example" if number == 2 else "")

    facts = [
        (lead.review_facts.in_last_hour, lead.review_facts.honeypot_filled)
        for lead in Lead.objects.in_review().select_related("review_facts").order_by("pk")
    ]
    assert facts == [(3, True), (6, False), (7, False)]
    kept = {bytes(digest) for digest in EnquiryHit.objects.values_list("address_hmac", flat=True)}
    assert len(kept) == 1
    assert b"203.0.113" not in kept.pop()


def test_an_address_is_forgotten_once_nobody_needs_it(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("billing_site.management.commands.forget_old_data.HITS_KEPT_FOR", timedelta(0))
    for number in range(7):
        send(clinic, number)
    waits, refused = Lead.objects.in_review().order_by("pk")
    BillingService.refuse_lead(refused.pk)

    call_command("forget_old_data")

    assert waits.review_facts.address_hmac is not None
    assert refused.review_facts.address_hmac is None
    assert refused.review_facts.in_last_hour == 7


class TestAttackers:
    """Ways around the limits, and what stops each."""

    def test_a_forged_chain_of_proxies_is_not_believed(self, funded_clinic: Clinic, settings: Any) -> None:
        for trusted, forged in ((0, "198.51.100.{}"), (1, "198.51.100.{}, 203.0.113.9")):
            settings.TRUSTED_PROXY_COUNT = trusted
            for number in range(8):
                send(funded_clinic, 10 * trusted + number, proxied=forged.format(number))

        assert charges() == 5
        assert fates()["held", "review"] == 11

    def test_one_subscriber_of_ipv6_is_one_address_and_the_next_is_another(
        self, funded_clinic: Clinic
    ) -> None:
        for number in range(8):
            send(funded_clinic, number, address=f"2001:db8:0:{number * 36:x}::{number * 7919:x}")
        assert (charges(), fates()["held", "review"]) == (5, 3)

        send(funded_clinic, 20, address="2001:db8:0:100::1")
        assert charges() == 6

    @pytest.mark.parametrize(
        ("address", "counted"),
        [
            ("203.0.113.9", "203.0.113.9"),
            ("::ffff:203.0.113.9", "203.0.113.9"),
            ("2001:DB8:0:1ff:ffff::9", "2001:db8:0:100::/56"),
            ("fe80::1%eth0", "fe80::/56"),
            ("", ""),
            ("unix:", "unix:"),
        ],
    )
    def test_what_counts_as_one_address(self, address: str, counted: str) -> None:
        assert counted_as(address) == counted

    def test_one_phone_from_ever_new_addresses_is_charged_once(
        self, funded_clinic: Clinic, clock: Clock
    ) -> None:
        for number in range(40):
            send(funded_clinic, 1, address=f"198.51.100.{number}", as_page=bool(number % 2))
            clock.advance(hours=17)

        assert charges() == 1
        assert fates() == {("delivered", ""): 1, ("free", ""): 39}

    def test_one_address_against_many_clinics_charges_five_in_all(self, funded_clinic: Clinic) -> None:
        clinics = [funded_clinic, *factories.ClinicFactory.create_batch(7)]
        for clinic in clinics:
            factories.give_credits(clinic, 1000)
            for number in range(2):
                send(clinic, number)

        assert charges() == 5
        charged = Lead.objects.filter(delivery_state="delivered").values("clinic").annotate(n=Count("pk"))
        assert sorted(one["n"] for one in charged) == [1, 2, 2]

    def test_a_partners_name_as_source_is_counted_like_any_browser(self, funded_clinic: Clinic) -> None:
        ours = partner()
        for number in range(7):
            send(funded_clinic, number, source=ours.slug)

        assert charges() == 5
        assert not Lead.objects.filter(partner=ours).exists()

    def test_a_partners_token_has_no_limit_by_address_and_counts_for_nobody_else(
        self, funded_clinic: Clinic
    ) -> None:
        token = token_of(partner(), "leads:write")
        for number in range(8):
            assert send(funded_clinic, number, token=token).status_code == 201
        assert charges() == 8
        assert not EnquiryHit.objects.exists()

        assert send(funded_clinic, 20).status_code == 201
        assert charges() == 9

    def test_the_honeypot_holds_a_partners_lead_too_and_a_repeat_of_a_key_counts_once(
        self, funded_clinic: Clinic
    ) -> None:
        send(funded_clinic, 1, token=token_of(partner(), "leads:write"), website="x")
        for _ in range(9):
            send(funded_clinic, 2, idempotency_key="one-form")

        assert fates() == {("held", "review"): 1, ("delivered", ""): 1}
        assert EnquiryHit.objects.count() == 1
