"""What a notice says to a member: a sentence, some facts and where to look. Notices hold ids and amounts only."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from django.template.defaultfilters import floatformat
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from clinics.models import Clinic, Notice, WebhookEndpoint
from clinics.models.webhooks import STOP_AFTER_TELLING
from credits.services.held import REASONS
from disputes.models import LeadDispute
from leads.models import Lead


@dataclass(frozen=True, slots=True)
class Step:
    """What an owner or billing can do about it, before they look at it."""

    label: str
    href: str


@dataclass(frozen=True, slots=True)
class Text:
    icon: str
    title: str
    below: str
    href: str
    step: Step | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the notices of one page point at, of the clinic alone, read at once."""

    leads: dict[int, Lead]
    disputes: dict[int, LeadDispute]
    endpoints: dict[int, WebhookEndpoint]

    @classmethod
    def of(cls, clinic: Clinic, notices: Iterable[Notice]) -> "Facts":
        data = [notice.data for notice in notices]
        leads = {one["lead_id"] for one in data if "lead_id" in one}
        disputes = {one["dispute_id"] for one in data if "dispute_id" in one}
        endpoints = {one["endpoint_id"] for one in data if "endpoint_id" in one}
        return cls(
            Lead.objects.filter(clinic=clinic).select_related("package", "treatment").in_bulk(leads),
            LeadDispute.objects.filter(clinic=clinic).in_bulk(disputes),
            WebhookEndpoint.objects.filter(clinic=clinic).in_bulk(endpoints),
        )


def text_of(notice: Notice, facts: Facts) -> Text:
    """A kind that is not known here (written by a newer version) is named and no more."""
    tell = TEXTS.get(notice.kind)
    return tell(notice, facts) if tell else Text("bell", notice.get_kind_display(), "", "")


def _money(amount: Decimal | str) -> str:
    return f"₹{floatformat(amount, '-2g')}"


def _lead_page(lead_id: int) -> str:
    return reverse("clinic_lead", args=[lead_id])


def _lead_facts(lead: Lead | None) -> str:
    """What it is about, where from, what it costs (a free one nothing): never who."""
    if lead is None:
        return ""
    return " · ".join(filter(None, (lead.wanted or _("No treatment named"), lead.city, _cost(lead))))


def _cost(lead: Lead) -> str:
    amount = {"amount": _money(lead.cost)}
    match lead.delivery_state:
        case Lead.DeliveryState.DELIVERED:
            return _("charged %(amount)s") % amount
        case Lead.DeliveryState.HELD:
            return _("would cost %(amount)s") % amount
        case _free_or_expired:
            return ""


def _lead_delivered(notice: Notice, facts: Facts) -> Text:
    lead_id = notice.data["lead_id"]
    if notice.data.get("state") == Lead.DeliveryState.FREE:
        title = _("Lead %(lead)d came in, free: you already paid for a lead of this person")
    elif notice.unique_key.endswith(":released"):
        title = _("Lead %(lead)d was held and is delivered now")
    else:
        title = _("Lead %(lead)d came in")
    return Text(
        "inbox", title % {"lead": lead_id}, _lead_facts(facts.leads.get(lead_id)), _lead_page(lead_id)
    )


def _lead_held(notice: Notice, facts: Facts) -> Text:
    if notice.unique_key.startswith("review:"):
        return _waiting_for_a_check()
    lead_id = notice.data["lead_id"]
    lead = facts.leads.get(lead_id)
    if lead is None or lead.delivery_state != Lead.DeliveryState.HELD:
        title = _("Lead %(lead)d was held when it arrived") % {"lead": lead_id}
        return Text("hourglass", title, _lead_facts(lead), _lead_page(lead_id))
    title = _("Lead %(lead)d is held: kept for you, nothing charged") % {"lead": lead_id}
    below = f"{REASONS[lead.held_reason]} · {_lead_facts(lead)}"
    return Text("hourglass", title, below, _lead_page(lead_id), _step(lead.held_reason))


def _waiting_for_a_check() -> Text:
    """Told once for all that come in one hour: the lead it names is the first of them."""
    return Text(
        "hourglass",
        _("Enquiries wait for your check"),
        _("They look unusual. Deliver those that are real and refuse the others: those cost nothing."),
        reverse("held_leads"),
    )


def _step(held_reason: str) -> Step | None:
    match held_reason:
        case "no_credits":
            return Step(_("Buy credits"), reverse("credit_topup"))
        case "budget":
            return Step(_("Change limits"), reverse("clinic_limits"))
        case "paused":
            return Step(_("End the pause"), reverse("clinic_limits"))
        case "frozen":
            return Step(_("Get help"), reverse("clinic_support"))
        case _busy:  # nothing to do but wait a moment
            return None


def _lead_withdrawn(notice: Notice, facts: Facts) -> Text:
    lead_id = notice.data["lead_id"]
    title = _("The patient of lead %(lead)d withdrew: please do not call, and erase what you noted")
    return Text(
        "user-x", title % {"lead": lead_id}, _lead_facts(facts.leads.get(lead_id)), _lead_page(lead_id)
    )


def _dispute_page(notice: Notice) -> str:
    return reverse("dispute_page", args=[notice.data["dispute_id"]])


def _dispute_asked(notice: Notice, facts: Facts) -> Text:
    title = _("We have a question about your dispute of lead %(lead)d") % {"lead": notice.data["lead_id"]}
    return Text(
        "message-circle-question-mark",
        title,
        _("Please answer it, so that we can decide."),
        _dispute_page(notice),
    )


def _dispute_decided(notice: Notice, facts: Facts) -> Text:
    dispute = facts.disputes.get(notice.data["dispute_id"])
    lead = {"lead": notice.data["lead_id"]}
    if dispute is not None and dispute.refund_amount:
        title = _("Your dispute of lead %(lead)d was approved") % lead
        below = _("%(amount)s came back to your balance.") % {"amount": _money(dispute.refund_amount)}
        return Text("scale", title, below, _dispute_page(notice))
    title = _("Your dispute of lead %(lead)d was not approved") % lead
    return Text("scale", title, _("The reason is on its page."), _dispute_page(notice))


def _payment_credited(notice: Notice, facts: Facts) -> Text:
    title = _("Your payment is credited: %(amount)s") % {"amount": _money(notice.data["amount"])}
    bonus = Decimal(notice.data["bonus"])
    below = _("With a bonus of %(amount)s on top.") % {"amount": _money(bonus)} if bonus else ""
    return Text("wallet", title, below, reverse("credit_history"))


def _low_balance(notice: Notice, facts: Facts) -> Text:
    amounts = {"threshold": _money(notice.data["threshold"]), "balance": _money(notice.data["balance"])}
    title = _("Your balance fell below %(threshold)s") % amounts
    below, there = _("It was %(balance)s then.") % amounts, reverse("credit_topup")
    return Text("triangle-alert", title, below, there, Step(_("Buy credits"), there))


def _budget_reached(notice: Notice, facts: Facts) -> Text:
    is_day = notice.data["period"] == "day"
    title = _("Your daily limit is reached") if is_day else _("Your monthly limit is reached")
    below = _("Limit: %(amount)s. Further leads are held and not charged.") % {
        "amount": _money(notice.data["cap"])
    }
    step = Step(_("Change limits"), reverse("clinic_limits"))
    return Text("gauge", title, below, reverse("held_leads"), step)


def _credits_expiring(notice: Notice, facts: Facts) -> Text:
    when = {
        "date": date_format(date.fromisoformat(notice.data["on"])),
        "amount": _money(notice.data["amount"]),
    }
    title = _("%(amount)s of bonus credits expire on %(date)s") % when
    return Text(
        "calendar-clock",
        title,
        _("They are used first, before what you paid for."),
        reverse("billing_dashboard"),
    )


def _webhook_failing(notice: Notice, facts: Facts) -> Text:
    """Of the address the server's name alone: what follows may hold a key."""
    endpoint = facts.endpoints.get(notice.data["endpoint_id"])
    name = {"server": (urlsplit(endpoint.url).hostname if endpoint else "") or "?"}
    is_there = endpoint is not None and endpoint.removed_at is None
    href = (
        reverse("clinic_webhook", args=[endpoint.pk]) if endpoint and is_there else reverse("clinic_webhooks")
    )
    if notice.data["state"] == "stopped":
        title = _("We stopped calling your software at %(server)s") % name
        return Text("unplug", title, _why_stopped(notice), href)
    title = _("Your software at %(server)s has taken nothing for a day") % name
    below = _(
        "If nothing gets through until about %(time)s, we stop calling it. Its page says what it answers."
    )
    stops = notice.created_at + STOP_AFTER_TELLING
    return Text("unplug", title, below % {"time": _moment(stops)}, href)


def _why_stopped(notice: Notice) -> str:
    match notice.data["because"]:
        case WebhookEndpoint.StoppedBecause.SILENT:
            text = _(
                "Nothing got through since %(time)s. Mend it, let it listen again, and send what it missed."
            )
            return text % {"time": _moment(datetime.fromisoformat(notice.data["since"]))}
        case WebhookEndpoint.StoppedBecause.GONE:
            return _("It said that it is gone (410), so we stopped.")
        case _owner_left:
            return _("Who added it is no longer an owner. Another owner can let it listen again.")


def _moment(when: datetime) -> str:
    return date_format(timezone.localtime(when), "DATETIME_FORMAT")


TEXTS: Final[dict[str, Callable[[Notice, Facts], Text]]] = {
    "lead_delivered": _lead_delivered,
    "lead_held": _lead_held,
    "lead_withdrawn": _lead_withdrawn,
    "dispute_asked": _dispute_asked,
    "dispute_decided": _dispute_decided,
    "payment_credited": _payment_credited,
    "low_balance": _low_balance,
    "budget_reached": _budget_reached,
    "credits_expiring": _credits_expiring,
    "webhook_failing": _webhook_failing,
}
