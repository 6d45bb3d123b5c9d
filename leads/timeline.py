"""What happened to a lead, told on its page: stored facts put into words."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.template.defaultfilters import floatformat
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from clinics.models import User
from credits.models import CreditTransaction
from leads.models import ContactAttempt, Lead, LeadStatusChange

MOST_EVENTS: Final = 50  # of each kind, the newest
KIND, OUTCOME = ContactAttempt.Kind, ContactAttempt.Outcome
ATTEMPT_TEXTS: Final = {
    (KIND.CALL, OUTCOME.OPENED): gettext_lazy("Called"),
    (KIND.CALL, OUTCOME.REACHED): gettext_lazy("Called and reached the patient"),
    (KIND.CALL, OUTCOME.NO_ANSWER): gettext_lazy("Called, no answer"),
    (KIND.CALL, OUTCOME.WRONG_NUMBER): gettext_lazy("Called, wrong number"),
    (KIND.WHATSAPP, OUTCOME.OPENED): gettext_lazy("Wrote on WhatsApp"),
    (KIND.WHATSAPP, OUTCOME.REACHED): gettext_lazy("Wrote on WhatsApp and reached the patient"),
    (KIND.WHATSAPP, OUTCOME.NO_ANSWER): gettext_lazy("Wrote on WhatsApp, no answer"),
    (KIND.WHATSAPP, OUTCOME.WRONG_NUMBER): gettext_lazy("Wrote on WhatsApp, wrong number"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the timeline. `icon` is a Lucide name; `who` is empty where nobody of the clinic did it."""

    at: datetime
    icon: str
    text: str
    who: str = ""


def timeline(
    lead: Lead, reader: User, attempts: Iterable[ContactAttempt], more: Iterable[Event]
) -> list[Event]:
    """Newest first. `more` is what only other apps know of the lead."""
    events = [
        *more,
        *_refunds(lead),
        *_status_changes(lead, reader),
        *(_attempt(attempt, reader) for attempt in attempts),
        *_course(lead, reader),
    ]
    return sorted(events, key=lambda event: event.at, reverse=True)


def name_of(user: User, reader: User) -> str:
    return _("You") if user == reader else user.get_full_name()


def attempts_of(lead: Lead) -> list[ContactAttempt]:
    """Newest first."""
    attempts = ContactAttempt.objects.filter(lead=lead).select_related("made_by").order_by("-made_at", "-pk")
    return list(attempts[:MOST_EVENTS])


def _course(lead: Lead, reader: User) -> Iterable[Event]:
    """The last step first: of what happened at the same moment the later stands above."""
    if lead.opened_at and lead.opened_by:
        yield Event(lead.opened_at, "eye", _("First opened"), name_of(lead.opened_by, reader))
    if lead.expired_at:
        yield Event(lead.expired_at, "circle-x", str(lead.get_expired_reason_display()))
    if lead.delivered_at and lead.delivery_state == Lead.DeliveryState.FREE:
        yield Event(lead.delivered_at, "circle-check", _("Delivered, free of charge"))
    elif lead.delivered_at:
        said = _("Delivered for %(credits)s credits") % {"credits": floatformat(lead.cost, "-2g")}
        yield Event(lead.delivered_at, "circle-check", said)
    yield Event(lead.created_at, "inbox", _("The enquiry arrived"))


def _attempt(attempt: ContactAttempt, reader: User) -> Event:
    text = ATTEMPT_TEXTS[KIND(attempt.kind), OUTCOME(attempt.outcome)]
    icon = "phone" if attempt.kind == KIND.CALL else "message-circle"
    return Event(attempt.made_at, icon, str(text), name_of(attempt.made_by, reader))


def _status_changes(lead: Lead, reader: User) -> Iterable[Event]:
    changes = LeadStatusChange.objects.filter(lead=lead).select_related("changed_by").order_by("-pk")
    for change in changes[:MOST_EVENTS]:
        text = _("Set to «%(status)s»") % {"status": change.get_to_status_display()}
        yield Event(change.changed_at, "tag", text, name_of(change.changed_by, reader))


def _refunds(lead: Lead) -> Iterable[Event]:
    refunds = CreditTransaction.objects.filter(
        clinic=lead.clinic_id, lead=lead, transaction_type=CreditTransaction.Type.REFUND
    )
    for refund in refunds.order_by("-sequence")[:MOST_EVENTS]:
        amount = floatformat(refund.amount, "-2g")
        yield Event(refund.created_at, "undo-2", _("%(credits)s credits came back") % {"credits": amount})
