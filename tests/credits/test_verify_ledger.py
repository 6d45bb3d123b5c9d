"""Each check of `verify_ledger` is shown to be able to fail: a violation is planted behind the guards' back."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from pytest_django.plugin import DjangoDbBlocker

from credits.models import CreditAccount
from credits.services import seal_checks, verification
from tests.conftest import DATABASE
from tests.credits.hidden_violations import BALANCED, WELL_HIDDEN
from tests.credits.planted_violations import PLANTS as IN_SIGHT
from tests.credits.psql import superuser_session
from tests.credits.rich_history import History, make_history

PLANTS = IN_SIGHT | BALANCED | WELL_HIDDEN


@dataclass(frozen=True)
class Books:
    superuser: "psycopg.Connection[Any]"
    ids: dict[str, int]

    @contextmanager
    def planted(self, *statements: str) -> "Iterator[psycopg.Cursor[Any]]":
        """A cursor that sees the statements in force; nothing of them stays."""
        with self.superuser.transaction(force_rollback=True), self.superuser.cursor() as cursor:
            cursor.execute("SET LOCAL session_replication_role = replica")
            for statement in statements:
                cursor.execute(statement.format(**self.ids))
                assert cursor.rowcount != 0, statement
            yield cursor

    def broken(self, *statements: str, exact: bool = False) -> frozenset[str]:
        """The checks that fail while the statements are in force."""
        with self.planted(*statements) as cursor:
            findings = list(verification.verify(cursor, exact=exact))
        return frozenset(finding.check for finding in findings if finding.violations)


@pytest.fixture(scope="module")
def books(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Books]:
    """A rich history, committed, for all tests of this module; the database is put back after them."""
    with django_db_blocker.unblock():
        history = make_history()
        with superuser_session() as superuser:
            yield Books(superuser, ids_of(history, superuser))
        DATABASE.restore()


def ids_of(history: History, superuser: "psycopg.Connection[Any]") -> dict[str, int]:
    ids: dict[str, int] = {name: getattr(history, name).pk for name in History.__dataclass_fields__}
    for name, clinic in (("used_100", history.clinic), ("others_100", history.indebted)):
        found = superuser.execute(
            "SELECT max(consumption.id) FROM grant_consumptions consumption JOIN credit_grants source"
            " ON source.id = grant_id WHERE clinic_id = %s AND consumption.amount = 100 AND returned = 0",
            [clinic.pk],
        ).fetchone()
        assert found is not None
        ids[name] = found[0]
    return ids


@pytest.mark.parametrize("exact", [False, True], ids=["by sums", "row by row"])
def test_a_rich_history_verifies_clean(books: Books, *, exact: bool) -> None:
    assert books.broken(exact=exact) == frozenset()


@pytest.mark.parametrize("name", PLANTS)
def test_what_is_planted_is_found_by_the_checks_that_concern_it(books: Books, name: str) -> None:
    planted = PLANTS[name]

    assert books.broken(*planted.statements) == planted.checks
    assert books.broken(*planted.statements, exact=True) == planted.checks


@pytest.mark.parametrize("name", WELL_HIDDEN)
def test_no_seed_lets_it_pass(books: Books, name: str) -> None:
    with books.planted(*PLANTS[name].statements) as cursor:
        passed = [all(verification._proven(cursor).values()) for _ in range(20)]

    assert passed == [False] * 20


def test_every_check_has_been_seen_to_fail(books: Books) -> None:
    with books.superuser.cursor() as cursor:
        checks = {finding.check for finding in verification.verify(cursor, exact=True)}

    assert checks - set(seal_checks.CHECKS) == frozenset().union(
        *(planted.checks for planted in PLANTS.values())
    )


def test_every_statement_is_run() -> None:
    files = {path.stem for path in verification.FOLDER.glob("*.sql")}

    assert files == {verification.PROOF, *verification.SUBJECTS}
    assert verification.subjects_above() == ["disputed_refunds", "disputes"]


def test_the_proof_spares_the_long_tables(books: Books) -> None:
    subjects = "accounts history movements grants consumptions leads refunds free_leads contacts conservation"
    with books.superuser.cursor() as cursor:
        assert verification._proven(cursor) == dict.fromkeys(subjects.split(), True)


@pytest.mark.django_db
def test_the_books_of_nobody_hold() -> None:
    with connection.cursor() as cursor:
        found = list(verification.verify_rows(cursor))

    assert not CreditAccount.objects.exists()
    assert not [finding.check for finding in found if finding.violations]


@pytest.mark.django_db
def test_what_the_checks_are_called_is_asked_once() -> None:
    with CaptureQueriesContext(connection) as queries, connection.cursor() as cursor:
        list(verification.verify_rows(cursor, exact=True))
        before = len(queries)
        list(verification.verify_rows(cursor, exact=True))

    assert len(queries) - before == len((*verification.SUBJECTS, *verification.subjects_above()))


def test_nobody_knows_beforehand_which_sums_the_proof_will_compare() -> None:
    one, another = (verification._statement(verification.PROOF) for _ in range(2))

    assert one != another
    assert "{" not in one


def test_a_proof_that_fails_where_all_rows_are_right_is_told(
    books: Books, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = shutil.copytree(verification.FOLDER, tmp_path / "verify")
    proof = (folder / "proof.sql").read_text()
    (folder / "proof.sql").write_text(proof.replace("sum(balance) AS balance", "sum(balance) + 1 AS balance"))
    monkeypatch.setattr(verification, "FOLDER", folder)

    assert books.broken() == {"sums_agree_where_rows_do"}


def test_a_finding_counts_all_and_names_some(books: Books) -> None:
    with books.superuser.transaction(force_rollback=True), books.superuser.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        leads = cursor.execute("UPDATE lead_contacts SET clinic_id = 0").rowcount
        found = {finding.check: finding for finding in verification.verify(cursor)}

    finding = found["contact_is_of_the_clinic_of_its_lead"]
    assert (finding.violations, finding.noun, len(finding.examples)) == (leads, "lead", 5)


# --- the command ----------------------------------------------------------------------------------


def run(**options: Any) -> str:
    out = StringIO()
    call_command("verify_ledger", stdout=out, **options)
    return out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_the_command_names_what_is_wrong_and_fails() -> None:
    history = make_history()
    assert "All 62 checks hold." in run()
    assert "All 61 checks hold." in run(exact=True)
    with superuser_session() as superuser:
        superuser.execute(
            "UPDATE credit_accounts SET owed = owed + 1 WHERE clinic_id = %s", [history.indebted.pk]
        )
    out = StringIO()

    with pytest.raises(CommandError, match="1 of 62 checks found violations") as error:
        call_command("verify_ledger", stdout=out)

    assert error.value.returncode == 1
    [line] = [line for line in out.getvalue().splitlines() if not line.rstrip().endswith(" 0")]
    assert line.split() == ["owed_is_the_sum_of_open_losses", "1", "clinic", str(history.indebted.pk)]


@pytest.mark.django_db(transaction=True)
def test_all_checks_see_one_moment_and_can_write_nothing() -> None:
    history = make_history()
    with verification.snapshot() as cursor:
        settings = {}
        for name in ("transaction_isolation", "transaction_read_only", "statement_timeout"):
            cursor.execute(f"SHOW {name}")
            settings[name] = cursor.fetchone()[0]
        cursor.execute("SELECT count(*) FROM clinics")  # the snapshot is taken by the first query
        with superuser_session() as superuser:
            superuser.execute("UPDATE credit_accounts SET owed = 7 WHERE clinic_id = %s", [history.quiet.pk])
        findings = list(verification.verify(cursor))

    assert settings == {
        "transaction_isolation": "repeatable read",
        "transaction_read_only": "on",
        "statement_timeout": "0",
    }
    assert not any(finding.violations for finding in findings)
    assert CreditAccount.objects.get(clinic=history.quiet).owed == 7
    assert not connection.in_atomic_block
