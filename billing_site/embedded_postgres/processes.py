"""Which server processes are ours, what `postmaster.pid` says, and locks that the kernel frees.

A pid alone proves nothing: it may have been given to a stranger since. A process is ours when it is called
`postgres` and works in our data folder.
"""

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]

from billing_site.embedded_postgres.errors import EmbeddedPostgresError

POLL_SECONDS = 0.02


@dataclass(frozen=True)
class PostmasterFile:
    """The lines of `postmaster.pid`, as far as the server has written them."""

    pid: int
    data: Path
    port: int
    socket_folder: Path
    state: str

    @property
    def ready(self) -> bool:
        return self.state == "ready"

    @property
    def socket_path(self) -> Path:
        return self.socket_folder / f".s.PGSQL.{self.port}"


def read_postmaster_file(data: Path) -> PostmasterFile | None:
    """None when there is no such file, or one that is torn or still being written."""
    try:
        lines = os.fsdecode((data / "postmaster.pid").read_bytes()).split("\n")
        return PostmasterFile(
            pid=int(lines[0]),
            data=Path(lines[1]),
            port=int(lines[3]),
            socket_folder=Path(lines[4]),
            state=lines[7].strip(),
        )
    except (FileNotFoundError, NotADirectoryError, ValueError, IndexError):
        return None


def accepts(socket_path: Path) -> bool:
    """Whether somebody listens there; the server logs nothing for a connection that says nothing."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(2)
        try:
            probe.connect(str(socket_path))
        except OSError:
            return False
    return True


def living(data: Path) -> list[Any]:
    """The server processes (psutil.Process) that work in this data folder; zombies are not among them."""
    found = psutil.process_iter(["name", "uids", "cwd", "cmdline", "status"])
    return [process for process in found if _works_in(process.info, str(data))]


def _works_in(info: dict[str, Any], data: str) -> bool:
    if info["name"] != "postgres" or info["status"] == psutil.STATUS_ZOMBIE:
        return False
    if os.geteuid() not in (0, info["uids"].effective if info["uids"] else None):
        return False
    folder = info["cwd"] or ""
    if folder and not folder.endswith(" (deleted)"):
        return bool(folder == data)
    # The folder was deleted under it (or can't be read): the postmaster still carries it as its argument.
    arguments = info["cmdline"] or []
    return ["-D", data] in [arguments[at : at + 2] for at in range(len(arguments))]


def postmaster_among(processes: list[Any]) -> Any | None:
    """The one whose parent is not one of them; None when only orphaned backends are left."""
    pids = {process.pid for process in processes}
    for process in processes:
        with contextlib.suppress(psutil.Error):
            if process.ppid() not in pids and "-D" in process.cmdline():
                return process
    return None


def send(process: Any, number: int) -> None:
    """Signals a process found by `living`; psutil refuses when the pid was given away since."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


def gone(data: Path, seconds: float) -> bool:
    """Waits until none of ours lives; False when some still do after that long."""
    deadline = time.monotonic() + seconds
    while living(data):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS * 2)
    return True


def reap_children() -> None:
    """Collects dead postmasters that became our children (we may be process 1 of a container)."""
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.Error, ChildProcessError):
                if child.name() == "postgres" and child.status() == psutil.STATUS_ZOMBIE:
                    os.waitpid(child.pid, os.WNOHANG)


def take_lock(path: Path) -> int | None:
    """An open descriptor that holds the lock file, or None while another process holds it.

    The kernel frees it when the last process that has the descriptor open ends, however it ends.
    """
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_still(descriptor, path):
                return descriptor
        except BlockingIOError:
            os.close(descriptor)
            return None
        os.close(descriptor)  # the folder was removed and made anew while we opened it: take the new one


def _is_still(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def locked(path: Path, owner: tuple[int, int] | None, seconds: float) -> Iterator[None]:
    """Holds the lock file for the block; raises EmbeddedPostgresError when others hold it that long."""
    deadline = time.monotonic() + seconds
    while (descriptor := take_lock(path)) is None:
        if time.monotonic() > deadline:
            raise EmbeddedPostgresError(
                f"Another process has been starting or stopping the embedded PostgreSQL for {seconds:.0f} s "
                f"(it holds {path})."
            )
        time.sleep(POLL_SECONDS)
    try:
        if owner:
            os.fchown(descriptor, *owner)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # also for a child forked meanwhile by another thread
        os.close(descriptor)
