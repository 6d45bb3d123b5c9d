"""/local/mails: what would have been sent from this machine, to look at; nowhere else."""

from pathlib import Path

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.test import Client
from django.urls import NoReverseMatch, reverse
from pytest_django import Settings

from tests.pages import text_of

HTML = "<html><head></head><body><script>alert(1)</script><p>Lead 7 came in</p></body></html>"


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    settings.EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
    settings.EMAIL_FILE_PATH = str(tmp_path)
    return tmp_path


def write(*subjects: str) -> None:
    with mail.get_connection() as line:
        for subject in subjects:
            message = EmailMultiAlternatives(subject, "Lead 7 came in", to=["owner@sunrise.example"])
            message.attach_alternative(HTML, "text/html")
            line.send_messages([message])


def test_without_debug_there_is_no_such_page(client: Client) -> None:
    assert client.get("/local/mails").status_code == 404
    with pytest.raises(NoReverseMatch):
        reverse("local_mails")


@pytest.mark.urls("tests.outbox.local_urls")
@pytest.mark.django_db
class TestWhereItIsMounted:
    def test_the_newest_is_on_top_each_of_one_file_too(self, client: Client, folder: Path) -> None:
        assert "No mails yet" in text_of(client.get("/local/mails"))
        write("First – पहली", "Second")
        write("Third")

        page = text_of(client.get("/local/mails"))

        places = [page.index(subject) for subject in ("Third", "Second", "First – पहली")]
        assert places == sorted(places)

    def test_a_mail_is_shown_in_a_sandbox_under_a_policy_of_its_own(
        self, client: Client, folder: Path
    ) -> None:
        write("First")
        [link] = [one.address for one in client.get("/local/mails").context["mails"]]

        around, inside = client.get(link), client.get(f"{link}/html")

        assert 'sandbox="allow-top-navigation-by-user-activation"' in around.content.decode()
        assert "Lead 7 came in" in text_of(around)
        site_policy = client.get("/local/mails").headers["Content-Security-Policy"]
        assert around.headers["Content-Security-Policy"] == f"{site_policy}; frame-src 'self'"
        policy = inside.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "sandbox allow-top-navigation-by-user-activation" in policy
        assert "script-src" not in policy
        assert inside.headers["X-Frame-Options"] == "SAMEORIGIN"
        assert "<p>Lead 7 came in</p>" in inside.content.decode()

    @pytest.mark.parametrize("key", ["nothing.0", "..%2F..%2Fetc%2Fpasswd", "%00", "secret.log", "x" * 3000])
    def test_nothing_but_these_mails_is_read(self, client: Client, folder: Path, key: str) -> None:
        (folder / "secret.txt").write_text("Subject: secret\n\nsecret")
        write("First")

        for address in (f"/local/mails/{key}", f"/local/mails/{key}/html"):
            answer = client.get(address)
            assert answer.status_code == 404
            assert "secret" not in answer.content.decode()
