"""What the web's role may do to the books: read them, and call the door. The suite's own connection is that role."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import ProgrammingError, connection, connections, transaction
from psycopg.errors import InsufficientPrivilege

from billing_site.rights import BEHIND_THE_DOOR, DELETABLE, DOOR, JOB_QUEUE, UPDATABLE_COLUMNS
from clinics.models import Clinic
from credits.services.ledger import BillingService
from tests.factories import deliver

pytestmark = pytest.mark.django_db

BOOKS = (
    "credit_accounts",
    "credit_transactions",
    "credit_grants",
    "grant_consumptions",
    "reversals",
    "leads",
)
# What reads only, as the caller.
READING = {
    "ist_date",
    "ledger_clock",
    "tier_for_price",
    "dispute_refusal",
    "dispute_refusals",
    "appeal_refusal",
}
# tests/database.py lets the suite try these by themselves.
STEPS_FOR_TESTS = {"refund_lead", "adjust_credits"}


def query(sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


@contextmanager
def forbidden() -> Iterator[None]:
    with pytest.raises(ProgrammingError) as refused, transaction.atomic():
        yield
    assert isinstance(refused.value.__cause__, InsufficientPrivilege)


def test_it_is_a_role_of_its_own_that_can_become_no_other() -> None:
    [(role, is_super, may_create_roles, may_create_databases, may_bypass)] = query(
        "SELECT rolname, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls FROM pg_roles"
        " WHERE rolname = current_user"
    )
    owner = connections["owner"].settings_dict["USER"]

    assert role != owner
    assert not any([is_super, may_create_roles, may_create_databases, may_bypass])
    assert query(
        f"SELECT count(*) FROM pg_roles WHERE rolname <> '{role}' AND pg_has_role(oid, 'MEMBER')"
    ) == [(0,)]


def test_it_owns_nothing() -> None:
    assert query("SELECT relname FROM pg_class WHERE relowner = current_user::regrole") == []
    assert query("SELECT proname FROM pg_proc WHERE proowner = current_user::regrole") == []


@pytest.mark.parametrize("table", BOOKS)
@pytest.mark.parametrize("deed", ["INSERT INTO {} DEFAULT VALUES", "DELETE FROM {}", "TRUNCATE {}"])
def test_it_writes_no_book(deed: str, table: str) -> None:
    assert table in BEHIND_THE_DOOR

    with forbidden(), connection.cursor() as cursor:
        cursor.execute(deed.format(table))


@pytest.mark.parametrize("table", BEHIND_THE_DOOR)
def test_behind_the_door_it_updates_what_a_page_may_set_and_nothing_else(table: str) -> None:
    columns = query(
        f"SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum > 0"
        f" AND has_column_privilege('{table}', attname, 'UPDATE')"
    )

    assert {column for (column,) in columns} == set(UPDATABLE_COLUMNS.get(table, ()))


@pytest.mark.parametrize("table", BOOKS)
def test_it_moves_no_money_column(table: str) -> None:
    money = {"credit_accounts": "balance", "reversals": "owed_open", "leads": "cost"}.get(table, "amount")

    with forbidden(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {table} SET {money} = {money}")


def test_it_adds_nothing_behind_the_door_and_empties_no_table() -> None:
    tables = query(
        "SELECT relname, has_table_privilege(oid, 'INSERT'), has_table_privilege(oid, 'DELETE'),"
        " has_table_privilege(oid, 'TRUNCATE'), has_table_privilege(oid, 'TRIGGER'),"
        " has_table_privilege(oid, 'REFERENCES')"
        " FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace"
    )

    assert {name for name, *_ in tables} > set(BEHIND_THE_DOOR)
    for name, insert, delete, *never in tables:
        assert not (insert and name in BEHIND_THE_DOOR), name
        assert not (delete and name not in DELETABLE), name
        assert not any(never), name


def test_it_may_call_the_door_and_no_other_function() -> None:
    functions = query(
        "SELECT proname, has_function_privilege(oid, 'EXECUTE') FROM pg_proc"
        " WHERE pronamespace = 'public'::regnamespace"
    )

    assert {name for name, callable_ in functions if callable_} == {
        *DOOR,
        *JOB_QUEUE,
        *STEPS_FOR_TESTS,
    }
    assert {"ledger_open", "ledger_post", "delivery_decide"} <= {
        name for name, callable_ in functions if not callable_
    }


@pytest.mark.parametrize(
    "call", ["ledger_open({clinic})", "ledger_new_id()", "ledger_consume({clinic}, 1, 1)", "refuse_change()"]
)
def test_it_cannot_go_around_the_door(funded_clinic: Clinic, call: str) -> None:
    with forbidden(), connection.cursor() as cursor:
        cursor.execute(f"SELECT {call.format(clinic=funded_clinic.pk)}")


def test_functions_of_the_door_look_up_names_in_one_fixed_place() -> None:
    """A SECURITY DEFINER function with the caller's search_path could be made to call the caller's code."""
    functions = query(
        "SELECT proname, proconfig::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND prosecdef"
    )

    assert {name for name, _ in functions} >= set(DOOR) - READING
    for name, settings in functions:
        assert settings == '{"search_path=pg_catalog, public, pg_temp"}', name


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE mine (id int)",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION public.mine() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE FUNCTION ledger_clock() RETURNS timestamptz LANGUAGE sql AS 'SELECT now()'",
        "CREATE TRIGGER mine BEFORE UPDATE ON leads FOR EACH ROW EXECUTE FUNCTION refuse_change()",
        "ALTER TABLE credit_transactions DISABLE TRIGGER ALL",
        "ALTER TABLE credit_accounts DROP CONSTRAINT account_balance_not_negative",
        "DROP TRIGGER ledger_never_changes ON credit_transactions",
        "DROP TABLE grant_consumptions",
        "SET session_replication_role = replica",
        "SET ROLE clinic_credits_owner",
    ],
)
def test_it_changes_no_rule(statement: str) -> None:
    with forbidden(), connection.cursor() as cursor:
        cursor.execute(statement)


def test_it_delivers_a_lead_through_the_door(funded_clinic: Clinic) -> None:
    lead = deliver(funded_clinic)

    assert lead.delivery_state == "delivered"
    assert BillingService.get_clinic_credit_balance(funded_clinic.pk) == 900
