"""What clinics ask of staff, and whom they invited."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import F, QuerySet
from django.http import HttpRequest
from django.utils.safestring import SafeString

from clinics.admin.base import BackOfficeAdmin, ReadOnlyAdmin, badge
from clinics.models import Invitation, SupportRequest, User
from clinics.services.support import AnsweredAlready, answer_clinic

LONGEST_ANSWER = 4_000


class AnswerForm(forms.ModelForm[SupportRequest]):
    """The answer, once. Who asked reads it among their settings, in the portal."""

    answer = forms.CharField(
        max_length=LONGEST_ANSWER,
        help_text="The clinic reads this. Say what was done, and when; it can't be changed later.",
        widget=forms.Textarea(attrs={"rows": 6, "cols": 80}),
    )

    class Meta:
        model = SupportRequest
        fields = ("answer",)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if SupportRequest.objects.filter(pk=self.instance.pk, answered_at__isnull=False).exists():
            raise forms.ValidationError("This was answered meanwhile. Nothing was changed.")
        return values


class IsOpen(admin.SimpleListFilter):
    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        return [("open", "Waiting"), ("answered", "Answered")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[SupportRequest]) -> QuerySet[SupportRequest]:
        if self.value() in ("open", "answered"):
            return queryset.filter(answered_at__isnull=self.value() == "open")
        return queryset


@admin.register(SupportRequest)
class SupportRequestAdmin(BackOfficeAdmin[SupportRequest]):
    """What clinics ask for: the waiting ones first, the oldest of them on top.

    Answering moves nothing: money goes back by a refund that two people approve, an account is closed on the clinic's
    page. Answered once, it stays as it is.
    """

    form = AnswerForm
    list_display = ("number", "clinic", "kind_in_english", "state", "created_at", "answered_by_whom")
    list_filter = (IsOpen, "kind")
    list_select_related = ("clinic", "answered_by")
    search_fields = ("clinic__name", "clinic__slug")
    search_help_text = "The clinic's name or slug."
    sortable_by = ()
    fields = (
        "clinic",
        "kind",
        "asked_by",
        "created_at",
        "message",
        "answer",
        "answered_by_whom",
        "answered_at",
    )
    readonly_fields: ClassVar[tuple[str, ...]] = (
        "clinic", "kind", "asked_by", "created_at", "message", "answered_by_whom", "answered_at",
    )  # fmt: skip

    def get_ordering(self, request: HttpRequest) -> Any:
        return (F("answered_at").desc(nulls_first=True), "created_at", "pk")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: SupportRequest | None = None) -> bool:
        return super().has_change_permission(request, obj) and (obj is None or obj.answered_at is None)

    def save_model(
        self,
        request: HttpRequest,
        obj: SupportRequest,
        form: forms.ModelForm[SupportRequest],
        change: bool,  # noqa: FBT001
    ) -> None:
        assert isinstance(request.user, User)
        try:
            answered = answer_clinic(request=obj, text=form.cleaned_data["answer"], by=request.user)
        except AnsweredAlready as refusal:
            self.message_user(request, str(refusal), "warning")
        else:
            obj.answered_at, obj.answered_by = answered.answered_at, answered.answered_by

    @admin.display(description="No.")
    def number(self, row: SupportRequest) -> str:
        return str(row.pk)

    @admin.display(description="About")
    def kind_in_english(self, row: SupportRequest) -> str:
        return row.get_kind_display()

    @admin.display(description="State")
    def state(self, row: SupportRequest) -> SafeString:
        return badge("Waiting", "wait") if row.answered_at is None else badge("Answered", "good")

    @admin.display(description="Asked by")
    def asked_by(self, row: SupportRequest) -> str:
        return row.made_by.email

    @admin.display(description="Answered by")
    def answered_by_whom(self, row: SupportRequest) -> str:
        return row.answered_by.email if row.answered_by else ""


@admin.register(Invitation)
class InvitationAdmin(ReadOnlyAdmin[Invitation]):
    """Whom the owners of clinics invited. Their own affair: nobody here sends or withdraws one."""

    list_display = ("number", "email", "clinic", "role", "state", "created_at", "expires_at")
    list_select_related = ("clinic",)
    list_filter = ("role",)
    search_fields = ("email", "clinic__name", "clinic__slug")
    search_help_text = "The invited address, or the clinic's name or slug."
    ordering = ("-pk",)
    sortable_by = ()
    fields = ("clinic", "email", "role", "inviter", "created_at", "expires_at", "accepted_at", "revoked_at")
    readonly_fields = ("inviter",)

    @admin.display(description="No.")
    def number(self, row: Invitation) -> str:
        return str(row.pk)

    @admin.display(description="Invited by")
    def inviter(self, row: Invitation) -> str:
        return row.invited_by.email

    @admin.display(description="State")
    def state(self, row: Invitation) -> SafeString:
        if row.accepted_at is not None:
            return badge("Accepted", "good")
        return badge("Withdrawn") if row.revoked_at is not None else badge("Open", "wait")
