"""The mail that tells a member what a notice says in the portal."""

from typing import Any

from django.urls import reverse

from billing_site.outbox.letters import Letter, compose, portal_address, recipient_of
from billing_site.outbox.stop_links import stop_link
from billing_site.portal.notice_texts import Facts, text_of
from clinics.models import OutgoingMail
from clinics.surfaces import OWNER_AND_BILLING


def letter_of_a_notice(mail: OutgoingMail) -> Letter:
    """Raises NotWanted."""
    notice = mail.notice
    assert notice is not None  # the database says so
    member = recipient_of(mail, notice.kind)
    text = text_of(notice, Facts.of(member.clinic, [notice]))
    facts: dict[str, Any] = {
        "clinic": member.clinic,
        "notice": notice,
        "kind": notice.get_kind_display(),
        "text": text,
        "href": portal_address(text.href, member.clinic),
        "choices": portal_address(reverse("clinic_alerts"), member.clinic),
    }
    if text.step is not None and member.role in OWNER_AND_BILLING:
        facts |= {"step": text.step.label, "step_href": portal_address(text.step.href, member.clinic)}
    return compose("notice", to=member.user.email, facts=facts, stop_link=stop_link(member, notice.kind))
