"""A dispute's own page: what was said, by whom, with which files, and what may be said now."""

import re
from datetime import timedelta
from decimal import Decimal
from io import BytesIO

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone, translation
from PIL import Image

from clinics.models import Clinic, User
from disputes.evidence.storage import path_of, preview_path_of
from disputes.models import DisputePolicy, DisputeReader, Evidence, LeadDispute
from disputes.policy_texts import GUIDANCE, guidance_text
from disputes.services import cases, filing
from tests import factories
from tests.clock import Clock
from tests.disputes.hostile_files import pdf, picture
from tests.disputes.portal import HTML, LIST, SAID, asked, case_url, page, photo, rejected, send, url
from tests.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("evidence_folder")]


@pytest.fixture
def case(funded_clinic: Clinic, owner: User) -> LeadDispute:
    return factories.dispute(factories.deliver(funded_clinic), by=owner)


def sent(case: LeadDispute, *files: object) -> filing.Sent:
    return filing.Sent(case.clinic, case.filed_by, files)  # type: ignore[arg-type]


def messages_of(html: str) -> list[str]:
    items = re.findall(
        r'<li class="(?:message|event).*?(?=<li class="(?:message|event)|</ol>)', html, re.DOTALL
    )
    return [text_of(item) for item in items]


def test_it_reads_as_a_conversation_from_the_first_word_to_the_decision(
    member: Client, case: LeadDispute, owner: User
) -> None:
    asked(case)
    colleague = factories.member_of(case.clinic, "billing", full_name="Ravi Nair")
    cases.answer(dispute=case, text="On three mornings.", by=colleague)
    staff = factories.UserFactory.create(is_staff=True, full_name="Resolver Rao")
    cases.approve(
        dispute=case, amount=Decimal(60), reason_code="partly_confirmed", notes="For the most part.", by=staff
    )

    html = page(member, case_url(case))

    first, question, answer, decision = messages_of(html)
    assert first.startswith("You · ")
    assert case.description in first
    assert question.startswith("We · ")
    assert "When did you call?" in question
    assert answer.startswith("Ravi Nair · ")
    assert "On three mornings." in answer
    assert "Approved: 60 credits are back" in decision
    assert "The reason is confirmed in part For the most part." in decision
    assert "Resolver Rao" not in html
    assert f'action="{url(case, "appeal")}"' in html


def test_each_file_stands_by_the_words_it_came_with(member: Client, case: LeadDispute) -> None:
    filing.answer(sent=sent(case, photo()), dispute=case, text="Here is a picture.")
    filing.answer(sent=sent(case, photo("x.pdf", pdf())), dispute=case, text="And here the list.")

    html = page(member, case_url(case))

    _, picture_line, list_line = messages_of(html)
    assert "evidence-1.jpg" in picture_line
    assert "evidence-2.pdf" not in picture_line
    assert "evidence-2.pdf" in list_line
    assert html.count("<img ") == 1  # a PDF has a name and no picture


def test_a_preview_is_a_small_picture_kept_by_nobody(member: Client, case: LeadDispute) -> None:
    large = picture("PNG", "RGBA", (1200, 900))  # transparent all over
    filing.answer(
        sent=sent(case, photo("a.png", large), photo("b.pdf", pdf())), dispute=case, text="Both of them."
    )
    shown, listed = Evidence.objects.order_by("position")

    response = member.get(url(case, f"evidence/{shown.pk}/preview"))

    small = Image.open(BytesIO(b"".join(response)))
    assert (small.size, small.getpixel((5, 5))) == ((240, 180), (255, 255, 255))
    assert (response["Content-Type"], response["Cache-Control"]) == ("image/jpeg", "no-store, private")
    assert member.get(url(case, f"evidence/{listed.pk}/preview")).status_code == 404


def test_no_request_decodes_a_picture_and_one_without_a_preview_is_a_named_link(
    member: Client, case: LeadDispute, monkeypatch: pytest.MonkeyPatch
) -> None:
    filing.answer(sent=sent(case, photo(), photo()), dispute=case, text="Both of them.")
    drawn, older = Evidence.objects.order_by("position")
    preview_path_of(older.stored_name).unlink()
    path_of(drawn.stored_name).write_bytes(b"\xff\xd8\xff damaged")
    monkeypatch.setattr(Image, "open", lambda *_: pytest.fail("decoded in the web process"))

    html = page(member, case_url(case))

    assert html.count("<img ") == 1
    assert "evidence-2.jpg" in html
    for method in (member.get, member.head):
        assert method(url(case, f"evidence/{drawn.pk}/preview")).status_code == 200
        assert method(url(case, f"evidence/{older.pk}/preview")).status_code == 404


def test_a_mistake_brings_the_page_back_with_what_was_typed(member: Client, case: LeadDispute) -> None:
    response = member.post(url(case, "answer"), {"answer": "Call 98765 00001 please"}, headers=HTML)

    assert response.status_code == 400
    html = response.content.decode()
    assert ">Call 98765 00001 please</textarea>" in html
    assert "Please leave phone numbers out" in html
    assert len(messages_of(html)) == 1


def test_an_answer_that_comes_after_the_decision_is_told_so_and_not_lost(
    member: Client, case: LeadDispute
) -> None:
    rejected(case)

    response = member.post(url(case, "answer"), {"answer": "On three mornings."}, headers=HTML)

    assert response.status_code == 409
    html = response.content.decode()
    assert "This dispute was decided meanwhile." in text_of(html)
    assert ">On three mornings.</textarea>" in html


def test_programs_read_one_dispute_too(member: Client, case: LeadDispute) -> None:
    body = member.get(case_url(case)).json()

    assert body == {"status": "success", "dispute": member.get(LIST).json()["disputes"][0]}


class TestWhatIsNew:
    def has_news(self, client: Client) -> bool:
        return "New answer" in page(client)

    def test_our_word_is_new_to_each_member_until_they_read_it(
        self, member: Client, case: LeadDispute
    ) -> None:
        colleague = Client()
        colleague.force_login(factories.member_of(case.clinic, "front_desk"))
        assert not self.has_news(member)  # nobody is told of their own words
        asked(case)
        assert self.has_news(member)

        page(member, case_url(case))

        assert not self.has_news(member)
        assert self.has_news(colleague)
        send(member, url(case, "answer"), {"answer": SAID})
        rejected(case)
        assert self.has_news(member)

    def test_a_word_of_last_month_is_no_news_to_who_comes_today(
        self, member: Client, clinic: Clinic, owner: User, clock: Clock
    ) -> None:
        clock.set(timezone.now() - timedelta(days=31))
        factories.give_credits(clinic, 1000)
        asked(factories.dispute(factories.deliver(clinic, phone=1), by=owner))
        assert not self.has_news(member)

        clock.set(timezone.now() - timedelta(days=29))
        asked(factories.dispute(factories.deliver(clinic, phone=2), by=owner))
        assert self.has_news(member)

    def test_reading_again_writes_nothing(self, member: Client, case: LeadDispute) -> None:
        page(member, case_url(case))
        row = DisputeReader.objects.get()

        with CaptureQueriesContext(connection) as captured:
            page(member, case_url(case))

        assert not [one["sql"] for one in captured if "INSERT" in one["sql"]]
        assert DisputeReader.objects.get() == row


def test_as_many_queries_for_a_word_as_for_many(member: Client, case: LeadDispute) -> None:
    def queries() -> int:
        page(member, case_url(case))
        with CaptureQueriesContext(connection) as captured:
            page(member, case_url(case))
        return len(captured)

    few = queries()
    for number in range(6):
        asked(case)
        files = [photo()] if number < 5 else []
        filing.answer(sent=sent(case, *files), dispute=case, text=f"{SAID} Once more: {number}.")

    assert few == queries() <= 9


def test_the_policy_s_own_texts_are_ours_to_translate_and_staff_s_are_not() -> None:
    assert set(DisputePolicy.objects.values_list("guidance", flat=True)) == GUIDANCE
    with translation.override("hi"):
        assert guidance_text("What staff wrote themselves.") == "What staff wrote themselves."
