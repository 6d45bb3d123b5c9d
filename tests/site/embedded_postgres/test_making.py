"""Making the server, finding it, refusing it, ending it."""

import stat

import pytest

from billing_site.embedded_postgres import processes
from billing_site.embedded_postgres.errors import RefusedOutsideDebugError
from billing_site.embedded_postgres.launcher import Launcher
from tests.site.embedded_postgres.servers import ask, finish, postmasters, starter


def test_six_processes_at_once_on_an_empty_folder_share_one_server(launcher: Launcher) -> None:
    starters = [starter(launcher) for _ in range(6)]

    pids = {finish(process) for process in starters}

    assert pids == set(postmasters(launcher))
    assert len(pids) == 1


def test_the_new_server_has_two_roles_and_a_database_and_default_durability(made: Launcher) -> None:
    roles = ask(
        made,
        "SELECT rolname, rolcanlogin, rolsuper, rolcreatedb, rolcreaterole FROM pg_roles"
        " WHERE rolname LIKE 'clinic%' ORDER BY 1",
    )

    assert roles == [
        ("clinic_credits_owner", True, False, True, False),
        ("clinic_credits_web", True, False, False, False),
    ]
    assert ask(
        made,
        "SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datlocprovider, datlocale"
        " FROM pg_database WHERE datname = 'clinic_credits'",
    ) == [("clinic_credits_owner", "UTF8", "b", "C.UTF-8")]
    for name in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
        assert ask(made, f"SHOW {name}") == [("on",)]
    assert ask(made, "SHOW timezone") == [("UTC",)]


def test_nobody_else_can_reach_the_server(made: Launcher) -> None:
    server = made.ensure_running()

    assert ask(made, "SHOW listen_addresses") == [("",)]
    for folder in (made.folder, made.data, server.socket_folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(server.socket_path.stat().st_mode) == 0o700


def test_outside_debug_it_refuses_and_makes_nothing(
    launcher: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEBUG", "0")

    with pytest.raises(RefusedOutsideDebugError, match="DATABASE_URL"):
        launcher.ensure_running()
    with pytest.raises(RefusedOutsideDebugError):
        launcher.start()

    assert not launcher.home.exists()


def test_outside_debug_it_refuses_a_server_that_runs_too(
    made: Launcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    made.ensure_running()
    monkeypatch.delenv("DEBUG")

    with pytest.raises(RefusedOutsideDebugError):
        made.superuser_conninfo()


def test_stop_ends_every_process_and_status_says_so(made: Launcher) -> None:
    server = made.ensure_running()
    assert made.status().pid == server.pid

    assert made.stop() is True

    assert processes.living(made.data) == []
    assert made.status().pid is None
    assert made.stop() is False


def test_a_half_made_bootstrap_is_completed(made: Launcher) -> None:
    made.ensure_running()
    ask(made, "DROP DATABASE clinic_credits", "postgres")
    ask(made, "DROP ROLE clinic_credits_web", "postgres")
    (made.data / "clinic_credits.bootstrapped").unlink()

    made.ensure_running()

    assert ask(made, "SELECT 1 FROM pg_roles WHERE rolname = 'clinic_credits_web'") == [(1,)]
