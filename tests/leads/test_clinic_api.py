"""A clinic's own system reads what was delivered, misses nothing, and each look is logged."""

import threading
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client

from clinics.models import Clinic
from credits.services.ledger import BillingService
from leads.models import ContactView, Lead
from tests import factories
from tests.api.stage import bearer, token_of

pytestmark = pytest.mark.django_db
LEADS = "/api/clinic/leads"


@pytest.fixture
def token(funded_clinic: Clinic) -> str:
    return token_of(funded_clinic, "leads:read")


def read(token: str, path: str = LEADS, **query: Any) -> Any:
    return Client().get(path, query, headers=bearer(token))


def all_pages(token: str, after: str | None = None, limit: int = 2) -> tuple[list[int], str | None]:
    found: list[int] = []
    more = True
    while more:
        page = read(token, limit=limit, **({"after": after} if after else {})).json()
        found += [lead["id"] for lead in page["leads"]]
        after, more = page["next"], page["more"]
    return found, after


def test_pages_tell_each_received_lead_once_in_the_order_of_delivery(
    funded_clinic: Clinic, token: str
) -> None:
    leads = factories.deliver_many(funded_clinic, range(5))
    factories.deliver(funded_clinic, 6, hold_for_review=True)

    found, after = all_pages(token)

    assert found == [lead.pk for lead in leads]
    assert all_pages(token, after) == ([], after)


def test_a_lead_released_later_comes_after_those_that_were_quicker(clinic: Clinic) -> None:
    token = token_of(clinic, "leads:read")
    held = factories.deliver(clinic, 1)
    assert all_pages(token) == ([], None)
    factories.give_credits(clinic, 100)
    _, after = all_pages(token)
    older = factories.deliver(clinic, 2)
    factories.give_credits(clinic, 300)
    newer = factories.deliver(clinic, 3)

    assert all_pages(token)[0] == [held.pk, older.pk, newer.pk]
    assert all_pages(token, after)[0] == [older.pk, newer.pk]


def test_the_visible_contact_is_shown_and_the_look_logged_once_a_day(
    funded_clinic: Clinic, token: str
) -> None:
    lead = factories.deliver(funded_clinic, 1, name="Zubeida Sharma")

    for _ in range(2):
        shown = read(token, f"{LEADS}/{lead.pk}").json()
        read(token)

    assert shown["contact"]["name"] == "Zubeida Sharma"
    assert shown["contact"]["phone"] == factories.PHONES[1]
    look = ContactView.objects.get()
    assert (look.lead, look.reason) == (lead, "")


@pytest.mark.parametrize("how", ["held", "refunded", "withdrawn"])
def test_a_masked_contact_is_null_and_no_look_is_logged(funded_clinic: Clinic, token: str, how: str) -> None:
    lead = factories.deliver(funded_clinic, 1, name="Zubeida Sharma", hold_for_review=how == "held")
    if how == "refunded":
        factories.refund(lead, lead.cost)
    elif how == "withdrawn":
        BillingService.withdraw_lead(lead.pk)

    response = read(token, f"{LEADS}/{lead.pk}")

    assert response.json()["contact"] is None
    assert b"Zubeida" not in response.content
    assert b"Zubeida" not in read(token).content
    assert not ContactView.objects.exists()


def test_another_clinics_lead_reads_like_a_missing_one(other_clinic: Clinic, token: str) -> None:
    theirs = read(token, f"{LEADS}/{factories.deliver(other_clinic).pk}")

    assert theirs.status_code == 404
    assert theirs.content == read(token, f"{LEADS}/987654321").content


@pytest.mark.parametrize(
    "query",
    [
        {"after": "x"},
        {"after": "1"},
        {"after": "9" * 17 + "-1"},
        {"after": "1-" + "9" * 19},
        {"after": "١-١"},
        {"limit": 0},
        {"limit": 101},
        {"offset": 1},
    ],
    ids=str,
)
def test_a_strange_page_is_a_400(token: str, query: dict[str, Any]) -> None:
    assert read(token, **query).status_code == 400


def test_a_page_costs_as_many_queries_for_many_leads_as_for_few(
    funded_clinic: Clinic, token: str, django_assert_max_num_queries: Any
) -> None:
    factories.deliver_many(funded_clinic, range(9))

    # Two of them are the savepoint around the count of requests, which only a test's transaction needs.
    with django_assert_max_num_queries(11):
        assert len(read(token).json()["leads"]) == 9


@pytest.mark.django_db(transaction=True)
def test_a_reader_that_goes_on_from_its_cursor_misses_no_late_commit() -> None:
    """Writers deliver, hold their transaction open for a while, and release older leads, while a reader polls."""
    clinic = factories.ClinicFactory.create()
    token = token_of(clinic, "leads:read")
    held = factories.deliver_many(clinic, range(20))
    factories.give_credits(clinic, 1000)
    done = threading.Event()

    def write(first: int) -> None:
        for number in range(first, first + 15):
            with transaction.atomic():
                factories.deliver(clinic, number)
                with connection.cursor() as cursor:
                    cursor.execute("SELECT pg_sleep(0.005)")
            if number % 5 == 0:
                factories.give_credits(clinic, 500)
        connection.close()

    writers = [threading.Thread(target=write, args=(1000 * number,)) for number in range(1, 4)]
    found, after = [], None
    for writer in writers:
        writer.start()
    while not done.is_set():
        if not any(writer.is_alive() for writer in writers):
            done.set()
        page, after = all_pages(token, after, limit=7)
        found += page

    received = set(Lead.objects.received().values_list("pk", flat=True))
    assert len(held) < len(found) == len(set(found))
    assert set(found) == received
