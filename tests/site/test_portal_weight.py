"""What the pages cost: bytes of the first view over a slow line, and queries that do not grow with the clinic."""

import gzip
import re
from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import Settings

from clinics.models import User
from tests.site.back_office import sign_in
from tests.site.portal_routes import table
from tests.site.portal_stage import Stage, grow

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("evidence_folder")]

KB: Final = 1024
LOADED: Final = re.compile(r'<(?:link|script|img)\b[^>]*?\b(?:href|src)="([^"]+)"')
IN_CSS: Final = re.compile(r"url\(['\"]?([^'\")]+)")


def browser_of(user: User) -> Client:
    """A browser that takes gzip, as every one does."""
    client = Client(headers={"accept": "text/html", "accept-encoding": "gzip"})
    sign_in(client, user)
    return client


def on_the_wire(response: Any) -> int:
    """Bytes of an answer, its headers included."""
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return len(body) + sum(len(name) + len(value) + 4 for name, value in response.headers.items())


def plain(response: Any) -> str:
    body = b"".join(response.streaming_content) if response.streaming else response.content
    return (gzip.decompress(body) if response.get("Content-Encoding") == "gzip" else body).decode()


def files_of(client: Client, path: str) -> Iterator[str]:
    """What a browser loads for a page, each file once; pictures in style sheets too."""
    seen: set[str] = set()
    waiting = [url for url in LOADED.findall(plain(client.get(path))) if not url.startswith("data:")]
    while waiting:
        url = waiting.pop()
        if url in seen:
            continue
        seen.add(url)
        assert urlsplit(url).netloc == "", f"{url} is of another host"
        yield url
        if ".css" in url:
            found = IN_CSS.findall(plain(client.get(url)))
            waiting += [urljoin(url, one) for one in found if not one.startswith(("data:", "#"))]


def test_the_first_view_of_the_dashboard_comes_to_at_most_250_kilobytes() -> None:
    """As gzip leaves it when it is made for each answer; the copies that production makes once are smaller."""
    stage = Stage(leads=20)
    client = browser_of(stage.house.people["owner"])

    page = on_the_wire(client.get("/clinic/dashboard"))
    files = {url: on_the_wire(client.get(url)) for url in files_of(client, "/clinic/dashboard")}

    assert len(files) > 4
    assert page <= 40 * KB, f"the page alone is {page} bytes"
    assert page + sum(files.values()) <= 250 * KB, (page, files)


def queries_of(client: Client, path: str) -> list[str]:
    with CaptureQueriesContext(connection) as queries:
        response = client.get(path)
    assert response.status_code == 200, path
    return [query["sql"] for query in queries.captured_queries]


def test_no_page_asks_the_database_more_often_at_a_larger_clinic(settings: Settings) -> None:
    settings.RAZORPAY_KEY_ID, settings.RAZORPAY_KEY_SECRET = "rzp_test_weight", "secret"
    stage = Stage(leads=3)
    client = browser_of(stage.house.people["owner"])
    pages = [
        stage.path(row.route)
        for row in table().values()
        if row.kind in ("page", "part")
        and "see" in row.rights["owner"]
        and not row.route.startswith("accounts/")
    ]
    for path in pages:  # what is kept for some minutes is there now
        queries_of(client, path)
    small = {path: len(queries_of(client, path)) for path in pages}
    grow(stage.house, 57)
    for path in pages:
        queries_of(client, path)
    large = {path: len(queries_of(client, path)) for path in pages}

    assert {path: (small[path], large[path]) for path in pages if large[path] > small[path]} == {}
    assert large["/clinic/dashboard"] <= 8
