"""`manage.py switch charging|top-ups|clinic off|on --reason TEXT [--clinic SLUG]`: what finance does in the admin."""

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from credits.management.clinic_command import find_clinic
from credits.services import switches

THROW: Final[dict[tuple[str, str], Callable[..., bool]]] = {
    ("charging", "off"): switches.stop_charging,
    ("charging", "on"): switches.resume_charging,
    ("top-ups", "off"): switches.stop_top_ups,
    ("top-ups", "on"): switches.resume_top_ups,
    ("clinic", "off"): switches.freeze_clinic,
    ("clinic", "on"): switches.unfreeze_clinic,
}


class Command(BaseCommand):
    help = "Stops or resumes charging, top-ups, or the leads of one clinic (freeze). Enquiries are stored meanwhile."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("what", choices=["charging", "top-ups", "clinic"])
        parser.add_argument("to", choices=["off", "on"])
        parser.add_argument("--clinic", metavar="SLUG_OR_ID", help="which one, with «clinic»")
        parser.add_argument(
            "--reason", required=True, help="for the log and the trail; nobody's name or number"
        )

    def handle(self, *args: Any, what: str, to: str, clinic: str | None, reason: str, **options: Any) -> None:
        reason = " ".join(reason.split())
        if not reason:
            raise CommandError("Say why: --reason TEXT.")
        if (what == "clinic") is (clinic is None):
            raise CommandError("--clinic goes with «clinic», and with nothing else.")
        whose = {} if clinic is None else {"clinic": find_clinic(clinic)}
        changed = THROW[what, to](reason=reason, **whose)
        name = what if clinic is None else f"Clinic {clinic}"
        self.stdout.write(
            f"{name.capitalize()}: {to}." if changed else f"{name.capitalize()} was {to} already."
        )
