"""What leaves the house: rows of work that is carried out outside the database, at least once."""

from collections.abc import Sequence
from datetime import timedelta
from random import uniform
from typing import Any, Final, Self, TypeVar

from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Least, Now
from django.utils import timezone

MOST_TRIES: Final = 32_767  # that a smallint holds; one whose outcome can't be written is claimed for ever
E = TypeVar("E", bound="Errand")


class ErrandQuerySet(models.QuerySet[E]):
    def open(self) -> Self:
        return self.filter(done_at=None, given_up_at=None)

    def dead(self) -> Self:
        """Given up: they stay until somebody looks at them."""
        return self.filter(given_up_at__isnull=False)

    def send_again(self) -> int:
        """Puts what was given up back, with all its tries before it; says how many. Others stay as they are."""
        return self.dead().update(due_at=Now(), tries=0, given_up_at=None, problem="")

    def claim(self, *, most: int, lease: timedelta) -> list[E]:
        """Takes up to `most` due ones of these, longest due first, for `lease`: nobody else gets them meanwhile, and
        what somebody else just took is left to them.

        The claim is committed before anything is sent. Who dies with it leaves them due again when the lease ends.
        """
        with transaction.atomic():
            due = self.open().filter(due_at__lte=Now()).order_by("due_at", "pk")
            taken = list(
                due.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)[:most]
            )
            self.model._default_manager.filter(pk__in=taken).update(
                due_at=Now() + lease, tries=Least(F("tries") + 1, MOST_TRIES)
            )
        # Read outside the transaction, in the order of the claim, with what the query brings along.
        rows = self.in_bulk(taken)
        return [rows[pk] for pk in taken if pk in rows]


class Errand(models.Model):
    """Tried until it is done or given up. `due_at` is the next try; a claim moves it on by its lease.

    Whoever writes a failure holds the lease: a late one, whose lease ran out and was taken by another, changes nothing
    that a newer try found out.
    """

    created_at = models.DateTimeField(db_default=Now())
    due_at = models.DateTimeField(db_default=Now())
    tries = models.PositiveSmallIntegerField(db_default=0)
    done_at = models.DateTimeField(null=True, blank=True)
    given_up_at = models.DateTimeField(null=True, blank=True)
    problem = models.CharField(
        max_length=200, blank=True, db_default="", help_text="Of the last try; never an address or a name."
    )

    class Meta:
        abstract = True

    def finish(self, *, note: str = "") -> None:
        """It is done, or (`note`) there is nothing to do any more. A late success counts: it did happen."""
        self._outcome(Q(done_at=None), done_at=timezone.now(), given_up_at=None, problem=note)

    def put_off(self, problem: str, *, waits: Sequence[timedelta]) -> None:
        """This try failed: again after its wait, give or take a tenth; without one left it is given up."""
        if self.tries > len(waits):
            self.give_up(problem)
            return
        wait = waits[self.tries - 1] * uniform(0.9, 1.1)  # noqa: S311  # spreads the load, hides nothing
        self._outcome(self._still_ours, due_at=timezone.now() + wait, problem=problem)

    def give_up(self, problem: str) -> None:
        self._outcome(self._still_ours, given_up_at=timezone.now(), problem=problem)

    def start_over(self) -> None:
        """Due at once, with all its tries before it; also what was done already (a replay)."""
        self._outcome(Q(), due_at=timezone.now(), tries=0, done_at=None, given_up_at=None, problem="")

    @property
    def _still_ours(self) -> Q:
        """The lease is this claim's, as long as nobody has moved it: a later claim, or a replay."""
        return Q(done_at=None, given_up_at=None, due_at=self.due_at)

    def _outcome(self, still: Q, **values: Any) -> None:
        values["problem"] = values["problem"][:200]
        rows = type(self)._default_manager.filter(still, pk=self.pk)
        if rows.update(**values):
            for name, value in values.items():
                setattr(self, name, value)
