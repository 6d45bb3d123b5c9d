"""The list of schedules, how one is run, and what ops and staff see of it."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from croniter import croniter  # type: ignore[import-untyped]
from django.core.management import CommandError, call_command, get_commands, load_command_class
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from django.utils.html import escape
from procrastinate.contrib.django import app
from procrastinate.jobs import Job

from billing_site.jobs import abandoned, runs
from billing_site.jobs.runs import Outcome, only_here, run
from billing_site.jobs.schedules import BY_NAME, DAY, HOUR, SCHEDULES, Schedule
from billing_site.jobs.standing import Standing, standings
from billing_site.jobs.tasks import MOST_TRIES, is_tried_again
from billing_site.outbox import rounds
from billing_site.outbox.forgetting import DONE_KEPT_FOR, GIVEN_UP_KEPT_FOR
from clinics.models import Clinic, Notice, OutgoingMail, ScheduledRun, WebhookDelivery, WebhookEndpoint
from tests import factories
from tests.site.back_office import GROUPS, signed_in

pytestmark = pytest.mark.django_db

EXPIRY = BY_NAME["expire_requests"]


@pytest.fixture(autouse=True)
def no_complaints_before() -> Iterator[None]:
    runs.complaints.clear()
    yield
    runs.complaints.clear()


class EndOfTest(Exception):
    pass


def standing(schedule: Schedule, *, at: datetime | None = None) -> Standing:
    [found] = [one for one in standings(at=at) if one.schedule.name == schedule.name]
    return found


def all_succeeded(at: datetime) -> None:
    ScheduledRun.objects.bulk_create(
        ScheduledRun(name=schedule.name, started_at=at, succeeded_at=at) for schedule in SCHEDULES
    )


class TestTheList:
    @pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.name)
    def test_each_line_is_a_command_that_takes_its_words(self, schedule: Schedule) -> None:
        name, *words = schedule.words
        app = get_commands().get(name)
        assert isinstance(app, str), "there is no such command"
        load_command_class(app, name).create_parser("manage.py", name).parse_args(words)

    @pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.name)
    def test_each_line_is_late_only_after_it_missed_a_turn_and_some_time(self, schedule: Schedule) -> None:
        turns = croniter(schedule.cron, timezone.now())
        first, second = turns.get_next(float), turns.get_next(float)

        assert schedule.late_after > timedelta(seconds=second - first)

    def test_no_two_lines_share_a_name_or_a_lock(self) -> None:
        assert len(BY_NAME) == len({schedule.lock for schedule in SCHEDULES}) == len(SCHEDULES)

    def test_held_leads_are_tried_in_the_minute_in_which_a_day_begins_in_india(self) -> None:
        assert croniter.match(
            BY_NAME["release_leads"].cron, datetime.fromisoformat("2026-11-22T18:30:00+00:00")
        )

    def test_turns_that_are_far_apart_are_tried_again_and_not_for_ever(self) -> None:
        def job(name: str, attempts: int) -> Job:
            return Job(
                id=1, queue="default", lock=None, queueing_lock=None, task_name="run_scheduled",
                task_kwargs={"name": name}, attempts=attempts,
            )  # fmt: skip

        assert is_tried_again(job("daily_digest", 0))
        assert not is_tried_again(job("daily_digest", MOST_TRIES - 1))
        assert not is_tried_again(job("send_mails", 0))
        assert not is_tried_again(job("no_longer_there", 0))


class TestRuns:
    def test_a_run_is_kept_with_what_it_said(self) -> None:
        assert run(EXPIRY) is Outcome.SUCCEEDED

        kept = ScheduledRun.objects.get(pk=EXPIRY.name)
        assert kept.said == "Expired 0 requests."
        assert kept.started_at
        assert kept.succeeded_at
        assert kept.started_at < kept.succeeded_at
        assert kept.failed_at is None

    def test_a_refusal_is_kept_said_once_and_the_next_success_is_said_too(
        self, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refused = replace(EXPIRY, command=("explain_balance", "no-such-clinic"))

        assert [run(refused), run(refused)] == [Outcome.FAILED] * 2
        failures = [record for record in caplog.records if record.levelno == logging.ERROR]
        kept = ScheduledRun.objects.get(pk=EXPIRY.name)
        assert kept.failed_at
        assert not kept.succeeded_at
        assert kept.said
        assert [record.getMessage() for record in failures] == [
            f"Schedule expire_requests failed: {kept.said}"
        ]
        monkeypatch.setattr(runs, "SAME_COMPLAINT_AFTER", 0.0)
        run(refused)
        assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 2

        assert run(EXPIRY) is Outcome.SUCCEEDED
        assert caplog.records[-1].getMessage() == "Schedule expire_requests works again."
        assert not standing(EXPIRY).has_failed

    def test_of_an_error_of_ours_kind_and_place_are_said_and_nothing_of_the_row(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def quotes_a_row(*args: Any, **options: Any) -> None:
            taken = factories.UserFactory.create(email="zubeida@patient.example", password=None)
            with transaction.atomic():  # the database's message has a DETAIL with the address
                factories.UserFactory.create(email=taken.email, password=None)

        monkeypatch.setattr(runs, "call_command", quotes_a_row)

        assert run(EXPIRY) is Outcome.FAILED
        assert ScheduledRun.objects.get(pk=EXPIRY.name).said == "IntegrityError 23505"
        assert "Schedule expire_requests failed: IntegrityError 23505 at test_schedules.py:" in caplog.text
        assert "zubeida" not in caplog.text

    def test_an_exit_code_counts_and_the_last_complaint_is_kept(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def gives_up(*args: Any, stdout: io.StringIO, stderr: io.StringIO) -> None:
            stdout.write("       3  items wait for review\n")
            stderr.write("not done: top-ups: not reached\n")
            raise SystemExit(1)

        monkeypatch.setattr(runs, "call_command", gives_up)

        assert run(EXPIRY) is Outcome.FAILED
        assert ScheduledRun.objects.get(pk=EXPIRY.name).said == "not done: top-ups: not reached"

    def test_while_it_runs_elsewhere_nothing_is_done_and_it_stands_as_running(self) -> None:
        with only_here(EXPIRY) as ours:
            assert ours
            assert run(EXPIRY) is Outcome.ELSEWHERE
            assert standing(EXPIRY).is_running
            assert not standing(BY_NAME["expire_leads"]).is_running
            with pytest.raises(CommandError, match="runs elsewhere"):
                call_command("schedules", "--run", EXPIRY.name)

        assert not ScheduledRun.objects.filter(pk=EXPIRY.name).exists()
        assert run(EXPIRY) is Outcome.SUCCEEDED

    def test_mails_leave_though_notices_cannot_be_handed_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Otherwise what is in the way of new ones would hold back what was written before."""
        left = [10, 4, 0]

        def cannot() -> int:
            raise IntegrityError

        monkeypatch.setattr(rounds, "hand_on", cannot)

        with pytest.raises(IntegrityError):
            rounds.make_round(lambda: left.pop(0))
        assert left == []


class TestWhatOpsSee:
    def test_all_is_well_and_the_exit_code_says_so(self) -> None:
        now = timezone.now()
        all_succeeded(now)
        printed = io.StringIO()

        call_command("schedules", stdout=printed)

        assert [one.state for one in standings(at=now)] == ["ok"] * len(SCHEDULES)
        assert printed.getvalue().count("\nok ") == len(SCHEDULES)

    def test_what_is_late_failed_or_was_cut_off_is_told_apart(self) -> None:
        now = timezone.now()
        all_succeeded(now - timedelta(minutes=1))
        rows = ScheduledRun.objects
        rows.filter(pk="forget_old_data").update(succeeded_at=now - 2 * DAY)
        rows.filter(pk="expire_leads").update(failed_at=now, said="Busy, so try again: clinic 7")
        rows.filter(pk="expire_grants").update(started_at=now)
        rows.filter(pk="release_leads").update(started_at=None, succeeded_at=None)
        rows.filter(pk="close_day").update(
            failed_at=now, succeeded_at=None, said="Not everything is explained"
        )
        rows.filter(pk="sweep_payments").update(started_at=now - HOUR)
        printed = io.StringIO()

        late = "release_leads, forget_old_data, close_day. close_day failed: see «close_day» in docs"
        with pytest.raises(CommandError, match=f"3 of {len(SCHEDULES)} late: {late}"):
            call_command("schedules", stdout=printed)

        states = {one.schedule.name: one.state for one in standings(at=now) if one.state != "ok"}
        assert states == {
            "forget_old_data": "late",
            "expire_leads": "failed",
            "expire_grants": "cut off",
            "release_leads": "late",
            "close_day": "late",
        }
        assert "Busy, so try again: clinic 7" in printed.getvalue()
        assert "cut off: began" in printed.getvalue()

    def test_on_the_first_day_what_never_ran_is_late_only_after_its_time(self) -> None:
        now = timezone.now()
        assert {one.state for one in standings(at=now)} == {"late"}  # no worker began anything
        with pytest.raises(CommandError, match=f"All {len(SCHEDULES)} are late: is"):
            call_command("schedules", stdout=io.StringIO())

        ScheduledRun.objects.create(name="send_mails", started_at=now, succeeded_at=now)

        assert not any(one.is_late for one in standings(at=now + timedelta(minutes=4)))
        assert standing(EXPIRY, at=now).state == "never ran"
        late = {one.schedule.name for one in standings(at=now + 2 * HOUR) if one.is_late}
        assert "tell_waiting_patients" in late
        assert "expire_leads" not in late

    def test_a_monitor_reads_the_same(self) -> None:
        printed = io.StringIO()
        with pytest.raises(CommandError):
            call_command("schedules", "--json", stdout=printed)

        assert {one["name"]: one["late"] for one in json.loads(printed.getvalue())} == dict.fromkeys(
            BY_NAME, True
        )

    def test_one_is_run_by_hand_and_kept(self) -> None:
        printed = io.StringIO()

        call_command("schedules", "--run", EXPIRY.name, stdout=printed)

        assert printed.getvalue() == "expire_requests succeeded: Expired 0 requests.\n"
        assert not standing(EXPIRY).is_late


class TestWhatStaffSee:
    @pytest.mark.parametrize("who", [*GROUPS, "superuser"])
    def test_late_ones_stand_on_the_first_page_of_those_who_may_see_them(self, who: str) -> None:
        all_succeeded(timezone.now() - timedelta(minutes=20))
        may_see = who not in ("support", "resolver")
        client = signed_in(who)
        titles = {tile.title: tile.number for tile in client.get("/admin/").context["tiles"]}
        page = client.get("/admin/clinics/scheduledrun/")

        # Mails, webhooks and held leads: after five minutes, and after fifteen.
        assert titles.get("Schedules late") == (3 if may_see else None)
        assert page.status_code == (200 if may_see else 403)
        assert not may_see or page.content.decode().count("badge-bad") == 3
        assert not may_see or "<title>Schedules |" in page.content.decode()

    def test_a_tile_of_what_never_succeeded_says_so(self) -> None:
        assert "Never succeeded" in signed_in("auditor").get("/admin/").content.decode()

    def test_where_no_worker_ever_ran_the_page_has_every_line_and_says_so(self) -> None:
        client = signed_in("auditor")
        page = client.get("/admin/clinics/scheduledrun/").content.decode()
        assert page.count("Late, never ran") == len(SCHEDULES)
        assert all(escape(schedule.why) in page for schedule in SCHEDULES)
        assert "Late, never ran" in client.get("/admin/clinics/scheduledrun/close_day/change/").text
        assert client.get("/admin/clinics/scheduledrun/no_such/change/").status_code == 302

        ScheduledRun.objects.create(name="send_mails", started_at=timezone.now(), succeeded_at=timezone.now())
        page = client.get("/admin/clinics/scheduledrun/").content.decode()
        assert page.count(">Never ran<") == len(SCHEDULES) - 1

    def test_the_queues_own_pages_are_not_there(self) -> None:
        assert signed_in("superuser").get("/admin/procrastinate/procrastinatejob/").status_code == 404


def test_a_turn_is_taken_again_only_when_two_looks_in_a_row_find_it_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between letting go of the lock and the job's end there is a moment, in which one look takes it for cut off."""
    one, other = (abandoned.CutOff(job, "expire_leads", 0) for job in (1, 2))
    looks = [[one], [], [one, other], [other], [other, one]]
    found = iter(looks)
    put_back: list[tuple[int, abandoned.CutOff]] = []
    pauses: list[float] = []

    async def look(_: Any) -> list[abandoned.CutOff]:
        return next(found)

    async def note(_: Any, taken: abandoned.CutOff) -> None:
        put_back.append((len(pauses), taken))

    async def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == len(looks):
            raise EndOfTest

    monkeypatch.setattr(abandoned, "cut_off", look)
    monkeypatch.setattr(abandoned, "put_back", note)
    monkeypatch.setattr(asyncio, "sleep", pause)
    # In a thread of its own: where browsers run beside it, this one has a loop already.
    with ThreadPoolExecutor(1) as aside, pytest.raises(EndOfTest):
        aside.submit(asyncio.run, abandoned.put_back_again_and_again(app)).result()

    assert put_back == [(3, other), (4, other)]


def test_what_left_the_outbox_long_ago_is_forgotten(clinic: Clinic) -> None:
    member = factories.member_of(clinic, "owner", password=None)
    endpoint = WebhookEndpoint.objects.create(
        clinic=clinic, url="https://crm.example/hook", kinds=["lead_delivered"], secret="x", made_by=member
    )
    now = timezone.now()
    ages = {
        "new": {"done_at": now - DONE_KEPT_FOR + DAY},
        "old": {"done_at": now - DONE_KEPT_FOR - DAY},
        "given up": {"given_up_at": now - DONE_KEPT_FOR - DAY},
        "given up long ago": {"given_up_at": now - GIVEN_UP_KEPT_FOR - DAY},
        "open": {},
    }
    for key, times in ages.items():
        notice = Notice.objects.create(clinic=clinic, kind="low_balance", unique_key=key)
        delivery = WebhookDelivery.objects.create(endpoint=endpoint, notice=notice, **times)
        delivery.attempts.create(started_at=now, milliseconds=5)
        OutgoingMail.objects.create(clinic=clinic, kind="patient_waiting", unique_key=key, **times)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_periodic_defers (task_name, defer_timestamp, periodic_id)"
            " VALUES ('run_scheduled', 1, 'no_longer_there'), ('run_scheduled', 1, 'daily_digest')"
        )

    call_command("forget_old_data", stdout=io.StringIO())

    kept = {"new", "given up", "open"}
    assert set(WebhookDelivery.objects.values_list("notice__unique_key", flat=True)) == kept
    assert set(OutgoingMail.objects.values_list("unique_key", flat=True)) == kept
    with connection.cursor() as cursor:
        cursor.execute("SELECT periodic_id FROM procrastinate_periodic_defers")
        assert cursor.fetchall() == [("daily_digest",)]
