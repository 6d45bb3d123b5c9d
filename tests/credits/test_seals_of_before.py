"""Seals that were made before all rows of one had a digest together are checked by the tags they have."""

from datetime import date
from typing import Any

import pytest
from django.db import connection
from psycopg.types.json import Jsonb
from pytest_django import Settings

from clinics import door
from clinics.models import Clinic
from credits.models import CreditTransaction, DaySeal
from credits.services import seal_checks, seals
from tests import factories
from tests.credits.psql import superuser_session
from tests.credits.tampering import Tampering, found
from tests.site.back_office import FIGURES


def close(day: date) -> None:
    seals.seal(seals.open_closing(day))
    door.call("finish_closing", p_day=day, p_figures=Jsonb(FIGURES), p_unexplained=Jsonb([]), p_by=None)


@pytest.mark.django_db(transaction=True)
def test_rows_are_compared_all_at_once_and_one_by_one_where_a_seal_of_before_has_tags_alone(
    funded_clinic: Clinic, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.SEAL_KEY, settings.SEAL_KEY_FALLBACKS = "k1" * 20, []
    day, key = date(2026, 1, 1), seals.present_key()
    with superuser_session() as session:
        seals.seal(seals.open_closing(day))
        session.execute("SET session_replication_role = replica")
        previous = b""
        for one in DaySeal.objects.order_by("number"):
            one.whole, one.previous = b"", previous
            previous = seals.digest_of(one, key)
            told = [one.whole, one.previous, previous, one.number]
            session.execute(
                "UPDATE day_seals SET whole = %s, previous = %s, digest = %s WHERE number = %s", told
            )
        door.call("finish_closing", p_day=day, p_figures=Jsonb(FIGURES), p_unexplained=Jsonb([]), p_by=None)
        factories.deliver(funded_clinic, phone=1)
        close(date(2026, 1, 2))
        one_by_one: list[int] = []

        def content_of(cursor: Any, key: seals.Key, span: seals.Span) -> seals.Content:
            one_by_one.append(span.after)
            return seals.content_of(cursor, key, span)

        monkeypatch.setattr(seal_checks, "content_of", content_of)
        with connection.cursor() as cursor:
            assert found(cursor) == {}
        assert one_by_one == [seals.BEFORE_ALL, seals.BEFORE_ALL]
        psql = Tampering(session)
        for row in CreditTransaction.objects.order_by("pk"):
            edited = psql.finds(f"UPDATE credit_transactions SET description = 'x' WHERE id = {row.pk}")
            assert edited["sealed_movements_are_as_they_were"][0] == {row.pk}
        # Nor does a seal pass for one of before by leaving out what it has.
        stripped = psql.finds("UPDATE day_seals SET whole = '' WHERE number = 3")
        assert stripped["seals_are_unbroken"][0] == {3}
