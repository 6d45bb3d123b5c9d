"""«Enquiries for review»: staff see what helps to judge, never the patient, and decide once."""

import re
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from clinics.models import Clinic
from credits.models import CreditAccount, HeldLeadDecision
from credits.services.ledger import BillingService, ReviewAlreadyDecided
from leads import review_desk
from leads.models import Lead
from leads.services import review_queue
from leads.services.origin import address_digest
from tests import factories
from tests.credits.books import account
from tests.site.back_office import GROUPS, PATIENT, PATIENT_PHONE, TRACES, person, sign_in, signed_in

pytestmark = pytest.mark.django_db
PAGE = "/admin/leads/lead/review/"


def suspect(clinic: Clinic, phone: int | str = 0, *, address: str = "203.0.113.9", **facts: Any) -> Lead:
    """An enquiry beyond what its address may send."""
    return factories.deliver(
        clinic, phone, address_hmac=address_digest(address), per_minute_limit=60, **facts
    )


def decide(client: Client, action: str, reason: str, *leads: Lead, query: str = "") -> Any:
    ticked = [lead.pk for lead in leads]
    return client.post(PAGE + query, {"action": action, "reason_code": reason, "lead": ticked})


def shown(client: Client, query: str = "") -> list[int]:
    page = client.get(PAGE + query)
    assert page.status_code == 200
    return [int(key) for key in re.findall(r'name="lead" value="(\d+)"', page.content.decode())]


def text_of(response: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def decisions() -> list[tuple[str, str, str, str]]:
    rows = HeldLeadDecision.objects.order_by("pk")
    return [(row.action, row.reason_code, row.delivery_state, row.still_held_reason) for row in rows]


def test_each_reason_is_listed_once_under_what_it_fits() -> None:
    widget: Any = review_desk.ReviewForm().fields["reason_code"].widget
    groups = dict(list(widget.choices)[1:])
    listed = {label: [code for code, _ in codes] for label, codes in groups.items()}

    assert list(listed) == ["To release", "To refuse", "Either way"]
    either = listed.pop("Either way")
    for action, codes in zip(("release", "refuse"), listed.values(), strict=True):
        assert {*codes, *either} == set(review_desk.FITTING[action])


class TestTheList:
    def test_it_shows_what_helps_to_judge_and_nothing_of_the_patient(
        self, funded_clinic: Clinic, other_clinic: Clinic
    ) -> None:
        factories.deliver(funded_clinic, PATIENT_PHONE)
        trap = suspect(
            funded_clinic,
            PATIENT_PHONE,
            hold_for_review=True,
            **{**PATIENT, "message": "Cheap pills at www.example.com and https://example.org"},
        )
        suspect(other_clinic, PATIENT_PHONE)
        suspect(other_clinic, 7, address="198.51.100.1")

        page = signed_in("support").get(PAGE)

        text = text_of(page)
        assert f"{trap.pk} now Sunrise from web Hidden field filled No. 1 of its address" in text
        assert "1 more wait 1 more at this clinic 1 more wait 81 characters 2 links ₹100.00" in text
        assert text.count("No. 1 of its address within the hour") == 2
        assert not [
            trace for trace in (*TRACES, "Cheap pills", "example.org") if trace in page.content.decode()
        ]

    def test_the_oldest_come_first_and_pages_follow_each_other_without_a_gap(
        self, clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(review_desk, "PER_PAGE", 2)
        leads = [suspect(clinic, phone).pk for phone in range(5)]
        client = signed_in("resolver")

        assert shown(client) == leads[:2]
        assert shown(client, f"?after={leads[1]}") == leads[2:4]
        assert shown(client, f"?after={leads[3]}") == leads[4:]
        assert f'href="{PAGE}?after={leads[1]}">Later ones' in client.get(PAGE).content.decode()

    def test_it_is_narrowed_to_one_address_or_one_clinic(self, clinic: Clinic, other_clinic: Clinic) -> None:
        one, two = suspect(clinic, 1), suspect(other_clinic, 2)
        other = suspect(other_clinic, 3, address="198.51.100.1")
        trap = factories.deliver(clinic, 4, hold_for_review=True)
        client = signed_in("support")

        assert shown(client, f"?like={two.pk}") == [one.pk, two.pk]
        assert shown(client, f"?clinic={other_clinic.pk}") == [two.pk, other.pk]
        assert shown(client, f"?like={trap.pk}") == []
        for nonsense in ("after=x", "like=-1", "clinic=%00", "after=" + "9" * 40):
            assert client.get(f"{PAGE}?{nonsense}").status_code == 200

    def test_it_asks_the_same_number_of_questions_at_any_size(
        self, clinic: Clinic, django_assert_max_num_queries: Any
    ) -> None:
        client = signed_in("support")
        for phone in range(30):
            suspect(clinic, phone)

        with django_assert_max_num_queries(9):  # session, user and rights, the list and what is alike
            assert len(shown(client)) == 30

    @pytest.mark.parametrize("who", ["nobody", *GROUPS, "superuser"])
    def test_who_may_look_and_who_may_decide(self, funded_clinic: Clinic, who: str) -> None:
        lead = suspect(funded_clinic)
        client = signed_in(who)
        decides = who in ("support", "resolver", "superuser")
        looks = decides or who == "auditor"

        assert client.get(PAGE).status_code == (200 if looks else 403)
        assert bool(looks and shown(client)) == decides
        assert decide(client, "refuse", "scripted", lead).status_code == (303 if decides else 403)
        assert Lead.objects.in_review().exists() != decides

    def test_the_first_page_counts_what_waits_and_leads_here(self, clinic: Clinic) -> None:
        suspect(clinic)
        front = signed_in("support").get("/admin/").content.decode()

        assert f'href="{PAGE}"><strong>1</strong> <span>Enquiries for review' in front


class TestDeciding:
    def test_several_are_released_each_by_its_clinics_own_rules(
        self, funded_clinic: Clinic, other_clinic: Clinic
    ) -> None:
        user, client = person("support"), Client()
        sign_in(client, user)
        good, again, poor = suspect(funded_clinic, 1), suspect(funded_clinic, 1), suspect(other_clinic, 2)

        answer = decide(client, "release", "shared_address", good, again, poor, query="?clinic=7")

        assert (answer.status_code, answer["Location"]) == (303, f"{PAGE}?clinic=7")
        assert decisions() == [
            ("release", "shared_address", "delivered", ""),
            ("release", "shared_address", "free", ""),
            ("release", "shared_address", "held", "no_credits"),
        ]
        assert set(HeldLeadDecision.objects.values_list("decided_by", flat=True)) == {user.pk}
        assert account(funded_clinic).balance == 900
        said = text_of(client.get(PAGE))
        assert "1 delivered and charged, 1 delivered free, a repeat, 1 held on (not enough credits)" in said
        # What staff released waits for credits like any other from then on.
        factories.give_credits(other_clinic, 100)
        assert Lead.objects.get(pk=poor.pk).delivery_state == "delivered"

    def test_refused_ones_expire_and_cost_nothing(self, funded_clinic: Clinic) -> None:
        leads = [suspect(funded_clinic, phone) for phone in range(3)]

        decide(signed_in("resolver"), "refuse", "scripted", *leads)

        assert set(Lead.objects.values_list("delivery_state", "expired_reason")) == {("expired", "refused")}
        assert decisions() == [("refuse", "scripted", "expired", "")] * 3
        assert account(funded_clinic).balance == 1000

    def test_who_comes_second_is_told_and_nothing_is_decided_twice(self, funded_clinic: Clinic) -> None:
        lead, other = suspect(funded_clinic, 1), suspect(funded_clinic, 2)
        first, second = signed_in("support"), signed_in("resolver")
        decide(first, "release", "genuine", lead)

        late = decide(second, "refuse", "scripted", lead)
        assert late.status_code == 409
        assert f"decided by somebody else meanwhile, or withdrawn by the patient): {lead.pk}." in text_of(
            late
        )
        both = decide(second, "refuse", "scripted", lead, other)
        assert both.status_code == 303
        assert f"{lead.pk}." in text_of(second.get(PAGE))

        assert Lead.objects.get(pk=lead.pk).delivery_state == "delivered"
        assert decisions() == [("release", "genuine", "delivered", ""), ("refuse", "scripted", "expired", "")]

    def test_the_clinic_and_the_patient_may_be_quicker_too(
        self, funded_clinic: Clinic, client: Client
    ) -> None:
        refused, withdrawn = suspect(funded_clinic, 1), suspect(funded_clinic, 2)
        BillingService.refuse_lead(refused.pk, by=factories.member_of(funded_clinic, "owner").pk)
        BillingService.withdraw_lead(withdrawn.pk)

        for lead in (refused, withdrawn):
            with pytest.raises(ReviewAlreadyDecided):
                BillingService.review_lead(
                    lead.pk, action="release", reason_code="genuine", by=person("support").pk
                )
        assert account(funded_clinic).balance == 1000

    def test_nobody_decides_for_a_clinic_they_belong_to_or_did(self, funded_clinic: Clinic) -> None:
        lead, user, client = suspect(funded_clinic), person("support"), Client()
        user.memberships.create(clinic=funded_clinic, role="billing", is_active=False)
        sign_in(client, user)

        answer = decide(client, "release", "genuine", lead)

        assert answer.status_code == 409
        assert "another person decides it" in text_of(answer)
        assert Lead.objects.in_review().exists()

    def test_a_clinic_whose_account_is_busy_is_waited_for_once_and_the_others_are_decided(
        self, funded_clinic: Clinic, other_clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stuck = [suspect(funded_clinic, phone) for phone in range(3)]
        free = suspect(other_clinic, 3)
        asked, review = [], BillingService.review_lead

        def waits_in_vain(lead_id: int, **decision: Any) -> Any:
            asked.append(lead_id)
            if lead_id in {lead.pk for lead in stuck}:
                raise OperationalError("canceling statement due to lock timeout")
            return review(lead_id, **decision)

        monkeypatch.setattr(BillingService, "review_lead", waits_in_vain)

        outcomes = review_queue.decide(
            lead_ids=[lead.pk for lead in (*stuck, free)],
            action="refuse",
            reason_code="scripted",
            by=person("support"),
        )

        assert asked == [stuck[0].pk, free.pk]
        assert [one.why_not for one in outcomes] == [review_queue.BUSY] * 3 + [""]

    def test_only_what_waits_for_review_can_be_decided(self, clinic: Clinic) -> None:
        unpaid = factories.deliver(clinic, 1)

        assert decide(signed_in("support"), "release", "genuine", unpaid).status_code == 409
        assert decisions() == []

    @pytest.mark.parametrize(
        ("action", "reason", "ticked"),
        [
            ("", "genuine", ["1"]),
            ("release", "", ["1"]),
            ("release", "scripted", ["1"]),
            ("refuse", "genuine", ["1"]),
            ("approve", "genuine", ["1"]),
            ("release", "because", ["1"]),
            ("release", "genuine", []),
            ("release", "genuine", ["x"]),
            ("release", "genuine", ["9" * 40]),
            ("release", "genuine", ["\x00"]),
            ("release", "genuine", ["1"] * 201),
        ],
    )
    def test_nonsense_changes_nothing_and_is_told(
        self, clinic: Clinic, action: str, reason: str, ticked: list[str]
    ) -> None:
        suspect(clinic)
        data = {"action": action, "reason_code": reason, "lead": ticked}

        answer = signed_in("support").post(PAGE, data)

        assert answer.status_code == 400
        assert "Nothing was done." in text_of(answer)
        assert Lead.objects.in_review().count() == 1


def test_the_database_keeps_reasons_to_the_actions_they_fit(funded_clinic: Clinic) -> None:
    lead = suspect(funded_clinic)

    with pytest.raises(Exception, match="held_decision_reason_fits_its_action"):
        BillingService.review_lead(lead.pk, action="release", reason_code="scripted", by=person("support").pk)


def test_staff_release_no_lead_past_what_the_clinic_set(funded_clinic: Clinic) -> None:
    CreditAccount.objects.update(highest_cost=50)
    lead = suspect(funded_clinic)

    decide(signed_in("support"), "release", "genuine", lead)

    assert decisions() == [("release", "genuine", "held", "budget")]
