"""Where a clinic's own systems listen: endpoints are added, changed, stopped and removed, their secrets renewed.

Whether a URL may be called is decided by who calls it (`billing_site.outbox.webhook_addresses`); the services here
take it as it comes.
"""

import base64
import logging
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple

from django.db import transaction
from django.db.models import QuerySet
from django.db.models.functions import Now
from django.utils import timezone
from django.utils.translation import gettext as _

from clinics import audit
from clinics.models import Clinic, ErrandQuerySet, User, WebhookDelivery, WebhookEndpoint
from clinics.models.webhooks import MOST_ENDPOINTS_OF_A_CLINIC, STOP_AFTER_TELLING, TELL_AFTER
from clinics.services.people import lock_clinic
from clinics.stored_secrets import SecretUnreadable, decrypted, encrypted

logger = logging.getLogger(__name__)

SALT: Final = "clinics.webhook-secret"
SECRET_BYTES: Final = 32  # the key of HMAC-SHA256; Standard Webhooks asks for 24 to 64
OLD_SECRET_GOOD_FOR: Final = timedelta(hours=24)
Because = WebhookEndpoint.StoppedBecause
REASONS: Final = {  # for the trail, of stops that nobody made
    Because.GONE: "It answered 410: gone",
    Because.SILENT: "Nothing got through for five days",
}


class WebhookRefused(Exception):
    """Nothing was changed. The text is for the owner."""


class EndpointExists(WebhookRefused):
    """The clinic has one with this URL."""


class NewSecret(NamedTuple):
    endpoint: WebhookEndpoint
    secret: str  # shown once; stored encrypted


def new_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def secrets_in_force(endpoint: WebhookEndpoint, *, at: datetime) -> list[str]:
    """Each request is signed with these, the newest first. Raises SecretUnreadable."""
    stored = [endpoint.secret]
    if endpoint.previous_secret_until is not None and endpoint.previous_secret_until > at:
        stored.append(endpoint.previous_secret)
    return [decrypted(text, salt=SALT) for text in stored]


def stamp_of(endpoint: WebhookEndpoint) -> str:
    """Which secret a page was about: the same form sent twice must not renew it twice. Says nothing of the secret."""
    return sha256(endpoint.secret.encode()).hexdigest()[:16]


@transaction.atomic
def add_endpoint(*, clinic: Clinic, by: User, url: str, kinds: Sequence[str]) -> NewSecret:
    """Raises EndpointExists, and WebhookRefused beyond the most a clinic may have."""
    lock_clinic(clinic)
    mine = WebhookEndpoint.objects.filter(clinic=clinic, removed_at=None)
    if mine.filter(url=url).exists():
        raise EndpointExists(
            _(
                "This address is on your list. Its secret was shown when it was added; if you did not copy it,"
                " make a new one on its page."
            )
        )
    if mine.count() >= MOST_ENDPOINTS_OF_A_CLINIC:
        raise WebhookRefused(
            _("A clinic has at most %(most)d addresses. Remove one first.")
            % {"most": MOST_ENDPOINTS_OF_A_CLINIC}
        )
    secret = new_secret()
    endpoint = WebhookEndpoint.objects.create(
        clinic=clinic, url=url, kinds=sorted(kinds), secret=encrypted(secret, salt=SALT), made_by=by
    )
    return NewSecret(endpoint, secret)


@transaction.atomic
def change_kinds(*, endpoint: WebhookEndpoint, kinds: Sequence[str]) -> None:
    """What it hears of from now on; what waits to be sent is sent."""
    current = _locked(endpoint)
    current.kinds = sorted(kinds)
    current.save(update_fields=["kinds"])


@transaction.atomic
def renew_secret(*, endpoint: WebhookEndpoint, stamp: str) -> NewSecret:
    """The one before stays good for a day, if it can be read. Raises WebhookRefused for a form of before the last
    renewal."""
    current = _locked(endpoint)
    if stamp != stamp_of(current):
        raise WebhookRefused(
            _("A new secret was made already, and shown once. If you did not copy it, make another.")
        )
    secret = new_secret()
    current.previous_secret, current.previous_secret_until = "", None
    if _is_readable(current.secret):
        current.previous_secret = current.secret
        current.previous_secret_until = timezone.now() + OLD_SECRET_GOOD_FOR
    current.secret = encrypted(secret, salt=SALT)
    current.save(update_fields=["secret", "previous_secret", "previous_secret_until"])
    return NewSecret(current, secret)


@transaction.atomic
def forget_previous_secret(*, endpoint: WebhookEndpoint) -> None:
    """At once, instead of after a day: it got into wrong hands."""
    _forget(WebhookEndpoint.objects.filter(pk=_locked(endpoint).pk).exclude(previous_secret=""))


def forget_old_secrets() -> None:
    """Those whose day is over; they sign nothing any more in any case."""
    _forget(WebhookEndpoint.objects.filter(previous_secret_until__lte=Now()))


@transaction.atomic
def stop(*, endpoint: WebhookEndpoint, because: Because) -> None:
    """Nothing is sent from now on, nor made up for later; what a silent one misses is kept, to be sent again by hand.
    Stopped before, it keeps its time and reason."""
    current = _locked(endpoint)
    if current.stopped_at is None:
        current.stopped_at, current.stopped_because = timezone.now(), because
        current.save(update_fields=["stopped_at", "stopped_because"])
    drop_what_nobody_waits_for(WebhookDelivery.objects.filter(endpoint=current))


def stop_by_itself(*, endpoint: WebhookEndpoint, because: Because) -> None:
    """Nobody asked for it: the trail says why, and the database tells owners."""
    try:
        with audit.because(REASONS[because]):
            stop(endpoint=endpoint, because=because)
    except WebhookRefused:
        logger.info("Webhook endpoint %d was removed before it could be stopped", endpoint.pk)


def note_success(*, endpoint: WebhookEndpoint) -> None:
    """Something arrived; `endpoint` is locked. One that was stopped meanwhile keeps since when it had failed."""
    endpoint.last_success_at = timezone.now()
    if endpoint.stopped_at is None:
        endpoint.rests_until = endpoint.failing_since = endpoint.failing_told_at = None
    endpoint.save(update_fields=["last_success_at", "rests_until", "failing_since", "failing_told_at"])


def note_failure(
    *,
    endpoint: WebhookEndpoint,
    problem: str,
    status: int | None,
    rest: timedelta | None = None,
    counts: bool = True,
) -> None:
    """It did not take what it was sent, and asked to be left alone for `rest`; `endpoint` is locked. What does not
    count is not its fault: the page says it, and no day in vain begins."""
    endpoint.last_failure_at = now = timezone.now()
    endpoint.last_failure, endpoint.last_failure_status = problem, status
    endpoint.rests_until = now + rest if rest else None
    if counts:
        endpoint.failing_since = endpoint.failing_since or now
    endpoint.save(
        update_fields=[
            "last_failure_at", "last_failure", "last_failure_status", "rests_until", "failing_since",
        ]
    )  # fmt: skip


def tried_in_vain(*, endpoint: WebhookEndpoint) -> None:
    """An event failed for its whole day, and `endpoint`, which is locked, with its last try. Where nothing else got
    through since, owners are told, once; where they were told days ago, it is stopped.

    Only then, so that one bad minute after a quiet week stops nothing.
    """
    now, since, told_at = timezone.now(), endpoint.failing_since, endpoint.failing_told_at
    if endpoint.stopped_at is not None or endpoint.removed_at is not None or since is None:
        return
    if told_at is not None:
        if told_at <= now - STOP_AFTER_TELLING:
            stop_by_itself(endpoint=endpoint, because=Because.SILENT)
    elif since <= now - TELL_AFTER:
        endpoint.failing_told_at = now
        endpoint.save(update_fields=["failing_told_at"])


@transaction.atomic
def resume(*, endpoint: WebhookEndpoint) -> NewSecret | None:
    """With a new secret, and that alone, where who knew the old one is no longer an owner. What it did before is no
    longer held against it."""
    current = _locked(endpoint)
    if current.stopped_at is None:
        return None
    made = None
    if current.stopped_because == Because.OWNER_LEFT:
        made = NewSecret(current, new_secret())
        current.secret = encrypted(made.secret, salt=SALT)
        current.previous_secret, current.previous_secret_until = "", None
    current.stopped_at, current.stopped_because = None, ""
    current.rests_until = current.failing_since = current.failing_told_at = None
    current.save(
        update_fields=[
            "stopped_at", "stopped_because", "secret", "previous_secret", "previous_secret_until", "rests_until",
            "failing_since", "failing_told_at",
        ]
    )  # fmt: skip
    return made


@transaction.atomic
def remove(*, endpoint: WebhookEndpoint) -> None:
    """For good; its log stays for staff, its secrets do not."""
    current = _locked(endpoint)
    current.removed_at = timezone.now()
    current.secret, current.previous_secret, current.previous_secret_until = "", "", None
    current.save(update_fields=["removed_at", "secret", "previous_secret", "previous_secret_until"])
    drop_what_nobody_waits_for(WebhookDelivery.objects.filter(endpoint=current))


@transaction.atomic
def send_again(*, endpoint: WebhookEndpoint, delivery: WebhookDelivery) -> None:
    """The same event under the same id, due at once. Raises WebhookRefused while the endpoint is stopped.

    Also while the event is still tried: starting over each time would try it for ever.
    """
    _listening(endpoint)
    if WebhookDelivery.objects.open().filter(pk=delivery.pk).exists():
        raise WebhookRefused(_("It is on its way already: it is tried again by itself."))
    delivery.start_over()


@transaction.atomic
def send_given_up_again(*, endpoint: WebhookEndpoint) -> int:
    """All that was given up, and how many that is. Raises WebhookRefused while the endpoint is stopped."""
    current = _listening(endpoint)
    return WebhookDelivery.objects.filter(endpoint=current).send_again()


def drop_what_nobody_waits_for(deliveries: ErrandQuerySet[WebhookDelivery]) -> None:
    """Finishes, with a note, what is open for endpoints that do not listen any more; what a silent one missed is given
    up, so that it can be sent again."""
    waiting = deliveries.open()
    missed = waiting.filter(endpoint__stopped_because=Because.SILENT, endpoint__removed_at=None)
    missed.update(given_up_at=Now(), problem="stopped")
    waiting.filter(endpoint__removed_at__isnull=False).update(done_at=Now(), problem="removed")
    # Not of a silent one either that was stopped, or handed more, since the statement above.
    stopped = waiting.filter(endpoint__stopped_at__isnull=False)
    stopped.exclude(endpoint__stopped_because=Because.SILENT).update(done_at=Now(), problem="stopped")
    waiting.filter(endpoint__clinic__is_active=False).update(done_at=Now(), problem="stopped")


def _is_readable(secret: str) -> bool:
    try:
        decrypted(secret, salt=SALT)
    except SecretUnreadable:
        return False
    return True


def _forget(endpoints: "QuerySet[WebhookEndpoint]") -> None:
    endpoints.update(previous_secret="", previous_secret_until=None)


def _locked(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Raises WebhookRefused when it was removed meanwhile."""
    current = WebhookEndpoint.objects.select_for_update(of=("self",)).get(pk=endpoint.pk)
    if current.removed_at is not None:
        raise WebhookRefused(_("This address was removed."))
    return current


def _listening(endpoint: WebhookEndpoint) -> WebhookEndpoint:
    """Who wants something sent has mended it: it rests no longer. Raises WebhookRefused while it is stopped."""
    current = _locked(endpoint)
    if current.stopped_at is not None:
        raise WebhookRefused(_("It is stopped. Let it listen again first."))
    current.rests_until = None
    current.save(update_fields=["rests_until"])
    return current
