"""Real clinics, real processes: 1,000 enquiries over HTTP from 8 clients, and the books come out even."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import requests
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client
from django.urls import reverse

from clinics.models import Clinic, Membership
from credits.models import CreditAccount, CreditTransaction
from credits.services.ledger import BillingService
from leads.models import Lead, Treatment
from tests import factories
from tests.site.back_office import WHY, sign_in
from tests.web_server import web_server

ENQUIRIES, CLIENTS, CLINICS = 1000, 8, 50
REAL_INPUT = Path(settings.BASE_DIR).parent / "shared" / "data"
PRICES = [None, 4999, 5000, 12_000, 25_000, 75_000, 150_000]
HEADER = (
    "name,slug,address,city,state,country,pincode,latitude,longitude,contact_number,email,website_url,"
    "specialties,operating_hours,google_rating,google_review_count"
)


def import_real_or_made_up_input(folder: Path) -> None:
    """The directory's files where they are at hand, else some that look like them."""
    if REAL_INPUT.is_dir():
        for name in ("clinics_ahmedabad.csv", "clinics_jaipur.csv"):
            call_command("import_clinics", str(REAL_INPUT / name), verbosity=0)
        call_command("import_treatments", str(REAL_INPUT / "treatments.csv"), verbosity=0)
        return
    lines = [
        f'Clinic {n},clinic,"{n} Ring Road",Ahmedabad,Gujarat,India,380{n:03d},,,,,,Dentist,{{}},,'
        for n in range(60)
    ]
    clinics = folder / "clinics.csv"
    clinics.write_text("\n".join([HEADER, *lines]))
    call_command("import_clinics", str(clinics), verbosity=0)
    factories.TreatmentFactory.create()


@pytest.mark.django_db(transaction=True)
def test_a_thousand_enquiries_from_eight_clients_are_stored_and_charged_exactly_once(
    client: Client, tmp_path: Path
) -> None:
    import_real_or_made_up_input(tmp_path)
    clinics = activate_by_a_first_owner(client, CLINICS)
    for clinic in clinics[:40]:  # the last ten have no credits
        BillingService.add_credits(clinic.pk, Decimal(3000), "Opening credits", idempotency_key="opening")
    packages = offer_packages(clinics)
    bodies = enquiries(clinics, packages)
    stop, lowest = threading.Event(), [Decimal(0)]
    watcher = threading.Thread(target=watch_balances, args=(stop, lowest))

    with web_server(LEADS_PER_ADDRESS_PER_HOUR="100000", LEADS_PER_ADDRESS_PER_MINUTE="100000") as address:
        watcher.start()
        with ThreadPoolExecutor(CLIENTS) as pool:
            answers = list(pool.map(poster(address), bodies))
        stop.set()
        watcher.join()

    assert Counter(status for status, _ in answers) == {201: ENQUIRIES}
    assert len({lead_id for _, lead_id in answers}) == Lead.objects.count() == ENQUIRIES
    states = Counter(Lead.objects.values_list("delivery_state", flat=True))
    assert states["delivered"] == CreditTransaction.objects.filter(transaction_type="deduction").count()
    assert sum(states.values()) == ENQUIRIES
    assert set(states) == {"delivered", "free", "held"}  # all three happened
    assert lowest[0] >= 0
    call_command("verify_ledger")


def activate_by_a_first_owner(client: Client, number: int) -> list[Clinic]:
    """As staff do it: the button of the clinic's page in the admin."""
    sign_in(client, factories.UserFactory.create(is_staff=True, is_superuser=True))
    clinics = list(Clinic.objects.order_by("pk")[:number])
    for clinic in clinics:
        client.post(
            reverse("admin:clinics_clinic_invite_owner", args=[clinic.pk]),
            {"email": f"owner{clinic.pk}@example.com", "full_name": "First Owner", "audit_reason": WHY},
        )
    assert Membership.objects.filter(role="owner", is_active=True).count() == number
    assert Clinic.objects.active().count() == number
    return list(Clinic.objects.active().order_by("pk"))


def offer_packages(clinics: list[Clinic]) -> dict[int, list[int]]:
    treatment = Treatment.objects.order_by("pk")[0]
    return {
        clinic.pk: [
            factories.PackageFactory.create(clinic=clinic, treatment=treatment, price=price).pk
            for price in PRICES
            if price is not None
        ]
        for clinic in clinics
    }


def enquiries(clinics: list[Clinic], packages: dict[int, list[int]]) -> list[dict[str, Any]]:
    """Seeded: some patients write twice, some name a package, some do not."""
    dice = random.Random(2026)  # noqa: S311  (a test's dice)
    bodies = []
    for number in range(ENQUIRIES):
        clinic = dice.choice(clinics)
        phone = dice.randrange(5) if dice.random() < 0.3 else 1000 + number
        package = dice.choice([None, *packages[clinic.pk]])
        bodies.append(
            {
                "clinic_id": clinic.pk,
                "patient_name": "Asha Patel",
                "mobile_number": factories.PHONES[phone],
                "consent_given": True,
                "idempotency_key": f"enquiry-{number}",
                **({"package_id": package} if package else {}),
            }
        )
    return bodies


def poster(address: str) -> Callable[[dict[str, Any]], tuple[int, int]]:
    """A client for each thread, with a browser's CSRF cookie. Every tenth enquiry is sent twice."""
    local = threading.local()

    def post(body: dict[str, Any]) -> tuple[int, int]:
        if not hasattr(local, "session"):
            local.session = requests.Session()
            local.session.get(f"{address}/accounts/login/", timeout=30)
        headers = {"X-CSRFToken": local.session.cookies["csrftoken"]}
        for _ in range(2 if int(body["idempotency_key"].split("-")[1]) % 10 == 0 else 1):
            answer = local.session.post(f"{address}/contact-clinic", json=body, headers=headers, timeout=180)
        return answer.status_code, answer.json().get("lead_id", 0)

    return post


def watch_balances(stop: threading.Event, lowest: list[Decimal]) -> None:
    try:
        while not stop.wait(0.05):
            lowest[0] = min(lowest[0], *CreditAccount.objects.values_list("balance", flat=True))
    finally:
        connection.close()
