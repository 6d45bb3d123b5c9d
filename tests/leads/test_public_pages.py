"""What a patient sees: the clinic's page, the form, the receipt, and the way back."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from clinics.models import Clinic
from credits.services.ledger import BillingService
from leads.models import Lead, LeadContact
from leads.public_views import receipt_token
from tests import factories

pytestmark = pytest.mark.django_db
HTML = {"accept": "text/html"}


def send_form(client: Client, clinic: Clinic, **changes: Any) -> Any:
    fields = {
        "clinic_id": clinic.pk,
        "patient_name": "Asha Patel",
        "mobile_number": "98765 43210",
        "consent_given": "on",
        **changes,
    }
    return client.post("/contact-clinic", fields, headers=HTML)


def test_the_page_offers_the_clinic_s_packages_and_the_form(client: Client, clinic: Clinic) -> None:
    factories.PackageFactory.create(clinic=clinic, title="Smile makeover", price=12_000)
    factories.PackageFactory.create(clinic=clinic, title="Not any more", is_active=False)

    page = client.get(f"/clinics/{clinic.slug}", headers=HTML).content.decode()

    assert "Smile makeover" in page
    assert "Not any more" not in page
    assert 'action="/contact-clinic"' in page
    assert "credit" not in page.lower().replace("clinic credits", "")  # nothing about billing


def test_an_inactive_clinic_has_a_page_without_a_form_and_a_missing_one_none(
    client: Client, clinic: Clinic
) -> None:
    Clinic.objects.update(is_active=False)

    response = client.get(f"/clinics/{clinic.slug}", headers=HTML)

    assert response.status_code == 200
    assert "/contact-clinic" not in response.content.decode()
    assert client.get("/clinics/no-such-clinic", headers=HTML).status_code == 404


def test_a_sent_form_leads_to_a_receipt_that_names_no_patient(client: Client, clinic: Clinic) -> None:
    response = send_form(client, clinic)

    assert response.status_code == 303
    assert "98765" not in response["Location"]
    receipt = client.get(response["Location"], headers=HTML)
    assert receipt.status_code == 200
    assert clinic.name in receipt.content.decode()
    assert "Asha" not in receipt.content.decode()


def test_a_double_tap_is_one_enquiry(client: Client, clinic: Clinic) -> None:
    first = send_form(client, clinic, idempotency_key="tap")
    second = send_form(client, clinic, idempotency_key="tap")

    assert first["Location"].split("/")[2].split(":")[0] == second["Location"].split("/")[2].split(":")[0]
    assert Lead.objects.count() == 1


def test_a_wrong_form_comes_back_with_what_was_typed_and_what_is_wrong(
    client: Client, clinic: Clinic
) -> None:
    response = send_form(client, clinic, mobile_number="12345", message="Evenings please")

    page = response.content.decode()
    assert response.status_code == 400
    assert "Evenings please" in page
    assert "Please check the number" in page
    assert not Lead.objects.exists()


@pytest.mark.parametrize("clinic_id", ["", "abc", "0", "999999999", "9" * 30])
def test_a_form_for_no_clinic_is_a_404(client: Client, clinic: Clinic, clinic_id: str) -> None:
    assert send_form(client, clinic, clinic_id=clinic_id).status_code == 404


def test_withdrawing_erases_the_contact_and_expires_a_held_lead(client: Client, clinic: Clinic) -> None:
    location = send_form(client, clinic, message="Private", email="asha@example.com")["Location"]

    response = client.post(location, headers=HTML)

    lead = Lead.objects.get()
    contact = LeadContact.objects.get()
    assert response.status_code == 303
    assert (lead.delivery_state, lead.expired_reason) == ("expired", "withdrawn")
    assert (contact.name, str(contact.phone), contact.email, contact.message) == ("", "", "", "")
    assert client.post(location, headers=HTML).status_code == 303  # again changes nothing
    assert client.get(location, headers=HTML).status_code == 200


def test_withdrawing_a_delivered_lead_erases_the_contact_and_keeps_the_charge(
    client: Client, funded_clinic: Clinic
) -> None:
    location = send_form(client, funded_clinic)["Location"]

    client.post(location, headers=HTML)

    assert Lead.objects.get().delivery_state == "delivered"
    assert LeadContact.objects.get().erased_at is not None
    assert BillingService.get_clinic_credit_balance(funded_clinic.pk) == Decimal(900)


@pytest.mark.parametrize("token", ["1", "x:y:z", "a" * 500, "%00", "..%2f..%2fadmin"])
def test_a_receipt_nobody_signed_is_a_404(client: Client, clinic: Clinic, token: str) -> None:
    assert client.get(f"/enquiries/{token}", headers=HTML).status_code == 404
    assert client.post(f"/enquiries/{token}", headers=HTML).status_code == 404


def test_a_receipt_s_signature_is_of_its_own_kind(client: Client, clinic: Clinic) -> None:
    lead = factories.deliver(clinic)
    token = receipt_token(lead.pk)

    assert client.get(f"/enquiries/{token}", headers=HTML).status_code == 200
    assert client.get(f"/enquiries/{token[:-1]}x", headers=HTML).status_code == 404
