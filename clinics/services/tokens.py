"""Tokens: programs that act for a clinic or a partner."""

from datetime import timedelta
from typing import Any, Final, NamedTuple

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _

from clinics.idempotency import KeyUsedForAnother, body_digest, claim
from clinics.models import ApiToken, Clinic, Partner, Scope, User
from clinics.services.people import lock_clinic, log_by_staff

# What a clinic's own token may be given: only what some route asks for.
CLINIC_SCOPES: Final = (Scope.LEADS_READ, Scope.CREDITS_READ, Scope.CREDITS_TOPUP)
# A partner's program hands over leads and sees what became of them.
PARTNER_SCOPES: Final = (Scope.LEADS_WRITE,)
LIFETIMES_IN_DAYS: Final = (30, 90, 365)
MOST_TOKENS: Final = 20  # in force at once


class TokenRefused(Exception):
    """No token was made. The text is for the owner."""


class TokenWasMade(TokenRefused):
    """The same form was sent before: the token it made was shown then, and nobody can show it again."""


class NewToken(NamedTuple):
    token: ApiToken
    secret: str  # stored nowhere: this answer is the only one that holds it


def in_force(prefix: str = "") -> Q:
    """Condition on a token (reached by `prefix`): it was not ended, and its time is not over."""
    ends = f"{prefix}expiry"
    is_not_over = Q(**{f"{ends}__isnull": True}) | Q(**{f"{ends}__gt": timezone.now()})
    return Q(**{f"{prefix}revoked_at__isnull": True}) & is_not_over


@transaction.atomic
def make_token(
    *, clinic: Clinic, by: User, name: str, scopes: list[str], days: int, idempotency_key: str
) -> NewToken:
    """A token for so many days. Raises TokenWasMade for a form sent twice, TokenRefused beyond the most."""
    lock_clinic(clinic)
    body = {"name": name, "scopes": sorted(scopes), "days": days, "clinic": clinic.pk}
    _claim_once(f"user:{by.pk}", "clinic_tokens", idempotency_key, body)
    return _make(user=by, clinic=clinic, name=name, scopes=scopes, expiry=timedelta(days=days))


def service_address(slug: str) -> str:
    """The service user's address: no mail ever arrives there (RFC 6761), so nobody can sign in as a partner."""
    return f"{slug.lower()}@partner.invalid"


def name_service_user(partner: Partner) -> User:
    """The user a new partner's tokens act as; without a password."""
    return User.objects.create_user(service_address(partner.slug), full_name=partner.name)


@transaction.atomic
def make_partner_token(*, partner: Partner, by: User, name: str, days: int, idempotency_key: str) -> NewToken:
    """A token to hand over leads for so many days, by staff. Raises as `make_token` does."""
    Partner.objects.select_for_update(of=("self",), no_key=True).get(pk=partner.pk)
    body = {"name": name, "days": days, "partner": partner.pk}
    _claim_once(f"user:{by.pk}", "partner_tokens", idempotency_key, body)
    return _make(
        user=partner.service_user,
        partner=partner,
        name=name,
        scopes=list(PARTNER_SCOPES),
        expiry=timedelta(days=days),
    )


def _claim_once(caller: str, route: str, key: str, body: dict[str, Any]) -> None:
    """Raises TokenWasMade for a form sent twice, also edited in between."""
    made_before = TokenWasMade(
        _("This token was made already, and shown once. If you did not copy it, end it and make another.")
    )
    try:
        _row, is_new = claim(caller=caller, route=route, key=key, body_hmac=body_digest(body))
    except KeyUsedForAnother as problem:
        raise made_before from problem
    if not is_new:
        raise made_before


def _make(*, scopes: list[str], **facts: Any) -> NewToken:
    """The holder is locked. Raises TokenRefused beyond the most."""
    holder = {name: facts[name] for name in ("clinic", "partner") if name in facts}
    if ApiToken.objects.filter(in_force(), **holder).count() >= MOST_TOKENS:
        raise TokenRefused(_("There are %(most)d tokens in force. End one first.") % {"most": MOST_TOKENS})
    token, secret = ApiToken.objects.create(scopes=sorted(scopes), **facts)
    return NewToken(token, secret)


@transaction.atomic
def end_token(*, token: ApiToken) -> None:
    """At once and for good, by the clinic itself; an ended one keeps the time of its end."""
    current = ApiToken.objects.select_for_update(of=("self",)).get(pk=token.pk)
    if current.revoked_at is None:
        current.revoked_at = timezone.now()
        current.save(update_fields=["revoked_at"])


@transaction.atomic
def revoke_tokens(*, tokens: QuerySet[ApiToken], by: User) -> int:
    """Ends the tokens at once and for good, by staff; returns how many were still in force."""
    revoked = list(tokens.filter(revoked_at__isnull=True).select_for_update(of=("self",)))
    ApiToken.objects.filter(pk__in=[token.pk for token in revoked]).update(revoked_at=timezone.now())
    for token in revoked:
        log_by_staff(by, token, "Revoked.")
    return len(revoked)
