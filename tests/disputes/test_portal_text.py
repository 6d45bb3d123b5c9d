"""A text tells nobody who the patient is, and its refusals tell nobody either who may not see the contact."""

from typing import Any

import pytest
from django.test import Client

from clinics.models import Clinic, User
from credits.services.ledger import BillingService
from disputes.free_text import patient_data_in
from disputes.models import LeadDispute
from disputes.services import cases
from leads.models import Lead
from tests import factories
from tests.disputes.portal import HTML, SAID, file_by_form, file_by_json, send, url
from tests.pages import text_of

PHONES = [
    "98765, 43210 rang out",
    "98765,43210",
    "98765;43210",
    "98765:43210",
    "98765*43210",
    "98765|43210",
    "98765x43210",
    "98765X43210",
    "98765 x 43210",
    "98765 - 43210",
    "(98765) – (43210)",
    "98765‑43210",
    "98.76.54.32.10",
    "98,76,54,32,10",
    "9,87,65,43,210",
    "9,8,7,6,5,4,3,2,1,0",
    "9, 8, 7, 6, 5, 4, 3, 2, 1, 0",
    "9876 2054 31",
    "+91: 98765, 43210",
    "0091-98765:43210",
    "022:2345:6789",
    "2345 6789",
    "९८७६५, ४३२१०",
    "3 calls to 3, 98765, 43210",
    "In 2025: 98765, 43210",
    "At 10:30: 98765:43210",
    "1,00,000 and 98765,43210",
    "22-11-2026 98765 432",
]
NO_PHONES = [
    "₹1,00,000",
    "₹1,50,000.00",
    "Rs 1,00,000-1,50,000",
    "1,00,000, 2,00,000, 3,00,000",
    "1,000,000 rupees",
    "1500-2000 credits",
    "75000 - 90000",
    "500, 1000, 1500 credits",
    "100, 250, 400, 500",
    "750, 1000, 250",
    "2024-2025",
    "2024, 2025, 2026",
    "2025, 3 times",
    "22-11-2026, 23-11-2026",
    "22/11/2026 10:30, 23/11/2026 17:45",
    "2026-11-22 10:30:15",
    "10:30, 11:45, 12:15 and 17:30",
    "10:30, 11:45, 12:15, 17:30",
    "10.30 11.45",
    "380006, 25 km away",
    "682001, 2500 rupees",
    "days 1, 2, 3, 4, 5, 6, 7",
    "lead 1234567, 3 calls",
    "98765xxxxx",
    "a screen of 1024 x 768",
]
NAMES = [
    ("कविता देशमुख", "हमने कविता को फोन किया"),
    ("कविता देशमुख", "देशमुख जी ने मना किया"),
    ("கவிதா முருகன்", "கவிதா பேசவில்லை"),
    ("ਜਸਪ੍ਰੀਤ ਕੌਰ", "ਜਸਪ੍ਰੀਤ ਨੇ ਨਹੀਂ ਚੁੱਕਿਆ"),
    ("కవిత రెడ్డి", "రెడ్డి గారు రాలేదు"),
    ("José Fernandes", "We rang Jose twice"),
    ("Jose Fernandes", "We rang JOSÉ twice"),
    ("Jose\u0301 Rao", "We rang José twice"),
    ("Ｋａｖｉｔａ", "Kavita's phone is off"),
    ("Kavita", "Kav\u200bita was not there"),
    ("Will Smith", "Mr Smith hung up"),
    ("Will May", "It was will  May, she said"),
    ("Om Li", "om li was not there"),
    ("Mrs. Zubeida", "Zubeida_was not there"),
]
NO_NAMES = [
    ("May", "It may be a wrong number"),
    ("Rose", "Prices rose, she said"),
    ("Will", "The patient will not come"),
    ("Hope", "We hope for an answer"),
    ("Out", "The number is out of service"),
    ("Will Smith", "The patient will not come"),
    ("Mrs. Zubeida", "Mrs. she called herself"),
    ("Test patient", "It was a test patient"),
    ("श्री राम", "श्री कृष्ण अस्पताल से"),
    ("कवि", "हमने कविता सुनी"),
    ("Kavi", "We heard Kavita"),
    ("Om", "om is no word of ours"),
    ("", "Nobody was there"),
]


@pytest.mark.parametrize("text", PHONES)
def test_a_number_is_found_however_it_is_written(text: str) -> None:
    assert "phone numbers" in (patient_data_in(f"We tried {text} today", ()) or "")


@pytest.mark.parametrize("text", NO_PHONES)
def test_amounts_dates_times_and_years_are_no_numbers(text: str) -> None:
    assert patient_data_in(f"It says {text} today", ()) is None


@pytest.mark.parametrize(("name", "text"), NAMES)
def test_a_name_is_found_in_any_script(name: str, text: str) -> None:
    assert "patient's name" in (patient_data_in(text, (name,)) or "")


@pytest.mark.parametrize(("name", "text"), NO_NAMES)
def test_words_that_are_no_name_are_let_through(name: str, text: str) -> None:
    assert patient_data_in(text, (name,)) is None


@pytest.mark.django_db
class TestAskingForAName:
    """Whoever may not see the contact gets the same answer to a right and a wrong guess."""

    GUESSES = ("Was it Zubeida, by any chance?", "Was it Kavita, by any chance?")

    @pytest.fixture
    def member(self, client: Client, owner: User) -> Client:
        client.force_login(owner)
        return client

    @pytest.fixture
    def staff(self) -> User:
        return factories.UserFactory.create(is_staff=True, password=None)

    @pytest.mark.parametrize(
        "make",
        [
            lambda clinic: factories.deliver(clinic, 7, hold_for_review=True, name="Zubeida"),
            lambda clinic: factories.refund(factories.deliver(clinic, 7, name="Zubeida"), 100).lead,
            lambda clinic: withdrawn(factories.deliver(clinic, 7, hold_for_review=True, name="Zubeida")),
            lambda clinic: refused(factories.deliver(clinic, 7, hold_for_review=True, name="Zubeida")),
        ],
        ids=["held", "refunded", "withdrawn", "refused"],
    )
    def test_a_hidden_name_cannot_be_guessed(self, member: Client, funded_clinic: Clinic, make: Any) -> None:
        lead = make(funded_clinic)

        right, wrong = (file_by_form(member, lead, description=guess) for guess in self.GUESSES)
        told_right, told_wrong = (file_by_json(member, lead, description=guess) for guess in self.GUESSES)

        assert right.status_code == wrong.status_code == told_right.status_code == 409
        assert told_right.json() == told_wrong.json()

    def test_an_answer_to_a_dispute_whose_contact_is_hidden_says_nothing_of_it(
        self, member: Client, funded_clinic: Clinic, staff: User
    ) -> None:
        lead = factories.deliver(funded_clinic, price=15_000, name="Zubeida")
        first = factories.dispute(lead)
        cases.approve(dispute=first, amount=lead.cost, reason_code="confirmed", notes="Right.", by=staff)

        for what, field in (("answer", "answer"), ("appeal", "description")):
            right, wrong = (send(member, url(first, what), {field: guess}) for guess in self.GUESSES)
            assert (right.status_code, right.json()) == (409, wrong.json())

    def test_a_name_that_is_shown_is_refused_after_everything_else(
        self, member: Client, funded_clinic: Clinic, staff: User
    ) -> None:
        lead = factories.deliver(funded_clinic, name="Zubeida")

        late = file_by_json(member, lead, dispute_type="price_only", description=self.GUESSES[0])
        response = file_by_form(member, lead, description=self.GUESSES[0])

        assert (late.status_code, late.json()["code"]) == (409, "not_accepted")
        assert response.status_code == 400
        assert "name out: write «the patient»." in text_of(response)
        assert self.GUESSES[0] in text_of(response)
        assert not LeadDispute.objects.exists()
        assert file_by_form(member, lead, description=SAID).status_code == 303
        case = LeadDispute.objects.get()
        named = member.post(url(case, "answer"), {"answer": self.GUESSES[0]}, headers=HTML)
        assert named.status_code == 400
        cases.reject(dispute=case, reason_code="not_confirmed", notes="No.", by=staff)
        assert send(member, url(case, "answer"), {"answer": self.GUESSES[0]}).status_code == 409


def withdrawn(lead: Lead) -> Lead:
    BillingService.withdraw_lead(lead.pk)
    return lead


def refused(lead: Lead) -> Lead:
    BillingService.refuse_lead(lead.pk)
    return lead
