"""What is sold, in the back office. Patients' contacts have no page here, and no list, search or history shows one."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from clinics.admin.asking import AsksRequests
from clinics.admin.base import (
    BackOfficeAdmin,
    By,
    OfOneClinic,
    ReadOnlyAdmin,
    ReadOnlyInline,
    SearchByNumber,
    badge,
)
from leads.admin_looks import TellsWhoSaw
from leads.asking import NEW_PRICE_LIST
from leads.models import (
    ConsentNotice,
    ContactAttempt,
    ContactView,
    Lead,
    LeadStatusChange,
    PricingTier,
    PricingVersion,
    Treatment,
    TreatmentPackage,
)

DELIVERY_TONES = {
    Lead.DeliveryState.DELIVERED: "good",
    Lead.DeliveryState.FREE: "plain",
    Lead.DeliveryState.HELD: "wait",
    Lead.DeliveryState.EXPIRED: "bad",
}
OF_LEAD = By("lead_id", ("-pk",))


@admin.register(Treatment)
class TreatmentAdmin(BackOfficeAdmin[Treatment]):
    """The catalogue. An empty least price means «unknown»."""

    list_display = ("name", "category", "duration", "min_price", "max_price")
    list_filter = ("category",)
    search_fields = ("name", "category")
    ordering = ("category", "name")
    sortable_by = ("name", "category")

    def label(self, row: Treatment) -> str:
        return f"{row.name} ({row.category})"


@admin.register(TreatmentPackage)
class TreatmentPackageAdmin(BackOfficeAdmin[TreatmentPackage]):
    """Clinics' offers. A lead keeps the price of its arrival."""

    list_display = ("title", "clinic", "treatment", "price", "offer", "created_at")
    list_filter = ("is_active",)
    list_select_related = ("clinic", "treatment")
    search_fields = ("title", "clinic__name", "clinic__slug")
    search_help_text = "The package's title, or the clinic's name or slug."
    autocomplete_fields = ("clinic", "treatment")
    ordering = ("-pk",)
    sortable_by = ("title", "price")

    @admin.display(description="State")
    def offer(self, package: TreatmentPackage) -> SafeString:
        return badge("Offered", "good") if package.is_active else badge("Withdrawn")


class PricingTierInline(ReadOnlyInline):
    model = PricingTier
    fields = ("price_from", "price_below", "credits")
    ordering = ("price_from",)


@admin.register(PricingVersion)
class PricingVersionAdmin(AsksRequests[PricingVersion], ReadOnlyAdmin[PricingVersion]):
    """Price lists never change: a new one takes the place of the one before, approved by a second person."""

    asking = (NEW_PRICE_LIST,)

    list_display = ("note", "effective_at", "created_at")
    ordering = ("-effective_at",)
    inlines = (PricingTierInline,)


@admin.register(PricingTier)
class PricingTierAdmin(ReadOnlyAdmin[PricingTier]):
    list_display = ("price_from", "price_below", "credits", "version")
    list_select_related = ("version",)
    ordering = ("-version", "price_from")
    sortable_by = ()


@admin.register(ConsentNotice)
class ConsentNoticeAdmin(ReadOnlyAdmin[ConsentNotice]):
    list_display = ("version", "published_at", "text_sha256")
    ordering = ("-published_at",)


class StatusChangeInline(ReadOnlyInline):
    model = LeadStatusChange
    fields = ("from_status", "to_status", "who", "changed_at")
    select_related = ("changed_by",)

    @admin.display(description="By")
    def who(self, change: LeadStatusChange) -> str:
        return change.changed_by.email


class ContactAttemptInline(ReadOnlyInline):
    model = ContactAttempt
    fields = ("kind", "outcome", "who", "made_at")
    select_related = ("made_by",)

    @admin.display(description="By")
    def who(self, attempt: ContactAttempt) -> str:
        return attempt.made_by.email


class ContactViewInline(ReadOnlyInline):
    model = ContactView
    fields = ("who", "reason", "seen_on", "seen_at")
    select_related = ("viewer",)

    @admin.display(description="Seen by")
    def who(self, view: ContactView) -> str:
        return view.viewer.email


class HeldBecause(admin.SimpleListFilter):
    """The queue of held leads has an index of its own, so it is offered over all clinics."""

    title = "why it is held"
    parameter_name = "held"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("any", "Any reason"), *((value, str(label)) for value, label in Lead.HeldReason.choices)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Lead]) -> QuerySet[Lead]:
        if not self.value():
            return queryset
        held = queryset.filter(delivery_state=Lead.DeliveryState.HELD)
        return held if self.value() == "any" else held.filter(held_reason=self.value())


class StateOfOneClinic(OfOneClinic):
    title = "delivery"
    parameter_name = "delivery"
    column = "delivery_state"
    options = Lead.DeliveryState


class StatusOfOneClinic(OfOneClinic):
    title = "status"
    parameter_name = "status"
    column = "status"
    options = Lead.Status


@admin.register(Lead)
class LeadAdmin(TellsWhoSaw, SearchByNumber[Lead], ReadOnlyAdmin[Lead]):
    """Leads without their patients: name, phone, e-mail and message are masked for everybody."""

    list_display = ("number", "clinic", "delivery", "cost", "working_status", "source", "created_at")
    list_select_related = ("clinic",)
    list_filter = (HeldBecause, StateOfOneClinic, StatusOfOneClinic, "partner")
    ordering = ("-pk",)
    search_help_text = "A lead's number, or the clinic: «clinic 7» or «clinic sunrise»."
    search_words: ClassVar[dict[str, By]] = {"clinic": By("clinic_id", ("-created_at", "-pk"))}
    inlines = (StatusChangeInline, ContactAttemptInline, ContactViewInline)
    readonly_fields = ("contact_masked", "delivery", "working_status", "repeats")
    fieldsets = (
        (
            None,
            {"fields": ("clinic", "delivery", "working_status", "created_at", "delivered_at", "expired_at")},
        ),
        ("Patient", {"fields": ("contact_masked", "city", "is_minor", "contact_intent", "preferred_date")}),
        ("Price", {"fields": ("cost", "refunded_total", "tier", "package_price", "package", "treatment")}),
        ("Origin", {"fields": ("source", "partner", "repeats", "consent_notice", "consented_at")}),
    )

    @admin.display(description="No.")
    def number(self, lead: Lead) -> str:
        return str(lead.pk)

    @admin.display(description="Delivery")
    def delivery(self, lead: Lead) -> SafeString:
        reason = lead.get_held_reason_display() or lead.get_expired_reason_display()
        text = lead.get_delivery_state_display()
        return badge(
            f"{text}: {reason}" if reason else text, DELIVERY_TONES[Lead.DeliveryState(lead.delivery_state)]
        )

    @admin.display(description="Status")
    def working_status(self, lead: Lead) -> SafeString:
        tone = {Lead.Status.CONVERTED: "good", Lead.Status.LOST: "bad"}.get(Lead.Status(lead.status), "plain")
        return badge(lead.get_status_display(), tone)

    @admin.display(description="Contact")
    def contact_masked(self, lead: Lead) -> SafeString:
        return badge("Masked: name, phone, e-mail and message")

    @admin.display(description="Repeats")
    def repeats(self, lead: Lead) -> str:
        return f"Lead {lead.repeat_of_id}" if lead.repeat_of_id else "–"


@admin.register(LeadStatusChange)
class LeadStatusChangeAdmin(SearchByNumber[LeadStatusChange], ReadOnlyAdmin[LeadStatusChange]):
    list_display = ("lead", "from_status", "to_status", "who", "changed_at")
    list_select_related = ("lead", "changed_by")
    ordering = ("-pk",)
    search_help_text = "A row's number, or «lead 345»."
    search_words: ClassVar[dict[str, By]] = {"lead": OF_LEAD}
    fields = ("lead", "from_status", "to_status", "who", "changed_at")
    readonly_fields = ("who",)

    @admin.display(description="By")
    def who(self, change: LeadStatusChange) -> str:
        return change.changed_by.email


@admin.register(ContactAttempt)
class ContactAttemptAdmin(SearchByNumber[ContactAttempt], ReadOnlyAdmin[ContactAttempt]):
    list_display = ("lead", "kind", "outcome", "who", "made_at")
    list_select_related = ("lead", "made_by")
    ordering = ("-pk",)
    search_help_text = "A row's number, or «lead 345»."
    search_words: ClassVar[dict[str, By]] = {"lead": OF_LEAD}
    fields = ("lead", "kind", "outcome", "who", "made_at")
    readonly_fields = ("who",)

    @admin.display(description="By")
    def who(self, attempt: ContactAttempt) -> str:
        return attempt.made_by.email


@admin.register(ContactView)
class ContactViewAdmin(SearchByNumber[ContactView], ReadOnlyAdmin[ContactView]):
    """Who saw which patient's contact, and why."""

    list_display = ("lead", "who", "reason", "seen_on", "seen_at")
    list_select_related = ("lead", "viewer")
    ordering = ("-pk",)
    search_help_text = "A row's number, «lead 345», or «user 6» for what somebody saw."
    search_words: ClassVar[dict[str, By]] = {"lead": OF_LEAD, "user": By("viewer_id", ("-pk",))}
    fields = ("lead", "who", "reason", "seen_on", "seen_at")
    readonly_fields = ("who",)

    @admin.display(description="Seen by")
    def who(self, view: ContactView) -> str:
        return view.viewer.email
