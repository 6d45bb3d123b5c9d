"""Staff and members in the back office: who may change whose sign-in, and what nobody changes for themselves."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils.safestring import SafeString

from clinics import audit
from clinics.admin.asking import Asking, AsksRequests
from clinics.admin.base import ReadOnlyAdmin, badge
from clinics.admin.rights import RIGHTS as RIGHTS_REQUEST
from clinics.models import User
from clinics.services import forget_other_addresses
from clinics.step_up import ask_again

RIGHTS = ("is_active", "is_staff", "is_superuser", "groups")


class UserForm(forms.ModelForm[User]):
    """A user as staff change them; the password has a page of its own."""

    class Meta:
        model = User
        fields = ("email", "full_name", *RIGHTS)
        widgets: ClassVar[dict[str, Any]] = {"groups": forms.CheckboxSelectMultiple}

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


class NewUserForm(AdminUserCreationForm[User]):
    class Meta:
        model = User
        fields = ("email", "full_name")

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()


@admin.register(User)
class UserAdmin(AsksRequests[User], DjangoUserAdmin[User]):
    """Deactivated, never deleted. A user admin changes members and staff, but no superuser and not their own rights.

    Rights are taken away here at once, and given by a request that a second person approves. Address and password of
    staff are changed by nobody here, so that nobody can sign in as a colleague and be two people: who stops being
    staff first can be changed as a member. Who may change something confirms first that it is still them.
    """

    asking = (RIGHTS_REQUEST,)

    form = UserForm
    add_form = NewUserForm
    list_display = ("email", "full_name", "kind", "is_active", "last_login")
    list_display_links = ("email",)
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("email", "full_name")
    search_help_text = "E-mail address or name."
    ordering = ("email",)
    filter_horizontal = ()
    sortable_by = ("email", "full_name", "last_login")
    fieldsets = (
        (None, {"fields": ("email", "full_name", "is_active")}),
        ("Back office", {"fields": ("is_staff", "is_superuser", "groups")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "full_name", "usable_password", "password1", "password2")}),)
    readonly_fields = ("last_login", "date_joined")

    def label(self, row: User) -> str:
        return f"{row.email} ({row.full_name})" if row.full_name else row.email

    @admin.display(description="Kind")
    def kind(self, user: User) -> SafeString:
        if user.is_superuser:
            return badge("Superuser", "bad")
        return badge("Staff", "wait") if user.is_staff else badge("Member")

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        allowed = super().has_change_permission(request, obj)
        return allowed and (obj is None or not obj.is_superuser or _is_superuser(request))

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        fixed = set(self.readonly_fields)
        if obj is not None and obj.pk == request.user.pk:
            fixed.update(RIGHTS)
        if not _is_superuser(request):
            fixed.add("is_superuser")
        if obj is not None:
            # A right can be taken away, not given.
            fixed.update(right for right in ("is_staff", "is_superuser") if not getattr(obj, right))
            if not obj.groups.exists():
                fixed.add("groups")
            if _is_staff(obj):
                fixed.update({"email"} if obj.is_active else {"email", "is_active"})
        return tuple(fixed)

    def get_form(
        self,
        request: HttpRequest,
        obj: User | None = None,
        change: bool = False,  # noqa: FBT001, FBT002  (Django's own signature)
        **kwargs: Any,
    ) -> Any:
        form = super().get_form(request, obj, change=change, **kwargs)
        if obj is not None and "groups" in form.base_fields:
            form.base_fields["groups"].queryset = obj.groups.order_by("name")
            form.base_fields["groups"].help_text = "Untick to take away. Others are asked for."
        return form

    def can_ask(self, request: HttpRequest, asking: Asking, row: User | None) -> bool:
        """For others only."""
        return super().can_ask(request, asking, row) and row is not None and row.pk != request.user.pk

    def may_set_password(self, request: HttpRequest, user: User) -> bool:
        """Of others only: one's own is changed with the old one, on the product's own page."""
        if user.pk == request.user.pk or not self.has_change_permission(request, user):
            return False
        return not _is_staff(user)

    def user_change_password(self, request: HttpRequest, id: str, form_url: str = "") -> HttpResponse:  # noqa: A002
        user = self.get_object(request, id)
        if user is not None and not self.may_set_password(request, user):
            raise PermissionDenied
        with audit.because("Password set by staff"):
            return ask_again(request) or super().user_change_password(request, id, form_url)

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
        user = self.get_object(request, object_id)
        if self.has_change_permission(request, user) and (question := ask_again(request)):
            return question
        context: dict[str, Any] = dict(extra_context or {})
        if user is not None:
            context |= {
                "subtitle": self.label(user),
                "may_set_password": self.may_set_password(request, user),
            }
        return super().change_view(request, object_id, form_url, context)

    def save_model(
        self,
        request: HttpRequest,
        obj: User,
        form: forms.ModelForm[User],
        change: bool,  # noqa: FBT001
    ) -> None:
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            forget_other_addresses(obj)


def _is_staff(user: User) -> bool:
    return user.is_staff or user.is_superuser


def _is_superuser(request: HttpRequest) -> bool:
    return bool(getattr(request.user, "is_superuser", False))


admin.site.unregister(Group)


@admin.register(Group)
class GroupAdmin(ReadOnlyAdmin[Group]):
    """The groups and their rights come from migrations (docs/staff_rights.md)."""

    list_display = ("name",)
    fields = ("name", "rights")
    readonly_fields = ("rights",)
    ordering = ("name",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Group]:
        return super().get_queryset(request).prefetch_related("permissions__content_type")

    @admin.display(description="Rights")
    def rights(self, group: Group) -> str:
        return " · ".join(sorted(permission.name for permission in group.permissions.all()))
