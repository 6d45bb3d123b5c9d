"""Lists of what leaves the house show all their columns on a small desk's screen, each wide enough to be read."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from django.db.models.functions import Now
from django.test import Client
from playwright.sync_api import Browser, Page, Route

from billing_site.outbox.handing_on import hand_on
from clinics.models import Clinic, OutgoingMail, User, WebhookDelivery, WebhookEndpoint
from tests.outbox.receiver import endpoint_of, tell
from tests.site.back_office import signed_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db]
WIDTHS = """() => {
  const list = document.querySelector("#changelist .results");
  const narrowest = Math.min(...[...list.querySelectorAll("td")]
    .filter((cell) => cell.innerText.split(" ").length > 3).map((cell) => cell.clientWidth));
  return [list.scrollWidth - list.clientWidth, narrowest];
}"""


def shown(page: Page, html: str) -> None:
    """A page with its styles and scripts, without a server: nothing is committed, and nobody signs in."""

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path.endswith((".css", ".js")):
            file = Client().get(path)
            route.fulfill(body=b"".join(file), content_type=file["Content-Type"])
        else:
            route.fulfill(body=html if path == "/" else "", content_type="text/html")

    page.route("**/*", answer)
    page.goto("http://office.test/")


@pytest.fixture
def what_failed(clinic: Clinic, owner: User) -> None:
    Clinic.objects.update(name="Sunrise Skin and Hair Clinic of Ahmedabad")
    endpoint_of(clinic, "https://hooks.of-a-long-name.sunrise-skin-and-hair.example/hook")
    tell(clinic, 1, "payment_credited", top_up_id=7, amount="500.00")
    hand_on()
    WebhookDelivery.objects.update(given_up_at=Now(), problem="certificate", tries=11)
    WebhookEndpoint.objects.update(
        last_failure="certificate", last_failure_at=Now(), failing_since=Now(),
        last_success_at=Now() - timedelta(days=1), stopped_at=Now(), stopped_because="owner_left",
    )  # fmt: skip
    OutgoingMail.objects.update(given_up_at=Now(), problem="SMTPAuthenticationError 535", tries=8)
    assert OutgoingMail.objects.exists()


@pytest.mark.usefixtures("what_failed")
def test_no_column_is_out_of_sight_or_a_word_wide_at_1280(chromium: Browser) -> None:
    client, page = signed_in("support"), chromium.new_page(viewport={"width": 1280, "height": 844})
    for model in ("webhookendpoint", "webhookdelivery", "outgoingmail"):
        shown(page, client.get(f"/admin/clinics/{model}/").text)
        out_of_sight, narrowest = page.evaluate(WIDTHS)
        assert (out_of_sight, narrowest >= 95) == (0, True), f"{model}: {out_of_sight}, {narrowest}"
    page.close()
