"""/clinic/notices: what happened, newest first, and what opening the page marks."""

import re
from typing import Any

import pytest
from django.test import Client

from clinics.models import AlertPreference, Clinic, Membership, Notice, User
from credits.services.ledger import BillingService
from disputes.services import cases
from tests import factories
from tests.factories import deliver, deliver_many, give_credits
from tests.pages import text_of

pytestmark = pytest.mark.django_db
PAGE = "/clinic/notices"


def ids(response: Any) -> list[int]:
    return [int(found) for found in re.findall(r'href="/clinic/leads/(\d+)"', response.content.decode())]


def seen_up_to() -> int:
    return Membership.objects.get().notices_seen_up_to


def bell(client: Client) -> str:
    page = client.get("/clinic/settings/alerts").content.decode()
    found = re.search(r'class="dot-count"[^>]*>([^<]+)<', page)
    return found[1] if found else ""


class TestWhatIsSaid:
    def test_each_kind_in_words_with_its_link_and_nobodys_name(
        self, member: Client, owner: User, funded_clinic: Clinic
    ) -> None:
        came = deliver(funded_clinic, 1, price=7000, city="Surat")
        deliver(funded_clinic, 1)
        held = deliver(funded_clinic, 2, hold_for_review=True)
        BillingService.release_lead(held.pk)
        case = factories.dispute(came, by=owner)
        cases.ask_clinic(dispute=case, text="Which number?", by=factories.UserFactory.create(is_staff=True))
        cases.answer(dispute=case, text="This one, we think.", by=owner)
        cases.approve(
            dispute=case, amount=came.cost, reason_code="confirmed", notes="ok",
            by=factories.UserFactory.create(is_staff=True),
        )  # fmt: skip
        waits = deliver(funded_clinic, 3, price=300000)
        deliver_many(funded_clinic, [4, 5])
        last = deliver(funded_clinic, 6, price=300000)

        page = member.get(PAGE)

        text = text_of(page)
        assert f"Lead {came.pk} came in" in text
        assert "No treatment named · Surat · charged ₹180" in text
        assert "came in, free: you already paid for a lead of this person" in text
        assert "Enquiries wait for your check They look unusual." in text
        assert f"Lead {held.pk} was held when it arrived" not in text
        assert f"Lead {held.pk} was held and is delivered now" in text
        assert f"We have a question about your dispute of lead {came.pk}" in text
        assert f"Your dispute of lead {came.pk} was approved ₹180 came back to your balance." in text
        assert f'href="/clinic/disputes/{case.pk}"' in page.content.decode()
        assert f"Lead {waits.pk} came in" in text
        assert f"Lead {last.pk} is held: kept for you, nothing charged Not enough credits" in text
        assert "No treatment named · would cost ₹500" in text
        assert "Asha" not in text
        assert "98765" not in page.content.decode()

    def test_a_kind_that_is_not_known_yet_is_named(self, member: Client, clinic: Clinic) -> None:
        Notice.objects.create(clinic=clinic, kind="moon_landing", unique_key="moon")

        assert "moon_landing" in text_of(member.get(PAGE))

    def test_others_notices_and_switched_off_kinds_are_not_shown(
        self, member: Client, clinic: Clinic, other_clinic: Clinic
    ) -> None:
        deliver(other_clinic, 1)
        deliver(clinic, 1)
        AlertPreference.objects.create(membership=Membership.objects.get(), kind="lead_held", in_portal=False)

        assert "Nothing has happened yet" in text_of(member.get(PAGE))


class TestPages:
    def test_they_follow_each_other_newest_first_at_a_constant_cost(
        self,
        member: Client,
        clinic: Clinic,
        monkeypatch: pytest.MonkeyPatch,
        django_assert_max_num_queries: Any,
    ) -> None:
        monkeypatch.setattr("billing_site.portal.notices.PAGE_SIZE", 4)
        leads = deliver_many(clinic, range(9), price=7000)
        member.get(PAGE)
        seen, address = [], PAGE
        while address:
            with django_assert_max_num_queries(9):  # two make a savepoint, which there is in a test alone
                page = member.get(address)
            seen += ids(page)
            older = re.search(r'href="(\?before=\d+)"', page.content.decode())
            address = PAGE + older[1] if older else ""
        assert seen == [lead.pk for lead in reversed(leads)]

    @pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "1.5"])
    def test_nonsense_is_a_bad_request(self, member: Client, before: str) -> None:
        assert member.get(PAGE, {"before": before}).status_code == 400


class TestSeen:
    def test_opening_the_page_shows_what_is_new_and_rests_the_bell(
        self, member: Client, clinic: Clinic
    ) -> None:
        deliver_many(clinic, [1, 2])
        assert bell(member) == "2"

        page = member.get(PAGE).content.decode()

        assert page.count('class="is-new"') == 2
        assert "dot-count" not in page
        assert seen_up_to() == Notice.objects.latest("pk").pk
        assert member.get(PAGE).content.decode().count('class="is-new"') == 0
        deliver(clinic, 3)
        assert bell(member) == "1"

    def test_the_bell_looks_through_the_newest_only(
        self, member: Client, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who hides a kind must not have all its notices walked through on every page."""
        monkeypatch.setattr("clinics.models.outbox.NEWEST_LOOKED_THROUGH", 3)
        hidden = AlertPreference(membership=Membership.objects.get(), kind="lead_held", in_portal=False)
        hidden.save()
        give_credits(clinic, 100)
        deliver_many(clinic, [1, 2, 3])
        assert bell(member) == "1"

        deliver_many(clinic, [4, 5])

        assert bell(member) == ""

    @pytest.mark.parametrize(
        "headers",
        [{"Sec-Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"}, {"Purpose": "prefetch"}],
    )
    def test_a_browsers_guess_marks_nothing(
        self, member: Client, clinic: Clinic, headers: dict[str, str]
    ) -> None:
        deliver(clinic, 1)

        assert member.get(PAGE, headers=headers).status_code == 200
        assert member.head(PAGE).status_code == 200

        assert seen_up_to() == 0

    def test_an_older_page_and_a_late_request_never_move_the_mark_back(
        self, member: Client, clinic: Clinic
    ) -> None:
        deliver(clinic, 1)
        newest = Notice.objects.latest("pk").pk
        member.get(PAGE, {"before": newest + 1})
        assert seen_up_to() == 0

        Membership.objects.update(notices_seen_up_to=newest + 100)
        member.get(PAGE)
        assert seen_up_to() == newest + 100

    def test_each_member_has_a_mark_of_their_own(
        self, member: Client, client: Client, clinic: Clinic, owner: User
    ) -> None:
        give_credits(clinic, 100)
        deliver(clinic, 1)
        factories.member_of(clinic, "front_desk")

        member.get(PAGE)

        assert Membership.objects.get(role="front_desk").notices_seen_up_to == 0
