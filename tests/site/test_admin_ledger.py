"""Money in the back office: nobody changes a row by any address, action or inline, and lists stay fast."""

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.db import connection
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from clinics.models import Clinic, Notice, Partner
from credits.models import BillingRules, CreditAccount, CreditGrant, CreditTransaction, Reversal, TopUp
from leads.models import Lead
from tests import factories
from tests.plans import plan_with_only
from tests.site.back_office import first_of, form_data, make_rows, page, signed_in, table_of_rights

pytestmark = pytest.mark.django_db

READ_ONLY = sorted(
    model
    for model, rights in table_of_rights().items()
    if not rights["superuser"] & {"add", "change", "answer"}
)


def rows_of_everything() -> dict[str, list[dict[str, Any]]]:
    return {
        model: list(apps.get_model(model)._default_manager.order_by("pk").values()) for model in READ_ONLY
    }


def values_of(model: str, key: Any) -> dict[str, Any]:
    """A row's own values with each number one higher: what a forged form would send."""
    row = apps.get_model(model)._default_manager.filter(pk=key).values()[0]
    return {
        name: "7777.00" if "amount" in name or "balance" in name else str(value)
        for name, value in row.items()
    }


def test_what_is_read_only_takes_in_all_money_leads_prices_and_tokens() -> None:
    of_money = {model._meta.label_lower for model in apps.get_app_config("credits").get_models()}
    assert of_money - {"credits.dayseal"} <= set(READ_ONLY)  # seals have no page: the day they are of has
    assert {"leads.lead", "leads.pricingtier", "leads.pricingversion", "clinics.apitoken"} <= set(READ_ONLY)


def test_a_superuser_changes_adds_and_deletes_no_read_only_row_by_any_address() -> None:
    make_rows(1)
    client = signed_in("superuser")
    before = rows_of_everything()
    for model in READ_ONLY:
        key = first_of(model)
        data = values_of(model, key)
        assert client.post(page(model, "change", key), {**data, "_save": "Save"}).status_code == 403, model
        assert client.post(page(model, "change", key), {**data, "_saveasnew": "1"}).status_code == 403, model
        assert client.post(page(model, "add"), data).status_code == 403, model
        assert client.post(page(model, "delete", key), {"post": "yes"}).status_code == 403, model
    assert rows_of_everything() == before


@pytest.mark.parametrize("who", ["superuser", "finance", "auditor"])
def test_no_action_and_no_edit_in_a_list_touches_a_read_only_row(who: str) -> None:
    make_rows(1)
    client = signed_in(who)
    before = rows_of_everything()
    for model in READ_ONLY:
        key = first_of(model)
        action = {"action": "delete_selected", "_selected_action": key, "post": "yes", "select_across": "1"}
        edit = {
            "form-TOTAL_FORMS": "1",
            "form-INITIAL_FORMS": "1",
            "form-0-id": key,
            "form-0-amount": "1",
            "_save": "1",
        }
        for data in (action, edit, {**action, **edit}):
            assert client.post(page(model, ""), data).status_code < 500, model
    assert rows_of_everything() == before


def test_the_only_actions_are_revoking_tokens_and_doing_once_more_what_failed() -> None:
    request = RequestFactory().get("/admin/")
    request.user = factories.UserFactory.create(is_staff=True, is_superuser=True)
    offered = {
        model._meta.label_lower: set(pages.get_actions(request))
        for model, pages in admin.site._registry.items()
    }
    assert {model: actions for model, actions in offered.items() if actions} == {
        "clinics.apitoken": {"revoke"},
        "clinics.outgoingmail": {"send_again"},
        "credits.gatewayevent": {"replay"},
    }


def test_no_inline_of_any_page_can_be_changed() -> None:
    request = RequestFactory().get("/admin/")
    request.user = factories.UserFactory.create(is_staff=True, is_superuser=True)
    for pages in admin.site._registry.values():
        for inline in pages.get_inline_instances(request):
            assert inline.max_num == inline.extra == 0
            assert not inline.has_add_permission(request, None)
            assert not inline.has_change_permission(request)
            assert not inline.has_delete_permission(request)


def test_rows_forged_into_a_clinics_form_are_ignored(funded_clinic: Clinic) -> None:
    member = factories.member_of(funded_clinic, "billing")
    client = signed_in("superuser")
    address = page("clinics.clinic", "change", funded_clinic.pk)
    data = form_data(client.get(address))
    forged = {"memberships-0-role": "owner", "memberships-0-is_active": "", "memberships-0-DELETE": "on"}
    added = {"memberships-TOTAL_FORMS": "2", "memberships-1-user": member.pk, "memberships-1-role": "owner"}
    money = {"balance": "9999", "credit_account-0-balance": "9999", "owed": "1"}

    client.post(address, {**data, **forged, **added, **money, "city": "Surat"})

    assert [(row.user, row.role, row.is_active) for row in funded_clinic.memberships.all()] == [
        (member, "billing", True)
    ]
    assert CreditAccount.objects.get(pk=funded_clinic.pk).balance == 1000


def test_nobody_changes_the_rules_on_their_page() -> None:
    before = BillingRules.objects.values().get()
    numbers = {name: value for name, value in before.items() if value is not None}
    address = page("credits.billingrules", "change", 1)
    forged = {
        "charging_stopped_at_0": "2026-11-22",
        "charging_stopped_at_1": "10:00",
        "held_valid_days": "21",
    }
    for who in ("superuser", "finance", "auditor"):
        assert signed_in(who).post(address, {**numbers, **forged}).status_code == 403
        assert signed_in(who).post(page("credits.billingrules", "add"), forged).status_code == 403
    assert BillingRules.objects.values().get() == before


def test_a_long_list_says_what_it_knows_counts_nothing_and_ends(clinic: Clinic) -> None:
    for _ in range(120):
        factories.give_credits(clinic, 10)
    client = signed_in("auditor")
    address = page("credits.credittransaction", "")

    with CaptureQueriesContext(connection) as captured:
        first = client.get(address).content.decode()
    second = client.get(address, {"p": "2"}).content.decode()

    assert "more than 100 credit transactions" in first
    assert "120 credit transactions" in second
    assert not any("COUNT(" in query["sql"] for query in captured.captured_queries)
    for beyond in ("3", "101", "1000000000000000000"):
        assert client.get(address, {"p": beyond}).headers["Location"].endswith("?e=1")


SEARCHES = {
    "credits.credittransaction": [
        "clinic {clinic}",
        "clinic {slug}",
        "lead {lead}",
        "top-up {top_up}",
        "{payment}",
    ],
    "credits.creditgrant": ["clinic {clinic}", "transaction {transaction}", "top-up {top_up}", "{grant}"],
    "credits.grantconsumption": ["grant {grant}", "transaction {deduction}"],
    "credits.reversal": ["top-up {top_up}", "{reversal}"],
    "credits.topup": ["clinic {clinic}", "clinic {slug}", "{payment}", "{top_up}"],
    "leads.lead": ["{lead}", "clinic {clinic}", "clinic {slug}"],
    "clinics.notice": ["clinic {clinic}", "{notice}"],
    "leads.contactview": ["lead {lead}", "user {viewer}"],
}


@pytest.mark.parametrize("model", sorted(SEARCHES))
def test_every_word_of_the_search_box_finds_its_rows_and_no_others(model: str) -> None:
    make_rows(2)
    lead, top_up = Lead.objects.order_by("pk")[0], TopUp.objects.order_by("pk")[0]
    deduction = CreditTransaction.objects.get(lead=lead, transaction_type="deduction")
    credit = CreditTransaction.objects.get(top_up=top_up, transaction_type="credit")
    names = {
        "clinic": lead.clinic_id, "slug": lead.clinic.slug, "lead": lead.pk, "top_up": top_up.pk,
        "payment": top_up.razorpay_payment_id, "transaction": credit.pk, "deduction": deduction.pk,
        "grant": deduction.consumptions.get().grant_id, "reversal": Reversal.objects.get(top_up=top_up).key,
        "viewer": lead.contact_views.get().viewer_id,
        "notice": Notice.objects.order_by("pk")[0].unique_key,
    }  # fmt: skip
    client = signed_in("superuser")
    every = client.get(page(model, "")).context["cl"].result_count
    for search in SEARCHES[model]:
        found = client.get(page(model, ""), {"q": search.format(**names)}).context["cl"].result_count
        assert 0 < found < every, search


def test_a_clinics_rows_can_be_narrowed_to_a_type_and_the_whole_ledger_not() -> None:
    make_rows(2)
    clinic = Clinic.objects.order_by("pk")[0]
    client, address = signed_in("finance"), page("credits.credittransaction", "")
    response = client.get(address, {"q": f"clinic {clinic.pk}", "type": "deduction"})
    assert [row.transaction_type for row in response.context["cl"].result_list] == ["deduction"] * 2
    assert "By type" in response.content.decode()
    assert "By type" not in client.get(address).content.decode()


def test_held_leads_are_a_queue_of_their_own_over_all_clinics(funded_clinic: Clinic) -> None:
    poor = factories.ClinicFactory.create()
    held = factories.deliver(poor, 1, price=7000)
    factories.deliver(funded_clinic, 2, price=7000)
    client, address = signed_in("support"), page("leads.lead", "")
    for query, found in (("held=any", [held]), ("held=no_credits", [held]), ("held=review", [])):
        assert list(client.get(f"{address}?{query}").context["cl"].result_list) == found, query


@pytest.mark.parametrize(
    ("model", "search", "index"),
    [
        (CreditTransaction, "", "credit_transactions_pkey"),
        (CreditTransaction, "clinic 1", "idx_credit_transactions_clinic_id"),
        (CreditGrant, "clinic 1", "grants_open"),
        (Lead, "clinic 1", "idx_leads_clinic_created"),
        (Lead, "", "leads_pkey"),
    ],
)
def test_a_list_can_be_read_off_an_index_in_its_own_order(model: Any, search: str, index: str) -> None:
    assert_read_off(index, model, {"q": search})


def test_a_partner_s_leads_can_be_read_off_an_index() -> None:
    partners = [
        Partner.objects.create(name=name, slug=name, service_user=factories.UserFactory.create())
        for name in ("one", "two")
    ]  # the filter of a single one is left out
    assert_read_off("leads_of_partner", Lead, {"partner__id__exact": str(partners[0].pk)})


def assert_read_off(index: str, model: Any, query: dict[str, Any]) -> None:
    request = RequestFactory().get("/admin/", query)
    request.user = factories.UserFactory.create(is_staff=True, is_superuser=True)
    rows = admin.site._registry[model].get_changelist_instance(request).get_queryset(request)
    plan = plan_with_only(index, rows[:101])
    assert index in plan, plan
    assert "Sort" not in plan, plan
