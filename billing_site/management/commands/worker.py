"""`manage.py worker`: the process that does what no request waits for. Several may run; each turn is taken once."""

import sys
from argparse import ArgumentParser
from typing import Any, TextIO, cast

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError

from billing_site.jobs.worker import LOST, NotMigrated, run_worker


class Command(BaseCommand):
    help = "Takes the turns of all schedules until it is told to stop (SIGTERM, Ctrl-C)."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--grace",
            type=float,
            default=25,
            metavar="SECONDS",
            help="how long what is under way may take when it is told to stop (default: 25)",
        )

    def handle(self, *args: Any, grace: float, **options: Any) -> None:
        sys.stderr = cast("TextIO", NoTerminal(sys.stderr))
        try:
            run_worker(grace=grace)
        except NotMigrated as problem:
            raise CommandError(
                "The database has no tables for the worker: run `manage.py migrate`."
            ) from problem
        except (*LOST, ImproperlyConfigured) as problem:
            raise CommandError(f"The database can't be used: {problem}") from problem


class NoTerminal:
    """A stream without bars of progress: nobody watches the commands that a worker runs."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def isatty(self) -> bool:
        return False
