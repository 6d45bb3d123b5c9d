"""`manage.py expire_requests`."""

from io import StringIO

import pytest
from django.core.management import call_command

from clinics.models import StaffRequest
from tests.clock import Clock
from tests.site.requesting import Kind, ask


@pytest.mark.django_db
def test_it_ends_what_nobody_approved_in_time_and_nothing_else(clock: Clock) -> None:
    old = ask(Kind.BILLING_RULES)
    clock.advance(hours=40)
    young = ask(Kind.PRICE_LIST)
    clock.advance(hours=33)
    printed = StringIO()

    call_command("expire_requests", stdout=printed)
    call_command("expire_requests", stdout=printed)

    assert printed.getvalue() == "Expired 1 requests.\nExpired 0 requests.\n"
    assert dict(StaffRequest.objects.values_list("pk", "state")) == {old.pk: "expired", young.pk: "pending"}
