"""`manage.py seed_demo`: what a newcomer meets, made by the product's own doors."""

import io
import threading
from datetime import timedelta
from decimal import Decimal
from typing import Final

import pytest
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.models import Count, F, Sum
from django.test import Client
from django.utils import timezone

from clinics.models import Clinic, Membership, User
from credits.models import CreditAccount, CreditGrant, CreditTransaction, TopUp
from credits.services import figures, verification
from credits.services.ledger import BillingService
from disputes.models import LeadDispute
from leads.models import Lead, LeadStatusChange, TreatmentPackage

PASSWORD: Final = "demo12345!"
PORTAL: Final = {
    "owner@sunrise.example": ("sunrise", "owner"),
    "billing@sunrise.example": ("sunrise", "billing"),
    "desk@sunrise.example": ("sunrise", "front_desk"),
    "owner@lotus.example": ("lotus", "owner"),
}
STAFF: Final = {
    "resolver@staff.example": "resolver",
    "finance@staff.example": "finance",
    "finance2@staff.example": "finance",
    "auditor@staff.example": "auditor",
    "support@staff.example": "support",
    "admin@staff.example": None,
}


# Staff are made through the owner's connection, and seen by the web's once that is committed.
BOTH: Final = ["default", "owner"]


@pytest.fixture(autouse=True)
def debug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBUG", "on")


def seed() -> str:
    output = io.StringIO()
    call_command("seed_demo", stdout=output)
    return output.getvalue()


@pytest.mark.django_db(transaction=True, databases=BOTH)
def test_both_clinics_take_enquiries_and_sell_in_every_tier() -> None:
    seed()

    for clinic in Clinic.objects.all():
        prices = TreatmentPackage.objects.filter(clinic=clinic).offered().values_list("price", flat=True)
        costs = [BillingService.calculate_lead_cost(price) for price in prices]
        assert clinic.is_active
        assert costs == [Decimal(cost) for cost in (100, 180, 250, 320, 400, 500)]
    assert set(Clinic.objects.values_list("slug", flat=True)) == {"sunrise", "lotus"}


@pytest.mark.django_db(transaction=True, databases=BOTH)
def test_the_leads_stand_in_every_state_and_the_books_agree() -> None:
    seed()

    states = set(Lead.objects.values_list("delivery_state", "held_reason", "expired_reason"))
    assert states >= {
        ("delivered", "", ""),
        ("free", "", ""),
        ("held", "no_credits", ""),
        ("held", "review", ""),
        ("expired", "", "refused"),
        ("expired", "", "withdrawn"),
    }
    assert min(Clinic.objects.annotate(number=Count("leads")).values_list("number", flat=True)) >= 12
    assert set(Lead.objects.received().values_list("status", flat=True)) == set(Lead.Status.values)
    changes = LeadStatusChange.objects.filter(lead__status=F("to_status"), from_status="new")
    assert changes.count() == Lead.objects.exclude(status="new").count()
    for account in CreditAccount.objects.all():
        rows = CreditTransaction.objects.filter(clinic=account.clinic_id)
        grants = CreditGrant.objects.filter(clinic=account.clinic_id)
        charged = Lead.objects.filter(clinic=account.clinic_id, delivery_state="delivered")
        spent = rows.filter(transaction_type="deduction").aggregate(total=Sum("amount"))["total"]
        assert account.balance > 0
        assert rows.aggregate(total=Sum("amount"))["total"] == account.balance
        assert grants.aggregate(total=Sum("remaining"))["total"] == account.balance
        assert charged.aggregate(total=Sum("cost"))["total"] == -spent
    disputes = LeadDispute.objects.order_by("pk")
    assert {dispute.status for dispute in disputes} == {"pending", "approved", "rejected"}
    assert [dispute.dispute_type for dispute in disputes if dispute.awaiting_clinic_since] == [
        "wrong_treatment"
    ]
    with verification.snapshot() as cursor:
        assert [found for found in verification.verify(cursor) if found.violations] == []


@pytest.mark.django_db(transaction=True, databases=BOTH)
def test_three_months_lie_behind_it_and_the_ledger_s_clock_is_its_own_again() -> None:
    own_clock = "SELECT pg_get_functiondef('ledger_clock()'::regprocedure)"
    with connection.cursor() as cursor:
        before = cursor.execute(own_clock).fetchone()
        seed()
        assert cursor.execute(own_clock).fetchone() == before

    sunrise = Clinic.objects.get(slug="sunrise")
    account = CreditAccount.objects.get(pk=sunrise.pk)
    now = timezone.now()
    assert sunrise.leads.count() == 60
    assert sum(month.leads > 0 for month in figures.spending(account, now).months) >= 3
    shares = figures.shares(account, figures.month_start(now, 11))
    assert len(shares.by_treatment) >= 6
    assert {share.label for share in shares.by_source} == {"web", "google", "instagram", "referral"}
    assert shares.total.refunded > 0
    assert shares.total.converted > 5
    assert figures.parts_of_balance(account).expiries
    # No payment in a day that is still to be closed: no gateway knows those of the demo.
    last = timezone.localtime(TopUp.objects.latest("paid_at").paid_at).date()
    assert timezone.localdate() - last > timedelta(days=1)
    # Nothing lies ahead, and time never ran backwards.
    times = list(sunrise.credit_transactions.order_by("sequence").values_list("created_at", flat=True))
    assert times == sorted(times)
    assert times[-1] <= timezone.now()


@pytest.mark.django_db(transaction=True, databases=BOTH)
def test_everybody_can_sign_in_with_the_password_that_is_printed(client: Client) -> None:
    printed = seed()

    for email in [*PORTAL, *STAFF]:
        answer = client.post("/accounts/login/", {"login": email, "password": PASSWORD})
        assert answer.status_code == 302, email
        assert client.session["_auth_user_id"] == str(User.objects.get(email=email).pk)
        assert email in printed
        client.logout()
    assert PASSWORD in printed


@pytest.mark.django_db(transaction=True, databases=BOTH)
def test_a_wrong_password_does_not_sign_in(client: Client) -> None:
    seed()

    client.post("/accounts/login/", {"login": "owner@sunrise.example", "password": "demo12345"})

    assert "_auth_user_id" not in client.session


@pytest.mark.django_db(transaction=True, databases=BOTH)
def test_members_have_their_roles_and_staff_their_groups() -> None:
    for name in ("support", "resolver", "finance", "auditor", "user admin"):
        Group.objects.get_or_create(name=name)
    seed()

    members = Membership.objects.values_list("user__email", "clinic__slug", "role")
    assert {email: (slug, role) for email, slug, role in members} == PORTAL
    staff = User.objects.filter(is_staff=True)
    assert {user.email: user.groups.values_list("name", flat=True).first() for user in staff} == STAFF
    assert [user.email for user in staff.filter(is_superuser=True)] == ["admin@staff.example"]
    assert User.objects.count() == len(PORTAL) + len(STAFF)


@pytest.mark.django_db(databases=BOTH)
@pytest.mark.parametrize("value", ["off", "", None])
def test_with_debug_off_it_refuses(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    monkeypatch.delenv("DEBUG")
    if value is not None:
        monkeypatch.setenv("DEBUG", value)

    with pytest.raises(CommandError, match="only made with DEBUG on"):
        seed()
    assert not User.objects.exists()


@pytest.mark.django_db(databases=BOTH)
def test_where_there_are_clinics_it_refuses_and_changes_nothing(clinic: Clinic) -> None:
    with pytest.raises(CommandError, match="There are clinics already"):
        seed()
    assert list(Clinic.objects.all()) == [clinic]
    assert not User.objects.exists()


@pytest.mark.django_db(transaction=True, databases=BOTH)
def test_two_at_once_make_one_demo() -> None:
    refused: list[str] = []
    barrier = threading.Barrier(2)

    def run() -> None:
        barrier.wait()
        try:
            seed()
        except CommandError as error:
            refused.append(str(error))
        connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(refused) == 1
    assert Clinic.objects.count() == 2
