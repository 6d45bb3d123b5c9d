"""Migrations beside the traffic: an index that can be built again, a function whose callers stay."""

from pathlib import Path

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import DatabaseError, connections, migrations, models
from django.db.migrations.state import ProjectState
from psycopg import sql

from clinics.migration_operations import BuildIndexConcurrently, InstallSQL, RunSQLPatiently

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])
INDEX = models.Index("city", name="clinics_of_a_city")


def apply(operation: migrations.operations.base.Operation, *, atomic: bool = False) -> None:
    """As `migrate` does, as the owner."""
    before = ProjectState()
    before.add_model(
        migrations.state.ModelState(
            "clinics", "Clinic", [("id", models.BigAutoField(primary_key=True)), ("city", models.TextField())],
            {"db_table": "clinics"},
        )
    )  # fmt: skip
    after = before.clone()
    operation.state_forwards("clinics", after)
    with connections["owner"].schema_editor(atomic=atomic) as editor:
        operation.database_forwards("clinics", editor, before, after)


def owner(statement: str) -> list[tuple[object, ...]]:
    with connections["owner"].cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall()) if cursor.description else []


def test_an_index_that_was_interrupted_is_built_when_migrate_runs_again_and_timeouts_are_back() -> None:
    owner("CREATE TABLE twins AS SELECT 1 AS n FROM generate_series(1, 2)")
    with pytest.raises(DatabaseError):  # leaves an invalid index of that name
        owner("CREATE UNIQUE INDEX CONCURRENTLY clinics_of_a_city ON twins (n)")
    assert owner("SELECT indisvalid FROM pg_index WHERE indexrelid = 'clinics_of_a_city'::regclass") == [
        (False,)
    ]
    with pytest.raises(DatabaseError, match="already exists"):
        apply(AddIndexConcurrently("clinic", INDEX))

    apply(BuildIndexConcurrently("clinic", INDEX))

    assert owner(
        "SELECT indisvalid, indrelid::regclass::text FROM pg_index"
        " WHERE indexrelid = 'clinics_of_a_city'::regclass"
    ) == [(True, "clinics")]
    assert owner("SELECT current_setting('lock_timeout'), current_setting('statement_timeout')") == [
        ("5s", "30s")
    ]


def test_beside_the_traffic_nothing_gives_up_and_afterwards_everything_does() -> None:
    owner("SELECT set_config('statement_timeout', '200', false)")
    with pytest.raises(DatabaseError, match="statement timeout"):
        apply(migrations.RunSQL("SELECT pg_sleep(0.4)"))

    apply(RunSQLPatiently("SELECT pg_sleep(0.4)"))

    assert owner("SELECT current_setting('statement_timeout')") == [("200ms",)]
    connections["owner"].close()


def test_who_may_call_a_function_may_call_the_one_that_replaces_it() -> None:
    owner("DROP FUNCTION release_lead(bigint, bigint, text)")
    owner("CREATE FUNCTION release_lead(p_lead_id bigint) RETURNS int LANGUAGE sql AS 'SELECT 1'")
    web = connections["default"].settings_dict["USER"]
    with connections["owner"].cursor() as cursor:
        cursor.execute("REVOKE EXECUTE ON FUNCTION release_lead FROM PUBLIC")
        cursor.execute(sql.SQL("GRANT EXECUTE ON FUNCTION release_lead TO {}").format(sql.Identifier(web)))

    file = Path(__file__).parents[2] / "credits/migrations/0007_held_lead_decisions.py"
    apply(InstallSQL(str(file), "held.sql", replaces=("release_lead(bigint)",)), atomic=True)

    assert owner(
        "SELECT function.oid::regprocedure::text, grantee::regrole::text FROM pg_proc function,"
        " aclexplode(proacl) WHERE proname = 'release_lead' ORDER BY grantee <> proowner"
    )[1:] == [("release_lead(bigint,bigint,text)", web)]


def test_sql_that_names_two_functions_alike_is_refused_for_going_back_could_not_tell_them_apart(
    tmp_path: Path,
) -> None:
    (tmp_path / "sql").mkdir()
    for arguments in ("bigint", "text"):
        text = f"CREATE OR REPLACE FUNCTION alike(p {arguments}) RETURNS int LANGUAGE sql AS 'SELECT 1';\n"
        (tmp_path / "sql" / f"{arguments}.sql").write_text(text)

    with pytest.raises(ValueError, match="alike stands there twice"):
        InstallSQL(str(tmp_path / "migrations" / "0001_initial.py"), "bigint.sql", "text.sql")
