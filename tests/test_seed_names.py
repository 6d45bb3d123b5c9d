"""Every row of docs/seed_names.md is true: what is said to work does."""

import inspect
import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.db import connection
from django.template.loader import get_template
from django.test import Client
from django.urls import resolve, reverse

from clinics.models import ApiToken, Clinic, User
from credits.services.ledger import BillingService

pytestmark = pytest.mark.django_db
ROOT = Path(settings.BASE_DIR)


def rows(section: str) -> list[list[str]]:
    """The cells of a section's table, without backticks' meaning lost: they stay in the text."""
    text = (ROOT / "docs/seed_names.md").read_text().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert lines, section
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def ticked(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize(("route", "_seed_name", "url_name", "_now"), rows("Routes"))
def test_routes(route: str, _seed_name: str, url_name: str, _now: str) -> None:
    path = ticked(route)[0].split(" ")[1]
    name = ticked(url_name)[0]
    assert resolve(path).url_name == name
    assert reverse(name, args=resolve(path).args, kwargs=resolve(path).kwargs) == path


@pytest.mark.parametrize("row", rows("Methods of `BillingService`"))
def test_methods(row: list[str]) -> None:
    name, arguments = re.fullmatch(r"(\w+)\((.*)\)", ticked(row[0])[0]).groups()  # type: ignore[union-attr]
    signature = inspect.signature(getattr(BillingService, name))
    positional = [
        parameter.name
        for parameter in signature.parameters.values()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    assert ", ".join(positional) == arguments


@pytest.mark.parametrize(("table", "columns", "now"), rows("Tables and columns"))
def test_tables_and_columns(table: str, columns: str, now: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s", [ticked(table)[0]]
        )
        found = {name for (name,) in cursor.fetchall()}
    assert now == "yes"
    assert set(ticked(columns)) <= found


@pytest.mark.parametrize("row", rows("Indexes"))
def test_indexes(row: list[str]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_indexes WHERE indexname = %s", [ticked(row[0])[0]])
        assert cursor.fetchone()[0] == 1


@pytest.mark.parametrize(("template", "_sections", "_now"), rows("Templates, their sections and selectors"))
def test_templates(template: str, _sections: str, _now: str) -> None:
    assert get_template(ticked(template)[0])


def test_the_dashboard_s_sections_are_on_the_page(client: Client, funded_clinic: Clinic, owner: User) -> None:
    client.force_login(owner)

    page = client.get("/clinic/dashboard", headers={"accept": "text/html"}).content.decode()

    (sections,) = [
        row[1] for row in rows("Templates, their sections and selectors") if "dashboard.html" in row[0]
    ][:1]
    for section in ticked(sections):
        assert section in page


def test_the_billing_dashboard_s_context_is_the_seed_s(
    client: Client, funded_clinic: Clinic, owner: User
) -> None:
    client.force_login(owner)

    context = client.get("/clinic/billing-dashboard").context

    for row in rows("Context of `clinic/billing_dashboard.html`"):
        assert ticked(row[0])[0] in context, row
    assert context["clinic"].credit_balance == context["credit_balance"] == 1000


@pytest.mark.parametrize(("function", "file", "now"), rows("JavaScript functions"))
def test_javascript_functions(function: str, file: str, now: str) -> None:
    name = ticked(function)[0]
    texts = {
        path: path.read_text() for path in (ROOT / "billing_site/static").rglob("*.js") if path.is_file()
    }
    defined = [
        path for path, text in texts.items() if re.search(rf"(function {name}\(|window\.{name}\s*=)", text)
    ]
    assert now == "yes"
    assert [str(finders.find(ticked(file)[0]))] == [str(path) for path in defined]


@pytest.mark.parametrize("row", rows("Environment"))
def test_environment(row: list[str]) -> None:
    assert f"\n{ticked(row[0])[0]}=" in (ROOT / ".env.example").read_text()


@pytest.mark.parametrize("row", rows("Log lines"))
def test_log_lines(row: list[str]) -> None:
    start = ticked(row[0])[0].partition("{")[0]
    sources = [
        path
        for app in ("clinics", "leads", "credits", "disputes")
        for path in (ROOT / app).rglob("*.py")
        if start in path.read_text()
    ]
    assert sources


def test_the_balance_s_curl_example_works_with_a_token(
    client: Client, funded_clinic: Clinic, owner: User
) -> None:
    _, token = ApiToken.objects.create(user=owner, clinic=funded_clinic, name="crm", scopes=["credits:read"])

    response = client.get("/clinic/credits/balance", headers={"Authorization": f"Bearer {token}"})

    assert response.json() == {"balance": 1000.0, "status": "success"}
