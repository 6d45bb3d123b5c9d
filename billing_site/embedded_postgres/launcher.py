"""Makes, starts and stops the embedded server. Safe to call from any number of processes at once."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import environ
import psycopg
from psycopg.conninfo import make_conninfo

from billing_site.embedded_postgres import folders, processes, programs, roles
from billing_site.embedded_postgres.errors import (
    EmbeddedPostgresError,
    RefusedOutsideDebugError,
    will_serve_soon,
)
from billing_site.embedded_postgres.processes import PostmasterFile

SUPERUSER = "postgres"
LOCK_SECONDS = 120.0  # the longest a first start on a slow disk took, several times over
START_SECONDS = 60.0  # recovery after a crash included
STOP_SECONDS = 30.0
LARGEST_LOG = 10 * 1024 * 1024  # bytes; one older file is kept
SETTINGS_FILE = "clinic_credits.conf"
BOOTSTRAPPED = "clinic_credits.bootstrapped"  # inside the data folder, so that it travels with a copy of it


@dataclass(frozen=True)
class Status:
    """What `manage.py database status` tells; `pid` and `socket_folder` are None while nothing runs."""

    pid: int | None
    data: Path
    log: Path
    socket_folder: Path | None


def refuse_outside_debug() -> None:
    """Reads the environment, not the settings: a test runner turns settings.DEBUG off."""
    if not environ.Env().bool("DEBUG", default=False):
        raise RefusedOutsideDebugError(
            "The embedded PostgreSQL is for development only: it trusts whoever reaches its socket. "
            "Set DATABASE_URL to your server, or DEBUG=1 to try things out."
        )


class Launcher:
    """One embedded server in one folder. Building it does nothing; `ensure_running` does all."""

    def __init__(self, home: Path, pg_bin_dir: str = "", elsewhere: Path = Path("/var/lib")) -> None:
        self.home = home.expanduser().resolve()
        self.pg_bin_dir = pg_bin_dir
        self.elsewhere = elsewhere

    # --- where things are ------------------------------------------------------------------------

    @cached_property
    def account(self) -> folders.Account | None:
        return folders.account_for(self.home)

    @cached_property
    def folder(self) -> Path:
        return folders.working_folder(self.home, self.elsewhere, self.account)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def log(self) -> Path:
        return self.folder / "server.log"

    def superuser_conninfo(self, database: str = "postgres") -> str:
        """A conninfo for `postgres`, the superuser, for the tests that look behind the site's roles."""
        return self._conninfo(self.ensure_running(), database)

    def _conninfo(self, server: PostmasterFile, database: str) -> str:
        return make_conninfo(
            host=str(server.socket_folder),
            port=server.port,
            user=SUPERUSER,
            dbname=database,
            connect_timeout=10,
        )

    # --- what callers want -----------------------------------------------------------------------

    def ensure_running(self) -> PostmasterFile:
        """Returns where the server listens, after making and starting it if need be.

        Raises RefusedOutsideDebugError, or EmbeddedPostgresError when it can't be started. A fraction of a
        millisecond when the server runs, so it is asked before each new connection.
        """
        refuse_outside_debug()
        return self.serving() or self.start(anew=False)

    def start(self, *, anew: bool = True) -> PostmasterFile:
        """Like `ensure_running`; with `anew` it also makes roles and database again if they were dropped."""
        refuse_outside_debug()
        folders.prepare(self.folder, self.account)
        with self._alone():
            server = None if anew else self.serving()
            if server is None:
                server = self._listening() or self._revive() or self._launch()
                self._bootstrap(server)
            return server

    def stop(self) -> bool:
        """Ends the server, rolling back what runs; False when none ran. A data folder stays."""
        if not self.folder.is_dir():
            return False
        with self._alone():
            return self._stop()

    def status(self) -> Status:
        server = self.serving()
        return Status(
            pid=server.pid if server else None,
            data=self.data,
            log=self.log,
            socket_folder=server.socket_folder if server else None,
        )

    def serving(self) -> PostmasterFile | None:
        """The server, if it listens and its roles and database are complete."""
        return self._listening() if (self.data / BOOTSTRAPPED).exists() else None

    # --- inside the lock -------------------------------------------------------------------------

    def _alone(self) -> AbstractContextManager[None]:
        owner = self.account.ids if self.account else None
        return processes.locked(self.folder / "start.lock", owner, LOCK_SECONDS)

    def _listening(self) -> PostmasterFile | None:
        """Ready, by its own word, and our socket accepts. A copied `postmaster.pid` names another folder."""
        server = processes.read_postmaster_file(self.data)
        if server is None or not server.ready or server.data != self.data:
            return None
        uid = self.account.uid if self.account else os.geteuid()
        if folders.is_private(server.socket_folder, uid) and processes.accepts(server.socket_path):
            return server
        return None

    def _revive(self) -> PostmasterFile | None:
        """Deals with processes of ours that live without serving: waits for them, else ends them."""
        alive = processes.living(self.data)
        if not alive:
            return None
        server = processes.read_postmaster_file(self.data)
        if processes.postmaster_among(alive) and server and server.data == self.data:
            # Starting, recovering or on its way out; one whose socket was deleted can't be reached any more.
            reachable = not server.ready or server.socket_path.exists()
            found = self._wait_until_listening(START_SECONDS) if reachable else None
            if found:
                return found
        self._stop()
        return None

    def _launch(self) -> PostmasterFile:
        tools = programs.usable(programs.find(self.pg_bin_dir), self.folder, self.account)
        processes.reap_children()
        alive = self._claim()
        try:
            self._make_data(tools, alive)
            place = folders.socket_folder(self.folder, self.account)
            self._write_settings(place)
            self._remove_leftovers(place)
            self._spawn(tools, alive)
        finally:
            os.close(alive)  # not unlocked: the server holds it from here on
        server = self._wait_until_listening(START_SECONDS)
        if server is None:
            raise EmbeddedPostgresError(f"The embedded PostgreSQL didn't start.\n{self._end_of_log()}")
        return server

    def _claim(self) -> int:
        """The descriptor of the lock that every process of the server inherits and so holds while it lives.

        It guards the data against what looking at processes can't see: a server in another container.
        """
        deadline = time.monotonic() + STOP_SECONDS
        while (descriptor := processes.take_lock(self.folder / "alive.lock")) is None:
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(
                    f"A PostgreSQL that can't be seen from here (in another container?) uses {self.data}."
                )
            time.sleep(processes.POLL_SECONDS)
        self._own(self.folder / "alive.lock")
        return descriptor

    def _make_data(self, tools: programs.Programs, alive: int) -> None:
        """initdb beside, then rename: a crash half-way leaves nothing that looks finished.

        initdb inherits the lock, since it goes on writing for a while when we are killed.
        """
        for unfinished in self.folder.glob("data.new*"):
            shutil.rmtree(unfinished)
        if not self.data.exists():
            new = self.folder / "data.new"
            result = programs.run(
                [
                    tools / "initdb", "-D", str(new), "-U", SUPERUSER, "--encoding=UTF8", "--locale=C",
                    "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--data-checksums",
                    "--auth-local=trust", "--auth-host=reject", "--no-instructions",
                ],
                self.account,
                cwd=str(self.folder),
                pass_fds=(alive,),
            )  # fmt: skip
            if result.returncode:
                raise EmbeddedPostgresError(f"initdb failed.\n{result.stdout}{result.stderr}")
            new.rename(self.data)
        self._check_data(tools)

    def _check_data(self, tools: programs.Programs) -> None:
        version_file = self.data / "PG_VERSION"
        if not version_file.exists():
            raise EmbeddedPostgresError(f"{self.data} is no data folder of PostgreSQL: move it away.")
        version = version_file.read_text().strip()
        if version != str(tools.major):
            raise EmbeddedPostgresError(
                f"{self.data} was made by PostgreSQL {version}, the programs in {tools.folder} are "
                f"{tools.major}: set PG_BIN_DIR to programs of {version}, or move the data away."
            )
        if self.account and version_file.stat().st_uid != self.account.uid:
            folders.hand_over(self.data, self.account)
        self.data.chmod(0o700)  # a restored copy may be wider, and the server would refuse it

    def _write_settings(self, place: Path) -> None:
        """An included file, written at each start; durability stays as PostgreSQL ships it."""
        settings = self.data / SETTINGS_FILE
        settings.write_text(
            "# Written at each start of the embedded server. Put settings of your own below the include\n"
            "# in postgresql.conf.\n"
            "listen_addresses = ''\n"
            f"unix_socket_directories = '{place}'\n"
            "unix_socket_permissions = 0700\n"
            "port = 5432\n"
            "max_connections = 100\n"
            "shared_buffers = '128MB'\n"
            "timezone = 'UTC'\n"
            "log_timezone = 'UTC'\n"
            "log_line_prefix = '%m [%p] %q%u@%d '\n"
        )
        self._own(settings)
        main = self.data / "postgresql.conf"
        include = f"include = '{SETTINGS_FILE}'"
        if include not in main.read_text(errors="replace").splitlines():
            with main.open("a") as file:
                file.write(f"\n{include}\n")

    def _remove_leftovers(self, place: Path) -> None:
        """Called while none of ours lives: whatever pid these files name is a stranger's by now."""
        before = processes.read_postmaster_file(self.data)
        sockets = [place / folders.SOCKET_NAME]
        if before and before.data == self.data:
            sockets.append(before.socket_path)
        for path in sockets:
            path.unlink(missing_ok=True)
            path.with_name(path.name + ".lock").unlink(missing_ok=True)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    def _spawn(self, tools: programs.Programs, alive: int) -> None:
        """A shell starts the server in the background and ends: so the server is never our zombie.

        The paths are arguments of the shell, not part of its script: no character in them means anything.
        """
        if self.log.exists() and self.log.stat().st_size > LARGEST_LOG:
            self.log.replace(self.log.with_name("server.log.old"))
        with self.log.open("ab") as log:
            self._own(self.log)
            subprocess.run(  # noqa: S603
                ["/bin/sh", "-c", '"$@" &', "sh", tools / "postgres", "-D", str(self.data)],
                cwd=self.folder,
                env=programs.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=[alive],
                check=True,
                timeout=START_SECONDS,
                user=self.account.uid if self.account else None,
                group=self.account.gid if self.account else None,
                extra_groups=[] if self.account else None,
            )

    def _wait_until_listening(self, seconds: float) -> PostmasterFile | None:
        """None when the server ended, or still doesn't listen after that long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            server = self._listening()
            if server or not self._anyone_alive():
                return server
            time.sleep(processes.POLL_SECONDS)
        return None

    def _anyone_alive(self) -> bool:
        descriptor = processes.take_lock(self.folder / "alive.lock")
        if descriptor is None:
            return True
        os.close(descriptor)
        return bool(processes.living(self.data))  # one started by hand, without our lock

    def _wait_until_answering(self, seconds: float) -> None:
        """Until connections get through, or it is plain that waiting is of no use."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            server = processes.read_postmaster_file(self.data)
            if server is None or server.state == "stopping" or not server.socket_path.exists():
                return
            try:
                psycopg.connect(self._conninfo(server, "postgres")).close()
                return
            except psycopg.OperationalError as error:
                if not will_serve_soon(error):
                    return
            time.sleep(processes.POLL_SECONDS)

    def _bootstrap(self, server: PostmasterFile) -> None:
        self._wait_until_answering(
            START_SECONDS
        )  # «ready» also stands there while a crashed backend is mended
        with psycopg.connect(self._conninfo(server, "postgres"), autocommit=True) as connection:
            roles.bootstrap(connection)
        marker = self.data / BOOTSTRAPPED
        marker.touch()
        self._own(marker)

    def _stop(self) -> bool:
        """SIGINT is PostgreSQL's fast shutdown; SIGQUIT ends it at once and the next start recovers.

        PostgreSQL 18 hangs when the fast one reaches it during recovery: so that is waited for.
        """
        alive = processes.living(self.data)
        if processes.postmaster_among(alive):
            self._wait_until_answering(STOP_SECONDS)
        for number, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 10.0)):
            remaining = processes.living(self.data)
            postmaster = processes.postmaster_among(remaining)
            # Backends whose postmaster was killed end by themselves; a busy one only at a second word.
            targets = [postmaster] if postmaster else remaining if number == signal.SIGQUIT else []
            for process in targets:
                processes.send(process, number)
            if processes.gone(self.data, seconds if postmaster else 5.0):
                return bool(alive)
        raise EmbeddedPostgresError(f"The embedded PostgreSQL in {self.data} doesn't stop; see {self.log}.")

    def _own(self, path: Path) -> None:
        if self.account:
            os.chown(path, *self.account.ids, follow_symlinks=False)

    def _end_of_log(self) -> str:
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:]) + f"\n(from {self.log})"
        except OSError:
            return f"(no log at {self.log})"
