"""Disputes in the back office's lists: to look at only. They are decided at the desk (`disputes/desk/`)."""

from typing import ClassVar

from django.contrib import admin
from django.db.models import QuerySet
from django.utils.safestring import SafeString

from clinics.admin.asking import AsksRequests
from clinics.admin.base import By, ReadOnlyAdmin, ReadOnlyInline, SearchByNumber, badge, is_number
from disputes.asking import POLICY
from disputes.models import DisputeEntry, DisputePolicy, Evidence, LeadDispute
from disputes.services.facts import disputes_of_lead

STATUS_TONES = {
    LeadDispute.Status.PENDING: "wait",
    LeadDispute.Status.APPROVED: "good",
    LeadDispute.Status.REJECTED: "bad",
    LeadDispute.Status.CANCELLED: "plain",
}
OF_DISPUTE = By("dispute_id", ("-pk",))


class EntryInline(ReadOnlyInline):
    model = DisputeEntry
    fields = ("kind", "text", "who", "is_internal", "created_at")
    select_related = ("author",)
    ordering = ("pk",)
    verbose_name_plural = "timeline"

    @admin.display(description="By")
    def who(self, entry: DisputeEntry) -> str:
        return entry.author.email if entry.author else "–"


class EvidenceInline(ReadOnlyInline):
    model = Evidence
    fields = ("position", "original_name", "media_type", "byte_size", "created_at")
    ordering = ("position",)


@admin.register(LeadDispute)
class LeadDisputeAdmin(SearchByNumber[LeadDispute], ReadOnlyAdmin[LeadDispute]):
    list_display = ("number", "clinic", "lead", "dispute_type", "state", "refund_amount", "created_at")
    list_select_related = ("clinic", "lead")
    list_filter = ("status",)
    ordering = ("-pk",)
    search_help_text = "A dispute's number, «lead 345», «clinic 7» or «clinic sunrise»."
    search_words: ClassVar[dict[str, By]] = {"clinic": By("clinic_id", ("-pk",))}
    inlines = (EntryInline, EvidenceInline)
    readonly_fields = ("number", "state", "filer", "worker", "decider", "second")
    fieldsets = (
        (None, {"fields": ("number", "clinic", "lead", "dispute_type", "description", "appeal_of")}),
        ("Course", {"fields": ("state", "created_at", "filer", "due_at", "awaiting_clinic_since", "worker")}),
        ("Decision", {"fields": ("reason_code", "admin_notes", "refund_amount", "refund_transaction",
                                 "resolved_at", "decider", "second", "is_automatic")}),
    )  # fmt: skip

    def _search(self, queryset: QuerySet[LeadDispute], term: str) -> QuerySet[LeadDispute] | None:
        word, _, value = term.partition(" ")
        if word.lower() == "lead" and is_number(value.strip()):
            return disputes_of_lead(queryset, int(value))
        return super()._search(queryset, term)

    @admin.display(description="No.")
    def number(self, dispute: LeadDispute) -> str:
        return str(dispute.pk)

    @admin.display(description="State")
    def state(self, dispute: LeadDispute) -> SafeString:
        return badge(dispute.get_status_display(), STATUS_TONES[LeadDispute.Status(dispute.status)])

    @admin.display(description="Filed by")
    def filer(self, dispute: LeadDispute) -> str:
        return dispute.filed_by.email

    @admin.display(description="Assigned to")
    def worker(self, dispute: LeadDispute) -> str:
        return dispute.assigned_to.email if dispute.assigned_to else "–"

    @admin.display(description="Decided by")
    def decider(self, dispute: LeadDispute) -> str:
        return dispute.resolved_by.email if dispute.resolved_by else "–"

    @admin.display(description="Second person")
    def second(self, dispute: LeadDispute) -> str:
        return dispute.approved_by.email if dispute.approved_by else "–"


@admin.register(DisputeEntry)
class DisputeEntryAdmin(SearchByNumber[DisputeEntry], ReadOnlyAdmin[DisputeEntry]):
    list_display = ("number", "dispute", "kind", "who", "is_internal", "created_at")
    list_select_related = ("dispute", "author")
    ordering = ("-pk",)
    search_help_text = "An entry's number, or «dispute 12»."
    search_words: ClassVar[dict[str, By]] = {"dispute": OF_DISPUTE}
    fields = ("dispute", "kind", "text", "who", "is_internal", "created_at")
    readonly_fields = ("who",)

    @admin.display(description="No.")
    def number(self, entry: DisputeEntry) -> str:
        return str(entry.pk)

    @admin.display(description="By")
    def who(self, entry: DisputeEntry) -> str:
        return entry.author.email if entry.author else "–"


@admin.register(Evidence)
class EvidenceAdmin(SearchByNumber[Evidence], ReadOnlyAdmin[Evidence]):
    """What is known of a file; the file itself is opened from the dispute's page."""

    list_display = ("number", "dispute", "position", "media_type", "byte_size", "created_at")
    list_select_related = ("dispute",)
    ordering = ("-pk",)
    search_help_text = "A file's number, or «dispute 12»."
    search_words: ClassVar[dict[str, By]] = {"dispute": OF_DISPUTE}
    fields = (
        "dispute",
        "position",
        "original_name",
        "media_type",
        "byte_size",
        "sha256",
        "who",
        "created_at",
    )
    readonly_fields = ("who",)

    @admin.display(description="No.")
    def number(self, file: Evidence) -> str:
        return str(file.pk)

    @admin.display(description="Sent by")
    def who(self, file: Evidence) -> str:
        return file.uploaded_by.email


@admin.register(DisputePolicy)
class DisputePolicyAdmin(AsksRequests[DisputePolicy], ReadOnlyAdmin[DisputePolicy]):
    """Changed by a request that a second person approves."""

    asking = (POLICY,)

    list_display = ("dispute_type", "accepted", "window_days", "suggested_percent", "partner_percent",
                    "evidence_needed", "least_contact_attempts", "is_automatic")  # fmt: skip
    ordering = ("position",)
    sortable_by = ()

    @admin.display(description="Accepted")
    def accepted(self, policy: DisputePolicy) -> SafeString:
        return badge("Accepted", "good") if policy.is_accepted else badge("Not accepted", "bad")
