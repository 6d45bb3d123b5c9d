"""What is killed, deleted or left behind; the next call serves again."""

import shutil
import subprocess
import time

import psutil  # type: ignore[import-untyped]
import psycopg

from billing_site.embedded_postgres import processes
from billing_site.embedded_postgres.launcher import STOP_SECONDS, Launcher
from tests.site.embedded_postgres.servers import LauncherAt, ask, finish, kill, lives, postmasters, starter


def test_the_server_outlives_a_killed_python_and_is_used_and_stopped_by_the_next(made: Launcher) -> None:
    first = starter(made)
    assert first.stdout
    pid = int(first.stdout.readline())
    first.kill()
    first.communicate()

    assert made.ensure_running().pid == pid
    assert made.stop() is True
    assert not lives(pid)


def test_a_python_killed_half_way_through_initdb_leaves_nothing_that_looks_finished(
    launcher: Launcher,
) -> None:
    first = starter(launcher)
    deadline = time.monotonic() + 30
    while not (launcher.folder / "data.new" / "postgresql.conf").exists():
        assert time.monotonic() < deadline
        time.sleep(0.001)
    (initdb,) = psutil.Process(first.pid).children()
    initdb.suspend()
    first.kill()
    first.communicate()
    second = starter(launcher)
    time.sleep(0.5)
    assert (launcher.folder / "data.new" / "postgresql.conf").exists()  # not taken from under its writer
    assert not launcher.data.exists()

    initdb.resume()
    finish(second)

    assert ask(launcher, "SELECT 1") == [(1,)]
    assert not list(launcher.folder.glob("data.new*"))


def test_after_a_kill_of_the_postmaster_the_next_call_serves_again_with_its_data(made: Launcher) -> None:
    before = made.ensure_running()
    ask(made, "CREATE TABLE kept AS SELECT 42 AS answer")
    kill(before.pid)

    began = time.monotonic()
    assert ask(made, "SELECT answer FROM kept") == [(42,)]

    assert time.monotonic() - began < STOP_SECONDS
    assert made.ensure_running().pid != before.pid


def test_after_a_kill_of_a_busy_server_its_orphans_end_before_the_next_starts(made: Launcher) -> None:
    before = made.ensure_running()
    with psycopg.connect(made.superuser_conninfo()) as busy:
        orphan = busy.info.backend_pid
        psutil.Process(
            orphan
        ).suspend()  # an orphan that doesn't notice the death of its postmaster by itself
        kill(before.pid)
        psutil.Process(orphan).resume()

        assert made.ensure_running().pid != before.pid
        assert not lives(orphan)


def test_after_a_kill_of_everything_it_serves_again(made: Launcher) -> None:
    made.ensure_running()
    for process in processes.living(made.data):
        process.kill()
    assert processes.gone(made.data, seconds=10)

    assert ask(made, "SELECT 1") == [(1,)]


def test_six_callers_at_once_after_a_kill_share_one_new_server(made: Launcher) -> None:
    kill(made.ensure_running().pid)

    pids = {finish(process) for process in [starter(made) for _ in range(6)]}

    assert pids == set(postmasters(made))


def test_a_strangers_pid_in_the_pid_files_is_never_signalled(made: Launcher) -> None:
    server = made.ensure_running()
    pid_file = made.data / "postmaster.pid"
    socket_lock = server.socket_path.with_name(server.socket_path.name + ".lock")
    contents = {path: path.read_text() for path in (pid_file, socket_lock)}
    made.stop()
    account = made.account  # the same account as the server's: the kernel would let it be signalled
    stranger = subprocess.Popen(
        ["sleep", "600"],
        cwd=made.data,
        user=account.uid if account else None,
        group=account.gid if account else None,
    )
    try:
        for path, text in contents.items():
            path.write_text(text.replace(str(server.pid), str(stranger.pid), 1))

        assert made.status().pid is None
        assert made.stop() is False
        assert made.ensure_running().pid != stranger.pid
        made.stop()

        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_copy_of_a_running_folder_never_talks_to_the_original(
    made: Launcher, launcher_at: LauncherAt
) -> None:
    original, copy = made, launcher_at("copy")
    original.ensure_running()
    ask(original, "CHECKPOINT")
    shutil.copytree(original.home, copy.home, ignore=shutil.ignore_patterns(".s.PGSQL*"))

    there = copy.ensure_running()

    assert there.pid != original.ensure_running().pid
    assert there.socket_folder == copy.folder


def test_a_folder_deleted_under_a_running_server_is_made_anew(launcher: Launcher) -> None:
    before = launcher.ensure_running()
    shutil.rmtree(launcher.folder)

    after = launcher.ensure_running()

    assert after.pid != before.pid
    assert postmasters(launcher) == [after.pid]


def test_a_server_whose_socket_was_deleted_is_replaced(made: Launcher) -> None:
    before = made.ensure_running()
    before.socket_path.unlink()

    assert ask(made, "SELECT 1") == [(1,)]
    assert made.ensure_running().pid != before.pid


def test_a_stop_right_after_a_killed_backend_waits_for_the_recovery(made: Launcher) -> None:
    for pause in (0.0, 0.02, 0.05):
        with psycopg.connect(made.superuser_conninfo()) as connection:
            kill(connection.info.backend_pid)
        time.sleep(pause)
        began = time.monotonic()

        assert made.stop() is True
        assert time.monotonic() - began < STOP_SECONDS
