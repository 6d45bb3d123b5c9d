"""What takes two people, with the product's own rights: neither the web's role nor one person goes around a request.

The suite's role may do more than the product's, to set its stages (tests/database.py). Here it may not.
"""

import threading
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db import DatabaseError, connection, connections, transaction

from billing_site.rights import BY_TWO_PEOPLE, UPDATABLE_COLUMNS, grant_web_role
from clinics import requests
from clinics.models import Clinic, StaffRequest, User
from clinics.requests import RequestNotPending
from credits.models import BillingRules
from tests import factories
from tests.database import OFF_IN_TESTS
from tests.site.requesting import Kind, ask, of_group

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "owner"])


def with_the_products_own_rights() -> None:
    """Until the end of the test, which gives the database back as the suite's template has it."""
    grant_web_role(connections["owner"], connections["default"].settings_dict["USER"])
    with connections["owner"].cursor() as cursor:
        for trigger in OFF_IN_TESTS:
            cursor.execute(f"ALTER TABLE users ENABLE TRIGGER {trigger}")


def refusal(statement: str, *parameters: Any, alias: str = "default") -> str:
    """The SQLSTATE the statement is refused with; «» where it is not."""
    try:
        with transaction.atomic(using=alias), connections[alias].cursor() as cursor:
            cursor.execute(statement, parameters)
    except DatabaseError as error:
        return str(error.__cause__.sqlstate)  # type: ignore[union-attr]
    return ""


def test_the_webs_role_can_do_none_of_it_by_itself(funded_clinic: Clinic) -> None:
    lead = factories.deliver(funded_clinic)
    me, colleague = of_group("user admin"), of_group("auditor")
    gone, second, other_admin = (
        of_group("finance", is_active=False),
        of_group("finance"),
        of_group("user admin"),
    )
    owner = factories.member_of(funded_clinic, "owner")
    pending = ask(Kind.BILLING_RULES)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM auth_group WHERE name = 'finance'")
        [finance] = cursor.fetchone()
    with_the_products_own_rights()

    attempts: list[tuple[Any, ...]] = [
        ("SELECT refund_lead(%s, 10, 'mine')", lead.pk),
        ("SELECT adjust_credits(%s, 10, 'mine', 'mine')", funded_clinic.pk),
        ("SELECT carry_out(r) FROM staff_requests r WHERE id = %s", pending.pk),
        ("SELECT carry_out_billing_rules(r) FROM staff_requests r WHERE id = %s", pending.pk),
        ("UPDATE staff_requests SET state = 'approved' WHERE id = %s", pending.pk),
        ("UPDATE users SET is_superuser = true WHERE id = %s", me.pk),
        ("UPDATE users SET is_staff = true WHERE id = %s", owner.pk),
        ("UPDATE users SET is_active = true WHERE id = %s", gone.pk),
        ("INSERT INTO users_groups (user_id, group_id) VALUES (%s, %s)", me.pk, finance),
        ("UPDATE users_groups SET group_id = %s", finance),
        ("INSERT INTO gateway_refunds (receipt, payment_id, amount_paise, status, reversal_key)"
         " VALUES ('own-mine', 1, 1, 'requested', '')",),
        ("INSERT INTO users (email, full_name, password, is_staff, is_superuser, is_active, date_joined)"
         " VALUES ('me@x.example', '', '!', true, true, true, now())",),
    ]  # fmt: skip
    assert {statement: refusal(statement, *values) for statement, *values in attempts} == dict.fromkeys(
        (statement for statement, *_ in attempts), "42501"
    )
    for table in BY_TWO_PEOPLE:
        assert refusal(f"INSERT INTO {table} DEFAULT VALUES") == "42501", table
        for column in columns_of(table) - set(UPDATABLE_COLUMNS.get(table, ())):
            assert refusal(f"UPDATE {table} SET {column} = {column}") == "42501", (table, column)
    with pytest.raises(DatabaseError, match="a request that a second person approves"):
        User.objects.filter(pk=me.pk).update(is_superuser=True)

    # What one person may: take away, and deactivate; and two may give.
    User.objects.filter(pk=colleague.pk).update(is_active=False)
    colleague.groups.clear()
    User.objects.filter(pk=colleague.pk).update(is_staff=False, is_active=True)
    assert requests.approve(request=pending, by=second).state == "approved"
    asked = ask(Kind.STAFF_RIGHTS, by=me, user=User.objects.get(pk=colleague.pk), groups=["finance"])
    assert requests.approve(request=asked, by=other_admin).state == "approved"
    assert [group.name for group in colleague.groups.all()] == ["finance"]


def columns_of(table: str) -> set[str]:
    with connection.cursor() as cursor:
        return {column.name for column in connection.introspection.get_table_description(cursor, table)}


def test_the_first_superuser_is_made_as_the_owner_and_in_no_other_way(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_the_products_own_rights()
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a fairly long pass phrase 7")
    boss = {"email": "boss@site.example", "interactive": False, "stdout": StringIO()}

    with pytest.raises(DatabaseError, match="a request that a second person approves"):
        call_command("createsuperuser", **boss)
    assert not User.objects.exists()
    call_command("createsuperuser", database="owner", **boss)

    assert User.objects.get().is_superuser


def test_not_even_the_owner_approves_as_the_same_person() -> None:
    request = ask(Kind.CREDIT_PACKAGE)
    decide = "UPDATE staff_requests SET state = %s, decided_by_id = requested_by_id, decided_at = now() WHERE id = %s"
    for state in ("approved", "rejected"):
        assert refusal(decide, state, request.pk, alias="owner") == "23514"  # a CHECK
    for column in ("details", "shown", "requested_by_id", "object_key", "reason", "kind"):
        statement = f"UPDATE staff_requests SET {column} = {column} WHERE id = %s"
        assert refusal(statement, request.pk, alias="owner") == "23001", column  # «its rows never change»
    assert refusal("DELETE FROM staff_requests", alias="owner") == "23001"
    assert (
        refusal("SELECT approve_request(%s, %s, '')", request.pk, request.requested_by_id, alias="owner")
        == "CC017"
    )


@pytest.mark.parametrize("kind", [Kind.ADJUSTMENT, Kind.CREDIT_PACKAGE])
def test_approved_by_many_at_once_it_is_carried_out_once(kind: str) -> None:
    request = ask(kind)
    people = [of_group("finance") for _ in range(6)]
    together, outcomes = threading.Barrier(len(people)), list[str]()

    def run(user: User) -> None:
        together.wait()
        try:
            outcomes.append(requests.approve(request=StaffRequest.objects.get(pk=request.pk), by=user).state)
        except RequestNotPending:
            outcomes.append("told")
        connections.close_all()

    threads = [threading.Thread(target=run, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["approved"] + ["told"] * 5
    if kind == Kind.ADJUSTMENT:
        assert request.clinic is not None
        assert request.clinic.credit_account.balance == 50


def test_of_two_who_ask_about_the_same_at_once_one_is_told() -> None:
    people, together, outcomes = [of_group("finance") for _ in range(4)], threading.Barrier(4), list[str]()

    def run(user: User) -> None:
        together.wait()
        try:
            outcomes.append(ask(Kind.BILLING_RULES, by=user).state)
        except requests.RequestPendingAlready:
            outcomes.append("told")
        connections.close_all()

    threads = [threading.Thread(target=run, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["pending", "told", "told", "told"]
    assert BillingRules.objects.get().bonus_valid_days == 180
