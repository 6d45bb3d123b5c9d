"""Makes the demo, moment after moment: every lead and every credit comes through the product's own doors, so that the
demo's books are real books."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final

from django.contrib.auth.models import Group
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce, Now

from billing_site.demo.cast import Case, DemoClinic, Offer, Patient, Person, Purchase
from billing_site.demo.history import arrivals
from billing_site.demo.past import travel
from clinics.models import Clinic, Membership, Notice, User
from credits.models import CreditAccount, CreditPackage, TopUp
from credits.services.ledger import BillingService, Enquiry
from disputes.models import LeadDispute
from disputes.services import cases
from leads.models import ContactAttempt, Lead, LeadStatusChange, Treatment, TreatmentPackage
from leads.services.intake import current_notice
from leads.services.openings import open_lead

NEW_NOTICES: Final = 3  # those that nobody has looked at yet
MAILED_NOTICES: Final = 2  # of the first clinic, to each of its members


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens at a moment."""

    at: datetime
    do: Callable[[], object]


def live(steps: Sequence[Step]) -> None:
    """Everything in its order; what a step does at an earlier moment than now, the ledger says so."""
    for step in sorted(steps, key=lambda step: step.at):
        travel(step.at)
        step.do()
    travel(None)


def steps_of(demo: DemoClinic, password: str, now: datetime) -> Iterator[Step]:
    """A clinic's whole story. It joins at once: later steps need it."""
    joined = now - timedelta(days=demo.joined_days_ago)
    travel(joined)
    clinic = Clinic.objects.create(**demo.facts, is_active=True, created_at=joined)
    # Its account's time began now: an account's time never runs backwards.
    CreditAccount.objects.filter(pk=clinic.pk).update(last_posted_at=joined)
    members = [make_member(clinic, person, password, joined) for person in demo.people]
    packages = [make_package(clinic, offer) for offer in demo.offers]
    welcome = partial(
        BillingService.add_credits,
        clinic.pk,
        Decimal(demo.credits),
        "Welcome credits",
        idempotency_key="demo",
    )
    yield Step(joined, welcome)
    for number, purchase in enumerate(demo.purchases, start=1):
        at = now - timedelta(days=purchase.days_ago)
        key = f"{demo.facts['slug']}{number}".ljust(14, "0")[:14]
        yield Step(at, partial(buy, members[0], purchase, key, at))
    for arrival in arrivals(demo, now):
        story = Story(clinic, packages, arrival.patient, members)
        yield Step(arrival.at, story.arrives)
        yield from story.later(arrival.at, now)


class Story:
    """One patient's enquiry and what becomes of it."""

    lead: Lead

    def __init__(
        self, clinic: Clinic, packages: Sequence[TreatmentPackage], patient: Patient, members: Sequence[User]
    ) -> None:
        self.clinic, self.packages, self.patient, self.members = clinic, packages, patient, members

    def arrives(self) -> None:
        """Delivered or not, as the rules say."""
        patient = self.patient
        delivery = BillingService.deliver_lead(
            Enquiry(
                clinic_id=self.clinic.pk,
                consent_notice_id=current_notice().pk,
                package_id=None if patient.offer is None else self.packages[patient.offer].pk,
                phone=patient.phone,
                name=patient.name,
                email=f"{patient.name.lower().replace(' ', '.')}@patient.example",
                source=patient.source,
                contact_intent=patient.intent,
                city=patient.city,
                procedure_name=patient.procedure,
                message=patient.message,
                is_minor=bool(patient.guardian),
                guardian_name=patient.guardian,
                hold_for_review=patient.suspicious,
            )
        )
        self.lead = Lead.objects.select_related("clinic").get(pk=delivery.lead_id)

    def later(self, arrived: datetime, now: datetime) -> Iterator[Step]:
        """What people did about it: within two hours, a dispute within a day; all of it before now."""
        soon = min(arrived + timedelta(minutes=35 + self.members[-1].pk), now)
        if self.patient.ending == "refused":
            yield Step(soon, lambda: BillingService.refuse_lead(self.lead.pk))
        elif self.patient.ending == "withdrawn":
            yield Step(soon, lambda: BillingService.withdraw_lead(self.lead.pk))
        elif self.patient.status != Lead.Status.NEW:
            yield Step(soon, partial(self.is_worked_on, soon))
        if self.patient.dispute is not None:
            filed = min(arrived + timedelta(days=1), now - timedelta(hours=2))
            yield Step(filed, partial(self.is_disputed, self.patient.dispute))
            yield Step(min(filed + timedelta(hours=20), now), partial(self.is_decided, self.patient.dispute))

    def is_worked_on(self, at: datetime) -> None:
        """The clinic rang the patient and noted what came of it, with the time of then."""
        member, status = self.members[-1], Lead.Status(self.patient.status)
        lost = status == Lead.Status.LOST
        ContactAttempt.objects.create(
            lead=self.lead,
            kind=ContactAttempt.Kind.CALL,
            outcome=ContactAttempt.Outcome.NO_ANSWER if lost else ContactAttempt.Outcome.REACHED,
            made_by=member,
            made_at=at,
        )
        open_lead(lead=self.lead, by=member, at=at)
        LeadStatusChange.objects.create(
            lead=self.lead, from_status=self.lead.status, to_status=status, changed_by=member, changed_at=at
        )
        self.lead.status = status
        self.lead.save(update_fields=["status"])

    def is_disputed(self, case: Case) -> None:
        self.dispute = cases.file_dispute(
            clinic=self.clinic,
            lead=self.lead,
            dispute_type=case.reason,
            description=case.text,
            by=self.members[0],
        )

    def is_decided(self, case: Case) -> None:
        """The resolver does what the case says."""
        resolver = User.objects.get(email="resolver@staff.example")
        if case.ending == "approved":
            cases.approve(
                dispute=self.dispute,
                amount=self.lead.cost,
                reason_code=LeadDispute.ReasonCode.CONFIRMED,
                notes="We checked it ourselves. All credits are back.",
                by=resolver,
            )
        elif case.ending == "rejected":
            cases.reject(
                dispute=self.dispute,
                reason_code=LeadDispute.ReasonCode.LEAD_WAS_GOOD,
                notes="We rang the number: a patient answered and still waits for your call.",
                by=resolver,
            )
        elif case.ending == "asked":
            question = "The enquiry says «wisdom tooth». What did the patient say?"
            cases.ask_clinic(dispute=self.dispute, text=question, by=resolver)


def buy(by: User, bought: Purchase, key: str, at: datetime) -> None:
    """A package, paid at the gateway by the owner of a clinic."""
    top_up = TopUp.objects.create(
        clinic=Clinic.objects.of_member(by).get(),
        created_by=by,
        price=Decimal(bought.price),
        bonus=Decimal(bought.bonus),
        gross=Decimal(bought.price),
        package=CreditPackage.objects.filter(price=bought.price, is_active=True).first(),
        state=TopUp.State.OPEN,
        razorpay_order_id=f"order_{key}",
        created_at=at,
        ordered_at=at,
    )
    BillingService.credit_top_up(top_up.pk, f"pay_{key}")


def notices_were_seen() -> None:
    """By everybody, but for the newest few; fewer still are mailed: a newcomer sees some mails, not hundreds."""
    older = Notice.objects.filter(clinic=OuterRef("clinic")).order_by("-pk").values("pk")
    last_seen = Subquery(older[NEW_NOTICES : NEW_NOTICES + 1])
    Membership.objects.update(notices_seen_up_to=Coalesce(last_seen, 0))
    first = Clinic.objects.earliest("pk")
    mailed = Notice.objects.filter(clinic=first).order_by("-pk").values_list("pk", flat=True)[:MAILED_NOTICES]
    Notice.objects.exclude(pk__in=list(mailed)).update(sent_at=Now())


def make_package(clinic: Clinic, offer: Offer) -> TreatmentPackage:
    treatment, _ = Treatment.objects.get_or_create(
        category=offer.category, name=offer.treatment, defaults={"min_price": Decimal(offer.price)}
    )
    return TreatmentPackage.objects.create(
        clinic=clinic, treatment=treatment, title=offer.treatment, price=Decimal(offer.price)
    )


def make_member(clinic: Clinic, person: Person, password: str, at: datetime) -> User:
    user = User.objects.create(email=person.email, full_name=person.name, password=password)
    Membership.objects.create(user=user, clinic=clinic, role=person.role, created_at=at)
    return user


def make_staff(person: Person, password: str) -> None:
    user = User.objects.create(
        email=person.email,
        full_name=person.name,
        password=password,
        is_staff=True,
        is_superuser=person.role == "superuser",
    )
    user.groups.set(Group.objects.filter(name=person.role))
