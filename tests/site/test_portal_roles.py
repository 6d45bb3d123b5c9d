"""docs/portal.md says who may see and do what: every route, as every kind of person, by GET, by POST, and by POST
without the token that proves the form was ours."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, Final

import pytest
from django.conf import settings
from django.db import connection, transaction
from django.test import Client
from pytest_django import Settings

from clinics.models import User
from tests import factories
from tests.site.back_office import sign_in
from tests.site.portal_routes import KINDS, WHO, Row, routes, table
from tests.site.portal_stage import FOREIGN, House, Stage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("evidence_folder")]

BESIDE: Final = ("another clinic's owner", "deactivated", "former member", "staff")
TOKEN: Final = "a" * 32
WORDS: Final = {"see", "on", "sign-in", "do"}
# What only looks: a session that moves on, a counter of attempts or requests, allauth's note of an address.
NOT_BOOKS: Final = {
    "django_session",
    "cache_entries",
    "request_rates",
    "usersessions_usersession",
    "account_emailaddress",
}
# Whoever is signed in: what proves a call of the gateway is its signature.
BY_SIGNATURE: Final = {"razorpay/webhook"}
# What a form holds where an empty one would not reach the row that it names.
FORMS: Final[dict[str, dict[str, str]]] = {
    "clinic/leads/update-status": {"lead_id": "lead_id", "status": "=contacted"},
    "clinic/switch": {"clinic_id": "clinic_id"},
    "clinic/settings/tokens/end": {"token": "token_id"},
    "contact-clinic": {"clinic_id": "clinic_id"},
}


class Person:
    """A browser of somebody's: each request starts from the same cookies, and nothing it does stays."""

    def __init__(self, user: User | None) -> None:
        self.client = Client(enforce_csrf_checks=True, raise_request_exception=False)
        if user is not None:
            sign_in(self.client, user)
        self.cookies = {name: morsel.value for name, morsel in self.client.cookies.items()}

    def ask(
        self, method: str, path: str, data: dict[str, Any], *, kind: str = "page", token: bool = True
    ) -> Any:
        self.client.cookies.clear()
        for name, value in self.cookies.items():
            self.client.cookies[name] = value
        headers = {"accept": "application/json" if kind == "program" else "text/html"}
        if token and method == "POST":
            self.client.cookies[settings.CSRF_COOKIE_NAME] = TOKEN
            headers["X-CSRFToken"] = TOKEN
        if method == "GET":
            return self.client.get(path, headers=headers)
        if kind == "program":
            return self.client.post(path, data, content_type="application/json", headers=headers)
        return self.client.post(path, data, headers=headers)


def word_for(response: Any, method: str) -> str:
    """What became of a request, in the table's words; an empty one is a refusal."""
    status = response.status_code
    if status >= 500:
        return f"error {status}"
    if status == 401 or (status == 302 and response["Location"].startswith("/accounts/login/")):
        return "sign-in"
    if status in (403, 404, 405, 410):
        return ""
    if method == "POST":
        return "do"
    return {200: "see", 204: "see"}.get(status, "on" if 300 <= status < 400 else "")


@contextmanager
def undone() -> Iterator[None]:
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def fingerprint() -> dict[str, str]:
    """Of every table, what its rows come to."""
    tables = sorted(set(connection.introspection.table_names()) - NOT_BOOKS)
    each = " UNION ALL ".join(
        f"""SELECT '{table}', md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) FROM "{table}" t"""
        for table in tables
    )
    with connection.cursor() as cursor:
        cursor.execute(each)
        return dict(cursor.fetchall())


def form_of(route: str, house: House) -> dict[str, Any]:
    return {
        name: value[1:] if value.startswith("=") else house.ids[value]
        for name, value in FORMS.get(route, {}).items()
    }


@pytest.fixture(autouse=True)
def _shop(settings: Settings) -> None:
    """Keys of the gateway, so that buying is open; nothing here comes as far as asking it."""
    settings.RAZORPAY_KEY_ID, settings.RAZORPAY_KEY_SECRET = "rzp_test_roles", "secret"
    settings.RAZORPAY_WEBHOOK_SECRETS = ["secret"]


def expected(row: Row, who: str, *, own: bool) -> frozenset[str]:
    """The table's words for somebody. Rows of another clinic are as if they were not there."""
    if who == "another clinic's owner":
        return row.rights["owner"] if own or row.rights["signed out"] & {"see", "do"} else frozenset()
    as_good_as = {"deactivated": "signed out", "former member": "no clinic", "staff": "no clinic"}
    return row.rights[as_good_as.get(who, who)]


def somebody(stage: Stage, who: str) -> Person:
    if who == "deactivated":
        person = Person(stage.former)
        User.objects.filter(pk=stage.former.pk).update(is_active=False)
        return person
    if who == "former member":
        stage.former.memberships.update(is_active=False)
        return Person(stage.former)
    if who == "staff":
        return Person(factories.UserFactory.create(is_staff=True))
    return Person(stage.person(who))


def test_every_route_has_its_row_and_every_row_its_route() -> None:
    found = [route for route, _ in routes()]

    assert set(table()) == set(found)
    for row in table().values():
        assert row.kind in KINDS, row
        assert set().union(*row.rights.values()) <= WORDS, row


@pytest.mark.parametrize("who", [*WHO, *BESIDE])
def test_each_route_answers_as_the_table_says(who: str) -> None:
    """Of what is refused nothing stays, and nobody reads a word of another clinic."""
    stage = Stage()
    person, wrong = somebody(stage, who), list[str]()
    unseen = (stage.house.clinic.name, "Asha Patel", "98765 00") if who.startswith("another") else FOREIGN
    before = fingerprint()
    for route, row in table().items():
        path, data = stage.path(route), form_of(route, stage.house)
        looks_at_own = path == stage.path(route, stage.neighbour)
        acts_on_own = looks_at_own and data == form_of(route, stage.neighbour)
        see, do = expected(row, who, own=looks_at_own), expected(row, who, own=acts_on_own)
        is_public = bool(row.rights["signed out"] & {"see", "do"})
        for method, words in (("GET", see - {"do"}), ("POST", do & {"do", "sign-in"})):
            with undone() if words else nullcontext():
                response = person.ask(method, path, data, kind=row.kind)
                is_there = word_for(response, method)
                shown = [] if is_public else [word for word in unseen if word in text_of(response)]
            if is_there not in (words or {""}):
                wrong.append(f"{route} {method}: the table says {sorted(words)}, it is {is_there!r}")
            wrong += [f"{route} {method} shows {word}" for word in shown]
        response = person.ask("POST", path, data, kind=row.kind, token=False)
        if response.status_code not in (401, 403, 404, 405) and route not in BY_SIGNATURE:
            wrong.append(f"{route} POST without a token: {response.status_code}")

    after = fingerprint()
    assert not wrong, "\n".join(wrong)
    assert {table for table in after if after[table] != before.get(table)} == set()


def text_of(response: Any) -> str:
    if response.streaming:
        return b"".join(response.streaming_content).decode(errors="replace")
    return str(response.content.decode(errors="replace"))
