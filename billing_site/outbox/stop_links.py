"""The link in each mail that switches its kind off. It is a signed proof, so that it works signed out and for good."""

from typing import Final

from django.core.signing import BadSignature, Signer
from django.urls import reverse

from billing_site.outbox.letters import address_of
from clinics.models import AlertPreference, Membership

SALT: Final = "billing_site.stop_mails"
KINDS: Final = dict(AlertPreference._meta.get_field("kind").flatchoices)


def stop_link(membership: Membership, kind: str) -> str:
    return address_of(reverse("stop_mails", args=[token_of(membership, kind)]))


def token_of(membership: Membership, kind: str) -> str:
    return Signer(sep=".", salt=SALT).sign(f"{membership.pk}-{kind}")


def read_token(token: str) -> tuple[Membership, str] | None:
    """Whose mails of which kind; None where the link is not ours, or was cut short."""
    try:
        number, _, kind = Signer(sep=".", salt=SALT).unsign(token).partition("-")
    except BadSignature:
        return None
    membership = Membership.objects.select_related("clinic", "user").filter(pk=number).first()
    return (membership, kind) if membership is not None and kind in KINDS else None


def is_stopped(membership: Membership, kind: str) -> bool:
    return AlertPreference.objects.filter(membership=membership, kind=kind, by_email=False).exists()


def stop(membership: Membership, kind: str) -> None:
    """No more mails of this kind; what the portal shows stays as it is."""
    AlertPreference.objects.bulk_create(
        [AlertPreference(membership=membership, kind=kind, by_email=False)],
        update_conflicts=True,
        unique_fields=["membership", "kind"],
        update_fields=["by_email"],
    )
