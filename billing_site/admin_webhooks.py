"""Webhooks in the back office: where clinics listen, and what was sent there. Secrets have no column here."""

from typing import ClassVar, Final
from urllib.parse import urlsplit

from django.contrib import admin
from django.db.models import Model, Q
from django.http import HttpRequest
from django.utils.safestring import SafeString

from billing_site.admin_errands import Conditions, Named, State, state_badge
from billing_site.outbox.standing import OURS
from billing_site.outbox.webhook_events import type_name
from billing_site.outbox.webhook_problems import Problem, in_words
from clinics.admin.base import By, ReadOnlyAdmin, ReadOnlyInline, SearchByNumber, badge
from clinics.models import WebhookAttempt, WebhookDelivery, WebhookEndpoint
from clinics.models.webhooks import FAILING

ENDPOINT_STATES: Final[Named] = {
    "listens": ("Listens", Q(removed_at=None, stopped_at=None) & ~FAILING),
    "fails": ("Fails", Q(FAILING, removed_at=None, stopped_at=None)),
    "silent": ("Stopped: silent for days", Q(removed_at=None, stopped_because="silent")),
    "stopped": ("Stopped, for whatever reason", Q(removed_at=None, stopped_at__isnull=False)),
    "removed": ("Removed", Q(removed_at__isnull=False)),
}
STOPPED: Final = {
    "by_hand": ("Stopped by hand",),
    "gone": ("Stopped: gone", "bad"),
    "owner_left": ("Stopped: owner left", "wait"),
    "silent": ("Stopped: silent", "bad"),
}
FAULTS: Final[Named] = {
    "ours": ("A mistake of ours", Q(OURS, done_at=None)),
    "theirs": ("The clinic's server", ~OURS & ~Q(problem__in=("", Problem.STOPPED, Problem.REMOVED))),
    "stopped": ("Nobody listened", Q(problem__in=(Problem.STOPPED, Problem.REMOVED))),
}


class EndpointState(Conditions):
    title = "state"
    parameter_name = "state"
    conditions = ENDPOINT_STATES


class Fault(Conditions):
    title = "why it did not arrive"
    parameter_name = "fault"
    conditions = FAULTS


@admin.register(WebhookEndpoint)
class WebhookEndpointAdmin(SearchByNumber[WebhookEndpoint], ReadOnlyAdmin[WebhookEndpoint]):
    """A clinic's own affair: its owners add, stop and remove them."""

    list_display = ("number", "clinic", "address", "state", "failing_since", "failure")
    list_select_related = ("clinic",)
    list_filter = (EndpointState,)
    ordering = ("-pk",)
    search_help_text = "An endpoint's number, or «clinic 7»."
    search_words: ClassVar[dict[str, By]] = {"clinic": By("clinic_id", ("-pk",))}
    fields = (
        "clinic", "address", "kinds", "state", "added_by", "created_at", "stopped_at", "stopped_because", "removed_at",
        "previous_secret_until", "last_success_at", "last_failure_at", "failure", "failing_since", "failing_told_at",
    )  # fmt: skip
    readonly_fields: ClassVar[tuple[str, ...]] = ("address", "state", "added_by", "failure")

    @admin.display(description="No.")
    def number(self, row: WebhookEndpoint) -> str:
        return str(row.pk)

    @admin.display(description="Address")
    def address(self, row: WebhookEndpoint) -> str:
        """Its server alone: what follows may be a key of the clinic's."""
        parts = urlsplit(row.url)
        return f"{parts.scheme}://{parts.netloc}"

    @admin.display(description="Added by")
    def added_by(self, row: WebhookEndpoint) -> str:
        return f"user {row.made_by_id}"

    @admin.display(description="Failure")
    def failure(self, row: WebhookEndpoint) -> str:
        return in_words(row.last_failure, row.last_failure_status) if row.last_failure else ""

    @admin.display(description="State")
    def state(self, row: WebhookEndpoint) -> SafeString:
        if row.removed_at is not None:
            return badge("Removed")
        if row.stopped_at is not None:
            return badge(*STOPPED[row.stopped_because])
        return badge("Fails", "bad") if row.is_failing else badge("Listens", "good")


class WebhookAttemptRows(ReadOnlyInline):
    model = WebhookAttempt
    fields = ("started_at", "status_code", "words", "milliseconds")
    verbose_name_plural = "attempts"

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True  # whoever sees the delivery

    @admin.display(description="Problem")
    def words(self, row: WebhookAttempt) -> str:
        return in_words(row.problem, row.status_code) if row.problem else ""


@admin.register(WebhookDelivery)
class WebhookDeliveryAdmin(SearchByNumber[WebhookDelivery], ReadOnlyAdmin[WebhookDelivery]):
    """What was sent, waits or was given up; the clinic sends it again from its own page, ops by `manage.py outbox`."""

    list_display = (
        "number",
        "clinic",
        "endpoint_number",
        "event",
        "lead_id",
        "state",
        "words",
        "created_at",
    )
    list_select_related = ("endpoint__clinic", "notice")
    list_filter = (State, Fault)
    ordering = ("-pk",)
    search_help_text = "A delivery's number, or «endpoint 7»."
    search_words: ClassVar[dict[str, By]] = {"endpoint": By("endpoint_id", ("-notice_id",))}
    fields = (
        "clinic", "endpoint_number", "event", "event_id", "lead_id", "state", "tries", "words", "created_at", "due_at",
        "done_at", "given_up_at",
    )  # fmt: skip
    readonly_fields: ClassVar[tuple[str, ...]] = (
        "clinic", "endpoint_number", "event", "event_id", "state", "words",
    )  # fmt: skip
    inlines = (WebhookAttemptRows,)

    @admin.display(description="No.")
    def number(self, row: WebhookDelivery) -> str:
        return str(row.pk)

    @admin.display(description="Clinic")
    def clinic(self, row: WebhookDelivery) -> str:
        return str(row.endpoint.clinic)

    @admin.display(description="Endpoint")
    def endpoint_number(self, row: WebhookDelivery) -> str:
        return str(row.endpoint_id)

    @admin.display(description="Event")
    def event(self, row: WebhookDelivery) -> str:
        return type_name(row.notice.kind)

    @admin.display(description="Event id")
    def event_id(self, row: WebhookDelivery) -> str:
        return str(row.notice.event_id)

    @admin.display(description="Problem")
    def words(self, row: WebhookDelivery) -> str:
        return in_words(row.problem) if row.problem else ""

    @admin.display(description="State")
    def state(self, row: WebhookDelivery) -> SafeString:
        return state_badge(row, done="Arrived", dropped="Not sent")
