"""/clinic/leads/held: leads that wait, and release by hand, of any age, by a person who is kept."""

import re
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from clinics.models import Clinic, User
from credits.models import BillingRules, CreditAccount, HeldLeadDecision
from credits.services.ledger import BillingService
from leads.models import Lead
from tests.clock import Clock
from tests.credits.books import account
from tests.factories import deliver, deliver_many, give_credits, member_of
from tests.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]
PAGE = "/clinic/leads/held"
DELIVER_ALL = "Deliver all that can be paid"


def decide(client: Client, action: str, lead: Lead | None = None) -> Any:
    return client.post(PAGE, {"action": action, **({"lead_id": lead.pk} if lead else {})})


def said_after(client: Client, answer: Any) -> str:
    assert (answer.status_code, answer.url) == (303, PAGE)
    return text_of(client.get(PAGE))


def decisions() -> list[tuple[int, str, str, str, str]]:
    rows = HeldLeadDecision.objects.order_by("pk")
    return [
        (row.lead_id, row.action, row.held_reason, row.delivery_state, row.still_held_reason) for row in rows
    ]


class TestTheList:
    def test_it_shows_why_each_waits_and_what_it_costs_but_not_who_it_is(
        self, member: Client, clinic: Clinic
    ) -> None:
        lead = deliver(clinic, 1, price=7000, name="Asha Patel", city="Surat")
        deliver(clinic, 2, hold_for_review=True)

        page = member.get(PAGE)

        text = text_of(page)
        assert f"Lead {lead.pk}" in text
        assert "Surat · your credits did not reach" in text
        assert "None of these can be delivered now. Your balance is ₹0." in text
        assert "1 lead waits for a check" in text
        assert "looks unusual" in text
        assert "Asha" not in text
        assert "98765" not in page.content.decode()

    def test_the_front_desk_reads_and_may_not_act(self, client: Client, clinic: Clinic) -> None:
        lead = deliver(clinic, 1)
        client.force_login(member_of(clinic, "front_desk"))

        page = client.get(PAGE)

        assert page.status_code == 200
        assert "Deliver it" not in text_of(page)
        assert decide(client, "release", lead).status_code == 403
        assert decide(client, "release_all").status_code == 403

    def test_others_leads_are_neither_shown_nor_touched(self, member: Client, other_clinic: Clinic) -> None:
        foreign = deliver(other_clinic, 1)

        assert "No lead is held" in text_of(member.get(PAGE))
        assert decide(member, "release", foreign).status_code == 404
        assert decide(member, "refuse", foreign).status_code == 404

    def test_pages_follow_each_other_without_a_gap(
        self, member: Client, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("credits.held_views.PAGE_SIZE", 2)
        leads = deliver_many(clinic, range(5))
        seen, address = [], PAGE
        while True:
            page = member.get(address).content.decode()
            seen += [int(found) for found in re.findall(r'<li id="lead-(\d+)"', page)]
            later = re.search(r'href="(\?after=\d+)"', page)
            if later is None:
                break
            address = PAGE + later[1]
        assert seen == [lead.pk for lead in leads]

    @pytest.mark.parametrize(
        "data", [{}, {"action": "x"}, {"action": "release"}, {"action": "refuse", "lead_id": "9" * 40}]
    )
    def test_nonsense_is_a_bad_request(self, member: Client, data: dict[str, str]) -> None:
        assert member.post(PAGE, data).status_code == 400
        assert member.get(PAGE, {"after": "x"}).status_code == 400


def test_credits_are_offered_only_where_they_are_what_is_missing(
    member: Client, funded_clinic: Clinic
) -> None:
    CreditAccount.objects.update(paused_at=timezone.now())
    deliver(funded_clinic, 1)
    CreditAccount.objects.update(paused_at=None)
    buy = '<a class="btn btn-plain" href="/clinic/credits/topup">Buy credits</a>'

    with_credits = member.get(PAGE).content.decode()
    CreditAccount.objects.update(paused_at=timezone.now())
    deliver_many(funded_clinic, range(2, 15))
    CreditAccount.objects.update(paused_at=None)
    without = member.get(PAGE).content.decode()

    assert DELIVER_ALL in with_credits
    assert buy not in with_credits
    assert DELIVER_ALL in without
    assert buy in without


def test_where_limits_hold_all_of_them_the_page_says_what_they_leave_and_leads_to_them(
    member: Client, funded_clinic: Clinic
) -> None:
    CreditAccount.objects.update(daily_cap=Decimal(150))
    deliver_many(funded_clinic, [1, 2, 3])

    page = member.get(PAGE)

    said = "None of these can be delivered now. Today's limit of ₹150 leaves ₹50. Your balance is ₹900."
    assert said in text_of(page)
    assert DELIVER_ALL not in page.content.decode()
    change = '<a class="btn btn-primary" href="/clinic/settings/limits">Change limits</a>'
    assert change in page.content.decode()
    CreditAccount.objects.update(daily_cap=Decimal(200))
    assert DELIVER_ALL in member.get(PAGE).content.decode()


def test_where_credits_alone_are_missing_they_are_what_is_offered(member: Client, clinic: Clinic) -> None:
    deliver(clinic, 1)

    page = member.get(PAGE).content.decode()

    assert DELIVER_ALL not in page
    assert '<a class="btn btn-primary" href="/clinic/credits/topup">Buy credits</a>' in page


class TestManyThatWaitForACheck:
    def test_those_that_were_shown_are_refused_at_once_and_no_later_one(
        self, member: Client, owner: User, funded_clinic: Clinic, other_clinic: Clinic
    ) -> None:
        foreign = deliver(other_clinic, 1, hold_for_review=True)
        shown = [deliver(funded_clinic, phone, hold_for_review=True) for phone in (1, 2, 3)]
        page = member.get(PAGE).content.decode()
        [ids] = re.findall(r'name="lead_ids" value="([^"]+)"', page)
        assert ids == ",".join(str(lead.pk) for lead in shown)
        assert "3 leads wait for a check" in page
        later = deliver(funded_clinic, 4, hold_for_review=True)
        BillingService.release_lead(shown[0].pk, by=owner.pk)

        data = {"action": "refuse_all", "lead_ids": f"{ids},{foreign.pk}"}
        said = said_after(member, member.post(PAGE, data))

        assert "2 leads are refused." in said
        assert set(Lead.objects.held()) == {foreign, later}
        refused = [(lead.pk, "refuse", "review", "expired", "") for lead in shown[1:]]
        assert decisions()[1:] == refused
        assert "None of these leads waits" in said_after(member, member.post(PAGE, data))
        assert decisions()[1:] == refused

    def test_they_are_folded_and_the_oldest_alone_where_there_are_too_many(
        self, member: Client, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("credits.services.held.MOST_REFUSED", 2)
        leads = [deliver(clinic, phone, hold_for_review=True) for phone in range(3)]

        page = member.get(PAGE)

        assert "3 leads wait for a check The oldest 2 are shown." in text_of(page)
        assert f'name="lead_ids" value="{leads[0].pk},{leads[1].pk}"' in page.content.decode()
        assert page.content.decode().count('<li id="lead-') == 2
        assert "<details open" not in page.content.decode()

    @pytest.mark.parametrize("ids", ["", "x", "1,", "1,,2", ",".join(["1"] * 201), "9" * 30])
    def test_nonsense_refuses_nothing(self, member: Client, clinic: Clinic, ids: str) -> None:
        assert member.post(PAGE, {"action": "refuse_all", "lead_ids": ids}).status_code == 400

    def test_the_front_desk_may_not(self, client: Client, clinic: Clinic) -> None:
        lead = deliver(clinic, 1, hold_for_review=True)
        client.force_login(member_of(clinic, "front_desk"))

        assert "Refuse all of these" not in text_of(client.get(PAGE))
        answer = client.post(PAGE, {"action": "refuse_all", "lead_ids": str(lead.pk)})
        assert answer.status_code == 403
        assert list(Lead.objects.held()) == [lead]


class TestOneLead:
    def test_an_old_one_is_delivered_and_who_did_it_is_kept(
        self, member: Client, owner: User, clinic: Clinic, clock: Clock
    ) -> None:
        lead = deliver(clinic, 1)
        clock.advance(days=10)
        give_credits(clinic, 300)

        said = said_after(member, decide(member, "release", lead))

        assert f"Lead {lead.pk} is delivered, for ₹100." in said
        assert decisions() == [(lead.pk, "release", "no_credits", "delivered", "")]
        assert HeldLeadDecision.objects.get().decided_by == owner

    def test_one_that_cannot_be_paid_stays_and_says_why(self, member: Client, clinic: Clinic) -> None:
        lead = deliver(clinic, 1)

        said = said_after(member, decide(member, "release", lead))

        assert f"Not enough credits: lead {lead.pk} stays held." in said
        assert decisions() == []

    def test_one_in_review_is_delivered_or_refused_by_the_clinic(
        self, member: Client, funded_clinic: Clinic
    ) -> None:
        good, bad = (deliver(funded_clinic, phone, hold_for_review=True) for phone in (1, 2))

        assert "is delivered, for ₹100" in said_after(member, decide(member, "release", good))
        assert "is refused. It costs you nothing." in said_after(member, decide(member, "refuse", bad))

        assert decisions() == [
            (good.pk, "release", "review", "delivered", ""),
            (bad.pk, "refuse", "review", "expired", ""),
        ]
        assert Lead.objects.get(pk=bad.pk).expired_reason == "refused"
        assert decide(member, "refuse", bad).status_code == 303  # a second tap
        assert decide(member, "release", bad).status_code == 409
        assert "is delivered" in said_after(member, decide(member, "release", good))
        assert account(funded_clinic).balance == 900
        assert len(decisions()) == 2

    def test_one_in_review_that_cannot_be_paid_waits_for_credits_from_then_on(
        self, member: Client, clinic: Clinic
    ) -> None:
        lead = deliver(clinic, 1, hold_for_review=True)

        decide(member, "release", lead)
        give_credits(clinic, 100)

        assert decisions() == [(lead.pk, "release", "review", "held", "no_credits")]
        assert Lead.objects.get(pk=lead.pk).delivery_state == "delivered"

    def test_only_one_in_review_can_be_refused(self, member: Client, clinic: Clinic) -> None:
        lead = deliver(clinic, 1)

        assert decide(member, "refuse", lead).status_code == 409
        assert Lead.objects.get(pk=lead.pk).delivery_state == "held"

    def test_a_repeat_of_a_paid_one_is_free(self, member: Client, funded_clinic: Clinic) -> None:
        lead = deliver(funded_clinic, 1, hold_for_review=True)
        deliver(funded_clinic, 1)

        assert "is delivered free" in said_after(member, decide(member, "release", lead))
        assert decisions() == [(lead.pk, "release", "review", "free", "")]


class TestAllThatCanBePaid:
    def test_the_oldest_of_any_age_come_first_and_the_rest_says_why_it_stays(
        self, member: Client, clinic: Clinic, clock: Clock
    ) -> None:
        old = deliver_many(clinic, [1, 2])
        clock.advance(days=5)
        review = deliver(clinic, 3, hold_for_review=True)
        dear = deliver(clinic, 4, price=30000)
        CreditAccount.objects.update(auto_release=False)
        give_credits(clinic, 300)

        said = said_after(member, decide(member, "release_all"))

        assert "2 leads were delivered." in said
        assert "Not enough credits: 1 lead stays held." in said
        assert "Waits for a check: 1 lead stays held." in said
        assert {lead.pk for lead in Lead.objects.held()} == {review.pk, dear.pk}
        assert decisions() == [(lead.pk, "release", "no_credits", "delivered", "") for lead in old]

    def test_a_round_has_an_end(self, member: Client, clinic: Clinic) -> None:
        BillingRules.objects.update(release_batch=2)
        CreditAccount.objects.update(auto_release=False)
        deliver_many(clinic, [1, 2, 3])
        give_credits(clinic, 1000)

        said = said_after(member, decide(member, "release_all"))

        assert "press again for the rest" in said
        assert Lead.objects.held().count() == 1

    def test_nothing_to_deliver_is_said(self, member: Client, clinic: Clinic) -> None:
        deliver(clinic, 1)

        assert "No lead could be delivered." in said_after(member, decide(member, "release_all"))


def test_what_was_decided_can_be_neither_made_up_nor_changed(owner: User, funded_clinic: Clinic) -> None:
    lead = deliver(funded_clinic, 1, hold_for_review=True)
    BillingService.release_lead(lead.pk, by=owner.pk)
    statements = (
        "UPDATE held_lead_decisions SET decided_by_id = decided_by_id",
        "DELETE FROM held_lead_decisions",
        "INSERT INTO held_lead_decisions SELECT * FROM held_lead_decisions",
    )
    for statement in statements:
        with pytest.raises(Exception, match="permission denied"), transaction.atomic():
            connection.cursor().execute(statement)


def test_the_page_asks_the_same_number_of_questions_at_any_size(
    member: Client, clinic: Clinic, django_assert_max_num_queries: Any
) -> None:
    deliver_many(clinic, range(20), price=7000)
    for phone in range(20, 25):
        deliver(clinic, phone, hold_for_review=True)
    member.get(PAGE)  # the counts that are cached

    with django_assert_max_num_queries(10):  # two make a savepoint, which there is in a test alone
        member.get(PAGE)
