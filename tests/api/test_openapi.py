"""The description of the API is whole and valid, and people can read it without anything from other hosts."""

import re
import warnings
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client

from billing_site.openapi import generator
from billing_site.openapi.generator import NotDescribed, document
from billing_site.openapi.operations import OPERATIONS
from billing_site.razorpay_sandbox import RunningSandbox
from clinics.models import User
from tests import factories
from tests.api.stage import bearer, partner, token_of

pytestmark = pytest.mark.django_db
MAKERS = {  # what makes something, by the operation's name
    "contact_clinic",
    "start_top_up",
    "create_razorpay_order",
    "file_dispute",
    "answer_dispute",
    "appeal_dispute",
    "record_attempt",
}


def operations() -> dict[str, Any]:
    return {
        operation["operationId"]: operation
        for methods in document()["paths"].values()
        for operation in methods.values()
    }


def test_it_is_valid_and_made_without_a_warning() -> None:
    complaints = StringIO()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call_command("spectacular", "--validate", "--fail-on-warn", stdout=StringIO(), stderr=complaints)

    assert complaints.getvalue() == ""


def test_it_has_every_operation_of_the_table_and_no_other() -> None:
    assert set(operations()) == {operation.name for operation in OPERATIONS.values()}


def test_a_route_that_is_not_described_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    known = dict(OPERATIONS)
    known.pop(next(iter(known)))
    monkeypatch.setattr(generator, "OPERATIONS", known)

    with pytest.raises(NotDescribed):
        generator.Generator().get_schema()


def test_whatever_makes_something_takes_an_idempotency_key() -> None:
    keyed = {
        name
        for name, operation in operations().items()
        if {"$ref": "#/components/parameters/IdempotencyKey"} in operation["parameters"]
    }

    assert keyed == MAKERS
    batch = operations()["lead_batch"]["requestBody"]["content"]["application/json"]["schema"]
    assert "idempotency_key" in batch["properties"]["leads"]["items"]["required"]


def test_every_other_post_says_what_sending_it_again_does() -> None:
    for operation in OPERATIONS.values():
        if operation.method != "get":
            assert operation.keyed != bool(operation.repeat), operation.name
            assert operation.repeat in operations()[operation.name]["description"]


def test_every_operation_tells_its_refusals_in_the_one_shape() -> None:
    for name, operation in operations().items():
        refusals = {status for status in operation["responses"] if int(status) >= 400}
        assert {"401", "503"} <= refusals, name
        for status in refusals:
            answer = operation["responses"][status]["$ref"].rpartition("/")[2]
            content = document()["components"]["responses"][answer]["content"]["application/json"]
            assert content["schema"] == {"$ref": "#/components/schemas/Error"}


def test_the_pages_bring_no_script_style_or_host_of_others(client: Client) -> None:
    for address in ("/api/docs", "/api/guide"):
        response = client.get(address, headers={"accept": "text/html"})
        html = response.content.decode()
        assert response.status_code == 200
        assert "unsafe" not in response["Content-Security-Policy"]
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script>|(?:src|href)=\"(?:https?:)?//", html)
        assert html.count("<h1") == 1
    page = client.get("/api/docs", headers={"accept": "text/html"}).content.decode()
    for methods in document()["paths"].values():
        for operation in methods.values():
            assert f'id="{operation["operationId"]}"' in page


def test_the_schema_is_for_anybody_and_limited_by_address(client: Client, settings: Any) -> None:
    settings.SCHEMA_READS_PER_ADDRESS_PER_MINUTE = 2

    answers = [client.get("/api/schema") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json()["code"] == "too_many_requests"
    assert int(answers[2]["Retry-After"]) >= 1
    assert client.get("/api/schema", REMOTE_ADDR="10.1.2.3").status_code == 200


def test_an_answer_is_json_whatever_accept_asks_for_but_html(client: Client) -> None:
    token = token_of(factories.ClinicFactory.create(), "credits:read")

    for accept in ("text/csv", "application/xml", "*/*", "nonsense", "application/json; version=9"):
        response = client.get("/clinic/credits/balance", headers={**bearer(token), "accept": accept})
        assert (response.status_code, response["Content-Type"]) == (200, "application/json"), accept


ACCEPTS = ("application/json", "text/html,application/xhtml+xml", "image/png", "")


@pytest.mark.parametrize("accept", ACCEPTS)
def test_every_refusal_of_an_address_for_programs_has_the_error_shape(accept: str, settings: Any) -> None:
    """Whatever `Accept` asks for, also where a browser's address bar leads."""
    settings.RAZORPAY_WEBHOOK_SECRETS = ["secret"]
    client, token = Client(enforce_csrf_checks=True), token_of(partner(), "leads:write")
    known, batch = {**bearer(token), "accept": accept}, "/api/leads/batch"
    answers = {
        "GET /api/nothing": (client.get("/api/nothing", headers=known), 404, "not_found"),
        "GET /api/": (client.get("/api/", headers=known), 404, "not_found"),
        "GET /api/leads/x": (client.get("/api/leads/x", headers=known), 404, "not_found"),
        "GET a long id": (client.get("/api/leads/" + "9" * 5000, headers=known), 404, "not_found"),
        "GET no such lead": (client.get("/api/leads/1", headers=known), 404, "not_found"),
        "GET signed out": (client.get("/api/leads/1", headers={"accept": accept}), 401, "not_authenticated"),
        "GET a POST": (client.get(batch, headers=known), 405, "method_not_allowed"),
        "PUT": (client.put(batch, headers=known), 405, "method_not_allowed"),
        "no JSON": (client.post(batch, {"a": 1}, headers=known), 415, "unsupported_media_type"),
        "broken": (
            client.post(batch, "{", content_type="application/json", headers=known),
            400,
            "parse_error",
        ),
        "no CSRF token": (client.post("/verify-payment", headers={"accept": accept}), 403, "csrf_failed"),
        "POST a GET": (client.post("/clinic/credits/balance", headers=known), 403, "permission_denied"),
        "a webhook": (client.post("/razorpay/webhook", headers={"accept": accept}), 400, "bad_signature"),
        "GET it": (client.get("/razorpay/webhook", headers={"accept": accept}), 405, "method_not_allowed"),
    }
    for what, (response, status, code) in answers.items():
        assert response["Content-Type"] == "application/json", what
        assert (response.status_code, response.json()["code"]) == (status, code), what
        assert set(response.json()) == {"status", "code", "message", "fields"}


class TestQuotes:
    def test_are_counted_per_person_and_so_are_promo_codes_that_are_tried(
        self, client: Client, owner: User, gateway: RunningSandbox, settings: Any
    ) -> None:
        settings.QUOTES_PER_MINUTE = 2
        client.force_login(owner)
        order = {"amount": 1000, "promo_code": "GUESS"}

        def quote() -> Any:
            return client.get("/clinic/credits/topup", {"amount": 1000})

        def guess() -> Any:
            return client.post("/create-razorpay-order", order, content_type="application/json")

        assert [quote().status_code, guess().status_code] == [200, 400]
        assert [quote().status_code, guess().status_code] == [429, 429]
        assert int(quote()["Retry-After"]) in range(1, 61)
        on_the_page = client.post("/clinic/credits/topup", order, headers={"accept": "text/html"})
        assert (on_the_page.status_code, int(on_the_page["Retry-After"]) in range(1, 61)) == (429, True)
        assert "Too many promo codes" in on_the_page.text
        bought = client.post("/clinic/credits/topup", {"amount": 1000}, headers={"accept": "text/html"})
        assert bought.status_code == 303
