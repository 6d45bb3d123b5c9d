"""GET /clinic/dashboard: what a clinic's member sees of its leads and its credits, and what stays hidden."""

import re
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clinics.models import Clinic, User
from credits.models import CreditAccount, CreditTransaction
from credits.services.ledger import BillingService
from credits.services.statement import recent_transactions, spent_this_month
from leads.models import ContactView, Lead
from leads.services.contacts import show_contacts
from tests import factories, steps
from tests.clock import Clock
from tests.factories import deliver, deliver_many
from tests.leads.dashboard import SECRETS, assert_hidden, get, lead_page, page
from tests.pages import text_of

pytestmark = pytest.mark.django_db
IST = ZoneInfo("Asia/Kolkata")


class TestWhoMayCome:
    def test_somebody_signed_out_is_sent_to_sign_in_and_back(self, client: Client) -> None:
        response = get(client)

        assert response.status_code == 302
        assert response["Location"] == "/accounts/login/?next=/clinic/dashboard"

    def test_somebody_without_a_clinic_is_told_whom_to_ask(self, client: Client, clinic: Clinic) -> None:
        stranger = factories.UserFactory.create()
        client.force_login(stranger)

        response = get(client)

        assert response.status_code == 403
        assert "You are not a member of a clinic." in response.content.decode()
        assert str(stranger.email) in response.content.decode()

    def test_a_membership_that_has_ended_no_longer_opens_it(self, client: Client, clinic: Clinic) -> None:
        former = factories.member_of(clinic, "front_desk")
        client.force_login(former)
        former.memberships.update(is_active=False)

        assert get(client).status_code == 403

    @pytest.mark.parametrize("role", ["owner", "billing", "front_desk"])
    def test_every_role_sees_it(self, client: Client, clinic: Clinic, role: str) -> None:
        client.force_login(factories.member_of(clinic, role))

        assert get(client).status_code == 200

    def test_it_is_not_kept_by_browsers(self, member: Client) -> None:
        assert "no-store" in get(member)["Cache-Control"]


class TestBalance:
    def test_it_stands_in_the_header_with_indian_grouping(self, member: Client, clinic: Clinic) -> None:
        factories.give_credits(clinic, Decimal("1234567.50"))

        html = page(member)

        assert '<div class="credit-amount">₹12,34,567.50</div>' in html
        assert '<div class="credit-label">Available Credits</div>' in html

    @pytest.mark.parametrize(("balance", "is_low"), [("499.99", True), ("500.00", False)])
    def test_the_alert_says_so_below_the_dearest_lead(
        self, member: Client, clinic: Clinic, balance: str, is_low: bool
    ) -> None:
        factories.give_credits(clinic, Decimal(balance))

        html = page(member)

        assert ("low-balance" in html) is is_low
        if is_low:
            assert "Low balance: ₹499.99" in html
            assert "A lead costs up to 500 credits" in text_of(html)

    def test_a_debt_is_named(self, member: Client, clinic: Clinic) -> None:
        purchase = factories.paid_top_up(clinic, 1000)
        deliver(clinic, price=7000)
        BillingService.take_back_top_up(purchase.pk, "rfnd_1", 100_000)

        assert "₹180 is owed." in text_of(page(member))


class TestBillingTab:
    def test_it_has_the_figures_of_the_ledger(self, member: Client, funded_clinic: Clinic) -> None:
        deliver_many(funded_clinic, [1, 2, 3], price=7000)
        deliver(funded_clinic, phone=4, price=200_000)
        steps.refund_lead(Lead.objects.earliest("pk").pk, Decimal(30), "Partly refunded")

        html = page(member)

        assert '<div class="tab-pane fade" id="billing" role="tabpanel"' in html
        text = text_of(html)
        assert re.search(
            r"Balance ₹ ?490 .*Spent this month ₹ ?540 .*Leads delivered 3 .*Held leads 1 ", text
        )

    def test_what_was_spent_is_the_sum_of_the_month_s_deductions(
        self, member: Client, clinic: Clinic, clock: Clock
    ) -> None:
        clock.set(datetime(2040, 5, 31, 23, 59, tzinfo=IST))
        factories.give_credits(clinic, 1000)
        deliver(clinic, phone=1, price=7000)
        account = CreditAccount.objects.get(pk=clinic.pk)
        before = spent_this_month(account, clock.now())
        clock.set(datetime(2040, 6, 1, 0, 1, tzinfo=IST))
        after_midnight = spent_this_month(account, clock.now())
        deliver(clinic, phone=2, price=1000)
        account.refresh_from_db()

        assert [before, after_midnight] == [Decimal(180), Decimal(0)]
        assert spent_this_month(account, clock.now()) == 100

    def test_the_last_fifteen_transactions_end_at_the_balance_shown(
        self, member: Client, funded_clinic: Clinic
    ) -> None:
        deliver_many(funded_clinic, list(range(9)))
        for number in range(9):
            factories.give_credits(funded_clinic, number + 1)

        recent = get(member).context["recent_transactions"]

        assert [row.sequence for row in recent] == list(range(19, 4, -1))
        assert recent[0].balance_after == BillingService.get_clinic_credit_balance(funded_clinic.pk)

    def test_a_charge_made_while_the_page_is_read_is_on_neither_half_of_it(
        self, member: Client, funded_clinic: Clinic, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def charged_meanwhile(account: CreditAccount) -> list[CreditTransaction]:
            deliver(funded_clinic, phone=77)
            return recent_transactions(account)

        monkeypatch.setattr("leads.views.recent_transactions", charged_meanwhile)

        context = get(member).context

        assert BillingService.get_clinic_credit_balance(funded_clinic.pk) == 900
        assert context["credit_balance"] == context["recent_transactions"][0].balance_after == 1000


class TestContacts:
    def test_a_delivered_lead_shows_who_wrote_and_why_it_cost_that(
        self, member: Client, funded_clinic: Clinic
    ) -> None:
        package = factories.PackageFactory.create(clinic=funded_clinic, title="Teeth whitening", price=7000)
        lead = deliver(funded_clinic, package_id=package.pk, message="After six please", city="Surat")

        row, text = text_of(page(member)), text_of(lead_page(member, lead))

        for said in ("Asha Patel", "Teeth whitening, ₹7,000", "180 credits"):
            assert said in row
            assert said in text
        assert "After six please" in text
        assert "+91 98765 00000" in text
        assert "Price band ₹5,000 to below ₹10,000" in text

    def test_a_held_lead_shows_nothing_of_the_patient_and_says_why(
        self, member: Client, clinic: Clinic
    ) -> None:
        lead = deliver(clinic, price=7000, city="Surat", **SECRETS)

        inbox, html = page(member), lead_page(member, lead)

        assert_hidden(inbox)
        assert_hidden(html)
        text = text_of(html)
        for said in ("Contact hidden", "Not enough credits", "180 credits when delivered"):
            assert said in text_of(inbox)
            assert said in text
        assert "it costs more than your balance of ₹0" in text
        assert "within 72 hours" in text

    @pytest.mark.parametrize(
        ("account", "enquiry", "reason"),
        [
            ({"highest_cost": 10}, {}, "above your clinic's budget"),
            ({"paused_at": "2026-01-01T00:00Z"}, {}, "your clinic has paused deliveries"),
            ({"frozen_at": "2026-01-01T00:00Z"}, {}, "deliveries to your clinic are stopped for now"),
            ({}, {"hold_for_review": True}, "somebody of your clinic or our staff checks it first"),
        ],
    )
    def test_each_reason_for_holding_is_in_plain_words(
        self, member: Client, funded_clinic: Clinic, account: Any, enquiry: Any, reason: str
    ) -> None:
        CreditAccount.objects.filter(pk=funded_clinic.pk).update(**account)
        lead = deliver(funded_clinic, **SECRETS, **enquiry)

        html = lead_page(member, lead)

        assert_hidden(html)
        assert_hidden(page(member))
        assert reason in text_of(html)

    def test_a_repeat_is_free_and_names_the_first(self, member: Client, funded_clinic: Clinic) -> None:
        first = deliver(funded_clinic)
        repeat = deliver(funded_clinic)

        text = text_of(lead_page(member, repeat))

        assert f"This person already wrote to you on {first.created_at.astimezone(IST):%-d %b %Y}" in text
        assert f"lead {first.pk} ), so it is not charged again" in text

    def test_after_a_full_refund_the_lead_and_its_repeats_are_hidden_again(
        self, member: Client, funded_clinic: Clinic
    ) -> None:
        lead = deliver(funded_clinic, **SECRETS)
        repeat = deliver(funded_clinic, **SECRETS)
        steps.refund_lead(lead.pk, lead.cost, "Refunded")

        html, html_of_repeat = lead_page(member, lead), lead_page(member, repeat)

        for one in (html, html_of_repeat, page(member)):
            assert_hidden(one)
        assert "Refunded in full, so the contact is hidden again." in text_of(html)
        assert "That lead was refunded in full, so this contact is hidden too." in text_of(html_of_repeat)

    def test_refused_and_withdrawn_leads_say_what_happened(
        self, member: Client, funded_clinic: Clinic
    ) -> None:
        refused = deliver(funded_clinic, phone=1, hold_for_review=True, **SECRETS)
        withdrawn = deliver(funded_clinic, phone=2, hold_for_review=True, **SECRETS)
        erased = deliver(funded_clinic, phone=3, **SECRETS)
        BillingService.refuse_lead(refused.pk)
        BillingService.withdraw_lead(withdrawn.pk)
        BillingService.withdraw_lead(erased.pk)

        pages = [lead_page(member, lead) for lead in (refused, withdrawn, erased)]

        for html in (*pages, page(member)):
            assert_hidden(html)
        assert "it was refused when it was checked" in text_of(pages[0])
        assert "Expired: the patient withdrew the enquiry" in text_of(pages[1])
        assert "Contact erased" in text_of(pages[2])

    def test_markup_in_a_patient_s_message_stays_text(self, member: Client, funded_clinic: Clinic) -> None:
        lead = deliver(funded_clinic, message="<script>alert(1)</script>", name="<b>Asha")

        html = lead_page(member, lead)

        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
        assert "<b>Asha" not in html + page(member)

    @pytest.mark.django_db(databases=["default", "owner"])
    def test_ids_are_not_grouped_like_amounts(self, member: Client, funded_clinic: Clinic) -> None:
        with connections["owner"].cursor() as cursor:
            cursor.execute("SELECT setval('leads_id_seq', 1234566)")
        deliver(funded_clinic)

        html = page(member)

        assert 'id="lead-1234567"' in html
        assert 'value="1234567"' in html
        assert "12,34,567" not in html


class TestLookingIsLogged:
    def test_once_per_lead_member_and_day(self, member: Client, owner: User, funded_clinic: Clinic) -> None:
        seen = deliver(funded_clinic, phone=1)
        deliver(funded_clinic, phone=2, hold_for_review=True)

        page(member)
        page(member)

        assert list(ContactView.objects.values_list("lead", "viewer")) == [(seen.pk, owner.pk)]

    def test_the_day_turns_at_midnight_in_india(self, owner: User, funded_clinic: Clinic) -> None:
        lead = deliver(funded_clinic)
        for moment in ("2026-11-01T18:29:59+00:00", "2026-11-01T18:30:00+00:00", "2026-11-01T20:00:00+00:00"):
            show_contacts([lead], owner, datetime.fromisoformat(moment))

        days = ContactView.objects.order_by("seen_on").values_list("seen_on", flat=True)
        assert [str(day) for day in days] == ["2026-11-01", "2026-11-02"]

    def test_a_second_look_writes_nothing(self, member: Client, funded_clinic: Clinic) -> None:
        deliver(funded_clinic)
        page(member)

        with CaptureQueriesContext(connection) as captured:
            page(member)

        assert not [statement for statement in captured if "INSERT" in statement["sql"]]

    def test_each_member_on_their_own(self, owner: User, funded_clinic: Clinic) -> None:
        lead = deliver(funded_clinic)
        desk = factories.member_of(funded_clinic, "front_desk")
        for viewer in (owner, desk, owner):
            show_contacts([lead], viewer, lead.created_at)

        assert ContactView.objects.count() == 2

    def test_an_erased_contact_is_nothing_to_see(self, member: Client, funded_clinic: Clinic) -> None:
        BillingService.withdraw_lead(deliver(funded_clinic).pk)

        page(member)

        assert not ContactView.objects.exists()

    def test_only_visible_contacts_are_handed_out(self, owner: User, funded_clinic: Clinic) -> None:
        visible = deliver(funded_clinic, phone=1)
        held = deliver(funded_clinic, phone=2, hold_for_review=True)

        assert list(show_contacts([visible, held], owner, visible.created_at)) == [visible.pk]
        assert show_contacts([], owner, visible.created_at) == {}
