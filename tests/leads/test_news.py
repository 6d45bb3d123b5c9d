"""GET /clinic/leads/news: what a page of the inbox lacks, and nothing most of the time."""

import json
import re
import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clinics.models import Clinic, Membership, User
from credits.models import CreditAccount
from credits.services.ledger import BillingService
from leads.models import ContactView, Lead
from leads.news import MOST_NEWS
from leads.services.status import change_status
from tests import factories
from tests.factories import deliver, deliver_many
from tests.leads.dashboard import assert_hidden, lead_ids, lead_page, page
from tests.pages import text_of

pytestmark = pytest.mark.django_db
URL = "/clinic/leads/news"


class Inbox:
    """An open page of the inbox: what it shows, and what its script asks."""

    def __init__(self, client: Client) -> None:
        self.client, html = client, page(client)
        self.asks = dict(re.findall(r'data-(clinic|since|sequence)="([^"]+)"', html))
        self.held = set(map(int, re.findall(r'id="lead-(\d+)" data-lead="\d+" data-held', html)))
        self.known = set(lead_ids(html)) - self.held

    def look(self, **more: Any) -> Any:
        def ids(numbers: set[int]) -> str:
            return ",".join(map(str, numbers))

        asked = {**self.asks, "known": ids(self.known), "held": ids(self.held), **more}
        response = self.client.get(URL, asked, headers={"accept": "text/html", "hx-request": "true"})
        if response.status_code == 200:
            self.asks.update({name: str(self.told(response)[name]) for name in ("since", "sequence")})
            self.known |= set(lead_ids(response.content.decode()))
            self.held -= self.known
        return response

    @staticmethod
    def told(response: Any) -> Any:
        return json.loads(response["HX-Trigger"])["inbox:news"]


class TestNothingNew:
    def test_it_is_a_204_of_three_queries(self, member: Client, owner: User, funded_clinic: Clinic) -> None:
        deliver_many(funded_clinic, [1, 2, 3])
        deliver(funded_clinic, phone=4, hold_for_review=True)
        inbox = Inbox(member)

        with CaptureQueriesContext(connection) as captured:
            response = inbox.look()

        assert (response.status_code, response.content) == (204, b"")
        assert len(captured) <= 3

    def test_what_was_opened_or_left_the_first_page_is_not_news(
        self, member: Client, owner: User, funded_clinic: Clinic
    ) -> None:
        factories.give_credits(funded_clinic, 10_000)
        leads = deliver_many(funded_clinic, list(range(25)))
        inbox = Inbox(member)

        change_status(lead=leads[-1], status=Lead.Status.LOST, by=owner)
        lead_page(member, leads[-2])

        assert inbox.look().status_code == 204

    def test_leads_that_expired_are_none_and_no_older_one_takes_their_place(
        self, member: Client, funded_clinic: Clinic
    ) -> None:
        factories.give_credits(funded_clinic, 10_000)
        deliver_many(funded_clinic, list(range(MOST_NEWS)))
        shown, unseen = (deliver(funded_clinic, phone=50 + n, hold_for_review=True) for n in range(2))
        BillingService.refuse_lead(unseen.pk)
        inbox = Inbox(member)

        before = inbox.look()
        BillingService.refuse_lead(shown.pk)
        after = inbox.look()

        assert len(inbox.known | inbox.held) == MOST_NEWS
        assert unseen.pk not in inbox.known | inbox.held
        assert [before.status_code, after.status_code] == [204, 204]


class TestNews:
    def test_a_lead_that_arrives_comes_with_all_that_changed(
        self, member: Client, funded_clinic: Clinic
    ) -> None:
        inbox = Inbox(member)
        lead = deliver(funded_clinic, price=7000)

        response = inbox.look()

        html = response.content.decode()
        assert lead_ids(html) == [lead.pk]
        assert "Asha Patel" in html
        assert "<html" not in html
        told = inbox.told(response)
        assert (told["balance"], told["unread"], told["message"]) == ("₹820", 1, "1 new lead")
        assert inbox.look().status_code == 204

    def test_newest_first_and_told_how_many(self, member: Client, funded_clinic: Clinic) -> None:
        inbox = Inbox(member)
        first, second = deliver_many(funded_clinic, [1, 2])

        response = inbox.look()

        assert lead_ids(response.content.decode()) == [second.pk, first.pk]
        assert inbox.told(response)["message"] == "2 new leads"

    def test_a_held_one_comes_masked_and_again_when_it_is_released(
        self, member: Client, clinic: Clinic
    ) -> None:
        inbox = Inbox(member)
        lead = deliver(clinic, name="Zubeida Secret")
        held = inbox.look().content.decode()
        inbox.known, inbox.held = set(), {lead.pk}
        factories.give_credits(clinic, 1000)

        released = inbox.look().content.decode()

        assert_hidden(held)
        assert (lead_ids(held), lead_ids(released)) == ([lead.pk], [lead.pk])
        assert "Zubeida Secret" in released
        assert inbox.look().status_code == 204

    def test_one_released_far_below_the_first_page_is_news(self, member: Client, clinic: Clinic) -> None:
        waits = deliver(clinic, phone=9999, hold_for_review=True)
        factories.give_credits(clinic, 10_000)
        deliver_many(clinic, list(range(25)))
        inbox = Inbox(member)
        assert waits.pk not in inbox.known | inbox.held

        BillingService.release_lead(waits.pk)

        assert lead_ids(inbox.look().content.decode()) == [waits.pk]
        assert inbox.look().status_code == 204

    def test_of_more_than_a_page_that_came_through_the_latest_are_news(
        self, member: Client, clinic: Clinic
    ) -> None:
        waiting = [
            deliver(clinic, phone=900 + number, hold_for_review=True) for number in range(MOST_NEWS + 2)
        ]
        factories.give_credits(clinic, 10_000)
        deliver_many(clinic, list(range(25)))
        inbox = Inbox(member)

        for lead in waiting:
            BillingService.release_lead(lead.pk)

        assert sorted(lead_ids(inbox.look().content.decode())) == [lead.pk for lead in waiting[2:]]

    def test_money_that_moved_brings_the_balance_alone(self, member: Client, funded_clinic: Clinic) -> None:
        inbox = Inbox(member)
        factories.give_credits(funded_clinic, 500)

        response = inbox.look()

        assert lead_ids(response.content.decode()) == []
        assert (inbox.told(response)["balance"], inbox.told(response)["message"]) == ("₹1,500", "")

    def test_only_rows_that_are_sent_are_looked_at(self, member: Client, funded_clinic: Clinic) -> None:
        inbox = Inbox(member)
        deliver(funded_clinic)

        peeked = inbox.look(peek="1")

        assert (peeked.status_code, peeked.content) == (204, b"")
        assert inbox.told(peeked) == {"waiting": 1, "message": "1 new lead"}
        assert not ContactView.objects.exists()
        inbox.look()
        assert ContactView.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_lead_that_commits_after_a_later_one_is_not_missed(
    client: Client, funded_clinic: Clinic, owner: User
) -> None:
    """One that was stored without the account's lock took its number and time first and commits last."""
    client.force_login(owner)
    inbox = Inbox(client)
    stored, go_on = threading.Event(), threading.Event()
    early: list[int] = []

    def store_slowly() -> None:
        with transaction.atomic():
            delivery = BillingService.deliver_lead(factories.enquiry(funded_clinic, 1), without_account=True)
            early.append(delivery.lead_id)
            stored.set()
            go_on.wait(60)
        connection.close()

    thread = threading.Thread(target=store_slowly)
    thread.start()
    stored.wait(60)
    later = deliver(funded_clinic, phone=2)
    first_look = lead_ids(inbox.look().content.decode())
    go_on.set()
    thread.join()

    assert first_look == [later.pk]
    assert early[0] < later.pk
    assert lead_ids(inbox.look().content.decode()) == early
    assert inbox.look().status_code == 204


class TestWhoMayAsk:
    def test_somebody_signed_out_is_told_so_and_sent_nowhere(self, client: Client, clinic: Clinic) -> None:
        response = client.get(URL, headers={"accept": "text/html"})

        assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")

    def test_somebody_without_a_clinic_is_refused(self, member: Client, clinic: Clinic) -> None:
        asks = Inbox(member).asks
        member.force_login(factories.UserFactory.create())

        assert member.get(URL, asks).status_code == 403

    def test_a_page_of_another_clinic_gets_nothing_of_this_one(
        self, member: Client, owner: User, funded_clinic: Clinic, other_clinic: Clinic
    ) -> None:
        Membership.objects.create(user=owner, clinic=other_clinic, role="owner")
        session = member.session
        session["clinic_id"] = funded_clinic.pk
        session.save()
        inbox = Inbox(member)
        member.post("/clinic/switch", {"clinic_id": other_clinic.pk})
        deliver(other_clinic, phone=7)

        response = inbox.look()

        assert (response.status_code, response.json()["code"]) == (409, "another_clinic")

    def test_another_clinic_s_leads_are_not_even_news(
        self, member: Client, funded_clinic: Clinic, other_clinic: Clinic
    ) -> None:
        inbox = Inbox(member)
        factories.give_credits(other_clinic, 1000)
        foreign = deliver(other_clinic, phone=7)

        assert inbox.look().status_code == 204
        assert inbox.look(held=str(foreign.pk)).status_code == 204
        foreign_clinic = {**inbox.asks, "clinic": str(other_clinic.pk)}
        assert member.get(URL, foreign_clinic).status_code == 409

    def test_it_is_only_read(self, member: Client, clinic: Clinic) -> None:
        asks = Inbox(member).asks
        for method in (member.post, member.put, member.patch, member.delete):
            assert method(f"{URL}?clinic={asks['clinic']}&sequence=0&since=2026-01-01").status_code == 405


@pytest.mark.parametrize(
    "bad",
    [
        {"clinic": ""}, {"clinic": "x"}, {"clinic": "0"}, {"clinic": "9" * 30},
        {"since": ""}, {"since": "yesterday"}, {"since": "0001-01-01T00:00+14:00"}, {"since": "9" * 50},
        {"since": "2026-01-01T00:00:00\x00"},
        {"sequence": ""}, {"sequence": "-1"}, {"sequence": "1e9"},
        {"known": "1;2"}, {"known": ","}, {"known": "-1"}, {"known": "1" * 25}, {"known": "1," * 3000}, {"held": "x"},
    ],
)  # fmt: skip
def test_nonsense_is_a_400(member: Client, clinic: Clinic, bad: dict[str, str]) -> None:
    response = member.get(URL, {**Inbox(member).asks, **bad})

    assert (response.status_code, response.json()["code"]) == (400, "invalid")


class TestWhatWaits:
    @pytest.mark.parametrize(
        ("role", "account", "said", "link"),
        [
            ("owner", {}, "Top up to see 3 more (300 credits)", "/clinic/credits/topup"),
            ("front_desk", {}, "3 leads wait for credits: ask your owner or billing", ""),
            ("owner", {"highest_cost": 10}, "3 leads are above your limits.", "/clinic/settings/limits"),
            (
                "owner",
                {"paused_at": "2026-01-01T00:00Z"},
                "deliveries are paused.",
                "/clinic/settings/limits",
            ),
            (
                "front_desk",
                {"frozen_at": "2026-01-01T00:00Z"},
                "deliveries are stopped.",
                "/clinic/settings/help",
            ),
        ],
    )
    def test_each_reason_says_what_to_do(  # noqa: PLR0917
        self, client: Client, clinic: Clinic, role: str, account: Any, said: str, link: str
    ) -> None:
        CreditAccount.objects.filter(pk=clinic.pk).update(**account)
        client.force_login(factories.member_of(clinic, role))
        deliver_many(clinic, [1, 2, 3])

        for html in (page(client), page(client, "?delivery=held")):
            strip = html.partition('class="held-strip"')[2].partition("</ul>")[0]
            assert said in text_of(strip)
            assert link in strip
            assert bool(link) == ("<a " in strip)

    def test_one_that_looks_unusual_waits_for_the_owner(self, client: Client, clinic: Clinic) -> None:
        deliver(clinic, hold_for_review=True)

        for role, said in (
            ("owner", "1 lead looks unusual: deliver it, or refuse it."),
            ("front_desk", "1 lead looks unusual: your owner, billing or our staff decide."),
        ):
            client.force_login(factories.member_of(clinic, role))
            assert said in text_of(page(client))


class TestFirstSteps:
    def test_an_owner_of_a_new_clinic_sees_three_and_ticks_come_by_facts(
        self, member: Client, clinic: Clinic
    ) -> None:
        def done() -> int:
            return page(member).count('class="is-done"')

        html = page(member)
        assert "Three steps to your first patients" in html
        assert 'data-copies="http://testserver/clinics/sunrise"' in html
        assert "low-balance" not in html
        assert done() == 0
        factories.give_credits(clinic, 1000)
        assert done() == 1
        factories.member_of(clinic, "front_desk")
        assert done() == 2
        deliver(clinic)
        assert "Three steps" not in page(member)

    def test_leads_without_credits_leave_the_first_step(self, member: Client, clinic: Clinic) -> None:
        deliver(clinic)

        html = page(member)

        assert html.count('class="is-done"') == 1
        assert "Buy credits" in html

    @pytest.mark.parametrize("role", ["billing", "front_desk"])
    def test_others_see_that_there_are_no_leads_yet(self, client: Client, clinic: Clinic, role: str) -> None:
        client.force_login(factories.member_of(clinic, role))

        html = page(client)

        assert "Three steps" not in html
        assert "No leads yet" in html


def test_a_moment_is_read_with_any_offset(member: Client, clinic: Clinic) -> None:
    for since in ("2030-01-01T00:00:00+23:59:59.9", "2030-01-01T00:00:00-23:59"):
        assert member.get(URL, {**Inbox(member).asks, "since": since}).status_code == 204
