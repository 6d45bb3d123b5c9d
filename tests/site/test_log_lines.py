"""What stands in no log line: who asked, what opens a door, and what a row holds."""

import logging
import sys

import pytest
import structlog
from django.db import DataError, IntegrityError, transaction

from billing_site.log_lines import traceback_of, without_personal_data
from clinics.models import Clinic


@pytest.mark.parametrize(
    "before",
    ["/accounts/invitations/", "/accounts/password/reset/key/", "/enquiries/", "/mail/stop/"],
)
def test_a_link_that_opens_a_door_stands_in_no_log_line(before: str) -> None:
    line = without_personal_data(None, "", {"request": f"GET {before}7.a-signature?next=/"})
    assert line["request"] == f"GET {before}…"


def test_who_asked_and_what_they_searched_for_stand_in_no_log_line() -> None:
    event = {"request": "GET /clinic/dashboard?search=98", "ip": "10.0.0.1", "user_agent": "a"}
    assert without_personal_data(None, "", event) == {"request": "GET /clinic/dashboard"}


PHONE = "+919876543210"


def lines_of(record: logging.LogRecord) -> str:
    """As the one handler of production writes it."""
    [formatter] = [
        one.formatter
        for one in logging.getLogger().handlers
        if isinstance(one.formatter, structlog.stdlib.ProcessorFormatter)
    ]
    return formatter.format(record)


def violation(clinic: Clinic) -> IntegrityError:
    """A real one; PostgreSQL's DETAIL quotes the row."""
    Clinic.objects.filter(pk=clinic.pk).update(phone=PHONE)
    with pytest.raises(IntegrityError, match="DETAIL") as caught, transaction.atomic():
        Clinic.objects.filter(pk=clinic.pk).update(pincode="w" * 6)
    assert PHONE in str(caught.value)
    return caught.value


@pytest.mark.django_db
def test_no_log_line_quotes_the_row_that_a_constraint_refused(
    clinic: Clinic, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    refused = violation(clinic)

    try:
        raise RuntimeError(f"for {PHONE}") from refused
    except RuntimeError as problem:
        logging.getLogger("app").exception("It failed")
        structlog.get_logger("app").exception("request_failed", code=500)
        logging.getLogger("asyncio").error(f"Task exception was never retrieved\nfuture: <Task {refused!r}>")
        logging.getLogger("app").error(f"Clinic: {refused}")
        sys.excepthook(type(problem), problem, problem.__traceback__)

    written = [lines_of(record) for record in caplog.records]
    assert len(written) == 5
    assert not [line for line in written if PHONE in line or "wwwwww" in line]
    with pytest.raises(DataError, match=PHONE[1:]) as unread, transaction.atomic():
        Clinic.objects.extra(where=["id = %s"], params=[f"{PHONE}w"]).exists()
    assert PHONE not in "".join(traceback_of(unread.value))
    told = written[0]
    assert (
        'IntegrityError 23514 new row for relation "clinics" violates check constraint "clinic_pincode'
        in told
    )
    assert "RuntimeError" in told
    assert "test_log_lines.py" in told
    assert "Nobody caught this" in written[-1]


def test_what_is_no_fault_is_left_to_python_and_a_ring_of_causes_ends(
    capsys: pytest.CaptureFixture[str],
) -> None:
    sys.excepthook(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert "KeyboardInterrupt" in capsys.readouterr().err
    sys.excepthook(BrokenPipeError, BrokenPipeError(), None)  # `manage.py schedules | head`
    assert capsys.readouterr().err == ""
    one, other = ValueError("secret"), KeyError("secret")
    one.__cause__, other.__cause__ = other, one
    group = ExceptionGroup("secret", [one])
    told = "".join(traceback_of(group))
    assert told.count("ValueError") == told.count("KeyError") == 1
    assert "secret" not in told
