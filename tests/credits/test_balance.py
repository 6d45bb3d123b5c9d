"""GET /clinic/credits/balance: the balance, live, for members and for the clinic's programs."""

from decimal import Decimal

import pytest
from django.test import Client

from clinics.models import ApiToken, Clinic, Membership, User
from tests import factories
from tests.factories import deliver

pytestmark = pytest.mark.django_db
URL = "/clinic/credits/balance"


def token_of(clinic: Clinic, *scopes: str) -> str:
    _, token = ApiToken.objects.create(
        user=factories.UserFactory.create(), clinic=clinic, name="accounting", scopes=list(scopes)
    )
    return f"Bearer {token}"


def test_it_is_a_number_and_nothing_more(client: Client, clinic: Clinic, owner: User) -> None:
    factories.give_credits(clinic, Decimal("1500.50"))
    client.force_login(owner)

    response = client.get(URL)

    assert response.status_code == 200
    assert response["Content-Type"] == "application/json"
    assert "no-store" in response["Cache-Control"]
    assert response.content == b'{"balance":1500.5,"status":"success"}'


def test_it_is_read_live(client: Client, funded_clinic: Clinic, owner: User) -> None:
    client.force_login(owner)
    before = client.get(URL).json()["balance"]
    deliver(funded_clinic, price=7000)

    assert (before, client.get(URL).json()["balance"]) == (1000, 820)


def test_a_new_clinic_has_none(client: Client, clinic: Clinic, owner: User) -> None:
    client.force_login(owner)

    assert client.get(URL).json() == {"balance": 0, "status": "success"}


def test_a_browser_that_prefers_pages_gets_the_same(client: Client, clinic: Clinic, owner: User) -> None:
    client.force_login(owner)

    response = client.get(URL, headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})

    assert (response.status_code, response["Content-Type"]) == (200, "application/json")


def test_a_token_reads_its_own_clinic_s(client: Client, funded_clinic: Clinic, other_clinic: Clinic) -> None:
    factories.give_credits(other_clinic, 7)

    def balance(clinic: Clinic) -> float:
        response = client.get(URL, headers={"authorization": token_of(clinic, "credits:read")})
        return float(response.json()["balance"])

    assert (balance(funded_clinic), balance(other_clinic)) == (1000, 7)


def test_without_the_scope_it_is_a_403(client: Client, funded_clinic: Clinic) -> None:
    response = client.get(URL, headers={"authorization": token_of(funded_clinic, "leads:read")})

    assert (response.status_code, response.json()["code"]) == (403, "permission_denied")


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer nonsense", "Basic eDp5", "Token 1", "Bearer \x7f"])
def test_a_bad_authorization_is_a_401_even_with_a_session(
    client: Client, funded_clinic: Clinic, owner: User, header: str
) -> None:
    client.force_login(owner)

    response = client.get(URL, headers={"authorization": header})

    assert response.status_code == 401
    assert response.json()["status"] == "error"
    assert "balance" not in response.json()


def test_somebody_signed_out_gets_a_401_with_a_challenge(client: Client, clinic: Clinic) -> None:
    response = client.get(URL)

    assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
    assert response["WWW-Authenticate"].startswith("Bearer")


def test_somebody_without_a_clinic_gets_a_403(client: Client, clinic: Clinic) -> None:
    client.force_login(factories.UserFactory.create())

    assert client.get(URL).status_code == 403


def test_a_member_of_two_clinics_reads_the_chosen_one_s(
    client: Client, funded_clinic: Clinic, other_clinic: Clinic, owner: User
) -> None:
    factories.give_credits(other_clinic, 7)
    Membership.objects.create(user=owner, clinic=other_clinic, role="owner")
    client.force_login(owner)

    client.post("/clinic/switch", {"clinic_id": funded_clinic.pk})
    first = client.get(URL).json()["balance"]
    client.post("/clinic/switch", {"clinic_id": other_clinic.pk})

    assert (first, client.get(URL).json()["balance"]) == (1000, 7)


def test_only_get_is_served(client: Client, clinic: Clinic, owner: User) -> None:
    client.force_login(owner)

    for method in (client.post, client.put, client.delete):
        assert method(URL).status_code == 405
