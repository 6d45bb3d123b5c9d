"""An enquiry comes in: what is checked and prepared before delivery decides."""

import logging
from typing import Any

from django.conf import settings

from clinics.idempotency import body_digest
from clinics.models import Partner
from credits.services.delivery import deliver
from credits.services.ledger import BillingService, Delivery, Enquiry
from leads.models import ConsentNotice, Treatment
from leads.services.origin import address_digest

logger = logging.getLogger(__name__)
ROUTE = "/contact-clinic"
# Who is asking, not what is asked: a repeat may carry another key's worth of these.
NOT_IN_BODY = frozenset({"idempotency_key", "website"})


def receive_enquiry(
    *,
    fields: dict[str, Any],
    caller: str,
    key: str | None,
    address: str | None,
    partner: Partner | None = None,
    is_stuck: bool = False,
) -> Delivery:
    """Stores one checked enquiry (the cleaned data of `EnquiryForm`) and has it delivered.

    `caller` and `key` make it idempotent; `address` is the browser's, counted against the limits of rule 9, None
    for programs. `is_stuck`: the clinic's account could not be had a moment ago, so it is not waited for again.
    Raises what `credits.services.delivery.deliver` raises.
    """
    treatment = None if fields["package_id"] else treatment_named(fields["procedure_name"])
    enquiry = enquiry_of(
        fields=fields,
        caller=caller,
        key=key,
        address=address,
        partner=partner,
        treatment_id=treatment.pk if treatment else None,
        notice_id=current_notice().pk,
    )
    delivery = BillingService.deliver_lead(enquiry, without_account=True) if is_stuck else deliver(enquiry)
    logger.info(
        f"Lead received: Lead {delivery.lead_id}, {delivery.delivery_state} {delivery.held_reason}".rstrip()
    )
    return delivery


def enquiry_of(
    *,
    fields: dict[str, Any],
    caller: str,
    key: str | None,
    address: str | None,
    partner: Partner | None,
    treatment_id: int | None,
    notice_id: int,
) -> Enquiry:
    """What delivery takes of an enquiry; see `receive_enquiry`."""
    return Enquiry(
        clinic_id=fields["clinic_id"],
        package_id=fields["package_id"],
        treatment_id=treatment_id,
        partner_id=partner.pk if partner else None,
        package_price=fields.get("package_price"),
        consent_notice_id=notice_id,
        phone=fields["mobile_number"].as_e164,
        name=fields["patient_name"],
        email=fields["email"],
        city=fields["city"],
        procedure_name=fields["procedure_name"],
        message=fields["message"],
        preferred_date=fields["preferred_date"],
        contact_intent=fields["contact_intent"],
        source=partner.slug if partner else fields["source"],
        is_minor=fields["is_minor"],
        guardian_name=fields["guardian_name"],
        hold_for_review=bool(fields["website"]),
        address_hmac=None if address is None else address_digest(address),
        per_hour_limit=settings.LEADS_PER_ADDRESS_PER_HOUR,
        per_minute_limit=settings.LEADS_PER_ADDRESS_PER_MINUTE,
        caller=caller,
        route=ROUTE,
        key=key,
        body_hmac=digest_of(fields),
    )


def digest_of(fields: dict[str, Any]) -> bytes:
    """What tells a repeat of an enquiry from another one under the same key."""
    return body_digest({name: fields[name] for name in fields.keys() - NOT_IN_BODY})


def current_notice() -> ConsentNotice:
    """The consent notice patients are shown now."""
    return ConsentNotice.objects.order_by("-published_at", "-pk")[0]


def treatment_named(name: str) -> Treatment | None:
    """The catalogue's treatment of exactly this name, if it has one."""
    return Treatment.objects.filter(name__iexact=name).order_by("pk").first() if name else None
