"""Who and why go with a change, and no further: the context of the audit trail."""

from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from django.db import connection

from clinics import audit, door, requests
from clinics.models import Clinic, User
from clinics.trail import AuditEvent
from credits.services.ledger import BillingService
from tests import factories

pytestmark = pytest.mark.django_db


def events(table: str = "", **facts: Any) -> list[Any]:
    found = AuditEvent.objects.filter(**facts).order_by("pk")
    return list(found.filter(table_name=table) if table else found)


def last(table: str) -> Any:
    return events(table)[-1]


class TestContext:
    def test_a_reason_inside_a_reason_leaves_the_outer_one_as_it_was(self, clinic: Clinic) -> None:
        with audit.because("outer"):
            with audit.because("inner  words", user=7):
                Clinic.objects.update(city="Pune")
            Clinic.objects.update(city="Surat")
        Clinic.objects.update(city="Delhi")
        inner, outer, none = events("clinics")[-3:]
        assert [event.reason for event in (inner, outer, none)] == ["inner words", "outer", ""]
        assert [event.actor_id for event in (inner, outer, none)] == [7, None, None]
        assert inner.context_id == outer.context_id
        assert none.context_id is None

    def test_nothing_of_it_stays_on_the_connection(self, clinic: Clinic) -> None:
        with audit.because("mine"):
            requests.expire()
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('pghistory.context_metadata', true)")
            assert cursor.fetchone() == ("",)
        assert audit.current() is None

    def test_a_long_reason_is_cut_and_changes_nothing_else(self, clinic: Clinic) -> None:
        with audit.because("x" * 5000):
            Clinic.objects.update(city="Pune")
        assert last("clinics").reason == "x" * audit.LONGEST_REASON

    def test_what_a_refused_call_did_is_gone_and_the_context_stays(self, clinic: Clinic, staff: User) -> None:
        with audit.because("twice", user=staff.pk):
            request = factories.adjust(clinic, "10")
            with pytest.raises(requests.RequestNotPending):
                requests.approve(request=request, by=staff)
            Clinic.objects.update(city="Pune")
        assert last("clinics").actor == staff

    def test_a_delivery_takes_one_statement_with_and_without_a_context(self, funded_clinic: Clinic) -> None:
        executed: list[str] = []
        execute = psycopg.Cursor.execute

        def spy(cursor: Any, statement: Any, *args: Any, **more: Any) -> Any:
            executed.append(statement.decode() if isinstance(statement, bytes) else str(statement))
            return execute(cursor, statement, *args, **more)

        enquiry = factories.enquiry(funded_clinic, 1)
        with patch.object(psycopg.Cursor, "execute", spy):
            BillingService.deliver_lead(enquiry)
            with audit.because("a form"):
                BillingService.deliver_lead(factories.enquiry(funded_clinic, 2))
                door.call("expire_requests")
        deliveries = [text for text in executed if "deliver_lead" in text]
        assert len(deliveries) == 2
        assert all(text.startswith('SELECT * FROM "deliver_lead"') for text in deliveries)
        assert executed.count(door.TELL_THE_TRAIL.decode()) == 1
