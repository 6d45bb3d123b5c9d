"""While the database takes no writes, pages go on being read; what somebody asks us to do is told to wait."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from django.core.cache import cache
from django.db import InternalError, connection, transaction
from django.db.models import Sum
from pytest_django import Settings

from clinics.models import Membership
from clinics.read_only import skipped_while_read_only
from disputes.models import DisputeReader
from disputes.services.counts import pending_count
from tests.site.portal_people import SUPPORT, browser_of
from tests.site.portal_routes import table
from tests.site.portal_stage import Stage

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("evidence_folder")]


@contextmanager
def read_only() -> Iterator[None]:
    """As `default_transaction_read_only` or a standby has it for every transaction, for one request."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
        yield
        transaction.set_rollback(True)  # also after a request that did not get on with it


def test_every_page_and_file_of_the_portal_is_read_and_marks_wait(settings: Settings) -> None:
    settings.RAZORPAY_KEY_ID, settings.RAZORPAY_KEY_SECRET = "rzp_test_read_only", "secret"
    stage = Stage(leads=3)
    client = browser_of(stage.house.people["owner"])
    pages = [
        stage.path(row.route)
        for row in table().values()
        if row.kind in ("page", "part", "file")
        and "see" in row.rights["owner"]
        and not row.route.startswith("accounts/")
    ]
    with read_only():
        unlogged = client.get("/clinic/dashboard")
    client.get("/clinic/dashboard")
    before = marks()
    pending_count(stage.house.clinic.pk)
    key = f"pending_disputes:{stage.house.clinic.pk}"
    assert cache.get(key) is not None
    cache.set(key, 99, timeout=0)  # what is out of date, the cache deletes when it is asked for it

    statuses: dict[str, int] = {}
    for path in pages:
        with read_only():
            statuses[path] = client.get(path).status_code
    with read_only():
        sent = client.post(SUPPORT, {"kind": "other", "message": "We close our practice in March."})

    assert unlogged.status_code == 503  # a contact is shown to nobody whose look can't be logged
    assert {path: status for path, status in statuses.items() if status != 200} == {}
    assert marks() == before
    for path in ("/clinic/notices", stage.path("clinic/disputes/<int:dispute_id>")):  # as they do else
        client.get(path)
    assert all(now != then for now, then in zip(marks(), before, strict=True))
    assert sent.status_code == 503


def marks() -> tuple[int, int]:
    """How far everybody has seen notices and read disputes."""
    seen = Membership.objects.aggregate(Sum("notices_seen_up_to"))
    read = DisputeReader.objects.aggregate(Sum("read_up_to", default=0))
    return seen["notices_seen_up_to__sum"], read["read_up_to__sum"]


def test_other_errors_than_a_read_only_database_are_not_passed_over(db: None) -> None:
    with (
        pytest.raises(InternalError),
        skipped_while_read_only(),
        transaction.atomic(),
        connection.cursor() as cursor,
    ):
        cursor.execute("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '25001'; END $$")
