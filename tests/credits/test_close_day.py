"""Days are closed with seals, and whatever is edited behind the triggers' back afterwards is found, with the row."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from threading import Event
from typing import Any, Final

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from psycopg.types.json import Jsonb
from pytest_django import Settings

from clinics import door
from clinics.models import Clinic
from clinics.trail import AuditEvent
from credits.models import CreditTransaction, DayClosing, DaySeal
from credits.services import seals
from credits.services.closing import sign_off
from credits.services.closing_figures import bounds
from credits.services.ledger import BillingService
from leads.models import LeadContact
from tests import factories
from tests.clock import Clock
from tests.concurrency.threads import connection_of_this_thread_closes
from tests.credits.psql import superuser_session
from tests.credits.tampering import EDITS, Tampering, found
from tests.site.back_office import FIGURES, GROUPS, page, person, signed_in

TODAY: Final = date(2040, 6, 15)
KEY: Final = "k1" * 20
PAGE: Final = Jsonb(FIGURES)
OTHER_SEALS: Final = {"ids": "'1:9'", "bytea": r"'\x00'", "integer": "rows + 1", "date": "day - 1"}


@pytest.fixture(autouse=True)
def seal_key(settings: Settings) -> None:
    settings.SEAL_KEY, settings.SEAL_KEY_FALLBACKS = KEY, []


def found_now() -> dict[str, tuple[set[int], str]]:
    with connection.cursor() as cursor:
        return found(cursor)


def noon_of(day: date) -> datetime:
    return bounds(day)[0] + timedelta(hours=12)


def close(day: str = "", **options: Any) -> tuple[str, str]:
    """What was printed, and what was complained of."""
    out = StringIO()
    try:
        call_command("close_day", *(["--day", day] if day else []), stdout=out, **options)
    except CommandError as problem:
        return out.getvalue(), str(problem)
    return out.getvalue(), ""


def refused(function: str, **arguments: Any) -> None:
    with pytest.raises(DatabaseError) as error:
        door.call(function, **arguments)
    assert door.refusal_of(error.value) == seals.REFUSED


@pytest.mark.django_db(transaction=True)
def test_whatever_is_edited_behind_the_triggers_is_found_with_its_row(funded_clinic: Clinic) -> None:
    lead = factories.deliver(funded_clinic, phone=1)
    factories.refund(lead, 50)
    close()
    row, event = CreditTransaction.objects.order_by("pk")[1].pk, AuditEvent.objects.order_by("pk")[1].pk
    assert found_now() == {}
    with superuser_session() as session:
        psql = Tampering(session)
        for table, number, check in (
            ("credit_transactions", row, "sealed_movements_are_as_they_were"),
            ("audit_events", event, "sealed_trail_is_as_it_was"),
        ):
            columns = psql.columns(table)
            assert len(columns) >= 13
            for column, kind in columns:
                change = EDITS[kind].format(column)
                edited = psql.finds(f"UPDATE {table} SET {column} = {change} WHERE id = {number}")
                assert edited[check][0] == {number}, column
                assert f"{number} changed since seal" in edited[check][1]
            moved = psql.finds(f"UPDATE {table} SET id = 0 WHERE id = {number}")
            assert moved[check][0] == {0, number}
            assert "gone" in psql.finds(f"DELETE FROM {table} WHERE id = {number}")[check][1]
            copied = (
                psql.finds(
                    f"INSERT INTO {table} (id, {', '.join(name for name, _ in columns)})"
                    f" SELECT -7, {', '.join('id + 900000' if name == 'sequence' else name for name, _ in columns)}"
                    f" FROM {table} WHERE id = (SELECT min(id) FROM {table})"
                )
                if table == "audit_events"
                else psql.finds(
                    "INSERT INTO credit_transactions (id, clinic_id, sequence, amount, balance_after,"
                    " transaction_type, description, created_at) SELECT -7, clinic_id, 99,"
                    " 1, 1, 'bonus', '', created_at"
                    f" FROM credit_transactions WHERE id = {row}"
                )
            )
            assert copied[check][0] == {-7}


@pytest.mark.django_db(transaction=True)
def test_a_seal_that_was_altered_or_taken_away_is_found(clinic: Clinic, settings: Settings) -> None:
    close("2026-01-01")
    factories.give_credits(clinic, 10)
    close("2026-01-02")
    assert DaySeal.objects.count() == 4
    with superuser_session() as session:
        psql = Tampering(session)
        for column, kind in psql.columns("day_seals"):
            if column == "number":
                continue
            other = OTHER_SEALS.get(column) or OTHER_SEALS.get(kind) or EDITS[kind].format(column)
            edited = psql.finds(f"UPDATE day_seals SET {column} = {other} WHERE number = 3")
            assert 3 in (edited.get("seals_are_unbroken") or edited["seal_keys_are_known"])[0], column
        assert psql.finds("DELETE FROM day_seals WHERE number = 2")["seals_are_unbroken"][0] >= {2, 3}
        assert psql.finds("DELETE FROM day_seals WHERE number = 4")["seals_are_unbroken"][0] == {4}
        both = psql.finds(
            "DELETE FROM day_seals WHERE number = 4", "DELETE FROM day_closings WHERE day = '2026-01-02'"
        )
        assert 4 in both["seals_are_unbroken"][0]
        for deed in ("UPDATE day_seals SET rows = 0", "DELETE FROM day_seals", "TRUNCATE day_seals",
                     "DELETE FROM day_closings", "UPDATE day_closings SET figures = '{}'"):  # fmt: skip
            with pytest.raises(psycopg.errors.RestrictViolation):
                session.execute(deed)
    settings.SEAL_KEY = "k2" * 20
    out = StringIO()
    with pytest.raises(CommandError, match="2 of 62 checks"):
        call_command("verify_ledger", stdout=out)
    assert re.search(
        r"seal_keys_are_known +4 .*neither SEAL_KEY nor among SEAL_KEY_FALLBACKS", out.getvalue()
    )
    settings.SEAL_KEY_FALLBACKS = [KEY]
    close("2026-01-03")
    assert found_now() == {}
    assert DaySeal.objects.values("key_id").distinct().count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_page_edited_behind_the_triggers_is_found_with_its_day(clinic: Clinic) -> None:
    finance = person("finance")
    for day, note in ((date(2026, 1, 1), "Seen"), (date(2026, 1, 2), "")):
        close(day.isoformat())
        if note:
            sign_off(closing=DayClosing.objects.get(day=day), by=finance, note=note)
    assert found_now() == {}
    with superuser_session() as session:
        psql = Tampering(session)
        edits = {
            **{name: EDITS[kind].format(name) for name, kind in psql.columns("day_closings") if kind in EDITS},
            "figures": "'{}'", "unexplained": "'[]'", "note": "'Seen, and well'", "seal_digest": "repeat('0', 64)",
        }  # fmt: skip
        assert len(edits) == 14
        for column, value in edits.items():
            edited = psql.finds(f"UPDATE day_closings SET {column} = {value} WHERE day = '2026-01-01'")
            assert edited["closed_days_are_as_they_were"][0] == {20260101}, column
        for forged in (
            f"UPDATE day_closings SET signed_off_at = now(), signed_off_by_id = {finance.pk} WHERE day = '2026-01-02'",
            "UPDATE day_closings SET note = 'x' WHERE day = '2026-01-02'",
        ):
            assert psql.finds(forged)["closed_days_are_as_they_were"][0] == {20260102}
        told_anew = psql.finds(
            "UPDATE day_closings SET figures = '{}', figures_digest = closing_digest('{}') WHERE day = '2026-01-01'",
            "INSERT INTO audit_events (occurred_at, operation, table_name, row_key, about, before, after, concealed,"
            " channel, source, reason, request_id, os_user, db_role) SELECT occurred_at, operation, table_name,"
            " row_key, about, before, jsonb_build_object('figures_digest', closing_digest('{}')), concealed, channel,"
            " source, reason, request_id, os_user, db_role FROM audit_events"
            " WHERE row_key = '2026-01-01' AND after ? 'seal_number'",
        )
        assert told_anew["closed_days_are_as_they_were"][0] == {20260101}


@pytest.mark.django_db
def test_who_has_no_key_cannot_close_a_day_unseen_and_its_rows_are_sealed_by_the_next(clinic: Clinic) -> None:
    close("2026-01-01")
    factories.give_credits(clinic, 10)
    day = date(2026, 1, 2)
    ledger, trail = seals.watermark()
    door.call("open_closing", p_day=day, p_ledger_up_to=ledger, p_trail_up_to=trail)
    for source, up_to in (("ledger", ledger), ("trail", trail)):
        last = DaySeal.objects.latest("number")
        after = DaySeal.objects.filter(source=source).latest("number").up_to_id
        model = CreditTransaction if source == "ledger" else AuditEvent
        rows = model._default_manager.filter(pk__gt=after, pk__lte=up_to).count()
        whole = {
            "p_number": last.number + 1, "p_day": day, "p_source": source, "p_after_id": after, "p_up_to_id": up_to,
            "p_rows": rows, "p_ids": "", "p_tags": bytes(8 * rows), "p_whole": bytes(32), "p_key_id": "forged",
            "p_previous": bytes(last.digest), "p_digest": bytes(32),
        }  # fmt: skip
        for less in (
            {"p_rows": 0, "p_tags": b""}, {"p_tags": b""}, {"p_whole": b""}, {"p_digest": b"\0"},
        ):  # fmt: skip
            refused("add_seal", **whole | less)
        door.call("add_seal", **whole)
    refused("finish_closing", p_day=day, p_figures=Jsonb({}), p_unexplained=Jsonb([]), p_by=None)
    refused("finish_closing", p_day=day, p_figures=PAGE, p_unexplained=Jsonb({}), p_by=None)
    member = factories.UserFactory.create()
    refused("finish_closing", p_day=day, p_figures=PAGE, p_unexplained=Jsonb([]), p_by=member.pk)
    door.call(
        "finish_closing",
        p_day=day,
        p_figures=Jsonb(FIGURES | {"unspent": 5}),
        p_unexplained=Jsonb([]),
        p_by=None,
    )
    for who in (member, person("support"), person("auditor")):
        refused("sign_off_closing", p_day=day, p_by=who.pk, p_note="x")
    forged = DayClosing.objects.get(day=day)
    path = page("credits.dayclosing", "change", day)
    assert "Not figures that close_day writes" in signed_in("finance").get(path).content.decode()
    assert found_now()["sealed_rows_have_a_good_seal"][0] == {3, 4}
    assert "ledger from " in found_now()["sealed_rows_have_a_good_seal"][1]

    assert "Not figures" in close(day.isoformat())[0]
    close("2026-01-03")

    assert found_now().keys() == {"seal_keys_are_known"}
    again = DaySeal.objects.get(number=5)
    assert seals.ids_of(again.ids, most=1) == [CreditTransaction.objects.get().pk]
    assert DayClosing.objects.get(day=day).seal_number == forged.seal_number


@pytest.mark.django_db
def test_erasing_a_patient_leaves_the_seals_whole(funded_clinic: Clinic) -> None:
    lead = factories.deliver(funded_clinic, phone=1)
    close()

    BillingService.withdraw_lead(lead.pk)

    assert LeadContact.objects.get(lead=lead).erased_at is not None
    assert found_now() == {}


@pytest.mark.django_db(transaction=True)
def test_while_others_post_every_row_is_sealed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seals, "PAUSE_SECONDS", 0.02)
    monkeypatch.setattr(seals, "ROWS_PER_SEAL", 50)
    clinics = factories.ClinicFactory.create_batch(6)
    enough = Event()

    def post(clinic: Clinic) -> None:
        try:
            while not enough.is_set():
                with transaction.atomic():  # numbers are taken long before they are committed
                    BillingService.add_credits(clinic.pk, Decimal(1), "race")
                    clinic.city = f"{clinic.city[:20]}x"
                    clinic.save(update_fields=["city"])
        finally:
            connection_of_this_thread_closes()

    with ThreadPoolExecutor(6) as pool:
        futures = [pool.submit(post, clinic) for clinic in clinics]
        try:
            for number in range(15):
                seals.seal(seals.open_closing(day := date(2026, 1, 1) + timedelta(days=number)))
                door.call("finish_closing", p_day=day, p_figures=PAGE, p_unexplained=Jsonb([]), p_by=None)
        finally:
            enough.set()
        for future in futures:
            future.result(20)
    assert found_now() == {}
    last = DayClosing.objects.latest("day")
    for source, model, up_to in (
        ("ledger", CreditTransaction, last.ledger_up_to),
        ("trail", AuditEvent, last.trail_up_to),
    ):
        sealed = [
            number
            for one in DaySeal.objects.filter(source=source).order_by("number")
            for number in seals.ids_of(one.ids, most=one.rows)
        ]
        rows = model._default_manager.filter(pk__lte=up_to).order_by("pk").values_list("pk", flat=True)
        assert sealed == list(rows)
        assert len(sealed) > 50


@pytest.mark.django_db(transaction=True)
def test_a_day_is_not_closed_over_a_row_that_is_not_committed(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(seals, "PATIENCE", (50, 50))
    monkeypatch.setattr(seals, "PAUSE_SECONDS", 0.01)

    def mark() -> Any:
        try:
            return seals.watermark()
        except seals.BooksTooBusy as busy:
            return busy
        finally:
            connection_of_this_thread_closes()

    with ThreadPoolExecutor(1) as pool:
        with transaction.atomic(), connection.cursor() as cursor:
            # As an event that has taken its number and not yet written its row.
            cursor.execute("SELECT 1 FROM credit_accounts FOR NO KEY UPDATE")
            assert isinstance(pool.submit(mark).result(20), seals.BooksTooBusy)
        with transaction.atomic():
            factories.give_credits(clinic, 5)
            assert isinstance(pool.submit(mark).result(20), seals.BooksTooBusy)
        assert pool.submit(mark).result(20)[0] == CreditTransaction.objects.get().pk


@pytest.mark.django_db
def test_a_missed_day_is_closed_by_the_next_run_and_twice_changes_nothing(
    clinic: Clinic, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "credits")
    clock.set(noon_of(TODAY))
    factories.give_credits(clinic, 100)
    clock.set(noon_of(TODAY + timedelta(days=1)))
    first, problem = close()
    assert "15 Jun 2040" in first
    assert "RAZORPAY_KEY_ID" in problem or "Not everything is explained" in problem
    assert re.search(r"Goodwill +0\.00 +100\.00 +0\.00 +100\.00", first)
    assert re.search(r"Credit +1 +100\.00", first)
    factories.deliver(clinic, phone=1)
    clock.set(noon_of(TODAY + timedelta(days=4)))
    later, _ = close()
    days = list(DayClosing.objects.order_by("day").values_list("day", flat=True))
    assert days == [TODAY + timedelta(days=number) for number in range(4)]
    assert later.count("Not signed off yet") == 3
    for (
        closing
    ) in DayClosing.objects.all():  # outside the database, so that the last seal can't vanish unseen
        assert f"Day {closing.day} closed: seal {closing.seal_number} {closing.seal_digest}," in caplog.text
    assert re.search(r"Deduction +1 +-100\.00", later)
    count = DaySeal.objects.count()
    assert close("2040-06-15")[0] == first
    assert DaySeal.objects.count() == count
    assert "is not over yet" in close("2040-06-19")[1]
    assert "before the first day" in close("2040-06-14")[1]


@pytest.mark.django_db
@pytest.mark.parametrize("who", [*GROUPS, "superuser"])
def test_finance_signs_a_day_off_once_and_then_it_is_explained(clinic: Clinic, who: str) -> None:
    assert close()[1].startswith("Not everything is explained")
    closing = DayClosing.objects.get()
    client, may = signed_in(who), who in ("finance", "superuser")
    form = page("credits.dayclosing", "sign-off", closing.day)

    assert client.post(form, {"reason": ""}).status_code == (400 if may else 403)
    assert client.post(form, {"reason": "No gateway on this machine"}).status_code == (302 if may else 403)

    closing.refresh_from_db()
    assert (closing.signed_off_at is not None) is may
    if not may:
        return
    assert client.post(form, {"reason": "Again"}).status_code == 409
    shown = client.get(page("credits.dayclosing", "change", closing.day)).content.decode()
    assert "No gateway on this machine" in shown
    assert "<p>The gateway is not set up" in shown  # by itself, besides the page whose long lines scroll
    assert close()[1] == ""
    event = AuditEvent.objects.filter(table_name="day_closings").newest_first()[0]
    assert event.after is not None
    assert event.after["signed_off_by_id"] == closing.signed_off_by_id
    with pytest.raises(DatabaseError), transaction.atomic():
        door.call("sign_off_closing", p_day=closing.day, p_by=closing.signed_off_by_id, p_note="x")


@pytest.mark.django_db
def test_without_a_key_nothing_is_closed(clinic: Clinic, settings: Settings) -> None:
    settings.SEAL_KEY = ""

    assert "SEAL_KEY is not set" in close()[1]
    assert not DayClosing.objects.exists()
