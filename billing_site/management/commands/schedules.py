"""`manage.py schedules`: what runs by itself, when it last succeeded, and what is late."""

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from billing_site.jobs import runs
from billing_site.jobs.schedules import BY_NAME
from billing_site.jobs.standing import Standing, standings


class Command(BaseCommand):
    help = (
        "Lists what the worker runs by itself, and how it stands; exits 1 when something is late. "
        "With --run, runs one of them now and keeps how it ended."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", dest="as_json", help="for a monitor to read")
        parser.add_argument(
            "--run", choices=BY_NAME, metavar="NAME", help="run this one now, as the worker does"
        )

    def handle(self, *args: Any, as_json: bool, **options: Any) -> None:
        name: str | None = options["run"]
        if name is not None:
            self.run_now(name)
            return
        found = standings()
        if as_json:
            self.stdout.write(json.dumps([facts(one) for one in found], indent=1))
        else:
            self.show(found)
        late = [one for one in found if one.is_late]
        if late:
            raise CommandError(complaint(late, of=len(found)))

    def show(self, found: list[Standing]) -> None:
        self.stdout.write(f"{'STATE':<11}{'SCHEDULE':<23}{'LAST SUCCESS':<25}WHAT FOR")
        for one in found:
            state = one.state.upper() if one.is_late else one.state
            self.stdout.write(
                f"{state:<11}{one.schedule.name:<23}{moment(one.run.succeeded_at):<25}{one.schedule.why}"
            )
            if one.is_running:
                self.stdout.write(f"{'':<11}running since {moment(one.run.started_at)}")
            elif one.was_cut_off:
                self.stdout.write(f"{'':<11}cut off: began {moment(one.run.started_at)}, and never ended")
            if one.has_failed:
                self.stdout.write(f"{'':<11}failed {moment(one.run.failed_at)}: {one.run.said}")

    def run_now(self, name: str) -> None:
        outcome = runs.run(BY_NAME[name])
        if outcome is runs.Outcome.ELSEWHERE:
            raise CommandError(f"{name} runs elsewhere at this moment: nothing was done.")
        said = standing_line(name)
        if outcome is runs.Outcome.FAILED:
            raise CommandError(f"{name} failed: {said}")
        self.stdout.write(f"{name} succeeded: {said}")


def standing_line(name: str) -> str:
    [said] = [one.run.said for one in standings() if one.schedule.name == name]
    return said


def complaint(late: list[Standing], *, of: int) -> str:
    if len(late) == of:
        return f"All {of} are late: is `manage.py worker` running?"
    names = ", ".join(one.schedule.name for one in late)
    failed = [f"{one.schedule.name} failed: see «{one.schedule.words[0]}»" for one in late if one.has_failed]
    what = "; ".join(failed) or "See «schedules»"
    return f"{len(late)} of {of} late: {names}. {what} in docs/operations.md."


def facts(one: Standing) -> dict[str, object]:
    return {
        "name": one.schedule.name,
        "state": one.state,
        "late": one.is_late,
        "started_at": iso(one.run.started_at),
        "succeeded_at": iso(one.run.succeeded_at),
        "failed_at": iso(one.run.failed_at),
        "said": one.run.said,
    }


def iso(at: datetime | None) -> str | None:
    return at.isoformat() if at else None


def moment(at: datetime | None) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S} IST" if at else "never"
