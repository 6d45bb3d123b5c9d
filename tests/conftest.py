"""The standing cast, and a database that can be put back.

The suite runs as the web's role on a database made by the owner, so that a right it lacks fails a test. Ledger
tables refuse TRUNCATE, which Django's own flush needs: after a test with real commits the database is made anew
from a template instead.
"""

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psycopg
import pytest
from django.conf import settings
from django.test import Client, TransactionTestCase
from playwright.sync_api import Browser, Playwright, expect
from pytest_django import Settings
from pytest_django.plugin import DjangoDbBlocker
from whitenoise.middleware import WhiteNoiseMiddleware

from clinics.models import Clinic, User
from tests import factories
from tests.clock import Clock
from tests.cluster import choose_server, server
from tests.database import TestDatabase

DATABASE: Final = TestDatabase()
EVIDENCE: Final = TemporaryDirectory(prefix="evidence-")
CHROMIUM_FLAGS: Final = [
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def pytest_xdist_auto_num_workers() -> int:
    """`-n auto` is one worker more than processors: a test often waits, for Chromium or a process that it started.

    xdist itself counts cores without their threads: one, on many a machine with two processors.
    """
    usable = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    return len(usable) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first, so that at the end no worker is alone with one."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)


def pytest_collection_finish() -> None:
    """All modules and tests are there to the end: the garbage collector need not look them through again and again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)


def keep_bytecode() -> None:
    """The suite starts the product's commands a hundred times, and each would compile it anew where the environment
    says not to keep what was compiled."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False


def list_static_files_once() -> None:
    """WhiteNoise lists them all for each new `Client`, thousands of times a run: here it remembers the first list."""
    listed: dict[str, Any] = {}
    list_them = WhiteNoiseMiddleware.add_files_from_finders

    def remembered(self: WhiteNoiseMiddleware) -> None:
        if not listed:
            list_them(self)
            listed.update(self.files)
        self.files.update(listed)

    WhiteNoiseMiddleware.add_files_from_finders = remembered


def pytest_configure(config: pytest.Config) -> None:
    keep_bytecode()
    list_static_files_once()
    if not hasattr(config, "workerinput"):
        choose_server()
    # Hashing a password slowly is the point of it, everywhere but here.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.EVIDENCE_DIR = Path(EVIDENCE.name)  # for whoever sends a file without the fixture below
    # Playwright's own loop runs in the test's thread, from its first use to the end of the session.
    os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_blocker: DjangoDbBlocker,
    tmp_path_factory: pytest.TempPathFactory,
    worker_id: str,
    testrun_uid: str,
) -> Iterator[None]:
    folder = tmp_path_factory.getbasetemp()
    lock = (folder if worker_id == "master" else folder.parent) / "template.lock"
    needed = ExitStack()
    with django_db_blocker.unblock():
        needed.enter_context(server())
        needed.enter_context(DATABASE.made(run=testrun_uid, worker=worker_id, lock=lock))
    TransactionTestCase._fixture_teardown = lambda self: DATABASE.restore()  # type: ignore[attr-defined]
    yield
    with django_db_blocker.unblock():
        needed.close()


@pytest.fixture(scope="session")
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """Debian's Chromium, best without the windows nobody sees: its headless shell takes a third of the time.

    Skipped where there is neither, but in CI there must be one.
    """
    path = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if path is None:
        assert not os.environ.get("CI"), "CI must install Chromium"
        pytest.skip("needs chromium on the PATH")
    expect.set_options(timeout=30_000)  # milliseconds: a busy machine is no failure
    browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
    yield browser
    browser.close()


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
def without_database(transactional_db: None) -> AbstractContextManager[None]:
    """A block without the test database, as when its server is down."""
    return DATABASE.away()


@pytest.fixture
def evidence_folder(settings: Settings, tmp_path: Path) -> Path:
    """An empty folder for the files of disputes."""
    settings.EVIDENCE_DIR = tmp_path / "evidence"
    return tmp_path / "evidence"


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
def member(client: Client, owner: User) -> Client:
    """The browser of the clinic's owner."""
    client.force_login(owner)
    return client


@pytest.fixture
def staff(db: None) -> User:
    return factories.UserFactory.create(is_staff=True)
