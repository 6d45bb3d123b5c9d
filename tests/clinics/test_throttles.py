"""Requests are counted once each, across threads, and a full bucket says when it has room again."""

import threading
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection
from django.utils import timezone

from clinics.models import RequestRate
from clinics.throttles import seconds_to_wait


@pytest.mark.django_db
class TestABucket:
    def test_holds_a_minutes_worth_and_then_tells_how_long_to_wait(self) -> None:
        waits = [seconds_to_wait("a", per_minute=3) for _ in range(4)]

        assert waits[:3] == [0, 0, 0]
        assert 0 < waits[3] <= 20

    def test_that_is_full_is_left_as_it_is(self) -> None:
        seconds_to_wait("a", per_minute=1)
        before = RequestRate.objects.get().empty_at

        assert seconds_to_wait("a", per_minute=1)
        assert RequestRate.objects.get().empty_at == before

    def test_leaks_evenly(self) -> None:
        for _ in range(3):
            seconds_to_wait("a", per_minute=3)
        RequestRate.objects.update(empty_at=timezone.now() + timedelta(seconds=39))

        assert seconds_to_wait("a", per_minute=3) == 0
        assert seconds_to_wait("a", per_minute=3) > 0

    def test_takes_what_is_larger_than_itself_when_it_is_empty(self) -> None:
        assert seconds_to_wait("a", per_minute=3, requests=20) == 0
        assert 0 < seconds_to_wait("a", per_minute=3, requests=20) <= 60

    def test_is_nobody_elses(self) -> None:
        seconds_to_wait("a", per_minute=1)

        assert seconds_to_wait("b", per_minute=1) == 0

    def test_that_cannot_be_written_stops_nobody(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken() -> None:
            raise DatabaseError("read-only")

        monkeypatch.setattr(connection, "cursor", broken)

        assert seconds_to_wait("a", per_minute=1) == 0


@pytest.mark.django_db(transaction=True)
def test_eight_threads_at_once_get_no_request_more_than_the_limit() -> None:
    served: list[int] = []

    def ask() -> None:
        served.append(sum(not seconds_to_wait("a", per_minute=100) for _ in range(50)))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert 100 <= sum(served) <= 105  # some leak while it runs
