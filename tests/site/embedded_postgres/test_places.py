"""Any path, any user, root, and folders that are somebody else's."""

import os
import pwd
import stat
import traceback
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from billing_site.embedded_postgres import folders, programs
from billing_site.embedded_postgres.errors import EmbeddedPostgresError
from billing_site.embedded_postgres.launcher import Launcher
from tests.site.embedded_postgres.servers import (
    LauncherAt,
    ask,
    kill,
    postmasters,
    wheel_in,
)

ROOT = os.geteuid() == 0


@pytest.mark.parametrize(
    "name",
    ["a space, 'single' and \"double\" $HOME `id` \\ ;", "long/" * 25 + "path"],
    ids=["quotes", "long"],
)
def test_any_path_will_do(launcher_at: LauncherAt, name: str) -> None:
    launcher = launcher_at(name)

    assert ask(launcher, "SELECT 1") == [(1,)]
    assert ask(launcher, "SHOW data_directory") == [(str(launcher.data),)]
    kill(launcher.ensure_running().pid)
    assert ask(launcher, "SELECT 1") == [(1,)]
    assert launcher.stop() is True


def test_programs_under_a_path_with_quotes_are_copied_to_a_plain_one(
    place: Path, launcher_at: LauncherAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(programs, "wheel_folder", wheel_in(place / 'the "venv"'))
    launcher = launcher_at("home")

    launcher.ensure_running()

    (postmaster,) = postmasters(launcher)
    assert Path(psutil.Process(postmaster).exe()).is_relative_to(launcher.folder)


def test_a_guessed_socket_folder_that_a_stranger_made_is_not_used(launcher_at: LauncherAt) -> None:
    launcher = launcher_at("long/" * 25 + "path")
    guessed = folders.socket_folder(launcher.folder, launcher.account)
    guessed.rmdir()
    trap = launcher.elsewhere / "trap"
    trap.mkdir()
    guessed.symlink_to(trap)
    server = launcher.ensure_running()

    assert server.socket_folder != guessed
    assert list(trap.iterdir()) == []


def test_a_folder_with_other_things_in_it_is_refused_and_left_alone(launcher: Launcher) -> None:
    launcher.home.mkdir(mode=0o755)
    (launcher.home / "thesis.txt").write_text("mine")

    with pytest.raises(EmbeddedPostgresError, match=r"thesis\.txt"):
        launcher.ensure_running()

    assert stat.S_IMODE(launcher.home.stat().st_mode) == 0o755


def test_a_restored_copy_with_wide_permissions_and_a_stale_pid_serves(made: Launcher) -> None:
    made.ensure_running()
    pid_file = (made.data / "postmaster.pid").read_text()
    made.stop()
    (made.data / "postmaster.pid").write_text(pid_file)
    made.data.chmod(0o755)
    if ROOT:
        for path in (made.data, *made.data.rglob("*")):
            os.lchown(path, 0, 0)
        os.lchown(made.home, *made.account.ids) if made.account else None

    assert ask(made, "SELECT 1") == [(1,)]


def test_data_of_another_version_is_named_and_left_alone(made: Launcher) -> None:
    made.ensure_running()
    made.stop()
    version = made.data / "PG_VERSION"
    current = version.read_text()
    version.write_text("16\n")

    with pytest.raises(EmbeddedPostgresError, match="made by PostgreSQL 16"):
        made.ensure_running()

    version.write_text(current)
    assert ask(made, "SELECT 1") == [(1,)]


def test_a_bin_folder_without_programs_is_named(place: Path) -> None:
    launcher = Launcher(place / "home", pg_bin_dir=str(place))

    with pytest.raises(EmbeddedPostgresError, match="PG_BIN_DIR"):
        launcher.ensure_running()
    assert launcher.stop() is False


@pytest.mark.skipif(not ROOT, reason="only root can try both")
def test_as_root_the_server_runs_as_an_unprivileged_account(made: Launcher) -> None:
    server = made.ensure_running()

    assert psutil.Process(server.pid).uids().real != 0
    assert made.data.stat().st_uid == psutil.Process(server.pid).uids().real


@pytest.mark.skipif(not ROOT, reason="only root can try both")
def test_as_root_in_a_closed_checkout_data_lie_elsewhere_and_no_parent_is_opened(
    place: Path, launcher_at: LauncherAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = place / "closed"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(programs, "wheel_folder", wheel_in(closed / "venv"))
    launcher = launcher_at("closed/home")

    assert ask(launcher, "SELECT 1") == [(1,)]

    assert launcher.folder.parent == launcher.elsewhere
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert stat.S_IMODE(launcher.folder.stat().st_mode) == 0o700
    closed.chmod(0o755)  # opened later on: the data don't disappear
    assert Launcher(launcher.home, elsewhere=launcher.elsewhere).folder == launcher.folder


@pytest.mark.skipif(not ROOT, reason="only root can become another user")
def test_an_ordinary_user_starts_a_server_which_root_uses_and_stops(place: Path) -> None:
    nobody = pwd.getpwnam("nobody")
    own = place / "own"
    own.mkdir()
    os.chown(own, nobody.pw_uid, nobody.pw_gid)
    launcher = Launcher(own / "home", elsewhere=place)

    child = os.fork()  # not a new Python: this one may lie where only root can read
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            Launcher(own / "home", elsewhere=place).ensure_running()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    try:
        assert os.waitpid(child, 0)[1] == 0
        (pid,) = postmasters(launcher)
        assert psutil.Process(pid).uids().real == nobody.pw_uid
        assert launcher.ensure_running().pid == pid
    finally:
        assert launcher.stop() is True
