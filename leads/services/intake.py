"""An enquiry comes in: what is checked and prepared before delivery decides."""

import logging
from typing import Any

from django.conf import settings

from clinics.idempotency import body_digest, keyed_digest
from clinics.models import Partner
from credits.services.delivery import deliver
from credits.services.ledger import Delivery, Enquiry
from leads.models import ConsentNotice, Treatment

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
) -> Delivery:
    """Stores one checked enquiry (the cleaned data of `EnquiryForm`) and has it delivered.

    `caller` and `key` make it idempotent; `address` is the browser's, counted against the limits of rule 9, None
    for programs. Raises what `credits.services.delivery.deliver` raises.
    """
    treatment = None if fields["package_id"] else treatment_named(fields["procedure_name"])
    enquiry = Enquiry(
        clinic_id=fields["clinic_id"],
        package_id=fields["package_id"],
        treatment_id=treatment.pk if treatment else None,
        partner_id=partner.pk if partner else None,
        package_price=fields.get("package_price"),
        consent_notice_id=current_notice().pk,
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
        address_hmac=None if address is None else keyed_digest("address", address),
        per_hour_limit=settings.LEADS_PER_ADDRESS_PER_HOUR,
        per_minute_limit=settings.LEADS_PER_ADDRESS_PER_MINUTE,
        caller=caller,
        route=ROUTE,
        key=key,
        body_hmac=body_digest({name: fields[name] for name in fields.keys() - NOT_IN_BODY}),
    )
    delivery = deliver(enquiry)
    logger.info(
        f"Lead received: Lead {delivery.lead_id}, {delivery.delivery_state} {delivery.held_reason}".rstrip()
    )
    return delivery


def current_notice() -> ConsentNotice:
    """The consent notice patients are shown now."""
    return ConsentNotice.objects.order_by("-published_at", "-pk")[0]


def treatment_named(name: str) -> Treatment | None:
    """The catalogue's treatment of exactly this name, if it has one."""
    return Treatment.objects.filter(name__iexact=name).order_by("pk").first() if name else None
