"""The product's own web server, as a process, on the test database: for tests where HTTP and processes matter."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote
from urllib.request import urlopen

from django.conf import settings
from django.db import connections

START_SECONDS = 60


def database_url(alias: str = "default") -> str:
    """The test database under a role, as an environment variable names it."""
    params = connections[alias].get_connection_params()
    host, port = str(params["host"]), params.get("port")
    password = f":{quote(params['password'], safe='')}" if params.get("password") else ""
    if host.startswith("/"):
        where = f"{quote(host)}/{params['dbname']}"
        return f"postgres://{params['user']}{password or ':'}@/{where}?port={port or 5432}"
    return f"postgres://{params['user']}{password}@{host}:{port or 5432}/{params['dbname']}"


@contextmanager
def web_server(*, workers: int = 2, threads: int = 4, **environment: str) -> Iterator[str]:
    """gunicorn on a free port of this machine; gives its address, and stops it by its own process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "gunicorn", "billing_site.wsgi"),
            *("--bind", f"127.0.0.1:{port}", "--worker-class", "gthread"),
            *("--workers", str(workers), "--threads", str(threads)),
            *("--log-level", "warning", "--no-control-socket"),
        ],
        cwd=settings.BASE_DIR,
        env={
            **os.environ,
            "DEBUG": "on",
            "DATABASE_URL": database_url("default"),
            "DATABASE_OWNER_URL": database_url("owner"),
            "LOG_LEVEL": "WARNING",
            **environment,
        },
    )
    try:
        _wait_until_it_answers(address, process)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_until_it_answers(address: str, process: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "the web server ended while it started"
        try:
            with urlopen(f"{address}/healthz", timeout=2) as answer:  # noqa: S310  (our own loopback address)
                if answer.status == 200:
                    return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the web server did not answer in time")
