"""The queue: who sees it, what comes first, what the filters and the search find, and what comes next."""

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from clinics.models import Clinic, User
from disputes.desk.filters import in_words
from disputes.models import LeadDispute
from disputes.services import cases
from disputes.services.facts import dispute_rates
from leads.models import Lead
from tests import factories
from tests.clock import Clock
from tests.disputes.desk import HTML, QUEUE, TEXT, approval, at, body_of, numbers, resolve
from tests.disputes.many import file_many
from tests.site.back_office import GROUPS, page, sign_in, signed_in

pytestmark = pytest.mark.django_db

# Route, method, and who gets in: everybody else of the staff gets 403.
VIEWERS = {"support", "resolver", "finance", "auditor", "superuser"}
DECIDERS = {"resolver", "superuser"}
ROUTES = [
    ("", "get", VIEWERS),
    ("next", "get", VIEWERS),
    ("{id}", "get", VIEWERS),
    ("bulk", "post", DECIDERS),
    ("{id}/resolve", "post", DECIDERS),
    ("{id}/assign", "post", DECIDERS),
    ("{id}/contact", "post", DECIDERS),
    ("{id}/note", "post", {"support", "resolver", "superuser"}),
]
BAD_QUERIES = [
    "p=abc", "p=-1", "p=0", "p=99999999999999999999", "p=%00", "q=%00", "q=" + "9" * 5000, "q=lead+x", "q=clinic",
    "q=lead+99999999999999999999", "q=clinic+99999999999999999999", "q=patient+Asha", "q=%ED%A0%80", "state=zzz",
    "reason=zzz", "assigned=zzz", "due=zzz", "waiting=zzz", "appeal=zzz", "clinic=zzz", "clinic=-1",
    "clinic=99999999999999999999", "state=any&p=201", "after=zzz", "after=99999999999999999999",
]  # fmt: skip


@pytest.fixture
def resolver() -> User:
    user = factories.UserFactory.create(is_staff=True, full_name="Meera Shah", password=None)
    user.groups.add(Group.objects.get(name="resolver"))
    return user


@pytest.fixture
def desk(resolver: User) -> Client:
    client = Client()
    sign_in(client, resolver)
    return client


def file(clinic: Clinic, phone: int, kind: str = "invalid_contact", **facts: Any) -> LeadDispute:
    return factories.dispute(factories.deliver(clinic, phone, price=15_000, **facts), kind)


def address_of(route: str, dispute: LeadDispute) -> str:
    return f"{QUEUE}/{route}".rstrip("/").format(id=dispute.pk)


class TestRights:
    @pytest.mark.parametrize("who", ["nobody", *GROUPS, "superuser"])
    def test_each_route_is_for_those_who_have_its_right(self, who: str, funded_clinic: Clinic) -> None:
        dispute, client = file(funded_clinic, 1), signed_in(who)
        for route, method, allowed in ROUTES:
            response = getattr(client, method)(address_of(route, dispute), headers=HTML)
            expected = {200, 302, 400} if who in allowed else {403}
            assert response.status_code in expected, (who, route)
            other = "post" if method == "get" else "get"
            refused = getattr(client, other)(address_of(route, dispute), headers=HTML).status_code
            led_on = 302 if other == "get" else 405
            assert refused == (led_on if who in allowed else 403), (who, other, route)
        dispute.refresh_from_db()
        assert dispute.status == "pending"

    def test_the_anonymous_are_sent_to_sign_in(self, client: Client, funded_clinic: Clinic) -> None:
        dispute = file(funded_clinic, 1)
        for route, method, _ in ROUTES:
            response = getattr(client, method)(address_of(route, dispute), headers=HTML, follow=True)
            assert response.redirect_chain[-1][0].startswith("/accounts/login/?next="), route

    def test_a_clinic_s_owner_is_refused(self, client: Client, owner: User, funded_clinic: Clinic) -> None:
        dispute = file(funded_clinic, 1)
        client.force_login(owner)
        for route, method, _ in ROUTES:
            response = getattr(client, method)(address_of(route, dispute), headers=HTML, follow=True)
            assert response.status_code == 403, route

    def test_who_may_not_decide_sees_no_form_for_it(self, funded_clinic: Clinic) -> None:
        dispute = file(funded_clinic, 1)
        for who in ("support", "finance", "auditor"):
            client = signed_in(who)
            assert 'name="admin_notes"' not in body_of(client.get(QUEUE)) + body_of(client.get(at(dispute)))

    def test_a_foreign_page_cannot_send_for_staff(self, resolver: User, funded_clinic: Clinic) -> None:
        dispute = file(funded_clinic, 1)
        strict = Client(enforce_csrf_checks=True)
        sign_in(strict, resolver)
        for route, method, _ in ROUTES:
            if method == "post":
                assert strict.post(address_of(route, dispute), approval(), headers=HTML).status_code == 403


class TestOrder:
    def test_the_most_urgent_is_first_and_what_waits_for_the_clinic_last(
        self, desk: Client, funded_clinic: Clinic, clock: Clock, staff: User
    ) -> None:
        clock.advance(hours=-60)
        old = file(funded_clinic, 1)
        clock.advance(hours=1)
        asked = file(funded_clinic, 2)
        clock.advance(hours=30)
        young = file(funded_clinic, 3)
        cases.ask_clinic(dispute=asked, text="When?", by=staff)

        response = desk.get(QUEUE)

        assert numbers(response) == [old.pk, young.pk, asked.pk]
        words = [row.time_left[1] for row in response.context["rows"]]
        assert words[0].startswith("Overdue by 12 h")
        assert words[1].endswith("left")
        assert words[2].startswith("Stands still")

    def test_a_row_says_what_one_needs_to_choose(self, desk: Client, clinic: Clinic) -> None:
        factories.give_credits(clinic, 5000)
        for phone in range(1, 9):
            factories.deliver(clinic, phone, price=15_000)
        dispute = file(clinic, 9, "wrong_treatment", source="google-ads")

        [row] = desk.get(QUEUE).context["rows"]

        assert row.at_stake == Decimal("250.00")
        assert row.suggestion.amount == Decimal("125.00")
        assert (row.rate.disputes, row.rate.delivered, row.rate.percent) == (1, 9, Decimal("11.1"))
        body = body_of(desk.get(QUEUE))
        assert all(
            text in body for text in ("Wrong treatment", "from google-ads", "₹250.00", "Approve ₹125.00")
        )
        assert f'href="{at(dispute)}"' in body

    def test_the_rate_looks_back_90_days_and_counts_no_appeal(self, funded_clinic: Clinic) -> None:
        decided = factories.refund(factories.deliver(funded_clinic, 1, price=15_000), 100)
        cases.appeal(dispute=decided, description="All", by=factories.member_of(funded_clinic, "owner"))
        now = timezone.now()

        [recent] = dispute_rates([funded_clinic.pk], now).values()
        [later] = dispute_rates([funded_clinic.pk], now + timedelta(days=91)).values()

        assert (recent.disputes, recent.delivered, recent.percent) == (1, 1, Decimal(100))
        assert (later.disputes, later.delivered, later.percent) == (0, 0, None)

    @pytest.mark.parametrize(("minutes", "words"), [
        (0, "0 min"), (59, "59 min"), (60, "1 h"), (23 * 60 + 59, "23 h"), (24 * 60, "1 d"), (27 * 60, "1 d 3 h"),
        (11 * 24 * 60 + 60, "11 d"),
    ])  # fmt: skip
    def test_spans_are_told_in_words(self, minutes: int, words: str) -> None:
        assert in_words(timedelta(minutes=minutes)) == words


class TestFilters:
    @pytest.fixture
    def rows(self, clinic: Clinic, other_clinic: Clinic, clock: Clock, resolver: User) -> dict[str, int]:
        for one in (clinic, other_clinic):
            factories.give_credits(one, 10_000)
        clock.advance(hours=-50)
        overdue = file(clinic, 1, "spam")
        clock.advance(hours=49)
        mine, asked, plain = file(clinic, 2), file(clinic, 3), file(other_clinic, 4)
        cases.assign(dispute=mine, to=resolver)
        staff = factories.UserFactory.create(is_staff=True, password=None)
        cases.ask_clinic(dispute=asked, text="When?", by=staff)
        waiting = file(other_clinic, 5)
        cases.request_approval(
            dispute=waiting, amount=Decimal(250), reason_code="confirmed", notes=TEXT, by=staff
        )
        decided = file(other_clinic, 6)
        cases.approve(dispute=decided, amount=Decimal(100), reason_code="confirmed", notes=TEXT, by=staff)
        appeal = cases.appeal(
            dispute=decided, description="All of it", by=factories.member_of(other_clinic, "owner")
        )
        refused = file(clinic, 7)
        cases.reject(dispute=refused, reason_code="not_confirmed", notes=TEXT, by=staff)
        named = {"overdue": overdue, "mine": mine, "asked": asked, "plain": plain, "waiting": waiting,
                 "decided": decided, "appeal": appeal, "refused": refused}  # fmt: skip
        return {name: dispute.pk for name, dispute in named.items()}

    @pytest.mark.parametrize(("query", "found"), [
        ("", {"overdue", "mine", "asked", "plain", "waiting", "appeal"}),
        ("state=approved", {"decided"}),
        ("state=rejected", {"refused"}),
        ("state=cancelled", set()),
        ("state=any", {"overdue", "mine", "asked", "plain", "waiting", "decided", "appeal", "refused"}),
        ("reason=spam", {"overdue"}),
        ("due=overdue", {"overdue"}),
        ("assigned=me", {"mine"}),
        ("assigned=nobody", {"overdue", "asked", "plain", "waiting", "appeal"}),
        ("waiting=clinic", {"asked"}),
        ("waiting=second", {"waiting"}),
        ("waiting=us", {"overdue", "mine", "plain", "appeal"}),
        ("appeal=only", {"appeal"}),
        ("q=clinic+sunrise", {"overdue", "mine", "asked", "refused"}),
        ("q=Clinic+Sunrise&state=rejected", {"refused"}),
        ("q=clinic+nobody", set()),
        ("q=patient+Asha", set()),
        ("assigned=nobody&reason=invalid_contact&waiting=us", {"plain", "appeal"}),
    ])  # fmt: skip
    def test_each_filter_finds_what_it_says(
        self, query: str, found: set[str], desk: Client, rows: dict[str, int]
    ) -> None:
        shown = numbers(desk.get(f"{QUEUE}?{query}"))
        assert {name for name, number in rows.items() if number in shown} == found
        assert len(shown) == len(found)

    def test_by_the_numbers_of_dispute_lead_and_clinic(
        self, desk: Client, rows: dict[str, int], clinic: Clinic
    ) -> None:
        lead = LeadDispute.objects.get(pk=rows["decided"]).lead_id
        assert numbers(desk.get(QUEUE, {"q": str(rows["refused"])})) == [rows["refused"]]
        assert numbers(desk.get(QUEUE, {"q": f"lead {lead}"})) == [rows["appeal"], rows["decided"]]
        of_clinic = [rows[name] for name in ("asked", "mine", "overdue")]
        assert sorted(numbers(desk.get(QUEUE, {"clinic": clinic.pk}))) == sorted(of_clinic)
        assert rows["refused"] in numbers(desk.get(QUEUE, {"q": f"clinic {clinic.pk}"}))

    def test_the_numbers_beside_the_views_are_those_of_what_is_pending(
        self, desk: Client, rows: dict[str, int]
    ) -> None:
        assert desk.get(f"{QUEUE}?state=approved").context["counts"] == {
            "pending": 6, "mine": 1, "nobody": 5, "overdue": 1, "clinic": 1, "appeals": 1, "second": 1,
            "unanswered": 0,
        }  # fmt: skip

    def test_marks_stand_on_the_rows(self, desk: Client, rows: dict[str, int]) -> None:
        body = body_of(desk.get(QUEUE))
        for mark in (
            "Appeal</span>",
            "Waits for the clinic</span>",
            "Second person asked</span>",
            "Overdue by",
        ):
            assert mark in body

    @pytest.mark.parametrize("query", BAD_QUERIES)
    def test_a_bad_address_is_never_an_error_of_ours(self, query: str, desk: Client, rows: Any) -> None:
        for path in (QUEUE, f"{QUEUE}/next", at(rows["plain"])):
            assert desk.get(f"{path}?{query}").status_code < 500, path

    def test_an_unknown_filter_value_is_a_400_that_shows_nothing(self, desk: Client, rows: Any) -> None:
        response = desk.get(f"{QUEUE}?state=zzz")
        assert response.status_code == 400
        assert numbers(response) == []

    def test_what_is_not_understood_is_said(self, desk: Client) -> None:
        assert "was not understood" in body_of(desk.get(QUEUE, {"q": "patient <b>Asha"}))


class TestNext:
    def test_mine_come_first_then_nobodys_then_others_and_round_the_end(
        self, desk: Client, resolver: User, funded_clinic: Clinic
    ) -> None:
        factories.give_credits(funded_clinic, 2000)
        others, free, mine = (file(funded_clinic, phone) for phone in (1, 2, 3))
        cases.assign(dispute=mine, to=resolver)
        cases.assign(dispute=others, to=factories.UserFactory.create(is_staff=True, password=None))
        order = [mine, free, others, mine]

        assert desk.get(f"{QUEUE}/next").headers["Location"] == at(mine)
        for here, following in pairwise(order):
            assert desk.get(f"{QUEUE}/next?after={here.pk}").headers["Location"] == at(following)

    def test_what_waits_for_others_or_is_ones_own_decision_is_passed_over(
        self, desk: Client, resolver: User, funded_clinic: Clinic
    ) -> None:
        factories.give_credits(funded_clinic, 2000)
        asked, requested, decided = (file(funded_clinic, phone) for phone in (1, 2, 3))
        cases.ask_clinic(dispute=asked, text="When?", by=resolver)
        cases.request_approval(
            dispute=requested, amount=Decimal(10), reason_code="confirmed", notes=TEXT, by=resolver
        )
        cases.reject(dispute=decided, reason_code="not_confirmed", notes=TEXT, by=resolver)
        cases.appeal(dispute=decided, description="No", by=factories.member_of(funded_clinic, "owner"))

        response = desk.get(f"{QUEUE}/next", follow=True)

        assert response.redirect_chain == [(QUEUE, 302)]
        assert "Nothing else waits" in body_of(response)
        assert desk.get(f"{QUEUE}/next?waiting=clinic").headers["Location"].startswith(at(asked))
        assert desk.get(f"{QUEUE}/next?waiting=second").headers["Location"].startswith(at(requested))

    def test_one_whose_request_ran_out_comes_up_again(
        self, desk: Client, funded_clinic: Clinic, clock: Clock, staff: User
    ) -> None:
        clock.advance(hours=-73)
        requested = file(funded_clinic, 1)
        cases.request_approval(
            dispute=requested, amount=Decimal(250), reason_code="confirmed", notes=TEXT, by=staff
        )
        clock.reset()

        assert desk.get(f"{QUEUE}/next").headers["Location"] == at(requested)
        queue = desk.get(QUEUE)
        assert queue.context["counts"]["second"] == 0
        assert "Second person asked" not in body_of(queue)
        assert numbers(desk.get(f"{QUEUE}?waiting=second")) == []
        assert numbers(desk.get(f"{QUEUE}?waiting=us")) == [requested.pk]

    def test_one_the_clinic_did_not_answer_for_a_week_comes_up_again_to_be_rejected(
        self, desk: Client, funded_clinic: Clinic, clock: Clock, staff: User
    ) -> None:
        factories.give_credits(funded_clinic, 2000)
        asked = []
        for phone, hours in ((1, -7 * 24 - 1), (2, 2)):  # one an hour above seven days ago, one an hour below
            clock.advance(hours=hours)
            asked.append(file(funded_clinic, phone))
            cases.ask_clinic(dispute=asked[-1], text="When?", by=staff)
        clock.reset()
        silent, recent = asked

        assert desk.get(f"{QUEUE}/next").headers["Location"] == at(silent)
        assert desk.get(f"{QUEUE}/next?after={silent.pk}").headers["Location"] == QUEUE
        queue = desk.get(QUEUE)
        assert (queue.context["counts"]["clinic"], queue.context["counts"]["unanswered"]) == (2, 1)
        rows = {row.dispute.pk: row for row in queue.context["rows"]}
        assert rows[silent.pk].suggestion.advice == "reject"
        assert rows[silent.pk].suggestion.why == "The clinic did not answer our question for 7 days."
        assert rows[recent.pk].suggestion.advice == "approve"
        for response in (queue, desk.get(at(silent))):
            assert "No answer for 7 days" in body_of(response)
        assert "No answer" not in body_of(desk.get(at(recent))).partition("desk-columns")[0]
        assert numbers(desk.get(f"{QUEUE}?waiting=unanswered")) == [silent.pk]
        assert numbers(desk.get(f"{QUEUE}?waiting=us")) == [silent.pk]
        assert numbers(desk.get(f"{QUEUE}?waiting=clinic")) == [silent.pk, recent.pk]

    def test_the_filters_stay_in_force_from_case_to_case(self, desk: Client, funded_clinic: Clinic) -> None:
        factories.give_credits(funded_clinic, 2000)
        first, _, third = (
            file(funded_clinic, 1, "spam"),
            file(funded_clinic, 2),
            file(funded_clinic, 3, "spam"),
        )

        response = resolve(desk, first, approval("250"), "?reason=spam")

        assert response.headers["Location"] == f"{at(third)}?reason=spam"
        response = resolve(desk, third, approval("250"), "?reason=spam")
        assert response.headers["Location"] == f"{QUEUE}?reason=spam"


class TestWays:
    def test_the_admins_index_of_the_app_leads_to_the_queue(self, desk: Client) -> None:
        assert desk.get("/admin/disputes/").headers["Location"] == QUEUE
        assert f'href="{QUEUE}"' in body_of(desk.get(page("disputes.leaddispute", "")))

    def test_the_list_of_the_admin_finds_by_lead_and_by_clinic(
        self, desk: Client, funded_clinic: Clinic
    ) -> None:
        first, second = file(funded_clinic, 1), file(funded_clinic, 2)
        address = page("disputes.leaddispute", "")
        for term, found in (
            (f"lead {first.lead_id}", [first]), (f"clinic {funded_clinic.slug}", [second, first]), ("lead 0", []),
            (str(second.pk), [second]),
        ):  # fmt: skip
            assert list(desk.get(address, {"q": term}).context["cl"].result_list) == found

    def test_what_clinics_write_stays_text(self, desk: Client, other_clinic: Clinic) -> None:
        Clinic.objects.filter(pk=other_clinic.pk).update(name="<script>alert(1)</script>")
        factories.give_credits(other_clinic, 1000)
        lead = factories.deliver(other_clinic, 1, price=15_000)
        dispute = cases.file_dispute(
            clinic=other_clinic, lead=lead, dispute_type="spam", description="<img src=x onerror=alert(2)>",
            by=factories.member_of(other_clinic, "owner", full_name="<b>Asha"),
        )  # fmt: skip
        for address in (QUEUE, f"{QUEUE}?clinic={other_clinic.pk}", at(dispute)):
            body = body_of(desk.get(address))
            assert "<script>alert" not in body
            assert "<img src=x" not in body
            assert "<b>Asha" not in body
        assert "&lt;img src=x onerror=alert(2)&gt;" in body

    def test_pages_are_strict_about_scripts_and_styles(self, desk: Client, funded_clinic: Clinic) -> None:
        dispute = file(funded_clinic, 1)
        for address in (QUEUE, at(dispute)):
            response = desk.get(address)
            body = body_of(response)
            assert "<style" not in body
            assert " style=" not in body
            assert " onclick=" not in body
            assert "script-src 'self'" in response.headers["Content-Security-Policy"]
            assert "no-store" in response.headers["Cache-Control"]


@pytest.mark.django_db(transaction=True, databases=["default", "owner"])
def test_five_thousand_open_disputes_take_as_many_statements_as_five(
    clinic: Clinic, other_clinic: Clinic
) -> None:
    """Each page of the queue, the way to the next one, and the page of a case."""
    client = signed_in("resolver")
    lead = file_many(clinic, 5, apart=timedelta(hours=13))
    addresses = [
        QUEUE, f"{QUEUE}?state=any", f"{QUEUE}?due=overdue", f"{QUEUE}?q=clinic+sunrise", f"{QUEUE}/next",
        at(LeadDispute.objects.get(lead=lead)),
    ]  # fmt: skip
    few = [statements(client, address) for address in addresses]

    file_many(other_clinic, 4_995, leads=6_000)

    assert LeadDispute.objects.pending().count() == 5_000
    assert Lead.objects.count() == 6_005
    for address, before in zip(addresses, few, strict=True):
        after = statements(client, address)
        assert len(after) == len(before), "\n".join(after)
        assert len(after) < 45, "\n".join(after)
    response = client.get(QUEUE)
    assert len(numbers(response)) == 50
    assert response.context["has_more"]
    assert numbers(client.get(f"{QUEUE}?p=2"))[0] not in numbers(response)


def statements(client: Client, address: str) -> list[str]:
    client.get(address)  # what Django remembers for the life of a process is asked for now
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code in (200, 302)
    return [row["sql"] for row in captured.captured_queries]
