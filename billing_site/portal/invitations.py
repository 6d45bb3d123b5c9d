"""GET, POST /accounts/invitations/<token>: what the link in an invitation's mail opens."""

from typing import Any

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from django import forms
from django.contrib.auth.password_validation import password_validators_help_texts, validate_password
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.decorators import method_decorator
from django.utils.translation import get_language, gettext_lazy
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters

from clinics.models import Invitation, User
from clinics.services import invitations
from clinics.surfaces import work_for

TEMPLATE = "account/invitation.html"


class NewcomerForm(forms.Form):
    """Name and password of somebody who has no account. The password goes once: browsers show and keep it."""

    full_name = forms.CharField(
        label=gettext_lazy("Your name"), max_length=150, widget=forms.TextInput({"autocomplete": "name"})
    )
    password = forms.CharField(
        label=gettext_lazy("Choose a password"),
        strip=False,
        max_length=200,
        widget=forms.PasswordInput({"autocomplete": "new-password"}),
    )

    def __init__(self, data: Any = None, *, email: str) -> None:
        super().__init__(data)
        self.email = email
        self.fields["password"].help_text = " ".join(password_validators_help_texts()[1:2])

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        if password := values.get("password"):
            person = User(email=self.email, full_name=values.get("full_name", ""))
            try:
                validate_password(password, person)
            except forms.ValidationError as problem:
                self.add_error("password", problem)
        return values


@method_decorator([never_cache, sensitive_post_parameters("password")], name="dispatch")
class AcceptInvitation(View):
    """A newcomer makes an account; who has one signs in with that address first, and says yes.

    404 for a link that is none of ours, 410 for one that is over, 403 for whom it is not meant, who change nothing.
    """

    http_method_names = ("get", "head", "post", "options")

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        invitation = invitations.find_by_token(kwargs["token"])
        if invitation is None:
            text = _(
                "This link is not complete: it may have been cut in the mail. Open it from the mail once more."
            )
            return self._over(text, 404)
        if isinstance(request.user, User) and invitation.accepted_by_id == request.user.pk:
            return HttpResponseRedirect(reverse("clinic_dashboard"), status=303)  # their own second click
        try:
            invitations.check_open(invitation)
        except invitations.InvitationOver as refusal:
            return self._over(str(refusal), 410)
        self.invitation, self.account = invitation, User.objects.filter(email=invitation.email).first()
        if self.account is not None:
            try:
                invitations.check_may_join(self.account)
            except invitations.NotForThisPerson as refusal:
                return self._over(str(refusal), 403)
        return super().dispatch(request, *args, **kwargs)

    def get(self, request: HttpRequest, token: str) -> HttpResponse:
        return self._page(status=200)

    def post(self, request: HttpRequest, token: str) -> HttpResponse:
        if self._stage() == "yes":
            return self._accept(request)
        if self._stage() != "newcomer":
            return self._page(status=403)
        form = NewcomerForm(request.POST, email=self.invitation.email)
        return self._welcome(request, form) if form.is_valid() else self._page(status=400, form=form)

    def _stage(self) -> str:
        """Who looks at it: somebody signed in as another, the one it is for, or nobody yet."""
        user = self.request.user
        if isinstance(user, User):
            return "yes" if user.email == self.invitation.email else "other"
        return "newcomer" if self.account is None else "sign_in"

    def _accept(self, request: HttpRequest) -> HttpResponse:
        assert isinstance(request.user, User)
        try:
            membership = invitations.accept(invitation=self.invitation, user=request.user)
        except (invitations.InvitationOver, invitations.NotForThisPerson) as refusal:
            return self._over(str(refusal), 410)
        work_for(request, membership.clinic_id)
        return HttpResponseRedirect(reverse("clinic_dashboard"), status=303)

    def _welcome(self, request: HttpRequest, form: NewcomerForm) -> HttpResponse:
        """The account, the membership, and signed in with the password of a moment ago."""
        facts = form.cleaned_data
        try:
            membership = invitations.accept_as_newcomer(
                invitation=self.invitation,
                full_name=facts["full_name"],
                password=facts["password"],
                language=get_language() or "",
            )
        except invitations.InvitationOver as refusal:
            return self._over(str(refusal), 410)
        except invitations.NotForThisPerson:
            return HttpResponseRedirect(request.path, status=303)  # there it says to sign in
        login = Login(user=membership.user, redirect_url=reverse("clinic_dashboard"))
        perform_password_login(request, {"email": membership.user.email}, login)
        work_for(request, membership.clinic_id)
        return HttpResponseRedirect(reverse("clinic_dashboard"), status=303)

    def _page(self, *, status: int, form: NewcomerForm | None = None) -> HttpResponse:
        invitation: Invitation = self.invitation
        context = {
            "invitation": invitation,
            "clinic": invitation.clinic,
            "stage": self._stage(),
            "form": form or NewcomerForm(email=invitation.email),
            "here": self.request.path,
        }
        return render(self.request, TEMPLATE, context, status=status)

    def _over(self, text: str, status: int) -> HttpResponse:
        return render(self.request, "account/invitation_over.html", {"text": text}, status=status)
