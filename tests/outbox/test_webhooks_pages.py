"""An owner's pages about webhooks: addresses, secrets shown once, the log, and sending again."""

from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from standardwebhooks.webhooks import Webhook

from billing_site.outbox.handing_on import hand_on
from billing_site.outbox.webhooks import send_due_webhooks
from billing_site.portal import webhook_log
from clinics.models import AuditEvent, Clinic, User, WebhookDelivery, WebhookEndpoint
from clinics.services.webhooks import secrets_in_force
from tests.outbox.receiver import Receiver, endpoint_of, tell
from tests.pages import text_of
from tests.site.back_office import make_rows, page, signed_in
from tests.site.portal_people import browser_of, member

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("developers_machine")]
LIST = "/clinic/settings/webhooks"


@pytest.fixture
def browser(owner: User) -> Client:
    return browser_of(owner)


def add(browser: Client, url: str, **fields: Any) -> Any:
    return browser.post(LIST, {"url": url, "kinds": ["lead_delivered"], **fields})


def act(browser: Client, endpoint: WebhookEndpoint, action: str, **fields: Any) -> Any:
    return browser.post(f"{LIST}/{endpoint.pk}", {"action": action, **fields})


def test_a_new_address_shows_its_secret_in_the_answer_alone_and_is_called(
    browser: Client, clinic: Clinic, receiver: Receiver
) -> None:
    response = add(browser, receiver.url())
    endpoint = WebhookEndpoint.objects.get()
    (secret,) = secrets_in_force(endpoint, at=timezone.now())
    assert (response.status_code, secret in response.text) == (201, True)
    assert "no-store" in response["Cache-Control"]
    again = add(browser, receiver.url())
    assert (again.status_code, "is on your list" in again.text) == (409, True)

    tell(clinic, 1)
    hand_on()
    assert send_due_webhooks() == 1
    Webhook(secret).verify(receiver.got[0].body, receiver.got[0].headers)
    stored = [Session(session_data=row.session_data).get_decoded() for row in Session.objects.all()]
    trail = list(AuditEvent.objects.values_list("before", "after", "concealed"))
    shown = [browser.get(path).text for path in (LIST, f"{LIST}/{endpoint.pk}")]
    assert secret not in f"{stored} {trail} {shown} {list(WebhookEndpoint.objects.values())}"
    assert AuditEvent.objects.filter(operation="insert", table_name="webhook_endpoints").get().reason == (
        "Added by an owner"
    )


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "required"), ("crm.example", "must begin with https"), ("https://", "not a web address"),
        ("http://8.8.8.8:8080/", "no address on the public internet"),
        ("https://10.0.0.1/", "no address on the public internet"),
        ("https://169.254.169.254/", "no address on the public internet"),
        ("https://me:secret@8.8.8.8/", "user name or password"), ("https://8.8.8.8:25/", "port 443"),
        ("https://8.8.8.8/\x00", "Null characters"), ("https://8.8.8.8/" + "a" * 500, "at most 500"),
        ("https://nobody.invalid/", "no address on the public internet"),
    ],
)  # fmt: skip
def test_a_bad_address_is_refused_in_words_and_what_was_typed_stays(
    browser: Client, url: str, words: str
) -> None:
    response = add(browser, url)
    assert (response.status_code, words in text_of(response)) == (400, True), response.context["form"].errors
    assert not WebhookEndpoint.objects.exists()
    assert 'value="lead_delivered"' in response.text


def test_there_are_five_at_most_and_calls_are_limited(
    browser: Client, clinic: Clinic, receiver: Receiver
) -> None:
    for number in range(5):
        endpoint_of(clinic, receiver.url(f"/{number}"))
    assert "as many as a clinic may have" in browser.get(LIST).text
    assert add(browser, receiver.url("/six")).status_code == 409
    statuses = [act(browser, WebhookEndpoint.objects.latest("pk"), "test").status_code for _ in range(6)]
    assert (statuses[0], statuses[-1]) == (303, 429)
    assert add(browser, receiver.url("/seven")).status_code == 429
    assert WebhookEndpoint.objects.count() == 5


def test_kinds_are_chosen_stopped_resumed_and_removed(
    browser: Client, clinic: Clinic, receiver: Receiver
) -> None:
    endpoint, _ = endpoint_of(clinic, receiver.url())
    assert act(browser, endpoint, "kinds", kinds=["lead_held", "low_balance"]).status_code == 303
    assert act(browser, endpoint, "kinds", kinds=["everything"]).status_code == 400
    endpoint.refresh_from_db()
    assert endpoint.kinds == ["lead_held", "low_balance"]
    act(browser, endpoint, "stop")
    endpoint.refresh_from_db()
    assert endpoint.stopped_because == "by_hand"
    text = text_of(browser.get(f"{LIST}/{endpoint.pk}"))
    assert "Stopped" in text
    assert "Let it listen again" in text
    assert act(browser, endpoint, "again_all").status_code == 409
    act(browser, endpoint, "resume")
    endpoint.refresh_from_db()
    assert endpoint.stopped_at is None
    assert act(browser, endpoint, "remove").status_code == 303
    assert browser.get(f"{LIST}/{endpoint.pk}").status_code == 404
    assert act(browser, endpoint, "resume").status_code == 404
    endpoint.refresh_from_db()
    assert (endpoint.secret, endpoint.removed_at is not None) == ("", True)
    assert add(browser, receiver.url()).status_code == 201
    assert act(browser, endpoint, "no such thing").status_code == 404


def test_a_new_secret_is_shown_once_for_one_click_and_the_old_one_can_be_ended(
    browser: Client, clinic: Clinic, receiver: Receiver
) -> None:
    endpoint, old = endpoint_of(clinic, receiver.url())
    stamp = browser.get(f"{LIST}/{endpoint.pk}").context["stamp"]
    made = act(browser, endpoint, "secret", stamp=stamp)
    assert made.status_code == 200
    assert "no-store" in made["Cache-Control"]
    twice = act(browser, endpoint, "secret", stamp=stamp)
    assert (twice.status_code, "made already" in twice.text) == (409, True)
    endpoint.refresh_from_db()
    new, previous = secrets_in_force(endpoint, at=timezone.now())
    assert previous == old
    assert new in made.text
    assert new not in twice.text
    act(browser, endpoint, "end_previous")
    endpoint.refresh_from_db()
    assert secrets_in_force(endpoint, at=timezone.now()) == [new]


def test_the_test_event_says_what_came_of_it(browser: Client, clinic: Clinic, receiver: Receiver) -> None:
    endpoint, _ = endpoint_of(clinic, receiver.url())
    assert act(browser, endpoint, "test").status_code == 303
    assert "The test arrived: it answered 200" in text_of(browser.get(f"{LIST}/{endpoint.pk}"))
    receiver.answer = lambda got: 502
    act(browser, endpoint, "test")
    assert "did not arrive. It answered 502." in text_of(browser.get(f"{LIST}/{endpoint.pk}"))


def test_the_log_says_what_was_sent_and_sends_it_again(
    browser: Client, clinic: Clinic, receiver: Receiver
) -> None:
    endpoint, _ = endpoint_of(clinic, receiver.url())
    notice = tell(clinic, 12)
    receiver.answer = lambda got: 503
    hand_on()
    send_due_webhooks()
    text = text_of(browser.get(f"{LIST}/{endpoint.pk}"))
    for words in (
        "lead.delivered",
        str(notice.event_id),
        "Lead 12",
        "Will be tried again",
        "It answered 503.",
        "1 try",
    ):
        assert words in text, words
    assert "Fails" in text_of(browser.get(LIST))
    WebhookDelivery.objects.update(given_up_at=timezone.now())
    assert "Send again all that did not arrive" in browser.get(f"{LIST}/{endpoint.pk}").text
    act(browser, endpoint, "again_all")
    receiver.answer = lambda got: 200
    assert send_due_webhooks() == 1
    assert act(browser, endpoint, "again", delivery=WebhookDelivery.objects.get().pk).status_code == 303
    assert send_due_webhooks() == 1
    assert {got.headers["webhook-id"] for got in receiver.got} == {str(notice.event_id)}
    text = text_of(browser.get(f"{LIST}/{endpoint.pk}"))
    for words in ("Arrived", "3 tries", "Works"):
        assert words in text, words
    assert act(browser, endpoint, "again", delivery="x").status_code == 404
    assert act(browser, endpoint, "again", delivery=10**18).status_code == 404


def test_the_log_has_pages_and_costs_the_same_at_any_length(
    browser: Client,
    clinic: Clinic,
    monkeypatch: pytest.MonkeyPatch,
    django_assert_max_num_queries: DjangoAssertNumQueries,
) -> None:
    endpoint, _ = endpoint_of(clinic, "https://crm.example/hook")
    notices = [tell(clinic, number + 1) for number in range(5)]
    hand_on()
    monkeypatch.setattr(webhook_log, "PAGE_SIZE", 2)
    browser.get(LIST)  # what the header counts is in the cache now
    with django_assert_max_num_queries(11):
        first = browser.get(f"{LIST}/{endpoint.pk}")
    assert [line.delivery.notice_id for line in first.context["log"].lines] == [notices[4].pk, notices[3].pk]
    last = browser.get(f"{LIST}/{endpoint.pk}?before={notices[1].pk}")
    assert [line.delivery.notice_id for line in last.context["log"].lines] == [notices[0].pk]
    assert "Nothing older" in browser.get(f"{LIST}/{endpoint.pk}?before=1").text
    assert browser.get(f"{LIST}/{endpoint.pk}?before=x").status_code == 400


def test_it_is_the_owners_own_affair(
    clinic: Clinic, owner: User, other_clinic: Clinic, receiver: Receiver
) -> None:
    theirs, _ = endpoint_of(other_clinic, receiver.url())
    mine, _ = endpoint_of(clinic, receiver.url())
    tell(other_clinic, 1)
    hand_on()
    foreign = WebhookDelivery.objects.get(endpoint=theirs)
    browser = browser_of(owner)
    for action in ("kinds", "stop", "resume", "remove", "secret", "test", "again_all"):
        assert act(browser, theirs, action).status_code == 404
    assert browser.get(f"{LIST}/{theirs.pk}").status_code == 404
    assert act(browser, mine, "again", delivery=foreign.pk).status_code == 404
    for role in ("billing", "front_desk"):
        colleague = browser_of(member(clinic, role))
        assert colleague.get(LIST).status_code == 403
        assert act(colleague, mine, "stop").status_code == 403


def test_a_sign_in_of_long_ago_is_confirmed_before_a_secret_is_made(
    owner: User, clinic: Clinic, receiver: Receiver
) -> None:
    old = browser_of(owner, minutes_ago=6)
    asked = add(old, receiver.url())
    assert (asked.status_code, WebhookEndpoint.objects.count()) == (403, 0)
    assert receiver.url() in asked.text
    assert add(old, receiver.url(), step_up_password="correct horse battery").status_code == 201
    endpoint = WebhookEndpoint.objects.get()
    stale = browser_of(owner, minutes_ago=6)
    for action in ("secret", "kinds"):
        assert act(stale, endpoint, action).status_code == 403
    assert act(stale, endpoint, "stop").status_code == 303


def test_staff_look_at_endpoints_and_deliveries_and_never_see_a_secret() -> None:
    make_rows(1)
    endpoint = WebhookEndpoint.objects.get()
    client = signed_in("support")
    seen = [
        client.get(page("clinics.webhookendpoint", "")),
        client.get(page("clinics.webhookendpoint", "change", endpoint.pk)),
        client.get(page("clinics.webhookdelivery", "") + f"?q=endpoint+{endpoint.pk}"),
        client.get(page("clinics.webhookdelivery", "") + "?state=waiting"),
        client.get(page("clinics.webhookdelivery", "change", WebhookDelivery.objects.get().pk)),
    ]
    assert [response.status_code for response in seen] == [200] * 5
    assert not any(endpoint.secret in response.text for response in seen)
    assert "No answer in time" in seen[-1].text
    assert "Webhooks given up" not in client.get("/admin/").text
    WebhookDelivery.objects.update(given_up_at=timezone.now(), problem="answered")
    assert "Webhooks given up" in client.get("/admin/").text
