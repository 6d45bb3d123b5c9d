"""What the workers of a run have in common: a PostgreSQL of their own, kept in memory, and one migrated template.

Making and dropping databases is what the suite does most often, and a disk is slow at it. Nothing about durability is
switched off; and the server of `make run` is left alone.
"""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psycopg
from django.conf import settings

from billing_site.embedded_postgres.folders import digest
from billing_site.embedded_postgres.launcher import Launcher

MEMORY: Final = Path("/dev/shm")  # noqa: S108  (a folder in memory that everybody may enter; Linux has it)
ROOM: Final = 1024**3  # bytes; some containers have 64 MiB there


def memory() -> Path | None:
    """Where there is room for databases that need not outlive the machine; None for «on the disk»."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM else None


def folder_in_memory() -> Path:
    """The same for all runs of this user in this checkout, so that what a killed run left is used up."""
    return MEMORY / f"clinic-credits-tests-{digest(settings.BASE_DIR)}-{os.getuid()}"


def choose_server() -> None:
    """Called before workers start, who inherit the choice. A server that the environment names is taken."""
    if not (settings.DATABASE_URL or os.environ.get("EMBEDDED_POSTGRES_DIR")) and memory():
        os.environ["EMBEDDED_POSTGRES_DIR"] = str(folder_in_memory())
        settings.EMBEDDED_POSTGRES_DIR = folder_in_memory()


@contextmanager
def server() -> Iterator[None]:
    """The server in memory, if it was chosen, as long as one worker needs it."""
    folder = settings.EMBEDDED_POSTGRES_DIR
    if settings.DATABASE_URL or folder != folder_in_memory():
        yield
        return
    launcher = Launcher(folder)

    def start() -> None:
        launcher.start()
        with psycopg.connect(launcher.superuser_conninfo(), autocommit=True) as superuser:
            superuser.execute("ALTER SYSTEM SET max_wal_size = '256MB'")  # in memory, too
            # It would be in a copied template's way, and what it learned of a table in a plan's.
            superuser.execute("ALTER SYSTEM SET autovacuum = off")
            superuser.execute("SELECT pg_reload_conf()")

    def remove() -> None:
        launcher.stop()
        shutil.rmtree(folder)

    with used_together(folder.with_suffix(".lock"), lambda: launcher.serving() is not None, start, remove):
        yield


@contextmanager
def used_together(
    lock: Path, is_made: Callable[[], bool], make: Callable[[], None], remove: Callable[[], None]
) -> Iterator[None]:
    """The first user makes the thing, the last to leave removes it. The kernel lets go for those who are killed."""
    with lock.open("a") as file:
        while True:
            with suppress(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if not is_made():
                    make()
            fcntl.flock(file, fcntl.LOCK_SH)  # waits for who is making or removing it
            if is_made():
                break
        yield
        with suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove()
