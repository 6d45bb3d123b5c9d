"""The standing cast, and a database that can be put back.

The suite runs as the web's role on a database made by the owner, so that a right it lacks fails a test. Ledger
tables refuse TRUNCATE, which Django's own flush needs: after a test with real commits the database is made anew
from a template instead.
"""

import os
from collections.abc import Iterator
from typing import Any, Final

import psycopg
import pytest
from django.conf import settings
from django.test import TransactionTestCase
from pytest_django.plugin import DjangoDbBlocker

from clinics.models import Clinic, User
from tests import factories
from tests.clock import Clock
from tests.database import TestDatabase

DATABASE: Final = TestDatabase()


def pytest_configure() -> None:
    """Hashing a password slowly is the point of it, everywhere but here."""
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    # Playwright's own loop runs in the test's thread, from its first use to the end of the session.
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")


@pytest.fixture(scope="session")
def django_db_setup(django_db_blocker: DjangoDbBlocker, worker_id: str) -> Iterator[None]:
    with django_db_blocker.unblock():
        DATABASE.create(suffix=worker_id)
    TransactionTestCase._fixture_teardown = lambda self: DATABASE.restore()  # type: ignore[attr-defined]
    yield
    with django_db_blocker.unblock():
        DATABASE.drop()


@pytest.fixture
def clock(db: None) -> Iterator[Clock]:
    """The ledger's clock, for this test to move."""
    clock = Clock()
    yield clock
    clock.reset()


@pytest.fixture
def superuser(transactional_db: None) -> Iterator["psycopg.Connection[Any]"]:
    """psql as a superuser, on the test database: what even they are refused."""
    with DATABASE.superuser_connection() as connection:
        yield connection


@pytest.fixture
def clinic(db: None) -> Clinic:
    return factories.ClinicFactory.create(name="Sunrise", slug="sunrise")


@pytest.fixture
def funded_clinic(clinic: Clinic) -> Clinic:
    """A clinic with 1,000 goodwill credits."""
    factories.give_credits(clinic, 1000)
    return clinic


@pytest.fixture
def other_clinic(db: None) -> Clinic:
    return factories.ClinicFactory.create(name="Lotus", slug="lotus")


@pytest.fixture
def owner(clinic: Clinic) -> User:
    return factories.member_of(clinic, "owner")


@pytest.fixture
def staff(db: None) -> User:
    return factories.UserFactory.create(is_staff=True)
