"""Real servers in folders of their own; no Django database is involved."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from billing_site.embedded_postgres import folders
from billing_site.embedded_postgres.launcher import Launcher
from tests.cluster import memory
from tests.site.embedded_postgres.servers import CHECKOUT, LauncherAt, Manage

SETTINGS = """
import os
from pathlib import Path
SECRET_KEY = "x"
INSTALLED_APPS = ["billing_site"]
DATABASE_URL = os.environ.get("DATABASE_URL", "")
EMBEDDED_POSTGRES_DIR = Path(os.environ["EMBEDDED_POSTGRES_DIR"])
PG_BIN_DIR = ""
RAZORPAY_KEY_ID = RAZORPAY_KEY_SECRET = RAZORPAY_API_URL = RAZORPAY_CHECKOUT_JS_URL = ""
RAZORPAY_WEBHOOK_SECRETS = []
def role(name):
    return {"ENGINE": "billing_site.embedded_postgres", "NAME": "clinic_credits", "USER": name,
            "CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}
DATABASES = {"default": role("clinic_credits_web"), "owner": role("clinic_credits_owner")}
"""


@pytest.fixture(autouse=True)
def debug(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBUG", "1")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder that everybody may enter; pytest's own are closed to the account of root's server."""
    path = Path(tempfile.mkdtemp(prefix="embedded-", dir=memory())).resolve()
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def launcher_at(place: Path) -> Iterator[LauncherAt]:
    """Launchers for folders of that name; their servers end with the test."""
    made: list[Launcher] = []
    (place / "elsewhere").mkdir()

    def make(name: str) -> Launcher:
        made.append(Launcher(place / name, elsewhere=place / "elsewhere"))
        return made[-1]

    yield make
    for launcher in made:
        launcher.stop()
        for short in Path(tempfile.gettempdir()).glob(f"pg-*{folders.digest(launcher.folder)}*"):
            short.unlink() if short.is_symlink() else shutil.rmtree(short)


@pytest.fixture
def launcher(launcher_at: LauncherAt) -> Launcher:
    return launcher_at("home")


@pytest.fixture(scope="session")
def shared() -> Iterator[Launcher]:
    """One folder with data for all tests that need no empty one, since initdb takes the longest of all."""
    path = Path(tempfile.mkdtemp(prefix="embedded-", dir=memory())).resolve()
    path.chmod(0o755)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DEBUG", "1")
        launcher = Launcher(path / "home", elsewhere=path)
        launcher.start()
    yield launcher
    shutil.rmtree(path)


@pytest.fixture
def made(shared: Launcher) -> Iterator[Launcher]:
    """A launcher whose folder holds data already; nothing runs."""
    shared.stop()
    yield shared
    shared.stop()


@pytest.fixture
def manage(place: Path, launcher: Launcher) -> Manage:
    """Runs `manage.py` (or, with `-c`, a script) on the launcher's folder, in a process of its own."""
    (place / "embedded_settings.py").write_text(SETTINGS)

    def run(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        command = [] if arguments[0] == "-c" else ["manage.py"]
        return subprocess.run(
            [sys.executable, *command, *arguments],
            cwd=CHECKOUT,
            env={
                **os.environ,
                "PYTHONPATH": f"{place}:{CHECKOUT}",
                "DJANGO_SETTINGS_MODULE": "embedded_settings",
                "EMBEDDED_POSTGRES_DIR": str(launcher.home),
                **environment,
            },
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )

    return run
