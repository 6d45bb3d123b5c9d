"""`manage.py reconcile_payments`: matches our books with the gateway's. Safe at any time, also twice at once."""

import datetime
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from tqdm import tqdm

from credits.gateway import GatewayMisconfigured
from credits.models import ReviewItem
from credits.services.reconciliation import reconcile


class Command(BaseCommand):
    help = (
        "Asks the gateway about top-ups, events, refunds and disputes that are due, and credits what was paid. "
        "Exits with 1 when something could not be asked or a person must look."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--sweep", type=int, metavar="DAYS", default=0, help="also list all payments of so many days"
        )
        parser.add_argument(
            "--unattended",
            action="store_true",
            help="exit with 1 only when something could not be asked, not when a person must look",
        )
        parser.add_argument(
            "--settlement",
            type=datetime.date.fromisoformat,
            metavar="DATE",
            action="append",
            default=[],
            help="also compare the settlement report of this IST day (YYYY-MM-DD); may be repeated",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not 0 <= options["sweep"] <= 366:
            raise CommandError("--sweep takes 0 to 366 days")
        if any(day > timezone.localdate() for day in options["settlement"]):
            raise CommandError("--settlement takes a day that has come")
        with tqdm(disable=None, unit=" steps") as bar:

            def progress(step: str) -> None:
                bar.set_description(step)
                bar.update()

            try:
                report = reconcile(
                    sweep_days=options["sweep"], settlement_days=options["settlement"], progress=progress
                )
            except GatewayMisconfigured as problem:
                raise CommandError(f"The gateway is not set up: {problem}") from problem
        for name, number in sorted(report.counts.items()):
            self.stdout.write(f"{number:>8}  {name}")
        for failure in report.failures:
            self.stderr.write(f"not done: {failure}")
        waiting = ReviewItem.objects.filter(state=ReviewItem.State.OPEN).count()
        self.stdout.write(f"{waiting:>8}  items wait for review")
        if report.failures or (waiting and not options["unattended"]):
            sys.exit(1)
