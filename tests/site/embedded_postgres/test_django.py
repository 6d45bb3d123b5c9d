"""The engine and the command, each in a Django process of its own."""

import subprocess

from billing_site.embedded_postgres import programs
from billing_site.embedded_postgres.launcher import Launcher
from tests.site.embedded_postgres.servers import Manage, ask


def test_a_check_starts_nothing_and_the_first_query_does(
    manage: Manage, launcher: Launcher, made: Launcher
) -> None:
    assert manage("check").returncode == 0
    assert not launcher.home.exists()

    script = (
        "import django; django.setup()\n"
        "from django.db import connections\n"
        "for alias in ('default', 'owner'):\n"
        "    with connections[alias].cursor() as cursor:\n"
        "        cursor.execute('SELECT current_user')\n"
        "        print(cursor.fetchone()[0])\n"
    )
    result = manage("-c", script, EMBEDDED_POSTGRES_DIR=str(made.home))

    assert result.stdout.split() == ["clinic_credits_web", "clinic_credits_owner"], result.stderr


def test_a_running_process_serves_its_next_request_after_a_kill(manage: Manage, made: Launcher) -> None:
    script = (
        "import django, os, signal, time; django.setup()\n"
        "from django.core.signals import request_started\n"
        "from django.db import connection\n"
        "from billing_site.embedded_postgres.base import launcher\n"
        "def request():\n"
        "    request_started.send(None)\n"
        "    with connection.cursor() as cursor:\n"
        "        cursor.execute('SELECT 7')\n"
        "        return cursor.fetchone()[0]\n"
        "request()\n"
        "os.kill(launcher().ensure_running().pid, signal.SIGKILL)\n"
        "time.sleep(0.3)\n"
        "began = time.monotonic()\n"
        "print(request(), time.monotonic() - began < 30)\n"
    )

    result = manage("-c", script, EMBEDDED_POSTGRES_DIR=str(made.home))

    assert result.stdout.split() == ["7", "True"], result.stderr


def test_connections_wait_while_the_server_recovers_from_a_killed_backend(
    manage: Manage, made: Launcher
) -> None:
    script = (
        "import contextlib, django, os, signal; django.setup()\n"
        "from django.db import connection\n"
        "for round in range(8):\n"
        "    connection.ensure_connection()\n"
        # The server ends all sessions for the one that was killed before, this new one too if it notices late.
        "    with contextlib.suppress(ProcessLookupError):\n"
        "        os.kill(connection.connection.info.backend_pid, signal.SIGKILL)\n"
        "    connection.close()\n"
        "print('served')\n"
    )

    result = manage("-c", script, EMBEDDED_POSTGRES_DIR=str(made.home))

    assert result.stdout.strip() == "served", result.stderr


def test_outside_debug_a_query_names_the_variable_to_set(manage: Manage, launcher: Launcher) -> None:
    script = "import django; django.setup()\nfrom django.db import connection\nconnection.ensure_connection()"

    result = manage("-c", script, DEBUG="0")

    assert "ImproperlyConfigured" in result.stderr
    assert "DATABASE_URL" in result.stderr
    assert not launcher.home.exists()


def test_the_command_starts_shows_and_stops(manage: Manage, made: Launcher) -> None:
    home = {"EMBEDDED_POSTGRES_DIR": str(made.home)}

    assert manage("database", "status", **home).returncode == 3
    assert "runs as process" in manage("database", "start", **home).stdout
    assert str(made.data) in manage("database", "status", **home).stdout
    assert "has stopped" in manage("database", "stop", **home).stdout
    assert "wasn't running" in manage("database", "stop", **home).stdout


def test_the_command_leaves_a_server_of_production_alone(manage: Manage, launcher: Launcher) -> None:
    for action in ("start", "stop", "status"):
        result = manage("database", action, DATABASE_URL="postgres://web@db.example/credits")

        assert result.returncode == 0
        assert "only concerns the embedded PostgreSQL" in result.stdout
    assert not launcher.home.exists()


def test_the_roles_script_runs_twice_and_prints_no_password(manage: Manage, launcher: Launcher) -> None:
    script = manage("database", "roles").stdout
    assert not launcher.home.exists()
    folder = programs.wheel_folder()
    assert folder

    ask(launcher, "DROP DATABASE clinic_credits", "postgres")
    ask(launcher, "DROP ROLE clinic_credits_owner", "postgres")
    ask(launcher, "DROP ROLE clinic_credits_web", "postgres")
    for _ in range(2):
        subprocess.run(
            [folder / "psql", "-X", "-v", "ON_ERROR_STOP=1", launcher.superuser_conninfo()],
            input=script,
            text=True,
            check=True,
            capture_output=True,
        )

    assert "PASSWORD" not in script
    assert ask(
        launcher,
        "SELECT rolname, rolcanlogin, rolsuper, rolcreatedb,"
        " has_database_privilege(rolname, 'clinic_credits', 'CONNECT'),"
        " has_database_privilege(rolname, 'clinic_credits', 'CREATE')"
        " FROM pg_roles WHERE rolname LIKE 'clinic%' ORDER BY 1",
    ) == [
        ("clinic_credits_owner", True, False, False, True, True),
        ("clinic_credits_web", True, False, False, True, False),
    ]
