"""PostgreSQL servers of the bench's own: made, migrated, and gone afterwards. Durability as PostgreSQL ships it."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from billing_site.embedded_postgres.launcher import Launcher
from billing_site.embedded_postgres.roles import DATABASE, OWNER, WEB

ROOT = Path(__file__).resolve().parent.parent
MEMORY = Path("/dev/shm")
IN_MEMORY = {"tmpfs", "ramfs"}


@dataclass(frozen=True)
class Server:
    lane: str
    place: str  # «folder (file system)»
    superuser: str  # conninfo
    environment: dict[str, str]  # for the site's own processes


def lanes() -> dict[str, Path]:
    """Where a cluster of each lane goes: on a disk, and in memory where this machine has such a folder."""
    disks = [Path(tempfile.gettempdir()), Path("/var/tmp"), ROOT]
    found = {"disk": next((folder for folder in disks if file_system(folder) not in IN_MEMORY), ROOT)}
    if file_system(MEMORY) in IN_MEMORY and os.access(MEMORY, os.W_OK):
        found["tmpfs"] = MEMORY
    return found


def file_system(folder: Path) -> str:
    """Its type by the longest mount point above it; empty where the system doesn't tell."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return ""
    lines = [line.split()[1:3] for line in mounts.read_text().splitlines()]
    above = [(point, kind) for point, kind in lines if folder.resolve().is_relative_to(point)]
    return max(above, key=lambda found: len(found[0]), default=("", ""))[1]


@contextmanager
def server(lane: str, folder: Path) -> Iterator[Server]:
    """A migrated server; as an unprivileged account when we are root."""
    os.environ.setdefault("DEBUG", "on")  # the launcher is for development only, and so is the bench
    home = folder / f"clinic-credits-bench-{os.getpid()}"
    launcher = Launcher(home)
    try:
        running = launcher.ensure_running()
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("PG")}
        environment = {
            **inherited,
            "DATABASE_URL": f"postgres://{WEB}:@/{running.socket_folder}/{DATABASE}",
            "DATABASE_OWNER_URL": f"postgres://{OWNER}:@/{running.socket_folder}/{DATABASE}",
            "SECRET_KEY": "only-for-the-bench-and-not-a-secret-at-all",
        }
        site = [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity=0"]
        subprocess.run(site, env=environment, cwd=ROOT, check=True)
        place = f"{folder} ({file_system(folder)})"
        # What is measured runs as in production: with DEBUG Django keeps every query.
        yield Server(lane, place, launcher.superuser_conninfo(DATABASE), {**environment, "DEBUG": "off"})
    finally:
        launcher.stop()
        shutil.rmtree(launcher.folder, ignore_errors=True)
