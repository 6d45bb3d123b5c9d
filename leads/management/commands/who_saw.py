"""`manage.py who_saw LEAD`, or `who_saw --phone`: who saw this patient?"""

import sys
from argparse import ArgumentParser
from collections.abc import Iterable
from getpass import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from phonenumber_field.phonenumber import to_python

from leads.models import Lead
from leads.services.looks import Look, who_saw


class Command(BaseCommand):
    help = "Says who saw a patient's contact, when, and why. The number of --phone is asked for, or read from stdin."

    def add_arguments(self, parser: ArgumentParser) -> None:
        which = parser.add_mutually_exclusive_group(required=True)
        which.add_argument("lead", metavar="LEAD", nargs="?", type=int, help="the lead's number")
        which.add_argument("--phone", action="store_true", help="all leads of a number; it is asked for")

    def handle(self, *args: Any, lead: int | None, phone: bool, **options: Any) -> None:
        leads = list(Lead.objects.filter(pk=lead) if lead is not None else _of_number(_asked_number()))
        if not leads:
            raise CommandError("There is no such lead.")
        for found in leads:
            self.stdout.write(f"Lead {found.pk}, clinic {found.clinic_id}, of {_moment(found.created_at)}")
            for line in _lines(who_saw(found)):
                self.stdout.write(f"  {line}")


def _asked_number() -> str:
    """Not an argument: those stay in the shell's history and show in the list of processes."""
    return getpass("Phone number (it is not shown): ") if sys.stdin.isatty() else sys.stdin.readline().strip()


def _of_number(number: str) -> Iterable[Lead]:
    phone = to_python(number, region="IN")
    if phone is None or not phone.is_valid():
        raise CommandError("That is no phone number.")
    return Lead.objects.filter(contact__phone=phone.as_e164).order_by("pk")


def _lines(looks: list[Look]) -> Iterable[str]:
    if not looks:
        yield "nobody"
    for look in looks:
        reason = f": {look.reason}" if look.reason else ""
        yield f"{_moment(look.at)}  {look.address} (user {look.user_id}, {look.role}){reason}"


def _moment(at: Any) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M} IST"
