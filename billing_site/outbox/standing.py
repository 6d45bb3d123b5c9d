"""How the outbox stands: what waits to leave, what should have left by now, and what was given up."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPRecipientsRefused
from typing import Any, Final, TypeVar

from django.db.models import Count, Min, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from billing_site.outbox.webhook_problems import BY_OURSELVES
from clinics.models import Errand, Notice, OutgoingMail, WebhookDelivery

OVERDUE_AFTER: Final = timedelta(minutes=15)
LATE: Final = Q(due_at__lt=Now() - OVERDUE_AFTER)
# A try that failed moves `due_at` on, so a mail server that is down makes nothing late: it shows in the tries.
HELD_UP: Final = Q(created_at__lt=Now() - OVERDUE_AFTER, tries__gt=1) & ~Q(problem="")
THEIRS: Final = Q(problem__startswith=SMTPRecipientsRefused.__name__)
OURS: Final = Q(problem__in=BY_OURSELVES)
E = TypeVar("E", bound=Errand)


@dataclass(frozen=True, slots=True)
class Standing:
    """`overdue`: should have left a quarter of an hour ago; `oldest`: since when the first one waits.

    `is_lost`: what was given up is for us to look at. `problem`: what most of the overdue ones failed of.
    """

    waiting: int
    overdue: int
    oldest: datetime | None
    given_up: int = 0
    is_lost: bool = False
    problem: str = ""

    @property
    def is_fine(self) -> bool:
        return not (self.overdue or self.is_lost)


def standing() -> dict[str, Standing]:
    return {
        "notices": of_notices(),
        "mails": of_mails(),
        "webhooks": of_webhooks(),
    }


def of_mails() -> Standing:
    """A mailbox that is not there is its owner's to mend."""
    given_up, waits = OutgoingMail.objects.dead(), OutgoingMail.objects.open()
    return Standing(
        **waiting(waits, LATE | HELD_UP & ~THEIRS),
        given_up=given_up.count(),
        is_lost=given_up.exclude(THEIRS).exists(),
        problem=commonest(waits.filter(HELD_UP).exclude(THEIRS)),
    )


def commonest(errands: QuerySet[E]) -> str:
    """Of their problems; empty where there are none."""
    by_problem = errands.values("problem").annotate(number=Count("pk")).order_by("-number", "problem")
    return str(by_problem.values_list("problem", flat=True).first() or "")


def of_webhooks() -> Standing:
    """A server that does not answer is its clinic's to mend, which sees it on its page: what waits for it, and what
    was given up there, is no reason to wake somebody. What can't be sent for a mistake of ours is."""
    given_up, waits = WebhookDelivery.objects.dead(), WebhookDelivery.objects.open()
    return Standing(
        **waiting(waits, LATE & Q(endpoint__failing_since=None) | HELD_UP & OURS),
        given_up=given_up.count(),
        is_lost=given_up.filter(OURS).exists(),
        problem=commonest(waits.filter(HELD_UP & OURS)),
    )


def waiting(errands: QuerySet[E], overdue: Q) -> dict[str, Any]:
    return errands.aggregate(
        waiting=Count("pk"), overdue=Count("pk", filter=overdue), oldest=Min("created_at")
    )


def of_notices() -> Standing:
    """Those that were not turned into mails and webhooks yet."""
    late = Q(created_at__lt=timezone.now() - OVERDUE_AFTER)
    unsent = Notice.objects.filter(sent_at=None)
    return Standing(
        **unsent.aggregate(waiting=Count("pk"), overdue=Count("pk", filter=late), oldest=Min("created_at"))
    )
