"""The back office as each person meets it: every page of every model, and no patient on any of them."""

from typing import Any

import pytest
from django.contrib.admin.models import CHANGE, LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from clinics.models import ApiToken, Clinic, Membership, User
from leads.models import Lead, TreatmentPackage
from tests import factories
from tests.site.back_office import (
    GROUPS,
    PATIENT,
    TRACES,
    WHY,
    first_of,
    happenings,
    make_rows,
    page,
    person,
    registered,
    signed_in,
    table_of_rights,
)

pytestmark = pytest.mark.django_db

MODELS = sorted(registered())
BAD_QUERIES = [
    "p=abc", "p=-1", "p=1000000000000000000", "p=99999", "p=%00", "q=%00", "q=1000000000000000000", "q=clinic+zzz",
    "q=clinic+1000000000000000000000", "q=" + "9" * 5000, "q=%ED%A0%80", "o=abc", "o=1.-2.99", "o=-9999999999999999",
    "id__exact=zzz", "is_active__exact=zzz", "held=%00", "q=clinic+1&delivery=zzz",
    "partner__id__exact=1000000000000000000000", "groups__id__exact=zzz",
    "q=clinic+1&type=zzz", "category=%00", "password__startswith=a", "name__regex=(",
    "contact__phone__contains=9", "nothing=1", "all=1", "_facets=1", "_to_field=zzz", "created_at__year=99999",
]  # fmt: skip
BAD_KEYS = ["abc", "-1", "1000000000000000000000", "%00", "_3E"]
BAD_VALUES = [
    "",
    "\x00",
    "abc",
    "-1",
    "1" + "0" * 30,
    "NaN",
    "Infinity",
    "0.001",
    "é" * 5000,
    "\u202eabc",
    "<script>",
]


def expected(rights: frozenset[str], name: str) -> int:
    if name == "add":
        return 200 if "add" in rights else 403
    if name == "delete":
        return 403
    return 200 if "view" in rights else 403


def pages_of(model: str, who: str = "superuser") -> dict[str, str]:
    key = first_of(model, who)
    names = ("change", "delete", "history")
    return {
        "": page(model, ""),
        "add": page(model, "add"),
        **{name: page(model, name, key) for name in names},
    }


@pytest.mark.parametrize("who", ["nobody", *GROUPS, "superuser"])
def test_each_page_opens_for_those_whom_the_table_names_and_for_nobody_else(who: str) -> None:
    make_rows(1)
    client = signed_in(who)
    for model, columns in table_of_rights().items():
        rights = columns.get(who, frozenset())
        for name, address in pages_of(model, who).items():
            response = client.get(address)
            assert response.status_code == expected(rights, name), (who, address)
            assert not leaks(response), (who, address)


def test_the_anonymous_are_sent_to_the_products_own_sign_in(client: Client) -> None:
    make_rows(1)
    for model in MODELS:
        for address in pages_of(model).values():
            response = client.get(address, follow=True)
            assert response.redirect_chain[-1][0].startswith("/accounts/login/?next="), address


def test_the_admins_own_sign_in_form_is_never_shown(client: Client) -> None:
    assert client.get("/admin/login/?next=/admin/").headers["Location"].startswith("/accounts/login/")
    response = client.post(
        "/admin/login/", {"username": person("superuser").email, "password": "correct horse battery"}
    )
    assert response.status_code == 302
    assert "_auth_user_id" not in client.session


def test_a_clinics_owner_is_refused_at_the_door(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert client.get("/admin/", follow=True).status_code == 403
    assert client.get(page("clinics.clinic", ""), follow=True).status_code == 403


def test_deactivated_staff_are_out_at_once() -> None:
    user = person("auditor")
    client = Client()
    client.force_login(user)
    assert client.get("/admin/").status_code == 200
    User.objects.filter(pk=user.pk).update(is_active=False)
    assert client.get("/admin/").status_code == 302


def test_ones_own_password_is_changed_on_the_products_own_page() -> None:
    response = signed_in("support").get("/admin/password_change/")
    assert response.headers["Location"] == "/accounts/password/change/"


def leaks(response: Any) -> list[str]:
    body = response.content.decode()
    return [trace for trace in TRACES if trace in body]


def test_no_page_of_any_lead_shows_its_patient() -> None:
    clinic = factories.ClinicFactory.create()
    member = factories.member_of(clinic, "owner")
    held = factories.deliver(clinic, "+919876500001", price=7000, **PATIENT)
    factories.give_credits(clinic, 1000)
    delivered = factories.deliver(clinic, "+919876500002", price=7000, **PATIENT)
    happenings(delivered, member, 2)
    client = signed_in("superuser")

    addresses = ["/admin/", "/admin/leads/", page("leads.lead", ""), page("clinics.notice", "")]
    for lead in (held, delivered):
        addresses += [page("leads.lead", name, lead.pk) for name in ("change", "history")]
    for address in addresses:
        response = client.get(address)
        assert response.status_code == 200
        assert not leaks(response), address


@pytest.mark.parametrize(
    "search", ["Zubeida Qureshi", "+919876500000", "9876500000", "zubeida@patient.example"]
)
def test_a_patient_cannot_be_searched_for(search: str) -> None:
    make_rows(1)
    response = signed_in("superuser").get(page("leads.lead", ""), {"q": search})
    assert response.status_code == 200
    assert response.context["cl"].result_count == 0


def test_contacts_and_hits_have_no_pages() -> None:
    client = signed_in("superuser")
    for model in ("leads.leadcontact", "leads.enquiryhit", "account.emailaddress", "knox.authtoken"):
        assert client.get(page(model, "")).status_code == 404


@pytest.mark.parametrize("model", MODELS)
def test_bad_query_strings_are_never_an_error_of_ours(model: str) -> None:
    make_rows(1)
    client = signed_in("superuser")
    for query in BAD_QUERIES:
        assert client.get(f"{page(model, '')}?{query}").status_code < 500, query


@pytest.mark.parametrize("model", MODELS)
def test_bad_keys_are_never_an_error_of_ours(model: str) -> None:
    client = signed_in("superuser")
    for key in BAD_KEYS:
        for name in ("change", "delete", "history"):
            assert client.get(page(model, name, key) + "?p=abc").status_code < 500, (name, key)
            assert client.post(page(model, name, key), {"post": "yes"}).status_code < 500, (name, key)


@pytest.mark.parametrize("query", [
    "", "term=%00&app_label=clinics&model_name=membership&field_name=clinic",
    "term=a&page=abc&app_label=clinics&model_name=membership&field_name=clinic",
    "term=a&page=1000000000000000000&app_label=clinics&model_name=membership&field_name=clinic",
    "term=a&app_label=leads&model_name=leadcontact&field_name=lead",
    "term=a&app_label=credits&model_name=credittransaction&field_name=lead",
    "term=a&app_label=%00&model_name=zzz&field_name=zzz", "term=" + "9" * 5000,
])  # fmt: skip
def test_bad_completions_are_never_an_error_of_ours(query: str) -> None:
    make_rows(1)
    response = signed_in("superuser").get(f"/admin/autocomplete/?{query}")
    assert response.status_code < 500
    assert not leaks(response)


def test_a_completion_tells_clinics_of_one_name_apart_and_users_by_address() -> None:
    first = factories.ClinicFactory.create(name="Care", slug="care-1")
    factories.ClinicFactory.create(name="Care", slug="care-2", city="Pune")
    client = signed_in("user admin")
    address = "/admin/autocomplete/?app_label=clinics&model_name=membership&field_name="
    texts = {found["text"] for found in client.get(f"{address}clinic&term=care").json()["results"]}
    assert texts == {"Care, Ahmedabad 380006 (care-1)", "Care, Pune 380006 (care-2)"}
    member = factories.member_of(first, "owner", email="owner@care.example", full_name="Asha")
    found = client.get(f"{address}user&term=owner@care").json()["results"]
    assert found == [{"id": str(member.pk), "text": "owner@care.example (Asha)"}]


@pytest.mark.parametrize(
    "model", [model for model in MODELS if "add" in table_of_rights()[model]["superuser"]]
)
def test_bad_values_in_a_form_are_refused_kindly_and_leave_no_row(model: str) -> None:
    make_rows(1)
    client, kind = signed_in("superuser"), registered()[model]
    names = [field.name for field in kind._meta.fields if field.name not in ("is_active", "id")]
    before = kind._default_manager.count()
    for value in BAD_VALUES:
        for path in (page(model, "add"), page(model, "change", first_of(model))):
            response = client.post(path, {**dict.fromkeys(names, value), "audit_reason": WHY})
            assert response.status_code == 200, (path, value)
            assert response.context["errors"], (path, value)
        assert client.get(page(model, "add"), dict.fromkeys(names, value)).status_code == 200
    assert kind._default_manager.count() == before


def test_every_list_asks_the_database_as_often_for_fifty_rows_as_for_five() -> None:
    client = signed_in("superuser")
    make_rows(5)
    few = {model: queries_of(client, page(model, "")) for model in MODELS}
    make_rows(45)
    for model in MODELS:
        many = queries_of(client, page(model, ""))
        assert len(many) == len(few[model]), "\n".join(many)
        assert not any("COUNT(" in query for query in many), model


def test_a_leads_page_asks_as_often_for_fifty_happenings_as_for_five() -> None:
    make_rows(1)
    lead, member = Lead.objects.order_by("pk")[0], Membership.objects.order_by("pk")[0].user
    client = signed_in("superuser")
    few = queries_of(client, page("leads.lead", "change", lead.pk))
    lead_with_many = factories.deliver(lead.clinic, "+919876500002", price=7000)
    happenings(lead_with_many, member, 50)
    many = queries_of(client, page("leads.lead", "change", lead_with_many.pk))
    assert len(many) == len(few)


def queries_of(client: Client, address: str) -> list[str]:
    client.get(address)  # what Django remembers for the life of a process is asked for now
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return [query["sql"] for query in captured.captured_queries]


def test_a_form_saves_the_columns_that_were_changed_and_no_other() -> None:
    make_rows(1)
    package = TreatmentPackage.objects.get()
    facts = {
        "clinic": package.clinic_id,
        "treatment": package.treatment_id,
        "title": package.title,
        "is_active": "on",
    }
    with CaptureQueriesContext(connection) as captured:
        response = signed_in("superuser").post(
            page("leads.treatmentpackage", "change", package.pk),
            {**facts, "price": "8500.50", "audit_reason": WHY},
        )
    assert response.status_code == 302
    package.refresh_from_db()
    assert str(package.price) == "8500.50"
    [update] = [row["sql"] for row in captured.captured_queries if 'UPDATE "packages"' in row["sql"]]
    assert "title" not in update


def test_a_token_is_masked_and_revoked_for_good_by_those_who_may() -> None:
    make_rows(1)
    token = ApiToken.objects.order_by("pk")[0]
    address = page("clinics.apitoken", "")
    revocation = {"action": "revoke", "_selected_action": token.pk, "audit_reason": WHY}

    assert token.token_key not in signed_in("auditor").get(address).content.decode()
    signed_in("auditor").post(address, revocation)
    token.refresh_from_db()
    assert token.revoked_at is None

    response = signed_in("user admin").post(address, revocation, follow=True)
    assert "Revoked: 1." in response.content.decode()
    token.refresh_from_db()
    assert token.revoked_at is not None
    assert ApiToken.objects.filter(revoked_at__isnull=False).count() == 1
    assert LogEntry.objects.filter(object_id=token.pk, action_flag=CHANGE).count() == 1


def test_a_clinic_shows_its_money_to_those_who_may_see_money_only(funded_clinic: Clinic) -> None:
    address = page("clinics.clinic", "change", funded_clinic.pk)
    for who, sees_money, sees_leads in (
        ("support", False, True), ("user admin", False, False), ("finance", True, False), ("resolver", True, True),
    ):  # fmt: skip
        body = signed_in(who).get(address).content.decode()
        assert ("1,000.00" in body) is sees_money, who
        assert ("Held leads" in body) is sees_leads, who
        assert (
            "1,000.00" in signed_in(who).get(page("clinics.clinic", "")).content.decode()
        ) is sees_money, who


def test_every_page_is_strict_about_scripts_and_styles() -> None:
    make_rows(1)
    client = signed_in("superuser")
    for address in ["/admin/", *(address for model in MODELS for address in pages_of(model).values())]:
        response = client.get(address)
        body = response.content.decode()
        assert "<style" not in body, address
        assert " style=" not in body, address
        assert " onclick=" not in body, address
        assert "script-src 'self'" in response.headers["Content-Security-Policy"]
