"""Bad input and files on a clinic's routes of disputes: each gets its refusal, and nothing changes."""

from typing import Any

import pytest
from django.test import Client

from clinics.models import Clinic
from disputes.forms import MOST_CHARACTERS
from disputes.models import Evidence, LeadDispute
from leads.models import Lead
from tests import factories
from tests.disputes.hostile_files import MB, noise, picture
from tests.disputes.portal import (
    HTML,
    SAID,
    asked,
    create_url,
    file_by_form,
    file_by_json,
    photo,
    rejected,
    send,
    url,
)
from tests.pages import text_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("evidence_folder")]


@pytest.fixture
def lead(funded_clinic: Clinic) -> Lead:
    """A lead of 250, charged."""
    return factories.deliver(funded_clinic, price=15_000, name="Zubeida Sharma")


class TestBadInput:
    @pytest.mark.parametrize(
        ("fields", "field", "words"),
        [
            ({"dispute_type": None}, "dispute_type", "Please choose a reason."),
            ({"dispute_type": "nonsense"}, "dispute_type", "nonsense is not one of the available choices"),
            ({"dispute_type": "spam\x00"}, "dispute_type", ""),
            ({"description": None}, "description", "Please say what happened."),
            ({"description": "   \n "}, "description", "Please say what happened."),
            ({"description": "short"}, "description", "at least 10 characters"),
            ({"description": "a" * (MOST_CHARACTERS + 1)}, "description", "at most 2000 characters"),
            ({"description": SAID + "\x00"}, "description", "Null characters"),
            ({"idempotency_key": "with space"}, "idempotency_key", "printable ASCII"),
            ({"idempotency_key": "k" * 101}, "idempotency_key", "at most 100"),
        ],
    )
    def test_a_bad_field_is_a_400_with_the_form_and_what_was_typed(
        self, member: Client, lead: Lead, fields: dict[str, Any], field: str, words: str
    ) -> None:
        response = file_by_form(member, lead, **fields)

        assert response.status_code == 400
        assert words in text_of(response)
        assert 'name="dispute_type"' in response.content.decode()
        if "description" not in fields:
            assert SAID in text_of(response)
        told = file_by_json(member, lead, **fields)
        is_no_json = "\x00" in "".join(str(value) for value in fields.values())
        assert (told.status_code, list(told.json()["fields"])) == (400, [] if is_no_json else [field])
        assert not LeadDispute.objects.exists()

    @pytest.mark.parametrize(
        "text",
        [
            "The number 9876543210 does not exist",
            "Tried +91 98765 43210 for days",
            "It is 98765-43210, switched off",
            "Number (022) 2345 6789 is a bakery",
            "He gave ९८७६५४३२१० as number",
            "Number ９８７６５４３２１０ is wrong",
            "9 8 7 6 5 4 3 2 1 0 is not reachable",
            "98765\u200b43210 is not reachable",
            "On 22-11-2026 98765 432 rang out",
            "Mail to someone@example.com bounced",
            "Zubeida said she never asked",
            "That was ZUBEIDA SHARMA of course",
            "Ms. Sharma did not pick up at all",
        ],
    )
    def test_a_patient_s_data_has_no_place_in_it(self, member: Client, lead: Lead, text: str) -> None:
        response = file_by_form(member, lead, description=text)

        assert response.status_code == 400
        assert "lease leave" in text_of(response)
        assert file_by_json(member, lead, description=text).json()["fields"].keys() == {"description"}

    @pytest.mark.parametrize(
        "text",
        [
            "We called on 22-11-2026 and on 23/11/2026, at 10:30 and 17:45",
            "Called on 2026-11-22, 3 times within 48 hours",
            "The patient lives in 380006 Ahmedabad, 25 km away",
            "It cost 250 credits; a treatment of ₹1,50,000 was asked for",
            "See lead 1234567: it is the same enquiry",
            "मरीज ने कभी पूछताछ नहीं की थी",
            "The number does not exist, says the operator 😕",
        ],
    )
    def test_dates_and_ordinary_numbers_have(self, member: Client, lead: Lead, text: str) -> None:
        assert file_by_json(member, lead, description=text).status_code == 201

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ("{", 400),
            ("[]", 400),
            ('"text"', 400),
            (f'{{"dispute_type": "spam", "dispute_type": "other", "description": "{SAID}"}}', 400),
            ('{"dispute_type": "spam", "description": "lone \\ud800 surrogate here"}', 400),
            ('{"dispute_type": "spam", "description": "a NUL \\u0000 in the text"}', 400),
            (f'{{"dispute_type": ["spam"], "description": "{SAID}"}}', 400),
            (f'{{"dispute_type": {{"a": 1}}, "description": "{SAID}"}}', 400),
            (f'{{"dispute_type": "spam", "description": ["{SAID}"]}}', 400),
            ('{"dispute_type": "spam", "description": NaN}', 400),
            ('{"dispute_type": "spam", "description": null}', 400),
            ('{"dispute_type": "spam", "description": true}', 400),
            (f'{{"dispute_type": "spam", "description": "{SAID}", "refund_amount": 100}}', 400),
            (f'{{"dispute_type": "spam", "description": "{SAID}", "evidence": "a.jpg"}}', 400),
            (b'{"dispute_type": "spam", "description": "\xff\xfe"}', 400),
            ('{"dispute_type": "spam", "description": "%s"}' % ("x" * 500_000), 400),
            ('{"dispute_type": "spam", "description": "%s"}' % ("x" * 1_100_000), 413),
        ],
    )
    def test_no_body_gets_more_than_its_refusal(
        self, member: Client, lead: Lead, body: str | bytes, status: int
    ) -> None:
        response = send(member, create_url(lead), body)

        assert (response.status_code, response.json()["status"]) == (status, "error")
        assert not LeadDispute.objects.exists()

    def test_multipart_with_repeated_or_unknown_fields_is_refused(self, member: Client, lead: Lead) -> None:
        for extra in (
            {"dispute_type": ["spam", "other"]},
            {"clinic_id": "1"},
            {"evidence": "text"},
            {"attachment": photo()},
        ):
            body = {"dispute_type": "spam", "description": SAID, **extra}
            response = member.post(create_url(lead), body)
            assert (response.status_code, list(response.json()["fields"])) == (400, list(extra))
        assert not LeadDispute.objects.exists()

    @pytest.mark.parametrize("field", ["dispute_type", "description", "idempotency_key"])
    def test_a_form_with_a_repeated_field_is_refused(self, member: Client, lead: Lead, field: str) -> None:
        body = {"dispute_type": "spam", "description": SAID, "idempotency_key": "k"}

        response = file_by_form(member, lead, **{**body, field: [body[field], body[field]]})

        assert response.status_code == 400
        assert "This takes a single value." in text_of(response)
        assert not LeadDispute.objects.exists()

    def test_a_length_that_is_no_number_ends_nothing(self, client: Client, lead: Lead) -> None:
        for length in ("abc", "-1", "1e3", "²"):
            response = client.post(create_url(lead), {"dispute_type": "spam"}, CONTENT_LENGTH=length)
            assert response.status_code == 401
        response = client.post(create_url(lead), {"dispute_type": "spam"}, CONTENT_LENGTH="9" * 5_000)
        assert response.status_code == 413

    def test_a_text_of_a_megabyte_beside_files_is_a_413(self, member: Client, lead: Lead) -> None:
        body = {"dispute_type": "spam", "description": "x" * 1_100_000, "evidence": photo()}

        assert member.post(create_url(lead), body, headers=HTML).status_code == 413
        response = member.post(create_url(lead), {**body, "evidence": photo()})
        assert (response.status_code, response.json()["code"]) == (413, "too_large")

    def test_a_broken_multipart_body_is_a_400(self, member: Client, lead: Lead) -> None:
        for accept in ("text/html", "application/json"):
            response = member.post(
                create_url(lead),
                b"--x\r\nContent-Disposition: nonsense",
                content_type="multipart/form-data; boundary=",
                headers={"accept": accept},
            )
            assert response.status_code == 400

    @pytest.mark.parametrize("what", ["answer", "appeal"])
    def test_answers_and_appeals_are_looked_at_as_closely(
        self, member: Client, lead: Lead, what: str
    ) -> None:
        dispute = factories.dispute(lead)
        dispute = asked(dispute) if what == "answer" else rejected(dispute)
        field = "answer" if what == "answer" else "description"

        response = member.post(url(dispute, what), {field: "Zubeida Sharma, 9876543210"}, headers=HTML)

        assert response.status_code == 400
        assert "Zubeida Sharma, 9876543210" in text_of(response)
        told = send(member, url(dispute, what), {field: "mail to a@b.example"})
        assert (told.status_code, list(told.json()["fields"])) == (400, [field])


class TestFiles:
    def test_six_files_are_one_too_many(self, member: Client, lead: Lead) -> None:
        response = file_by_form(member, lead, evidence=[photo() for _ in range(6)])

        assert response.status_code == 400
        assert "At most 5 files." in text_of(response)
        assert file_by_form(member, lead, evidence=[photo() for _ in range(5)]).status_code == 303

    def test_a_byte_above_five_megabytes_is_a_413_with_the_form(
        self, member: Client, lead: Lead, evidence_folder: Any
    ) -> None:
        large = picture() + bytes(5 * MB + 1 - len(picture()))

        response = file_by_form(member, lead, evidence=[photo(), photo(content=large)])

        assert response.status_code == 413
        assert "File 2: This file is larger than 5 MB." in text_of(response)
        assert "choose your files again" in text_of(response)
        assert SAID in text_of(response)
        assert list(evidence_folder.iterdir()) == []
        assert file_by_form(member, lead, evidence=photo(content=large[:-1])).status_code == 303

    def test_five_large_files_are_taken_together(self, member: Client, lead: Lead) -> None:
        large = noise("JPEG", (900, 900))
        large += bytes(5 * MB - len(large))

        response = file_by_form(member, lead, evidence=[photo(content=large) for _ in range(5)])

        assert response.status_code == 303
        assert Evidence.objects.count() == 5

    def test_a_body_beyond_all_files_is_refused_unread(self, member: Client, lead: Lead) -> None:
        for accept, path in (("text/html", create_url(lead)), ("application/json", create_url(lead))):
            response = member.post(
                path, photo(), content_type="multipart/form-data; boundary=x",
                CONTENT_LENGTH=str(27 * MB), headers={"accept": accept},
            )  # fmt: skip
            assert response.status_code == 413
            assert "At most 26 MB" in response.content.decode()

    def test_the_larger_limit_is_for_these_routes_and_for_signed_in_people_alone(
        self, client: Client, lead: Lead
    ) -> None:
        def sent(path: str, kind: str = "multipart/form-data; boundary=x") -> int:
            body = b"--x--\r\n" + bytes(2 * MB)
            return client.post(path, body, content_type=kind, headers=HTML).status_code

        assert sent(create_url(lead)) == 413
        client.force_login(factories.member_of(lead.clinic, "owner"))
        assert sent(create_url(lead)) == 400
        assert sent(create_url(lead), "application/json") == 413
        assert sent(create_url(lead), "application/x-www-form-urlencoded") == 413
        assert sent("/clinic/leads/update-status") == 413
        assert sent("/contact-clinic") == 413

    def test_a_bad_file_is_named_by_its_place(self, member: Client, lead: Lead) -> None:
        response = file_by_form(member, lead, evidence=[photo(), photo("x.png", b"<html>")])

        assert response.status_code == 400
        assert "File 2: This is not a JPEG, PNG, WebP or PDF file" in text_of(response)
        assert not LeadDispute.objects.exists()
