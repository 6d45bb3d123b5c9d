"""Partners hand over many leads at once, each exactly once, and see their own alone."""

import json
import socket
import time
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.db import connection
from django.test import Client

from clinics.models import Clinic, IdempotencyKey, Partner
from credits.services.ledger import BillingService
from leads.models import Lead
from leads.services import intake
from tests import factories
from tests.api.stage import bearer, enquiry, partner, token_of
from tests.web_server import web_server

pytestmark = pytest.mark.django_db
BATCH = "/api/leads/batch"


@pytest.fixture
def ours(db: None) -> Partner:
    return partner()


@pytest.fixture
def token(ours: Partner) -> str:
    return token_of(ours, "leads:write")


def many(clinic: Clinic, count: int) -> list[dict[str, Any]]:
    return [enquiry(clinic, number, idempotency_key=f"key-{number}") for number in range(count)]


def send(token: str, body: Any, **headers: str) -> Any:
    data = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return Client().post(BATCH, data, content_type="application/json", headers={**bearer(token), **headers})


def test_each_lead_of_a_batch_has_its_own_verdict(funded_clinic: Clinic, token: str) -> None:
    leads = many(funded_clinic, 5)
    leads[1]["mobile_number"] = "12345"
    leads[2]["clinic_id"] = 987_654_321
    del leads[3]["idempotency_key"]
    leads[4] = "not a lead"  # type: ignore[call-overload]

    answer = send(token, {"leads": leads}).json()

    first = Lead.objects.get()
    assert (answer["stored"], answer["refused"]) == (1, 4)
    assert answer["results"][0] == {"index": 0, "status": "success", "lead_id": first.pk}
    assert [result.get("code") for result in answer["results"]] == [
        None,
        "invalid",
        "not_found",
        "invalid",
        "invalid",
    ]
    assert list(answer["results"][3]["fields"]) == ["idempotency_key"]
    assert (first.partner, first.source) == (Partner.objects.get(), "health-portal")


def test_a_batch_sent_again_stores_nothing_and_says_the_same(funded_clinic: Clinic, token: str) -> None:
    leads = many(funded_clinic, 4)
    first = send(token, {"leads": leads})

    again = send(token, {"leads": leads})

    assert again.json() == first.json()
    assert Lead.objects.count() == 4


def test_a_lead_sent_by_itself_and_in_a_batch_under_one_key_counts_once(clinic: Clinic, token: str) -> None:
    lead = many(clinic, 1)[0]
    Client().post("/contact-clinic", lead, content_type="application/json", headers=bearer(token))

    answer = send(token, {"leads": [lead]}).json()

    assert answer["results"][0]["lead_id"] == Lead.objects.get().pk


def test_a_key_used_for_another_lead_is_refused_and_stores_nothing(clinic: Clinic, token: str) -> None:
    lead = many(clinic, 1)[0]
    changed = {**lead, "patient_name": "Somebody Else"}

    answer = send(token, {"leads": [lead, changed]}).json()

    assert [result.get("code") for result in answer["results"]] == [None, "idempotency_key_reused"]
    assert Lead.objects.count() == 1


def test_two_partners_keys_do_not_collide(clinic: Clinic, token: str) -> None:
    other = token_of(partner("Other Portal"), "leads:write")
    leads = many(clinic, 1)

    answers = [send(one, {"leads": leads}).json()["results"][0] for one in (token, other)]

    assert answers[0]["lead_id"] != answers[1]["lead_id"]
    assert Lead.objects.count() == IdempotencyKey.objects.count() == 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"leads": None},
        {"leads": {}},
        {"leads": "x"},
        {"leads": []},
        {"leads": [{}] * 1001},
        {"leads": [{}], "more": 1},
        [],
        "null",
        "{",
        '{"leads": [' + "[" * 5000,
        '{"leads": [], "leads": []}',
        '{"leads": [{"clinic_id": NaN}]}',
        '{"leads": ["\\ud800"]}',
        b"\xff\xfe",
    ],
    ids=lambda body: str(body)[:30],
)
def test_a_hostile_batch_is_a_400_and_stores_nothing(token: str, body: Any) -> None:
    response = send(token, body)

    assert (response.status_code, response.json()["status"]) == (400, "error")
    assert Lead.objects.count() == 0


@pytest.mark.parametrize(
    "one",
    [None, 1, [], {"clinic_id": [1]}, {"idempotency_key": {"a": 1}}, {"x" * 500: 1}, {"clinic_id": 10**400}],
    ids=lambda one: str(one)[:30],
)
def test_a_hostile_lead_is_refused_and_its_neighbour_is_stored(clinic: Clinic, token: str, one: Any) -> None:
    answer = send(token, {"leads": [one, *many(clinic, 1)]}).json()

    assert [result["status"] for result in answer["results"]] == ["error", "success"]
    assert Lead.objects.count() == 1


def test_a_batch_may_be_larger_than_other_bodies_but_not_endless(clinic: Clinic, token: str) -> None:
    leads = [{**lead, "message": "x" * 1900} for lead in many(clinic, 2)]
    padding = [{"unknown": "x" * 2000}] * 600

    response = send(token, {"leads": leads + padding})
    assert response.status_code == 200, response.content[:500]
    assert response.json()["stored"] == 2
    assert send(token, '{"leads": ["' + "x" * 4 * 1024 * 1024 + '"]}').status_code == 413
    assert Lead.objects.count() == 2


def test_a_clinic_that_is_stuck_is_waited_for_once(
    clinic: Clinic, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits = []

    def never_in_time(enquiry: Any) -> Any:
        waits.append(enquiry)
        return BillingService.deliver_lead(enquiry, without_account=True)

    monkeypatch.setattr(intake, "deliver", never_in_time)

    answer = send(token, {"leads": many(clinic, 3)}).json()

    assert (len(waits), answer["stored"]) == (1, 3)
    assert set(Lead.objects.values_list("held_reason", flat=True)) == {"busy"}


class TestTheRequestRate:
    def test_a_batch_counts_by_its_size_and_is_told_when_to_come_back(
        self, clinic: Clinic, token: str
    ) -> None:
        Partner.objects.update(requests_per_minute=4)
        leads = many(clinic, 1) + [{}] * 149

        first, second = send(token, {"leads": leads}), send(token, {"leads": leads})

        assert first.json()["stored"] == 1
        assert (second.status_code, second.json()["code"]) == (429, "too_many_requests")
        assert 1 <= int(second["Retry-After"]) <= 60
        assert Lead.objects.count() == 1

    def test_all_tokens_of_a_partner_share_its_limit(self, ours: Partner, token: str) -> None:
        Partner.objects.update(requests_per_minute=2)
        tokens = [token, token_of(ours, "leads:write"), token_of(ours, "leads:write")]

        statuses = [Client().get("/api/clinics", headers=bearer(one)).status_code for one in tokens]

        assert statuses == [200, 200, 429]


class TestClinics:
    def test_they_are_listed_with_their_packages_page_by_page(
        self, clinic: Clinic, other_clinic: Clinic, token: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package = factories.PackageFactory.create(clinic=clinic)
        factories.PackageFactory.create(clinic=clinic, is_active=False)
        factories.ClinicFactory.create(is_active=False)
        monkeypatch.setattr("leads.partner_api.PAGE_SIZE", 1)

        first = Client().get("/api/clinics", headers=bearer(token)).json()
        last = Client().get(f"/api/clinics?after={first['next']}", headers=bearer(token)).json()

        assert [one["id"] for one in first["clinics"]] == [clinic.pk]
        assert [offer["id"] for offer in first["clinics"][0]["packages"]] == [package.pk]
        assert ([one["id"] for one in last["clinics"]], last["next"]) == ([other_clinic.pk], None)

    @pytest.mark.parametrize("query", ["after=x", "after=-1", "after=9" + "9" * 30, "page=1", "after=1%00"])
    def test_a_strange_page_is_a_400(self, token: str, query: str) -> None:
        assert Client().get(f"/api/clinics?{query}", headers=bearer(token)).status_code == 400


def test_what_became_of_a_lead_says_nothing_of_patient_or_billing(clinic: Clinic, token: str) -> None:
    lead_id = send(token, {"leads": many(clinic, 1)}).json()["results"][0]["lead_id"]

    response = Client().get(f"/api/leads/{lead_id}", headers=bearer(token))

    assert response.json()["state"] == "received"  # held for want of credits, which is not said
    assert set(response.json()) == {"lead_id", "clinic_id", "package_id", "state", "withdrawn", "received_at"}
    assert b"Meera" not in response.content


@pytest.mark.django_db(transaction=True)
def test_a_batch_sent_three_times_once_over_a_broken_connection_gives_each_lead_once() -> None:
    clinic = factories.ClinicFactory.create()
    token = token_of(partner(), "leads:write")
    body = json.dumps({"leads": many(clinic, 300)}).encode()
    with web_server(workers=2) as address:
        raw(address, token, body[: len(body) // 2], len(body)).close()  # half of it, and gone
        broken = raw(address, token, body, len(body))
        until = time.monotonic() + 60
        while not Lead.objects.exists() and time.monotonic() < until:
            time.sleep(0.005)
        broken.close()  # some are stored, the answer is never read
        assert Lead.objects.count() > 0

        answers = [read(raw(address, token, body, len(body))) for _ in range(2)]

    numbers = [[result["lead_id"] for result in answer["results"]] for answer in answers]
    assert numbers[0] == numbers[1]
    assert len(set(numbers[0])) == Lead.objects.count() == 300
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM (SELECT phone FROM lead_contacts GROUP BY 1) AS phones")
        assert cursor.fetchone() == (300,)


def raw(address: str, token: str, body: bytes, length: int) -> socket.socket:
    """A request over a socket of our own, which may say more than it sends."""
    parts = urlsplit(address)
    assert parts.hostname is not None
    connected = socket.create_connection((parts.hostname, parts.port), timeout=180)
    connected.sendall(
        f"POST {BATCH} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n".encode()
        + body
    )
    return connected


def read(connected: socket.socket) -> Any:
    with connected, connected.makefile("rb") as stream:
        head, _, body = stream.read().partition(b"\r\n\r\n")
    assert b" 200 " in head.splitlines()[0], head
    return json.loads(body)
