"""The migration that knows silent webhooks goes back, and forward again, where there are some."""

from datetime import datetime, timedelta

import pytest
from django.db import connections
from django.db.migrations.loader import MigrationLoader
from django.utils import timezone

from clinics.models import WebhookEndpoint
from tests import factories

pytestmark = pytest.mark.django_db(databases=["owner"])
THIS = ("clinics", "0018_silent_webhooks")


def silent_endpoint(*, path: str, last_failure: str, failed_at: datetime) -> int:
    clinic, user = factories.ClinicFactory.build(), factories.UserFactory.build()
    clinic.save(using="owner")
    user.save(using="owner")
    endpoint = WebhookEndpoint(
        clinic=clinic,
        made_by=user,
        url=f"https://crm.example/{path}",
        kinds=["lead_delivered"],
        stopped_at=failed_at,
        stopped_because="silent",
        last_failure=last_failure,
        last_failure_at=failed_at,
        failing_since=failed_at,
    )
    endpoint.save(using="owner")
    return endpoint.pk


def test_it_goes_back_and_forward_where_an_endpoint_was_silent() -> None:
    failed_at = timezone.now() - timedelta(days=5)
    theirs = silent_endpoint(path="theirs", last_failure="answered", failed_at=failed_at)
    ours = silent_endpoint(path="ours", last_failure="secret_lost", failed_at=failed_at)
    loader = MigrationLoader(connections["owner"])
    migration, before = loader.get_migration(*THIS), loader.project_state(THIS, at_end=False)
    with connections["owner"].cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else what is still to be checked holds the table

    with connections["owner"].schema_editor(atomic=True) as editor:
        migration.unapply(before.clone(), editor)
    with connections["owner"].schema_editor(atomic=True) as editor:
        migration.apply(before.clone(), editor)

    after = WebhookEndpoint.objects.using("owner").in_bulk([theirs, ours])
    assert {pk: (row.stopped_because, row.failing_since) for pk, row in after.items()} == {
        theirs: ("by_hand", failed_at),
        ours: ("by_hand", None),
    }
