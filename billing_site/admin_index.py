"""The back office's first page: what waits, what moved, and how good the leads are, as the viewer may see it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import urlencode

from django.contrib import messages
from django.db.models import Count, Min, Model, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from billing_site import admin_jobs
from billing_site.admin_webhooks import FAULTS
from billing_site.figures import money, prices
from billing_site.figures.board import (
    LEDGER,
    PRICES,
    Board,
    FiguresNotReadInTime,
    board_for,
    in_time,
    read_anew,
    rights_of,
)
from clinics.admin.requests import visible_kinds
from clinics.models import (
    Clinic,
    Errand,
    OutgoingMail,
    ScheduledRun,
    StaffRequest,
    SupportRequest,
    User,
    WebhookDelivery,
)
from credits.models import CreditGrant, CreditTransaction, Reversal, ReviewItem
from leads.models import Lead

NOT_IN_TIME = "The figures could not be read in time. The lists below work; try again in a minute."
E = TypeVar("E", bound=Errand)
OURS, THEIRS = FAULTS["ours"][1], FAULTS["theirs"][1]
Index = Any  # Django's own index of a site: (request, extra_context) → response


@dataclass(frozen=True, slots=True)
class Part:
    """Some of what a tile counts, with the list of just those. Tones as of `clinics.admin.base.badge`."""

    number: int
    label: str
    address: str = ""
    tone: str = "plain"


@dataclass(frozen=True, slots=True)
class Tile:
    title: str
    number: int
    address: str
    oldest: datetime | None
    parts: list[Part]
    ageless: str = ""  # where something waits and `oldest` does not say since when


class AdminIndex:
    """GET shows the page, with a price list tried out where the query holds one; POST reads the figures anew."""

    def __init__(self, djangos_own: Index) -> None:
        self.djangos_own = djangos_own

    def __call__(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        assert isinstance(request.user, User)
        if request.method == "POST":
            return self._read_anew(request, rights_of(request.user))
        if request.method not in ("GET", "HEAD"):
            return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
        return self._show(request, rights_of(request.user), extra_context or {})

    def _read_anew(self, request: HttpRequest, rights: frozenset[str]) -> HttpResponse:
        try:
            read_anew(rights)
        except FiguresNotReadInTime:
            messages.error(request, NOT_IN_TIME)
        response = HttpResponseRedirect(reverse("admin:index"))
        response.status_code = 303
        return response

    def _show(
        self, request: HttpRequest, rights: frozenset[str], extra_context: dict[str, Any]
    ) -> HttpResponse:
        try:
            facts = figures_for(request, board_for(rights))
            if {PRICES, LEDGER} <= rights:
                facts |= price_change(request, facts["board"])
        except FiguresNotReadInTime:
            facts = {"not_read": NOT_IN_TIME}
        response: TemplateResponse = self.djangos_own(request, {**facts, **extra_context})
        form = facts.get("price_form")
        if form is not None and form.errors:
            response.status_code = 400
        return response


def figures_for(request: HttpRequest, board: Board) -> dict[str, Any]:
    """What the page shows of a board to this member of staff."""
    return {
        "board": board,
        "tiles": tiles(request, board),
        "all_days": money.total(board.days) if board.days else None,
        "all_unspent": sum((one.amount for one in board.unspent), money.ZERO) if board.unspent else None,
        "chart": chart(board.days) if board.days else None,
        "clinic_list": list_of(Clinic),
        "grant_list": list_of(CreditGrant),
        "ledger_list": list_of(CreditTransaction),
        "reversal_list": list_of(Reversal),
    }


def price_change(request: HttpRequest, board: Board) -> dict[str, Any]:
    """The price list asked for and what it would have cost, or the one in force to change."""
    form = prices.asked_form(request.GET)
    if form is None:
        return {"price_form": prices.form_to_change(board.price_list or [])}
    if not form.is_valid():
        return {"price_form": form}
    with in_time() as cursor:
        return {"price_form": form, "price_change": prices.rehearse(cursor, form.cleaned_data["tiers"])}


def tiles(request: HttpRequest, board: Board) -> list[Tile]:
    found = [
        dispute_tile(request, board),
        request_tile(request, board),
        held_tile(board),
        spam_tile(board),
        review_tile(board),
        support_tile(request),
        given_up_tile(request, OutgoingMail.objects.dead(), "Mails given up"),
        given_up_tile(
            request, WebhookDelivery.objects.dead().filter(THEIRS), "Webhooks given up", fault="theirs"
        ),
        our_mistakes_tile(request),
        schedule_tile(request),
    ]
    return [tile for tile in found if tile is not None]


def dispute_tile(request: HttpRequest, board: Board) -> Tile | None:
    if board.disputes is None:
        return None
    queue, address = board.disputes, reverse("admin_disputes")
    parts = [
        Part(queue.overdue, "overdue", f"{address}?due=overdue", "bad" if queue.overdue else "good"),
        Part(queue.of(request.user.pk), "assigned to me", f"{address}?assigned=me"),
        Part(queue.with_clinic, "with the clinic", f"{address}?waiting=clinic"),
    ]
    return Tile("Disputes waiting", queue.waiting, address, queue.oldest, parts)


def request_tile(request: HttpRequest, board: Board) -> Tile | None:
    """Of the kinds this viewer has to do with, as their list has them."""
    if board.requests is None:
        return None
    kinds = visible_kinds(request)
    groups = [group for group in board.requests if group.kind in kinds]
    mine = sum(group.waiting for group in groups if group.asked_by == request.user.pk)
    number = sum(group.waiting for group in groups)
    parts = [
        Part(number - mine, "others asked", list_of(StaffRequest, state__exact="pending", whose="others")),
        Part(mine, "I asked", list_of(StaffRequest, state__exact="pending", whose="mine")),
    ]
    return Tile(
        "Requests waiting for a second person",
        number,
        list_of(StaffRequest, state__exact="pending"),
        min((group.oldest for group in groups), default=None),
        parts,
    )


def support_tile(request: HttpRequest) -> Tile | None:
    """What clinics asked of staff: few rows, read as they are now."""
    if not request.user.has_perm("clinics.view_supportrequest"):
        return None
    waiting = SupportRequest.objects.filter(answered_at=None).values("kind")
    groups = list(waiting.annotate(number=Count("pk"), oldest=Min("created_at")).order_by("kind"))
    parts = [
        Part(
            group["number"],
            str(SupportRequest.Kind(group["kind"]).label).lower(),
            list_of(SupportRequest, state="open", kind__exact=group["kind"]),
        )
        for group in groups
    ]
    return Tile(
        "Clinics asking",
        sum(group["number"] for group in groups),
        list_of(SupportRequest, state="open"),
        min((group["oldest"] for group in groups), default=None),
        parts,
    )


def given_up_tile(request: HttpRequest, dead: QuerySet[E], title: str, **narrowed: str) -> Tile | None:
    """Only where some were given up: nobody tries them again by themselves."""
    model = dead.model
    if not request.user.has_perm(f"{model._meta.app_label}.view_{model._meta.model_name}"):
        return None
    found = dead.aggregate(number=Count("pk"), oldest=Min("given_up_at"))
    if not found["number"]:
        return None
    address = list_of(model, state="given_up", **narrowed)
    return Tile(title, found["number"], address, found["oldest"], [])


def our_mistakes_tile(request: HttpRequest) -> Tile | None:
    """Webhooks that we can't write or sign, tried again or given up: for ops to mend."""
    if not request.user.has_perm("clinics.view_webhookdelivery"):
        return None
    given_up, waits = (
        rows.filter(OURS).aggregate(number=Count("pk"), oldest=Min("created_at"))
        for rows in (WebhookDelivery.objects.dead(), WebhookDelivery.objects.open())
    )
    number = given_up["number"] + waits["number"]
    if not number:
        return None
    parts = [
        Part(found["number"], label, list_of(WebhookDelivery, state=state, fault="ours"), tone)
        for found, label, state, tone in (
            (waits, "tried again", "waiting", "wait"),
            (given_up, "given up", "given_up", "bad"),
        )
    ]
    oldest = min(filter(None, (given_up["oldest"], waits["oldest"])))
    return Tile("Webhooks we fail to send", number, list_of(WebhookDelivery, fault="ours"), oldest, parts)


def schedule_tile(request: HttpRequest) -> Tile | None:
    """Only where some are late: the worker stands still, or what it runs fails again and again."""
    if not request.user.has_perm("clinics.view_scheduledrun"):
        return None
    found, since = admin_jobs.late()
    if not found:
        return None
    address = list_of(ScheduledRun)
    failing = sum(one.has_failed for one in found)
    parts = [Part(failing, "failed", address, "bad")]
    return Tile("Schedules late", len(found), address, since, parts, ageless="Never succeeded")


def held_tile(board: Board) -> Tile | None:
    if board.held_leads is None:
        return None
    queue = board.held_leads
    parts = [
        Part(
            queue.parts[reason],
            str(label).lower(),
            list_of(Lead, held=reason),
            "wait" if reason == Lead.HeldReason.REVIEW else "plain",
        )
        for reason, label in Lead.HeldReason.choices
        if queue.parts.get(reason)
    ]
    return Tile("Leads held", queue.waiting, list_of(Lead, held="any"), queue.oldest, parts)


def spam_tile(board: Board) -> Tile | None:
    """Held leads that a person looks at, with the page where one decides on them."""
    if board.held_leads is None:
        return None
    number = board.held_leads.parts.get(Lead.HeldReason.REVIEW, 0)
    oldest = (
        Lead.objects.in_review().order_by("pk").values_list("created_at", flat=True).first()
        if number
        else None
    )
    return Tile("Enquiries for review", number, reverse("admin:leads_lead_review"), oldest, [])


def review_tile(board: Board) -> Tile | None:
    if board.review_items is None:
        return None
    queue = board.review_items
    parts = [
        Part(
            queue.parts[kind],
            str(label).lower(),
            list_of(ReviewItem, state__exact="open", kind__exact=kind),
        )
        for kind, label in ReviewItem.Kind.choices
        if queue.parts.get(kind)
    ]
    address = list_of(ReviewItem, state__exact="open")
    return Tile("Review items open", queue.waiting, address, queue.oldest, parts)


def chart(days: list[money.Day]) -> dict[str, Any]:
    """What static/admin_theme/index.js draws. Floats: for the eye alone."""
    return {
        "days": [f"{one.day.day} {one.day:%b}" for one in days],
        "series": [
            {"label": label, "values": [float(getattr(one, name)) for one in days]}
            for name, label in (
                ("sold", "Sold"),
                ("spent", "Spent"),
                ("refunded", "Refunded"),
                ("expired", "Expired"),
            )
        ],
    }


def list_of(model: type[Model], **query: str) -> str:
    """The address of a model's list, narrowed by its filters."""
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
    return f"{address}?{urlencode(query)}" if query else address
