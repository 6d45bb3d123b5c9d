"""`manage.py seed_demo`: two clinics with patients, people, credits and three months behind them, to try the product
with."""

from typing import Any

import environ
from django.contrib.auth.hashers import make_password
from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.utils import timezone

from billing_site.demo.cast import LOTUS, PASSWORD, STAFF, SUNRISE, sign_ins
from billing_site.demo.making import live, make_staff, notices_were_seen, steps_of
from billing_site.demo.past import as_owner, movable_clock
from clinics.models import Clinic


class Command(BaseCommand):
    help = "Fills an empty database with two demo clinics and their sign-ins. Only with DEBUG on."
    requires_system_checks = ()  # the first question is whether DEBUG is on

    def handle(self, *args: Any, verbosity: int, **options: Any) -> None:
        if not environ.Env().bool("DEBUG", default=False):
            raise CommandError("The demo's password is public, so it is only made with DEBUG on.")
        refuse_where_there_are_clinics()
        # As the owner, as the first superuser is made: the web's role makes no staff, and moves no clock.
        with as_owner():
            # Two at once: one demo, for which the other waits however long.
            with connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = 0")
                cursor.execute("SET LOCAL statement_timeout = 0")
                cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended('seed_demo', 0))")
            refuse_where_there_are_clinics()
            make_demo()
        if verbosity:
            self.stdout.write(sign_ins())


def refuse_where_there_are_clinics() -> None:
    if Clinic.objects.exists():
        raise CommandError("There are clinics already; the demo is only for an empty database.")


def make_demo() -> None:
    now = timezone.now()
    password = make_password(PASSWORD)  # hashed once: it takes longer than most of the rest
    for person in STAFF:
        make_staff(person, password)
    with movable_clock():
        for demo in (SUNRISE, LOTUS):
            live(list(steps_of(demo, password, now)))
    notices_were_seen()
