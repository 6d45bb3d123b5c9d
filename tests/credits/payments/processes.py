"""The product in processes of its own, on this test's database and sandbox."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import connections

from billing_site.razorpay_sandbox import KEY_ID, KEY_SECRET, WEBHOOK_SECRET


def environment() -> dict[str, str]:
    """Settings come from the environment: the same as here, with the test database and the sandbox's keys."""
    return {
        **os.environ,
        "DEBUG": "1",
        "SECRET_KEY": settings.SECRET_KEY,
        "LOG_LEVEL": "ERROR",
        "DATABASE_URL": database_url("default"),
        "DATABASE_OWNER_URL": database_url("owner"),
        "RAZORPAY_API_URL": settings.RAZORPAY_API_URL,
        "RAZORPAY_CHECKOUT_JS_URL": settings.RAZORPAY_CHECKOUT_JS_URL,
        "RAZORPAY_KEY_ID": KEY_ID,
        "RAZORPAY_KEY_SECRET": KEY_SECRET,
        "RAZORPAY_WEBHOOK_SECRETS": WEBHOOK_SECRET,
    }


def database_url(alias: str) -> str:
    params = connections[alias].get_connection_params()
    host, user, password = str(params.get("host", "")), params["user"], params.get("password", "") or ""
    name = connections[alias].settings_dict["NAME"]
    if host.startswith("/"):
        return f"postgres://{user}:{password}@/{host}/{name}"
    return f"postgres://{user}:{password}@{host}:{params.get('port', 5432)}/{name}"


def manage(*arguments: str) -> subprocess.Popen[str]:
    """`manage.py …`, started."""
    return subprocess.Popen(
        [sys.executable, "manage.py", *arguments],
        cwd=settings.BASE_DIR,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextlib.contextmanager
def web_server(workers: int = 3, threads: int = 4) -> Iterator[str]:
    """The address of gunicorn, as it runs in production."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["gunicorn", "billing_site.wsgi", "-b", f"127.0.0.1:{port}", "--log-level", "error"]
    command += [
        "--keep-alive",
        "75",
    ]  # longer than a busy caller pauses, who would else meet a closed connection
    process = subprocess.Popen(
        [
            str(Path(sys.executable).with_name("gunicorn")),
            *command[1:],
            "-w",
            str(workers),
            "--threads",
            str(threads),
        ],
        cwd=settings.BASE_DIR,
        env=environment(),
    )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_until_up(address, process)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def wait_until_up(address: str, process: subprocess.Popen[bytes], patience: float = 60) -> None:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        assert process.poll() is None, "gunicorn ended"
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/healthz", timeout=5) as answer:  # noqa: S310
            if answer.status == 200:
                return
        time.sleep(0.05)
    raise AssertionError("gunicorn did not come up")
