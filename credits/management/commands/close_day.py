"""`manage.py close_day`: seals the books of the day that ended, proves them, and prints its page."""

import datetime
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from clinics.models import User
from credits.services.closing import DayCannotBeClosed, close_days, is_unexplained
from credits.services.closing_page import page_of
from credits.services.seals import BooksTooBusy, SealKeyMissing


class Command(BaseCommand):
    help = (
        "Closes the IST day that ended, and any before it that were missed: seals, reconciles, checks, prints the "
        "page. Exits with 1 when something on it is unexplained."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--day", type=datetime.date.fromisoformat, help="YYYY-MM-DD; yesterday if left out"
        )
        parser.add_argument("--by", metavar="EMAIL", help="who of staff closes it; nobody: the worker")

    def handle(self, *args: Any, day: datetime.date | None, by: str | None, **options: Any) -> None:
        person = User.objects.filter(email__iexact=by, is_staff=True, is_active=True).first() if by else None
        if by and person is None:
            raise CommandError("Nobody of staff has this address.")
        with tqdm(disable=None, unit=" steps", leave=False) as bar:

            def progress(step: str) -> None:
                bar.set_description(step)
                bar.update()

            try:
                closed = close_days(day=day, by=person, progress=progress)
            except (DayCannotBeClosed, SealKeyMissing, BooksTooBusy) as problem:
                raise CommandError(str(problem)) from problem
        for closing in closed:
            self.stdout.write("\n".join(page_of(closing)) + "\n")
        open_days = [str(closing.day) for closing in closed if is_unexplained(closing)]
        if open_days:
            raise CommandError(f"Not everything is explained: {', '.join(open_days)}.")
