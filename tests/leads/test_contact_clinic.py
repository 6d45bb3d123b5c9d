"""POST /contact-clinic: a patient's enquiry is checked, stored and never lost; bad input changes nothing."""

from typing import Any

import pytest
from django.db.models import Sum
from django.test import Client

from clinics.models import ApiToken, Clinic, IdempotencyKey, Partner
from credits.models import CreditAccount
from credits.services.ledger import BillingService
from leads.models import Lead, LeadContact, Treatment
from tests import factories
from tests.clock import Clock

pytestmark = pytest.mark.django_db
PHONE = "+919876543210"


def body(clinic: Clinic, **changes: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "clinic_id": clinic.pk,
        "patient_name": "Asha Patel",
        "mobile_number": "98765 43210",
        "consent_given": True,
    }
    fields.update(changes)
    return {name: value for name, value in fields.items() if value is not ...}


def post(client: Client, clinic: Clinic, **changes: Any) -> Any:
    headers = changes.pop("headers", {})
    return client.post(
        "/contact-clinic", body(clinic, **changes), content_type="application/json", headers=headers
    )


def the_only_lead() -> Lead:
    return Lead.objects.select_related("contact").get()


def test_an_enquiry_is_stored_charged_and_answered_without_a_word_about_billing(
    client: Client, funded_clinic: Clinic
) -> None:
    response = post(client, funded_clinic, message="After six please", email="asha@example.com", city="Surat")

    lead = the_only_lead()
    assert response.status_code == 201
    assert response.json() == {"status": "success", "lead_id": lead.pk}
    assert [lead.delivery_state, lead.cost, lead.status, lead.source] == ["delivered", 100, "new", "web"]
    assert lead.contact.phone.as_e164 == PHONE
    assert (lead.contact.name, lead.contact.message, lead.city) == ("Asha Patel", "After six please", "Surat")
    assert BillingService.get_clinic_credit_balance(funded_clinic.pk) == 900


def test_without_credits_the_same_answer_comes_and_the_lead_waits(client: Client, clinic: Clinic) -> None:
    response = post(client, clinic)

    assert response.status_code == 201
    assert response.json() == {"status": "success", "lead_id": the_only_lead().pk}
    assert (the_only_lead().delivery_state, the_only_lead().held_reason) == ("held", "no_credits")


@pytest.mark.parametrize(
    "written",
    [
        "9876543210",
        "98765 43210",
        "98765-43210",
        "+91 98765 43210",
        "+91-9876543210",
        "(+91) 98765 43210",
        "09876543210",
        "919876543210",
        "00919876543210",
        "+919876543210",
        " 98 76 54 32 10 ",
        "९८७६५४३२१०",
        "９８７６５４３２１０",
        "tel:+91-98765-43210",
    ],
)
def test_indian_numbers_are_understood_in_every_usual_writing(
    client: Client, clinic: Clinic, written: str
) -> None:
    assert post(client, clinic, mobile_number=written).status_code == 201

    assert the_only_lead().contact.phone.as_e164 == PHONE


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("mobile_number", "12345"),
        ("mobile_number", "not a number"),
        ("mobile_number", ""),
        ("mobile_number", ["9876543210"]),
        ("mobile_number", {"a": 1}),
        ("mobile_number", "9" * 5000),
        ("patient_name", ""),
        ("patient_name", "   "),
        ("patient_name", "12345"),
        ("patient_name", "x" * 121),
        ("consent_given", False),
        ("consent_given", None),
        ("consent_given", "maybe"),
        ("consent_given", "no"),
        ("consent_given", "0"),
        ("consent_given", ...),
        ("clinic_id", ...),
        ("clinic_id", "abc"),
        ("clinic_id", -1),
        ("clinic_id", 1.5),
        ("clinic_id", True),
        ("clinic_id", 10**30),
        ("clinic_id", [1]),
        ("email", "not an address"),
        ("email", f"{'a' * 60}@{'b' * 60}.{'c' * 60}.{'d' * 60}.{'e' * 20}.com"),
        ("city", "Sector 21"),
        ("preferred_date", "2020-01-01"),
        ("preferred_date", "31/31/2026"),
        ("preferred_date", "9999-12-31"),
        ("contact_intent", "pigeon"),
        ("source", "no spaces here"),
        ("message", "x" * 2001),
        ("package_id", 10**19),
        ("package_id", 999_999_999),
        ("package_price", 1),
        ("is_minor", True),  # without a guardian
        ("is_minor", "perhaps"),
        ("idempotency_key", "with space"),
        ("idempotency_key", "k" * 101),
        ("unheard_of", 1),
    ],
)
def test_bad_fields_are_named_and_nothing_changes(
    client: Client, funded_clinic: Clinic, field: str, value: Any
) -> None:
    response = post(client, funded_clinic, **{field: value})

    assert response.status_code == 400, response.content
    error = response.json()
    assert (error["status"], error["code"]) == ("error", "invalid")
    assert error["message"]
    named = "guardian_name" if (field, value) == ("is_minor", True) else field
    assert named in error["fields"]
    assert not Lead.objects.exists()
    assert CreditAccount.objects.aggregate(total=Sum("balance"))["total"] == 1000


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b"42",
        b'"text"',
        b"{",
        b'{"clinic_id": NaN}',
        b'{"clinic_id": Infinity}',
        b'{"clinic_id": 1, "clinic_id": 2}',
        b'{"patient_name": "\\ud800"}',
        b'{"patient_name": "\\u0000"}',
        b'{"a":' * 2000 + b"1" + b"}" * 2000,
        b"\xff\xfe",
        b'{"clinic_id": 1e400}',
    ],
)
def test_a_body_that_is_no_clean_json_object_is_refused(client: Client, clinic: Clinic, raw: bytes) -> None:
    response = client.generic("POST", "/contact-clinic", raw, content_type="application/json")

    assert response.status_code == 400
    assert response.json()["status"] == "error"
    assert not Lead.objects.exists()


def test_another_content_type_and_other_methods_are_refused(client: Client, clinic: Clinic) -> None:
    assert client.generic("POST", "/contact-clinic", b"<a/>", content_type="text/xml").status_code == 415
    assert client.get("/contact-clinic").status_code == 405
    assert client.delete("/contact-clinic").status_code == 405
    assert client.get("/contact-clinic", headers={"accept": "text/html"}).status_code == 405


def test_a_body_above_the_limit_is_413(client: Client, clinic: Clinic) -> None:
    response = client.generic(
        "POST", "/contact-clinic", b"x" * (1024 * 1024 + 1), content_type="application/json"
    )

    assert response.status_code == 413
    assert response.json()["code"] == "too_large"


def test_an_inactive_or_missing_clinic_is_404_and_stores_nothing(client: Client, clinic: Clinic) -> None:
    Clinic.objects.filter(pk=clinic.pk).update(is_active=False)

    inactive, missing = post(client, clinic), post(client, clinic, clinic_id=10**9)

    assert inactive.status_code == missing.status_code == 404
    assert inactive.json() == missing.json()
    assert not LeadContact.objects.exists()
    assert not IdempotencyKey.objects.exists()


def test_a_package_of_another_clinic_or_off_sale_is_refused(
    client: Client, clinic: Clinic, other_clinic: Clinic
) -> None:
    foreign = factories.PackageFactory.create(clinic=other_clinic)
    withdrawn = factories.PackageFactory.create(clinic=clinic, is_active=False)

    for package in (foreign, withdrawn):
        response = post(client, clinic, package_id=package.pk)
        assert response.status_code == 400
        assert "package_id" in response.json()["fields"]
    assert not Lead.objects.exists()


def test_the_package_decides_the_cost(client: Client, funded_clinic: Clinic) -> None:
    package = factories.PackageFactory.create(clinic=funded_clinic, price=12_000)

    post(client, funded_clinic, package_id=package.pk)

    lead = the_only_lead()
    assert [lead.cost, lead.package_price, lead.treatment_id] == [250, 12_000, package.treatment_id]


def test_without_a_package_the_catalogue_s_least_price_decides(client: Client, funded_clinic: Clinic) -> None:
    factories.TreatmentFactory.create(name="Rhinoplasty", min_price=120_000)
    Treatment.objects.create(category="Skin", name="Peel")

    post(client, funded_clinic, procedure_name="rhinoplasty")
    post(client, funded_clinic, procedure_name="Peel", mobile_number="9876500001")
    post(client, funded_clinic, procedure_name="Something of my own", mobile_number="9876500002")

    assert list(Lead.objects.order_by("pk").values_list("cost", flat=True)) == [500, 100, 100]


def test_a_minor_needs_a_guardian_and_is_taken_with_one(client: Client, clinic: Clinic) -> None:
    assert post(client, clinic, is_minor=True, guardian_name="Ravi Patel").status_code == 201

    assert the_only_lead().is_minor
    assert the_only_lead().contact.guardian_name == "Ravi Patel"


def test_consent_is_kept_with_version_and_time(client: Client, clinic: Clinic) -> None:
    post(client, clinic)

    lead = the_only_lead()
    assert lead.consent_notice.version == "2026-11"
    assert len(lead.consent_notice.text_sha256) == 64
    assert lead.consented_at == lead.created_at


def test_the_same_key_answers_the_same_and_another_body_is_409(client: Client, funded_clinic: Clinic) -> None:
    first = post(client, funded_clinic, headers={"Idempotency-Key": "abc"})
    again = post(client, funded_clinic, headers={"Idempotency-Key": "abc"})
    as_field = post(client, funded_clinic, idempotency_key="abc")
    other = post(client, funded_clinic, patient_name="Somebody Else", headers={"Idempotency-Key": "abc"})

    assert first.json() == again.json() == as_field.json()
    assert (again.status_code, other.status_code) == (201, 409)
    assert other.json()["code"] == "idempotency_key_reused"
    assert Lead.objects.count() == 1
    assert BillingService.get_clinic_credit_balance(funded_clinic.pk) == 900


def test_a_filled_honeypot_is_answered_like_any_other_and_held_for_review(
    client: Client, funded_clinic: Clinic
) -> None:
    response = post(client, funded_clinic, website="https://spam.example")

    assert response.status_code == 201
    assert the_only_lead().held_reason == "review"
    assert BillingService.get_clinic_credit_balance(funded_clinic.pk) == 1000


def test_past_five_an_hour_from_one_address_enquiries_wait_for_review(
    client: Client, funded_clinic: Clinic, clock: Clock
) -> None:
    for number in range(7):
        assert post(client, funded_clinic, mobile_number=f"987650000{number}").status_code == 201
    clock.advance(minutes=61)
    post(client, funded_clinic, mobile_number="9876500009")

    states = list(Lead.objects.order_by("pk").values_list("delivery_state", "held_reason"))
    assert states == [("delivered", "")] * 5 + [("held", "review")] * 2 + [("delivered", "")]


def test_a_flood_is_429_with_retry_after_and_stores_nothing(
    client: Client, funded_clinic: Clinic, settings: Any, clock: Clock
) -> None:
    settings.LEADS_PER_ADDRESS_PER_MINUTE = 3
    for number in range(3):
        post(client, funded_clinic, mobile_number=f"987650000{number}")

    flooded = post(client, funded_clinic, mobile_number="9876500008")
    as_page = client.post(
        "/contact-clinic", body(funded_clinic, mobile_number="9876500008"), headers={"accept": "text/html"}
    )
    clock.advance(seconds=61)
    later = post(client, funded_clinic, mobile_number="9876500009")

    assert (flooded.status_code, flooded["Retry-After"], flooded.json()["code"]) == (
        429,
        "60",
        "too_many_requests",
    )
    assert (as_page.status_code, as_page["Retry-After"]) == (429, "60")
    assert later.status_code == 201
    assert Lead.objects.count() == 4


def test_a_patient_who_writes_twice_without_credits_leaks_nothing_and_is_charged_anew_after_31_days(
    client: Client, clinic: Clinic, clock: Clock
) -> None:
    post(client, clinic)
    post(client, clinic)
    held = list(Lead.objects.order_by("pk").values_list("delivery_state", "held_reason"))
    assert held == [("held", "no_credits")] * 2
    assert not LeadContact.objects.visible().exists()

    factories.give_credits(clinic, 1000)
    assert list(Lead.objects.order_by("pk").values_list("delivery_state", flat=True)) == ["delivered", "free"]
    assert BillingService.get_clinic_credit_balance(clinic.pk) == 900

    clock.advance(days=31)
    post(client, clinic)
    assert Lead.objects.order_by("pk").last().delivery_state == "delivered"  # type: ignore[union-attr]
    assert BillingService.get_clinic_credit_balance(clinic.pk) == 800


class TestCsrf:
    """Browsers are checked, signed in or not; a program with a token is not a browser."""

    def test_a_post_without_a_token_from_a_browser_is_403(self, clinic: Clinic) -> None:
        client = Client(enforce_csrf_checks=True)

        as_json = post(client, clinic)
        as_form = client.post("/contact-clinic", body(clinic), headers={"accept": "text/html"})

        assert (as_json.status_code, as_json.json()["code"]) == (403, "csrf_failed")
        assert as_form.status_code == 403
        assert not Lead.objects.exists()

    def test_the_page_s_own_form_passes(self, clinic: Clinic) -> None:
        client = Client(enforce_csrf_checks=True)
        client.get(f"/clinics/{clinic.slug}")
        csrf = client.cookies["csrftoken"].value

        response = client.post(
            "/contact-clinic", {**body(clinic), "csrfmiddlewaretoken": csrf}, headers={"accept": "text/html"}
        )

        assert response.status_code == 303
        assert Lead.objects.count() == 1

    def test_an_authorization_header_does_not_switch_the_check_of_a_page_off(self, clinic: Clinic) -> None:
        client = Client(enforce_csrf_checks=True)
        headers = {"accept": "text/html", "Authorization": "Basic eDp5"}

        response = client.post("/contact-clinic", body(clinic), headers=headers)

        assert response.status_code == 403
        assert not Lead.objects.exists()


class TestPartner:
    @pytest.fixture
    def token(self) -> str:
        partner = Partner.objects.create(
            name="Portal", slug="portal", service_user=factories.UserFactory.create()
        )
        _, token = ApiToken.objects.create(
            user=partner.service_user, partner=partner, name="intake", scopes=["leads:write"]
        )
        return str(token)

    def test_hands_over_a_lead_with_its_own_price_and_no_address_limit(
        self, client: Client, funded_clinic: Clinic, token: str, settings: Any
    ) -> None:
        settings.LEADS_PER_ADDRESS_PER_HOUR = 0

        response = post(
            client, funded_clinic, package_price="7000.50", headers={"Authorization": f"Bearer {token}"}
        )

        lead = the_only_lead()
        assert response.status_code == 201
        assert lead.partner is not None
        assert [lead.delivery_state, lead.cost, lead.source] == ["delivered", 180, lead.partner.slug]

    @pytest.mark.parametrize("price", ["-1", "NaN", "Infinity", "1e400", "0.001", 10**18, "x", [1]])
    def test_a_price_that_is_none_is_refused(
        self, client: Client, funded_clinic: Clinic, token: str, price: Any
    ) -> None:
        response = post(
            client, funded_clinic, package_price=price, headers={"Authorization": f"Bearer {token}"}
        )

        assert response.status_code == 400
        assert "package_price" in response.json()["fields"]
        assert not Lead.objects.exists()

    @pytest.mark.parametrize(
        "header", ["Bearer", "Bearer nonsense", "Bearer a b", "Basic YTpi", "", "Bearer \xe9"]
    )
    def test_a_broken_authorization_header_is_401_never_a_stranger(
        self, client: Client, clinic: Clinic, header: str
    ) -> None:
        response = post(client, clinic, headers={"Authorization": header})

        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Bearer")
        assert not Lead.objects.exists()

    def test_a_revoked_token_a_wrong_scope_and_an_inactive_partner_are_refused(
        self, client: Client, clinic: Clinic, token: str
    ) -> None:
        def status() -> int:
            return int(post(client, clinic, headers={"Authorization": f"Bearer {token}"}).status_code)

        ApiToken.objects.update(scopes=["leads:read"])
        assert status() == 403
        ApiToken.objects.update(scopes=["leads:write"])
        Partner.objects.update(is_active=False)
        assert status() == 401
        Partner.objects.update(is_active=True)
        ApiToken.objects.update(revoked_at="2026-01-01T00:00:00Z")
        assert status() == 401
        assert not Lead.objects.exists()
