"""The process: an HTTP server on loopback, in threads, one write per response."""

import contextlib
import os
import secrets
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from http.client import responses
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from . import captures, refunds, routing
from .control import CALLS
from .exchange import Request, Response
from .sandbox import Sandbox, TimerHandler
from .state import State, load
from .webhooks import checked_webhook_url

HOST = "127.0.0.1"
MAX_BODY = 1024 * 1024
TRUE_WORDS = ("true", "on", "ok", "y", "yes", "1")  # as django-environ reads a boolean
TIMERS: dict[str, TimerHandler] = {
    "payment_times_out": captures.payment_times_out,
    "capture_is_due": captures.capture_is_due,
    "authorisation_expires": captures.authorisation_expires,
    "refund_is_due": refunds.refund_is_due,
}


class SandboxRefused(Exception):
    """The sandbox must not run here."""


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 256

    def __init__(self, port: int, sandbox: Sandbox, log: Callable[[str], None] | None) -> None:
        self.sandbox = sandbox
        self.log = log
        self.connections: set[socket.socket] = set()
        super().__init__((HOST, port), Handler)

    def hang_up_all(self) -> None:
        """Idle keep-alive connections would otherwise be served after the stop."""
        for connection in list(self.connections):
            hang_up(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no error of ours; anything else is printed as usual."""

        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # a naive server costs 40 ms for each keep-alive call
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self) -> None:
        self.server.connections.discard(self.connection)
        super().finish()

    def answer(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if not length.isascii() or not length.isdigit() or int(length) > MAX_BODY:
            self.close_connection = True
            self.respond(Response(413, b""))
            return
        path, _mark, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, path, query, headers, self.rfile.read(int(length)))
        response = routing.answer(self.server.sandbox, request)
        if response is None:
            self.close_connection = True
            hang_up(self.connection)
        else:
            self.respond(response)
        if self.server.log is not None:
            self.server.log(f"{self.command} {self.path} {'cut' if response is None else response.status}")

    do_GET = do_HEAD = do_POST = do_PATCH = do_PUT = do_DELETE = answer  # noqa: N815

    def respond(self, response: Response) -> None:
        lines = [
            f"HTTP/1.1 {response.status} {responses.get(response.status, 'Sandbox')}",
            f"Content-Type: {response.content_type}",
            f"Content-Length: {len(response.body)}",
            *(f"{name}: {value}" for name, value in response.headers.items()),
            *(["Connection: close"] if self.close_connection else []),
        ]
        head = "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n"
        self.wfile.write(head if self.command == "HEAD" else head + response.body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Silent: `log` above says it in one line."""


def hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side was faster
        connection.shutdown(socket.SHUT_RDWR)


class RunningSandbox:
    """A started sandbox. `with start() as sandbox:` stops it at the end."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.sandbox = server.sandbox
        self.port: int = server.server_address[1]
        self.url = f"http://{HOST}:{self.port}"
        self._thread = threading.Thread(
            target=server.serve_forever, kwargs={"poll_interval": 0.01}, name="razorpay-sandbox", daemon=True
        )
        self.sandbox.start()
        self._thread.start()

    def control(self, call: str, **body: Any) -> dict[str, Any]:
        """A call of the control API without HTTP: `control("late", payment_id=…)`; raises when refused."""
        method = "GET" if ("GET", call) in CALLS and not body else "POST"
        return CALLS[method, call](self.sandbox, body)

    def stop(self) -> None:
        self.sandbox.stop()
        self._server.shutdown()
        self._thread.join(timeout=5)
        self._server.hang_up_all()
        self._server.server_close()

    def __enter__(self) -> "RunningSandbox":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.stop()


def refuse_outside_development() -> None:
    """Raises SandboxRefused unless the environment says DEBUG and holds no live key.

    The environment is asked, not the settings: test runners set settings.DEBUG to False.
    """
    if os.environ.get("DEBUG", "").strip().lower() not in TRUE_WORDS:
        raise SandboxRefused("The Razorpay sandbox runs only with DEBUG on in the environment.")
    if os.environ.get("RAZORPAY_KEY_ID", "").strip().startswith("rzp_live_"):
        raise SandboxRefused("RAZORPAY_KEY_ID is a live key: the Razorpay sandbox does not run beside it.")


def start(
    port: int = 0,
    *,
    seed: int | str | None = None,
    webhook_url: str | None = None,
    state_file: Path | None = None,
    log: Callable[[str], None] | None = None,
) -> RunningSandbox:
    """Start on 127.0.0.1 in threads of this process; port 0 takes a free one.

    Without a seed ids differ from run to run, so that a shop that keeps its database never meets
    an id twice. `state_file` is read when it exists and written while running and at the end.
    Raises SandboxRefused, OSError when the port is taken, ValueError for a webhook URL elsewhere.
    """
    refuse_outside_development()
    if state_file is not None and state_file.exists():
        state = load(state_file)
    else:
        state = State(seed=secrets.token_hex(8) if seed is None else str(seed))
    if webhook_url is not None:
        state.config.webhook_url = checked_webhook_url(webhook_url)
    sandbox = Sandbox(state, TIMERS, state_file)
    return RunningSandbox(Server(port, sandbox, log))
