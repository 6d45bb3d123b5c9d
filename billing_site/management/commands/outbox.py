"""`manage.py outbox`: how what leaves the house stands. It only reads."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from billing_site.outbox import standing


class Command(BaseCommand):
    help = "Counts notices, mails and webhooks that wait, are overdue or were given up; exits 1 if it is ours to mend."

    def handle(self, *args: Any, **options: Any) -> None:
        found = standing.standing()
        for name, one in found.items():
            self.stdout.write(line(name, one))
        if wrong := [name for name, one in found.items() if not one.is_fine]:
            raise CommandError(f"Look at: {', '.join(wrong)}. docs/operations.md says what to do.")


def line(name: str, one: standing.Standing) -> str:
    since = f", the oldest since {timezone.localtime(one.oldest):%Y-%m-%d %H:%M:%S} IST" if one.oldest else ""
    mark = "ok" if one.is_fine else "LOOK"
    why = f" ({one.problem})" if one.problem else ""
    return f"{mark:<5} {name:<9} {one.waiting} waiting{since}; {one.overdue} overdue{why}; {one.given_up} given up"
