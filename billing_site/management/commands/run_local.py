"""`manage.py run_local`: the whole product on this machine, what `make run` calls.

Database, demo, then the processes of `children`, watched together: when one ends, all end. Ctrl-C, SIGTERM and a
closed terminal stop all of it, the embedded PostgreSQL too if it was started here.
"""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import environ
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connections

from billing_site.demo.cast import LOTUS, SUNRISE, sign_ins
from billing_site.embedded_postgres.base import launcher
from billing_site.embedded_postgres.errors import EmbeddedPostgresError
from billing_site.razorpay_sandbox.demo_keys import KEY_ID, KEY_SECRET, WEBHOOK_SECRET
from clinics.models import Clinic

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 10.0
POLL_SECONDS: Final = 0.2
WORKER_GRACE_SECONDS: Final = 5
SANDBOX_STATE: Final = "razorpay_sandbox.json"
MAILS_PAGE: Final = "/local/mails"
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True, slots=True)
class Child:
    """A process of the product; `name` is what people read."""

    name: str
    command: Sequence[str]
    variables: Mapping[str, str] = field(default_factory=dict)  # on top of our own environment


@dataclass(frozen=True, slots=True)
class LocalRazorpay:
    """The sandbox, where RAZORPAY_API_URL names no other server: no real money moves on this machine."""

    port: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def child(self, web_port: int) -> Child:
        command = [sys.executable, "manage.py", "razorpay_sandbox", "--port", str(self.port)]
        webhooks = ["--webhook-url", f"http://{HOST}:{web_port}/razorpay/webhook"]
        # Beside the database whose top-ups know its ids; a database elsewhere may be shared, so it keeps none.
        memory = (
            [] if settings.DATABASE_URL else ["--state", str(settings.EMBEDDED_POSTGRES_DIR / SANDBOX_STATE)]
        )
        return Child("Razorpay sandbox", [*command, *webhooks, *memory])

    def variables(self) -> dict[str, str]:
        """What the shop needs to speak to it."""
        return {
            "RAZORPAY_API_URL": self.url,
            "RAZORPAY_CHECKOUT_JS_URL": f"{self.url}/v1/checkout.js",
            "RAZORPAY_KEY_ID": KEY_ID,
            "RAZORPAY_KEY_SECRET": KEY_SECRET,
            "RAZORPAY_WEBHOOK_SECRETS": WEBHOOK_SECRET,
        }


def local_razorpay() -> LocalRazorpay | None:
    if os.environ.get("RAZORPAY_API_URL"):
        return None
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return LocalRazorpay(int(probe.getsockname()[1]))


def mail_folder() -> Path | None:
    """Where mails go as files, for the page that shows them; beside the database they tell of. None: EMAIL_URL says
    where."""
    if os.environ.get("EMAIL_URL"):
        return None
    beside: Path = (
        settings.BASE_DIR / ".mails" if settings.DATABASE_URL else settings.EMBEDDED_POSTGRES_DIR / "mails"
    )
    return beside.resolve()


def local_addresses(port: int) -> dict[str, str]:
    """Where links in mails lead, and where mails go, unless the environment says so."""
    folder = mail_folder()
    mails = {} if folder is None else {"EMAIL_URL": f"filemail://{quote(str(folder))}"}
    site = {} if os.environ.get("SITE_URL") else {"SITE_URL": f"http://{HOST}:{port}"}
    return {**mails, **site}


def children(port: int, razorpay: LocalRazorpay | None) -> list[Child]:
    """What runs beside the database, in the order of starting; stopped the other way round."""
    gunicorn = [sys.executable, "-m", "gunicorn", "billing_site.wsgi", "--bind", f"{HOST}:{port}"]
    size = ["--worker-class", "gthread", "--workers", "2", "--threads", "4"]
    # Its control socket lies in the home folder by default, where a second server would take it over.
    manners = ["--graceful-timeout", "5", "--no-control-socket"]
    variables = {**local_addresses(port), **(razorpay.variables() if razorpay else {})}
    web_server = Child("web server", [*gunicorn, *size, *manners], variables)
    grace = ["--grace", str(WORKER_GRACE_SECONDS)]
    worker = Child("worker", [sys.executable, "manage.py", "worker", *grace], variables)
    return [web_server, worker, *([razorpay.child(port)] if razorpay else [])]


class Stopped(KeyboardInterrupt):
    """A signal asked to stop. A KeyboardInterrupt, so that a query under way is cancelled at the server."""


class Family:
    """Child processes that live and end together, each in a process group of its own.

    So Ctrl-C in a terminal reaches only this process, which then stops them in order.
    """

    def __init__(self) -> None:
        self.running: list[tuple[Child, subprocess.Popen[bytes]]] = []

    def start(self, child: Child) -> None:
        process = subprocess.Popen(  # noqa: S603
            child.command,
            cwd=settings.BASE_DIR,
            env={**os.environ, **child.variables},
            start_new_session=True,
        )
        self.running.append((child, process))

    def refuse_loss(self) -> None:
        """Raises CommandError when one of them has ended by itself."""
        for child, process in self.running:
            if process.poll() is not None:
                raise CommandError(
                    f"The {child.name} ended by itself (exit code {process.returncode}): stopping everything."
                )

    def stop(self) -> None:
        """Asks each, last started first; whoever doesn't end in time is killed with all its own children."""
        for _, process in reversed(self.running):
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(STOP_SECONDS)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


class Command(BaseCommand):
    help = "Runs everything on this machine, with DEBUG on: database, demo, web server, worker, Razorpay sandbox."
    requires_system_checks = ()  # the first question is whether DEBUG is on
    demo = False  # whether the demo's clinics are there
    razorpay: LocalRazorpay | None = None

    def handle(self, *args: Any, **options: Any) -> None:
        if not environ.Env().bool("DEBUG", default=False):
            raise CommandError("run_local is for trying things out: it needs DEBUG on.")
        self.check()
        port = port_from_environment()
        refuse_taken(port)
        self.razorpay = local_razorpay()
        try:
            on_signal(raise_stopped)
            with embedded_database():
                self.prepare()
                self.supervise(port)
        except Stopped:
            pass
        except (EmbeddedPostgresError, ImproperlyConfigured, DatabaseError) as error:
            raise CommandError(f"The database can't be used: {error}") from error
        self.say("Everything has stopped.")

    def prepare(self) -> None:
        call_command("migrate", interactive=False, verbosity=1)
        if not Clinic.objects.exists():
            call_command("seed_demo", verbosity=0)  # the sign-ins are shown when all is up
        self.demo = Clinic.objects.filter(slug__in=[SUNRISE.facts["slug"], LOTUS.facts["slug"]]).exists()
        if (mails := mail_folder()) is not None:
            mails.mkdir(mode=0o700, parents=True, exist_ok=True)
        connections.close_all()  # the children make their own

    def supervise(self, port: int) -> None:
        """Returns when a signal asks to stop; raises CommandError when a child ends or the web doesn't answer."""
        stopping = threading.Event()
        # From here on no exception, which could fall between a child's start and its place in the family.
        on_signal(lambda *_: stopping.set())
        family = Family()
        try:
            for child in children(port, self.razorpay):
                family.start(child)
            deadline = time.monotonic() + START_SECONDS
            while not answers(port) and not stopping.wait(POLL_SECONDS):
                family.refuse_loss()
                if time.monotonic() > deadline:
                    raise CommandError(f"The web server doesn't answer on port {port}: stopping everything.")
            if not stopping.is_set():
                self.welcome(port)
            while not stopping.wait(POLL_SECONDS):
                family.refuse_loss()
            self.say("Stopping…")
        finally:
            on_signal(signal.SIG_IGN)  # a second Ctrl-C must not leave half of them running
            family.stop()

    def welcome(self, port: int) -> None:
        pages = [f"Clinic Credits runs at http://{HOST}:{port}/ (back office: /admin/). Ctrl-C stops it."]
        if self.razorpay:
            pages += [
                f"No real money: payments go to a Razorpay sandbox at {self.razorpay.url} (docs/razorpay_sandbox.md)."
            ]
        if mail_folder() is not None:
            pages += [f"Mails: http://{HOST}:{port}{MAILS_PAGE}"]
        if self.demo:
            pages += [f"A patient's view: http://{HOST}:{port}/clinics/{SUNRISE.facts['slug']}", sign_ins()]
        self.say("\n" + "\n".join(pages) + "\n")

    def say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


@contextlib.contextmanager
def embedded_database() -> Iterator[None]:
    """The embedded PostgreSQL for the block, unless DATABASE_URL is set; one that ran before stays."""
    if settings.DATABASE_URL:
        yield
        return
    ours = launcher().status().pid is None
    try:
        launcher().start()
        yield
    finally:
        on_signal(signal.SIG_IGN)
        connections.close_all()
        if ours:
            launcher().stop()


def raise_stopped(*_: Any) -> None:
    raise Stopped


def on_signal(action: Callable[..., None] | signal.Handlers) -> None:
    """What the signals that ask to stop do from now on; under nohup a closed terminal keeps doing nothing."""
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, action)


def port_from_environment() -> int:
    text = os.environ.get("PORT") or "8000"
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise CommandError(f"PORT is «{text}»; it must be a number from 1 to 65535.")
    return int(text)


def refuse_taken(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the web server will
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise CommandError(
                f"Port {port} can't be used ({error.strerror}). Stop what runs there, or set PORT to another one."
            ) from error


def answers(port: int) -> bool:
    """Asked without urllib, which would go through a proxy that the environment names."""
    connection = http.client.HTTPConnection(HOST, port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
