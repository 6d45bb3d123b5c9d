"""`manage.py run_local`, as a real process with an embedded PostgreSQL of its own."""

import http.client
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
import requests

from billing_site.embedded_postgres.launcher import Launcher
from tests.cluster import memory

CHECKOUT = Path(__file__).resolve().parents[2]
START_SECONDS = 180.0
Run = Callable[..., "subprocess.Popen[str]"]
pytestmark = [
    pytest.mark.long,
    pytest.mark.xdist_group("run_local"),  # one worker, so that the data folder is made once
]


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder for the data that the account which root's server runs as may enter; pytest's own are closed to it."""
    path = Path(tempfile.mkdtemp(prefix="run-local-", dir=memory())).resolve()
    path.chmod(0o755)
    yield path / "postgres"
    shutil.rmtree(path)


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def run(home: Path, tmp_path: Path) -> Iterator[Run]:
    """Starts the command; whatever a failed test leaves behind is ended."""
    started: list[subprocess.Popen[str]] = []
    environment = {name: value for name, value in os.environ.items() if "DATABASE" not in name}

    def start(port: int, **variables: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-u", "manage.py", "run_local"],
            cwd=CHECKOUT,
            env={
                **environment,
                "EMBEDDED_POSTGRES_DIR": str(home),
                "DEBUG": "on",
                "SECRET_KEY": "for-this-test-alone-and-nothing-else",
                "PORT": str(port),
                **variables,
            },
            stdout=(tmp_path / "output").open("w"),
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.terminate()
            process.wait(180)


def servers(home: Path) -> list[psutil.Process]:
    """The database server and its children, found by their folder, since it is nobody's child."""
    found = psutil.process_iter(["name", "cwd", "status"])
    return [
        process for process in found
        if process.info["name"] == "postgres" and process.info["cwd"] == str(home / "data")
    ]  # fmt: skip


def family_of(process: "subprocess.Popen[str]", home: Path) -> list[psutil.Process]:
    return [*psutil.Process(process.pid).children(recursive=True), *servers(home)]


def living(family: list[psutil.Process]) -> list[psutil.Process]:
    """Without those that are dead and wait for process 1 to notice."""
    found = []
    for one in family:
        with suppress(psutil.NoSuchProcess):
            if one.is_running() and one.status() != psutil.STATUS_ZOMBIE:
                found.append(one)
    return found


def those_with(words: str, family: list[psutil.Process]) -> list[psutil.Process]:
    found = []
    for one in family:
        with suppress(psutil.NoSuchProcess):  # the worker's connections come and go
            if words in " ".join(one.cmdline()):
                found.append(one)
    return found


def ask(port: int, path: str) -> int | None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return None
    finally:
        connection.close()


def output(tmp_path: Path) -> str:
    return (tmp_path / "output").read_text()


def wait_for(text: str, process: "subprocess.Popen[str]", tmp_path: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while text not in output(tmp_path):
        assert process.poll() is None, output(tmp_path)
        assert time.monotonic() < deadline, output(tmp_path)
        time.sleep(0.05)


def test_it_serves_the_demo_and_ctrl_c_leaves_no_process_behind(
    run: Run, home: Path, port: int, tmp_path: Path
) -> None:
    process = run(port)
    wait_for("finance2@staff.example", process, tmp_path)
    family = family_of(process, home)
    assert ask(port, "/healthz") == 200
    assert ask(port, "/clinics/sunrise") == 200
    assert f"http://127.0.0.1:{port}/" in output(tmp_path)
    assert servers(home)
    assert len(those_with("gunicorn", family)) == 3
    assert len(those_with("manage.py worker", family)) == 1
    assert f"Mails: http://127.0.0.1:{port}/local/mails" in output(tmp_path)
    deadline = time.monotonic() + START_SECONDS
    while not (mails := list((home / "mails").glob("*"))):  # the demo's clinics are told of their leads
        assert time.monotonic() < deadline, output(tmp_path)
        time.sleep(0.1)
    assert f"http://127.0.0.1:{port}/" in mails[0].read_text(errors="replace")
    assert ask(port, "/local/mails") == 200

    process.send_signal(signal.SIGINT)

    assert process.wait(180) == 0, output(tmp_path)
    assert not living(family)
    assert ask(port, "/healthz") is None
    assert "Everything has stopped." in output(tmp_path)


def test_none_of_ours_is_used_beside_another_razorpay_and_mail_server_and_when_the_web_server_dies_everything_stops(
    run: Run, home: Path, port: int, tmp_path: Path
) -> None:
    process = run(port, RAZORPAY_API_URL="https://api.razorpay.com", EMAIL_URL="dummymail://")
    wait_for("finance2@staff.example", process, tmp_path)
    family = family_of(process, home)

    commands = [str(one.cmdline()) for one in psutil.Process(process.pid).children(recursive=True)]
    assert not any("razorpay_sandbox" in command for command in commands)
    assert "sandbox" not in output(tmp_path)
    assert "Mails:" not in output(tmp_path)

    psutil.Process(process.pid).children()[0].kill()

    assert process.wait(180) == 1
    assert "The web server ended by itself (exit code -9): stopping everything." in output(tmp_path)
    assert not living(family)


@pytest.mark.parametrize("moment", ["Running migrations", "Booting worker"])
def test_sigterm_while_it_starts_leaves_no_process_behind(
    run: Run, home: Path, port: int, tmp_path: Path, moment: str
) -> None:
    process = run(port)
    wait_for(moment, process, tmp_path)
    family = family_of(process, home)

    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGTERM)  # an impatient second one

    assert process.wait(180) == 0, output(tmp_path)
    assert not living([*family, *servers(home)])


def test_a_port_in_use_is_said_at_once_and_nothing_is_started(
    run: Run, home: Path, port: int, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        process = run(port)

        assert process.wait(180) == 1
    assert f"Port {port} can't be used (Address already in use)" in output(tmp_path)
    assert not living(servers(home))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"PORT": "eight"}, "PORT is «eight»; it must be a number from 1 to 65535."),
        ({"PORT": "70000"}, "PORT is «70000»; it must be a number from 1 to 65535."),
        ({"DEBUG": "off"}, "run_local is for trying things out: it needs DEBUG on."),
        (
            {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/nothing"},
            "The database can't be used: connection failed",
        ),
    ],
)
def test_what_stands_in_the_way_is_said_in_one_line(
    run: Run, port: int, tmp_path: Path, variables: dict[str, str], message: str
) -> None:
    process = run(port, **variables)

    assert process.wait(180) == 1
    assert message in output(tmp_path)
    assert "Traceback" not in output(tmp_path)


def signed_in(port: int) -> requests.Session:
    session = requests.Session()
    session.trust_env = False  # a proxy that the environment names has no business here
    form = session.get(f"http://127.0.0.1:{port}/accounts/login/")
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)
    assert token
    session.post(
        form.url,
        {"csrfmiddlewaretoken": token[1], "login": "owner@sunrise.example", "password": "demo12345!"},
    ).raise_for_status()
    session.headers["X-CSRFToken"] = session.cookies["csrftoken"]
    return session


def sandbox_url(tmp_path: Path) -> str:
    found = re.search(r"a Razorpay sandbox at (http://127\.0\.0\.1:\d+) ", output(tmp_path))
    assert found, output(tmp_path)
    return found[1]


def test_a_database_that_ran_before_stays_unseeded_and_what_was_ordered_before_a_restart_is_paid(
    run: Run, home: Path, port: int, tmp_path: Path
) -> None:
    process = run(port)
    wait_for("finance2@staff.example", process, tmp_path)
    member = signed_in(port)
    site = f"http://127.0.0.1:{port}"
    before = member.get(f"{site}/clinic/credits/balance").json()["balance"]
    order = member.post(f"{site}/create-razorpay-order", json={"amount": 5000})
    assert order.status_code == 200, order.text
    process.send_signal(signal.SIGINT)
    assert process.wait(180) == 0, output(tmp_path)

    launcher = Launcher(home)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DEBUG", "on")
        launcher.start()
    try:
        process = run(port)
        wait_for("finance2@staff.example", process, tmp_path)
        assert "Credit deduction" not in output(
            tmp_path
        )  # what seeding logs; this is the second run's output
        paid = member.post(
            f"{sandbox_url(tmp_path)}/_sandbox/pay", json={"order_id": order.json()["order_id"]}
        )
        assert paid.status_code == 200, paid.text
        deadline = time.monotonic() + START_SECONDS
        while member.get(f"{site}/clinic/credits/balance").json()["balance"] != before + 5500:
            assert time.monotonic() < deadline, output(tmp_path)
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        assert process.wait(180) == 0, output(tmp_path)
        assert launcher.status().pid
    finally:
        launcher.stop()
