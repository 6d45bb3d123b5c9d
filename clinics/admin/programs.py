"""Partners and tokens in the back office: who comes by program."""

from typing import Any, ClassVar
from uuid import uuid4

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.safestring import SafeString

from clinics import audit
from clinics.admin.base import BackOfficeAdmin, ReadOnlyAdmin, ReadOnlyInline, badge
from clinics.admin.reasons import REASON, reason_field
from clinics.form_fields import IdempotencyKeyField
from clinics.models import ApiToken, Partner, User
from clinics.services.people import log_by_staff
from clinics.services.tokens import (
    LIFETIMES_IN_DAYS,
    NewToken,
    TokenRefused,
    make_partner_token,
    name_service_user,
    revoke_tokens,
    service_address,
)
from clinics.step_up import ask_again


def state_of(token: ApiToken) -> SafeString:
    if token.revoked_at is not None:
        return badge("Revoked", "bad")
    if token.expiry is not None and token.expiry <= timezone.now():
        return badge("Expired")
    return badge("In force", "good")


def masked(text: str) -> str:
    return f"{text[:4]}••••"


class PartnerForm(forms.ModelForm[Partner]):
    class Meta:
        model = Partner
        fields = ("name", "slug", "requests_per_minute", "is_active")

    def clean_slug(self) -> str:
        slug = str(self.cleaned_data["slug"])
        if self.instance.pk is None and User.objects.filter(email=service_address(slug)).exists():
            raise forms.ValidationError("There was a partner of this name before. Choose another.")
        return slug


class PartnerTokens(ReadOnlyInline):
    """Revoked on the tokens' own list."""

    model = ApiToken
    fields = ("name", "beginning", "state", "created", "expiry", "last_used_at")
    verbose_name_plural = "Tokens"
    ordering = ("-created",)

    @admin.display(description="Token")
    def beginning(self, token: ApiToken) -> str:
        return masked(token.token_key)

    @admin.display(description="State")
    def state(self, token: ApiToken) -> SafeString:
        return state_of(token)


class PartnerTokenForm(forms.Form):
    name = forms.CharField(max_length=80, help_text="What it is for: «Live site», say.")
    days = forms.TypedChoiceField(
        label="It ends after",
        choices=[(days, f"{days} days") for days in LIFETIMES_IN_DAYS],
        coerce=int,
        initial=LIFETIMES_IN_DAYS[-1],
    )
    audit_reason = reason_field()
    # Sent twice, by a double click or a reload, it makes one token.
    idempotency_key = IdempotencyKeyField(widget=forms.HiddenInput)

    def clean_idempotency_key(self) -> str:
        return self.cleaned_data["idempotency_key"] or str(uuid4())


@admin.register(Partner)
class PartnerAdmin(BackOfficeAdmin[Partner]):
    """A partner gets its service user by itself. Who makes one, or a token, confirms first that it is still them."""

    form = PartnerForm
    list_display = ("name", "slug", "limit", "activity", "created_at")
    list_filter = ("is_active",)
    search_fields = ("name", "slug")
    ordering = ("name",)
    prepopulated_fields: ClassVar[dict[str, Any]] = {"slug": ("name",)}
    inlines: ClassVar[tuple[type[ReadOnlyInline], ...]] = (PartnerTokens,)
    fields = ("name", "slug", "requests_per_minute", "is_active")

    @admin.display(description="Requests a minute")
    def limit(self, partner: Partner) -> str:
        return str(partner.requests_per_minute or "usual")

    @admin.display(description="State")
    def activity(self, partner: Partner) -> SafeString:
        return badge("Active", "good") if partner.is_active else badge("Inactive")

    def get_inlines(self, request: HttpRequest, obj: Partner | None) -> Any:
        return self.inlines if obj else ()

    def save_model(self, request: HttpRequest, obj: Partner, form: Any, change: bool) -> None:  # noqa: FBT001
        if not change:
            obj.service_user = name_service_user(obj)
        super().save_model(request, obj, form, change)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not self.has_add_permission(request):
            raise PermissionDenied
        return ask_again(request) or super().add_view(request, form_url, extra_context)

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.make_token_view)
        return [
            path("<path:object_id>/make-token/", view, name="clinics_partner_make_token"),
            *super().get_urls(),
        ]

    def make_token_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """The token is shown in the answer to the form and nowhere else; a reload is told that it was made."""
        if not (request.user.has_perm("clinics.add_apitoken") and self.has_view_permission(request)):
            raise PermissionDenied
        if question := ask_again(request):
            return question
        partner = self.get_object(request, unquote(object_id))
        if partner is None:
            return self.no_such_row(request, object_id)
        initial = {"idempotency_key": str(uuid4())}
        form = PartnerTokenForm(request.POST if request.method == "POST" else None, initial=initial)
        if request.method != "POST" or not form.is_valid():
            return self._token_page(request, partner, form=form, status=400 if form.errors else 200)
        try:
            made = self._make(request, partner, form.cleaned_data)
        except TokenRefused as refusal:
            return self._token_page(request, partner, form=form, problem=str(refusal), status=409)
        return self._token_page(request, partner, made=made, status=201)

    def _make(self, request: HttpRequest, partner: Partner, fields: dict[str, Any]) -> NewToken:
        assert isinstance(request.user, User)
        with audit.because(fields.pop(REASON)):
            made = make_partner_token(partner=partner, by=request.user, **fields)
            log_by_staff(request.user, partner, f"Made the token «{made.token.name}».")
        return made

    def _token_page(
        self, request: HttpRequest, partner: Partner, *, status: int, **context: Any
    ) -> HttpResponse:
        context |= {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Make a token",
            "subtitle": partner.name,
            "original": partner,
        }
        page = "admin/clinics/partner/make_token.html"
        response = TemplateResponse(request, page, context, status=status)
        response["Cache-Control"] = "no-store, private"
        return response


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin[ApiToken]):
    """Only the first characters of a token are known here. Revoked at once and for good, by an action."""

    list_display = ("name", "holder", "beginning", "allows", "state", "created", "last_used_at")
    list_select_related = ("clinic", "partner")
    list_display_links = None
    search_fields = ("name", "clinic__name", "clinic__slug", "partner__name", "partner__slug")
    ordering = ("-created",)
    sortable_by = ()
    fields = (
        "name",
        "holder",
        "beginning",
        "allows",
        "state",
        "created",
        "expiry",
        "last_used_at",
        "revoked_at",
    )
    readonly_fields = ("holder", "beginning", "allows", "state")
    actions = ("revoke",)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("clinics.change_apitoken")

    @admin.action(description="Revoke the selected tokens, for good", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        assert isinstance(request.user, User)
        count = revoke_tokens(tokens=queryset, by=request.user)
        messages.success(request, f"Revoked: {count}.")

    @admin.display(description="Of")
    def holder(self, token: ApiToken) -> str:
        return str(token.clinic or token.partner)

    @admin.display(description="Token")
    def beginning(self, token: ApiToken) -> str:
        return masked(token.token_key)

    @admin.display(description="Allows")
    def allows(self, token: ApiToken) -> str:
        return ", ".join(token.scopes)

    @admin.display(description="State")
    def state(self, token: ApiToken) -> SafeString:
        return state_of(token)
