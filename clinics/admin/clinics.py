"""Clinics, memberships, notices and idempotency keys in the back office.

The clinic's page is registered by the site, which adds what its account says.
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from clinics.admin.base import (
    BackOfficeAdmin,
    By,
    ReadOnlyAdmin,
    ReadOnlyInline,
    SearchByNumber,
    badge,
)
from clinics.admin.invitation import InvitesOwners
from clinics.admin.programs import masked
from clinics.models import Clinic, IdempotencyKey, Membership, Notice, User
from clinics.services.people import has_active_owner, lock_clinic
from clinics.states import STATES
from clinics.step_up import ask_again


class ClinicForm(forms.ModelForm[Clinic]):
    website_url = forms.URLField(required=False, max_length=500, assume_scheme="https")

    class Meta:
        model = Clinic
        fields = ("slug", "address", "state", "pincode", "gstin", "is_active")  # the page adds the others
        widgets: ClassVar[dict[str, Any]] = {"address": forms.Textarea(attrs={"rows": 3, "cols": 40})}

    def clean_is_active(self) -> bool:
        ticked = bool(self.cleaned_data["is_active"])
        if ticked and "is_active" in self.changed_data and not self._has_owner():
            raise forms.ValidationError("Invite a first owner: that activates the clinic.")
        return ticked

    def clean_pincode(self) -> str:
        pincode = str(self.cleaned_data["pincode"])
        if pincode and not (
            pincode.isascii() and pincode.isdigit() and len(pincode) == 6 and pincode[0] != "0"
        ):
            raise forms.ValidationError("A pincode has six digits and does not begin with 0.")
        return pincode

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        gstin, state = values.get("gstin"), values.get("state")
        if gstin and state and not gstin.startswith(state):
            self.add_error("gstin", "The first two digits of a GSTIN are the code of the clinic's state.")
        return values

    def _has_owner(self) -> bool:
        return self.instance.pk is not None and has_active_owner(self.instance)


class MembershipInline(ReadOnlyInline):
    """Changed on the memberships' own pages, by those who may."""

    model = Membership
    fields = ("person", "role", "is_active", "created_at")
    select_related = ("user",)
    show_change_link = True

    @admin.display(description="User")
    def person(self, membership: Membership) -> str:
        return membership.user.email


class StateInUse(admin.SimpleListFilter):
    """Only the states where there are clinics, of the 36."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: object) -> list[tuple[str, str]]:
        codes = Clinic.objects.order_by("state").values_list("state", flat=True).distinct()
        return [(code, STATES.get(code, code)) for code in codes]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Clinic]) -> QuerySet[Clinic]:
        return queryset.filter(state=self.value()) if self.value() else queryset


class ClinicAdmin(InvitesOwners):
    """A clinic and its people."""

    form = ClinicForm
    list_display = ("name", "city", "state", "pincode", "activity")
    list_filter = ("is_active", StateInUse)
    search_fields = ("name", "slug", "city", "pincode")
    search_help_text = "Name, slug, city or pincode."
    ordering = ("name", "pk")
    sortable_by = ("name", "city", "pincode")
    prepopulated_fields: ClassVar[dict[str, Sequence[str]]] = {"slug": ("name",)}
    inlines: ClassVar[tuple[type[ReadOnlyInline], ...]] = (MembershipInline,)
    readonly_fields = ("created_at",)
    fieldsets: ClassVar[Any] = (
        (None, {"fields": ("name", "slug", "is_active", "created_at")}),
        ("Address", {"fields": ("address", "city", "state", "pincode", "gstin")}),
        ("Contact", {"fields": ("phone", "email", "website_url")}),
        ("Public page", {"classes": ("collapse",), "fields": (
            "specialties", "operating_hours", "latitude", "longitude", "google_rating", "google_review_count",
        )}),
    )  # fmt: skip

    def label(self, row: Clinic) -> str:
        return f"{row.name}, {row.city} {row.pincode} ({row.slug})"

    @admin.display(description="Activity")
    def activity(self, clinic: Clinic) -> SafeString:
        return badge("Active", "good") if clinic.is_active else badge("Inactive")


class MembershipForm(forms.ModelForm[Membership]):
    """A member sees the clinic's patients: nobody in the back office becomes one here, least of all by themselves."""

    by: ClassVar[User]  # who saves; the page says it

    class Meta:
        model = Membership
        fields = ("user", "clinic", "role", "is_active")

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        user = self.instance.user if self.instance.pk else values.get("user")
        if user is not None and self._is_of_staff(user) and not self._only_ends():
            raise forms.ValidationError(
                "You and others who work in the back office can't be members of a clinic here. "
                "Such a membership can only be ended."
            )
        if self._leaves_no_owner(values):
            raise forms.ValidationError(
                "The clinic would be left without an owner who can sign in. Invite another first, or close the clinic."
            )
        return values

    def _leaves_no_owner(self, values: dict[str, Any]) -> bool:
        """The database refuses it too. Asked under the lock that changes of owners take turns by."""
        if self.instance.pk is None:
            return False
        before = Membership.objects.get(pk=self.instance.pk)
        stays = values.get("role") == Membership.Role.OWNER and values.get("is_active")
        if before.role != Membership.Role.OWNER or not before.is_active or stays:
            return False
        clinic = lock_clinic(before.clinic)
        return clinic.is_active and not has_active_owner(clinic, apart_from=before)

    def _is_of_staff(self, user: User) -> bool:
        return user.pk == self.by.pk or user.is_staff or user.is_superuser

    def _only_ends(self) -> bool:
        """Nothing changes but «active», which is unticked."""
        changed = {"role", "is_active"} & set(self.changed_data)
        ends = changed == {"is_active"} and not self.cleaned_data.get("is_active")
        return self.instance.pk is not None and (ends or not changed)


@admin.register(Membership)
class MembershipAdmin(BackOfficeAdmin[Membership]):
    """Ended by unticking «active». Whose it is at which clinic stays as it was made.

    Who may change something confirms first that it is still them.
    """

    form = MembershipForm
    list_display = ("person", "clinic", "role", "activity", "created_at")
    list_filter = ("role", "is_active")
    list_select_related = ("user", "clinic")
    search_fields = ("user__email", "user__full_name", "clinic__name", "clinic__slug")
    search_help_text = "The user's e-mail address or name, or the clinic's name or slug."
    ordering = ("-pk",)
    sortable_by = ()
    autocomplete_fields = ("user", "clinic")
    fields = ("user", "clinic", "role", "is_active")

    def get_readonly_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        return ("person", "clinic") if obj else ()

    def get_fields(self, request: HttpRequest, obj: Membership | None = None) -> tuple[str, ...]:
        return ("person", "clinic", "role", "is_active") if obj else ("user", "clinic", "role", "is_active")

    def get_form(
        self,
        request: HttpRequest,
        obj: Membership | None = None,
        change: bool = False,  # noqa: FBT001, FBT002  (Django's own signature)
        **kwargs: Any,
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        form.by = request.user
        return form

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return ask_again(request) or super().add_view(request, form_url, extra_context)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if self.has_change_permission(request) and (question := ask_again(request)):
            return question
        return super().change_view(request, object_id, form_url, extra_context)

    @admin.display(description="User")
    def person(self, membership: Membership) -> str:
        return membership.user.email

    @admin.display(description="State")
    def activity(self, membership: Membership) -> SafeString:
        return badge("In force", "good") if membership.is_active else badge("Ended")


@admin.register(Notice)
class NoticeAdmin(SearchByNumber[Notice], ReadOnlyAdmin[Notice]):
    """What clinics were told. Ids and amounts only."""

    list_display = ("number", "clinic", "kind", "created_at", "sent_at", "read_at")
    list_select_related = ("clinic",)
    ordering = ("-pk",)
    search_help_text = "A notice's number, «clinic 7», or the notice's key."
    search_words: ClassVar[dict[str, By]] = {"clinic": By("clinic_id")}
    search_texts = (By("unique_key"),)
    fields = ("clinic", "kind", "unique_key", "data", "created_at", "sent_at", "read_at")

    @admin.display(description="No.")
    def number(self, notice: Notice) -> str:
        return str(notice.pk)


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(SearchByNumber[IdempotencyKey], ReadOnlyAdmin[IdempotencyKey]):
    list_display = ("number", "who", "route", "key", "status_code", "created_at")
    ordering = ("-pk",)
    search_help_text = "A row's number, or a caller in full («user:5»)."
    search_texts = (By("caller"),)
    fields = ("who", "route", "key", "status_code", "answer", "created_at")
    readonly_fields = ("who",)

    @admin.display(description="No.")
    def number(self, row: IdempotencyKey) -> str:
        return str(row.pk)

    @admin.display(description="Caller")
    def who(self, row: IdempotencyKey) -> str:
        kind, _, name = row.caller.partition(":")
        return f"token:{masked(name)}" if kind == "token" else row.caller
