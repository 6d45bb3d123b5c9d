"""What every way of delivering works on: clinics with credits, packages, filled tables, and fresh enquiries."""

import uuid
from collections.abc import Iterator
from dataclasses import asdict, fields
from decimal import Decimal
from itertools import count, cycle
from random import Random
from typing import Any

import psycopg
from django.db import connections

from clinics.models import Clinic
from credits.models import CreditAccount, TopUp
from credits.services.ledger import BillingService, Enquiry
from leads.models import ConsentNotice, Treatment, TreatmentPackage

CLINICS = 2_000  # fewer would be read by scanning, which no real table of clinics is
TREATMENTS = 200
PRICE = Decimal(7000)
COST = Decimal(180)
HIGH = Decimal(10) ** 9

# What differs from lead to lead when the tables are filled; all else is as in any enquiry.
VARYING = {"key": "'fill-' || number", "phone": "'+91' || (6000000000 + number)"}
FILL = (
    "SELECT count(*) FROM generate_series(%(first)s::bigint, %(last)s::bigint) number, LATERAL deliver_lead("
    + ", ".join(
        f"p_{field.name} => {VARYING.get(field.name, f'%({field.name})s')}" for field in fields(Enquiry)
    )
    + ", p_without_account => false)"
)


class Material:
    """Clinics whose credits don't run out, with the budget switched on so that it is checked."""

    def __init__(self, random: Random) -> None:
        self.notice_id = ConsentNotice.objects.order_by("-pk").values_list("pk", flat=True)[0]
        treatments = [
            Treatment.objects.create(category="Dental", name=f"Treatment {number}")
            for number in range(TREATMENTS)
        ]
        self.clinics: list[tuple[int, int]] = []  # (clinic, package)
        for number in range(CLINICS):
            clinic = Clinic.objects.create(slug=f"bench-{number}", name="Bench", state="24", is_active=True)
            package = TreatmentPackage.objects.create(
                clinic=clinic, treatment=treatments[number % TREATMENTS], title="Whitening", price=PRICE
            )
            top_up = TopUp.objects.create(clinic=clinic, price=HIGH, gross=HIGH, bonus=Decimal(5_000_000))
            BillingService.credit_top_up(top_up.pk, f"pay_bench_{number}")
            self.clinics.append((clinic.pk, package.pk))
        CreditAccount.objects.update(daily_cap=HIGH, monthly_cap=HIGH, highest_cost=HIGH)
        random.shuffle(self.clinics)
        self.turns: Iterator[tuple[int, int]] = cycle(self.clinics)
        self.numbers = count(9_000_000_000)

    def fill(self, leads: int) -> None:
        """Plans made on empty tables would spoil the run: so they are filled and analysed first."""
        parameters = connections["owner"].get_connection_params()
        wanted = {
            key: parameters[key]
            for key in ("host", "port", "user", "password", "dbname")
            if parameters.get(key)
        }
        each = leads // CLINICS
        with psycopg.connect(**wanted, autocommit=True) as owner:
            for number in range(CLINICS):
                facts = asdict(self.enquiry())
                owner.execute(FILL, {**facts, "first": number * each, "last": (number + 1) * each - 1})
            owner.execute("VACUUM ANALYZE")

    def enquiry(self) -> Enquiry:
        """A new phone at the next clinic, with every field a form may bring."""
        clinic_id, package_id = next(self.turns)
        return Enquiry(
            clinic_id=clinic_id,
            package_id=package_id,
            consent_notice_id=self.notice_id,
            phone=f"+91{next(self.numbers)}",
            name="Asha Patel",
            email="asha@example.com",
            city="Ahmedabad",
            procedure_name="Whitening",
            message="Please call in the evening",
            source="web",
            contact_intent="call",
            caller=f"clinic:{clinic_id}",
            route="contact-clinic",
            key=uuid.uuid4().hex,
            body_hmac=uuid.uuid4().bytes * 2,
        )

    def enquiries(self, calls: int) -> list[Enquiry]:
        return [self.enquiry() for _ in range(calls)]

    def held_leads(self, calls: int) -> list[tuple[int, Decimal, int]]:
        """(clinic, cost, lead) of leads that wait for their charge."""
        held = []
        for enquiry in self.enquiries(calls):
            delivery = BillingService.deliver_lead(enquiry, without_account=True)
            held.append((enquiry.clinic_id, delivery.cost, delivery.lead_id))
        return held

    def credits(self, calls: int) -> list[tuple[Any, ...]]:
        """(clinic, amount, description, top-up, payment, key) for `add_credits`."""
        return [
            (next(self.turns)[0], Decimal(100), "Bench", None, f"pay_{uuid.uuid4().hex}", uuid.uuid4().hex)
            for _ in range(calls)
        ]
