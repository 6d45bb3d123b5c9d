"""The lines of docs/api.md, run by a shell against a running server, as a reader would."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
from django.conf import settings
from django.test import Client

from billing_site.openapi.generator import document
from tests import factories
from tests.api.stage import ALL_SCOPES, bearer, partner, token_of
from tests.web_server import web_server

GUIDE: Final = (Path(settings.BASE_DIR) / "docs" / "api.md").read_text(encoding="utf-8")
LINES: Final = re.findall(r"^```sh (partner|clinic)\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


@pytest.mark.long
@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.django_db(transaction=True)
def test_the_lines_of_the_guide_do_what_it_says() -> None:
    clinic = factories.ClinicFactory.create(pk=1)
    factories.PackageFactory.create(clinic=clinic)
    factories.give_credits(clinic, 1000)
    tokens = {"partner": token_of(partner(), *ALL_SCOPES), "clinic": token_of(clinic, *ALL_SCOPES)}

    with web_server(workers=1) as address:
        answers: list[Any] = []
        for who, lines in LINES:  # the guide's lead 1 is the one it has just handed over
            lead_id = answers[1]["lead_id"] if len(answers) > 1 else 1
            answers.append(run(lines.replace("leads/1", f"leads/{lead_id}"), address, tokens[who]))

    clinics, first, batch, own, leads, lead, balance, history, quote = answers
    assert clinics["clinics"][0]["packages"]
    assert first["status"] == "success"
    assert (batch["stored"], batch["refused"]) == (1, 1)
    assert list(batch["results"][1]["fields"]) == ["mobile_number"]
    assert own["state"] == "delivered"
    assert [one["contact"]["name"] for one in leads["leads"]] == ["Asha Patel", "Ravi Shah"]
    assert lead["contact"]["phone"] == "+919876543210"
    assert balance["balance"] == 650  # one lead by its price, one by none
    assert history["total"] == 3
    assert quote["price"] == 5000


def run(lines: str, address: str, token: str) -> Any:
    environment = {"API": address, "TOKEN": token, "PATH": "/usr/local/bin:/usr/bin:/bin", "NO_PROXY": "*"}
    done = subprocess.run(["sh", "-ec", lines], env=environment, capture_output=True, timeout=300, check=True)
    return json.loads(done.stdout)


def test_each_path_of_the_guide_is_described() -> None:
    described = {re.sub(r"\{\w+\}", "1", path) for path in document()["paths"]}
    told = {path.partition("?")[0] for path in re.findall(r'\$API([^"]+)"', GUIDE)}

    assert told <= described


@pytest.mark.django_db
def test_the_page_leads_to_the_guide_and_shows_it(client: Client) -> None:
    page = client.get("/api/docs", headers={"accept": "text/html"}).content.decode()
    guide = client.get("/api/guide", headers={"accept": "text/html"})

    assert 'href="/api/guide"' in page
    assert "<h2>Clinics: read leads into your own system</h2>" in guide.content.decode()


@pytest.mark.django_db
def test_the_guides_lead_to_each_other_on_the_site(client: Client) -> None:
    html = {"accept": "text/html"}

    guide = client.get("/api/guide", headers=html).text
    assert 'href="/api/webhooks"' in guide
    webhooks = client.get("/api/webhooks", headers=html).text
    assert 'href="/api/guide"' in webhooks
    assert "<code>webhook-signature</code>" in webhooks
    assert ".md" not in guide + webhooks  # files are of no use to who reads it here


def test_the_limit_in_the_guide_is_the_setting() -> None:
    assert f"{settings.API_REQUESTS_PER_MINUTE} requests a minute" in GUIDE


@pytest.mark.django_db
def test_a_token_goes_into_a_header_alone(client: Client) -> None:
    token = token_of(factories.ClinicFactory.create(), "credits:read")

    assert client.get("/clinic/credits/balance", {"token": token}).status_code == 401
    assert client.get("/clinic/credits/balance", headers=bearer(token)).status_code == 200
