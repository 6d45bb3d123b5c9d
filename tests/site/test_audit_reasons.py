"""Who changes a row in the back office is asked why, and the trail keeps it."""

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from clinics.models import ApiToken, Clinic, Membership, StaffRequest, User
from clinics.trail import AuditEvent
from tests import factories
from tests.site.back_office import (
    WHY,
    form_data,
    page,
    person,
    sign_in,
    signed_in,
)

pytestmark = pytest.mark.django_db


def save(client: Client, address: str, **values: Any) -> Any:
    return client.post(address, {**form_data(client.get(address)), **values})


class TestWhy:
    def test_a_form_leaves_who_why_where_and_what_before_and_after(self) -> None:
        package = factories.PackageFactory.create(price=Decimal(7000))
        client, boss = Client(), person("superuser")
        sign_in(client, boss)
        response = save(client, page("leads.treatmentpackage", "change", package.pk), price="7500")
        assert response.status_code == 302
        event = AuditEvent.objects.filter(table_name="packages").newest_first()[0]
        assert (event.before, event.after) == ({"price": 7000.0}, {"price": 7500.0})
        assert (event.actor, event.reason, event.channel) == (boss, WHY, "back_office")
        assert event.source == "admin:leads_treatmentpackage_change"
        assert event.request_id

    def test_without_a_reason_a_form_is_refused_and_changes_nothing(self) -> None:
        package = factories.PackageFactory.create(price=Decimal(7000))
        client = signed_in("superuser")
        response = save(
            client, page("leads.treatmentpackage", "change", package.pk), price="7500", audit_reason=" "
        )
        assert response.status_code == 200
        assert response.context["adminform"].form.errors == {"audit_reason": ["This field is required."]}
        package.refresh_from_db()
        assert package.price == 7000

    def test_a_new_row_has_its_reason_too(self, clinic: Clinic) -> None:
        member = factories.UserFactory.create()
        facts = {"user": member.pk, "clinic": clinic.pk, "role": "billing", "is_active": "on"}
        client = signed_in("user admin")
        assert client.post(page("clinics.membership", "add"), facts).status_code == 200
        assert (
            client.post(page("clinics.membership", "add"), {**facts, "audit_reason": WHY}).status_code == 302
        )
        event = AuditEvent.objects.filter(table_name="clinic_memberships").newest_first()[0]
        assert (event.operation, event.reason) == ("insert", WHY)
        assert event.about[1:] == [f"clinic:{clinic.pk}", f"user:{member.pk}"]

    @pytest.mark.parametrize("typed", ["asha@care.example rang", "of 9876500000", "+919876500000"])
    def test_a_reason_that_tells_of_somebody_is_refused_and_changes_nothing(
        self, typed: str, owner: User, clinic: Clinic
    ) -> None:
        package = factories.PackageFactory.create(price=Decimal(7000))
        address = page("leads.treatmentpackage", "change", package.pk)
        response = save(signed_in("superuser"), address, price="7500", audit_reason=typed)
        assert "8 or more digits" in response.content.decode()
        package.refresh_from_db()
        assert package.price == 7000

        token, _ = ApiToken.objects.create(user=owner, name="CRM", clinic=clinic, scopes=["leads:read"])
        action = {"action": "revoke", "_selected_action": [token.pk], "audit_reason": typed}
        response = signed_in("user admin").post(page("clinics.apitoken", ""), action, follow=True)
        assert "8 or more digits" in response.content.decode()
        token.refresh_from_db()
        assert token.revoked_at is None

    def test_years_amounts_and_ids_are_no_trace_of_anybody(self) -> None:
        package = factories.PackageFactory.create(price=Decimal(7000))
        why = "Since 2026-04-01: ₹7,500.00 @ request 1234567"
        address = page("leads.treatmentpackage", "change", package.pk)
        assert save(signed_in("superuser"), address, price="7500", audit_reason=why).status_code == 302

    def test_of_a_request_the_trail_has_the_code_and_the_number_not_the_words(self, clinic: Clinic) -> None:
        typed = {"amount": "50", "description": "Goodwill", "reason_code": "goodwill", "reason": "Asha rang"}
        form = page("credits.creditaccount", "ask-adjustment", clinic.pk)
        assert signed_in("finance").post(form, typed).status_code == 302
        request = StaffRequest.objects.get()
        approve = page("clinics.staffrequest", "approve", request.pk)
        assert signed_in("finance").post(approve, {"note": "Looked at"}).status_code == 302
        reasons = set(AuditEvent.objects.exclude(reason="").values_list("reason", flat=True))
        assert reasons == {"goodwill", f"Request {request.pk}: goodwill"}

    def test_who_may_only_look_is_not_asked(self) -> None:
        clinic = factories.ClinicFactory.create()
        body = signed_in("support").get(page("clinics.clinic", "change", clinic.pk)).content.decode()
        assert "audit_reason" not in body

    def test_a_bulk_action_says_why_once_for_all_its_rows_or_does_nothing(
        self, owner: User, clinic: Clinic
    ) -> None:
        for name in ("CRM", "Diary"):
            ApiToken.objects.create(user=owner, name=name, clinic=clinic, scopes=["leads:read"])
        client, revoking = Client(), person("user admin")
        sign_in(client, revoking)
        keys = list(ApiToken.objects.values_list("pk", flat=True))
        action = {"action": "revoke", "_selected_action": keys}

        refused = client.post(page("clinics.apitoken", ""), action, follow=True)
        assert "Please say why" in refused.content.decode()
        assert not ApiToken.objects.filter(revoked_at__isnull=False).exists()

        client.post(page("clinics.apitoken", ""), {**action, "audit_reason": "Laptop lost"})
        revoked = AuditEvent.objects.filter(table_name="api_tokens", operation="update")
        assert [(event.actor, event.reason) for event in revoked] == [(revoking, "Laptop lost")] * 2
        assert {event.context_id for event in revoked} == {revoked[0].context_id}

    def test_an_invitation_and_a_password_set_by_staff_say_so(self) -> None:
        clinic = factories.ClinicFactory.create(is_active=False)
        client = signed_in("user admin")
        client.post(
            page("clinics.clinic", "invite-owner", clinic.pk),
            {"email": "a@care.example", "full_name": "Asha"},
        )
        member = Membership.objects.get(clinic=clinic).user
        new = {"password1": "a fairly long pass phrase 7", "password2": "a fairly long pass phrase 7"}
        client.post(page("clinics.user", "password", member.pk), {**new, "usable_password": "true"})
        reasons = AuditEvent.objects.filter(about__contains=[f"user:{member.pk}"]).order_by("pk")
        assert [event.reason for event in reasons][-1] == "Password set by staff"
        assert reasons.filter(reason="Invited as owner", table_name="clinic_memberships").exists()
        assert [event.concealed for event in reasons][-1] == ["password"]
