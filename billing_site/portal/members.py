"""GET, POST /clinic/settings/members: who works for the clinic, and who is invited."""

from collections.abc import Callable
from typing import Any, Final

from allauth.mfa.models import Authenticator
from django import forms
from django.contrib import messages
from django.db.models import CharField, Count, Exists, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Cast, Concat
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from billing_site.outbox.standing import THEIRS
from clinics import audit
from clinics.models import Clinic, Invitation, Membership, OutgoingMail
from clinics.services import invitations, people
from clinics.services.tokens import in_force
from clinics.step_up import ask_again
from clinics.surfaces import OWNER, ClinicRequest
from clinics.views import PortalAction
from credits.settings_pages import SettingsPage

DUTIES: Final = (
    (Membership.Role.OWNER, gettext_lazy("Everything: people, money, tokens and the clinic's profile.")),
    (Membership.Role.BILLING, gettext_lazy("Leads and disputes, buying credits, limits.")),
    (Membership.Role.FRONT_DESK, gettext_lazy("Leads and disputes. Sees the balance, buys nothing.")),
)


class RoleForm(forms.Form):
    role = forms.ChoiceField(label=gettext_lazy("Role"), choices=Membership.Role.choices)


class InviteForm(RoleForm):
    email = forms.EmailField(
        label=gettext_lazy("E-mail address"),
        max_length=254,
        widget=forms.EmailInput({"autocomplete": "off", "inputmode": "email"}),
    )
    role = forms.ChoiceField(
        label=gettext_lazy("Role"), choices=Membership.Role.choices, initial=Membership.Role.FRONT_DESK
    )
    field_order = ("email", "role")


def members_of(clinic: Clinic) -> QuerySet[Membership]:
    """Those in force first; each with whether a second step is set up, and how many tokens end with the role."""
    factor = Authenticator.objects.filter(user=OuterRef("user"), type=Authenticator.Type.TOTP)
    live = Q(user__auth_token_set__clinic=clinic) & in_force("user__auth_token_set__")
    return (
        Membership.objects.filter(clinic=clinic)
        .select_related("user")
        .annotate(has_second_step=Exists(factor), tokens=Count("user__auth_token_set", filter=live))
        .order_by("-is_active", "user__full_name", "pk")
    )


def open_invitations_of(clinic: Clinic) -> QuerySet[Invitation]:
    """Those that are too old too: the owner sends them again, or takes them back. Each with whether its mail is still
    here, was refused (there is no such mailbox), or could not be sent by us."""
    key = Concat(Value(invitations.mail_key("")), Cast(OuterRef("pk"), CharField()))
    mail = OutgoingMail.objects.filter(unique_key=key)
    return (
        Invitation.objects.filter(clinic=clinic, accepted_at=None, revoked_at=None)
        .annotate(
            mail_waits=Exists(mail.open()),
            mail_refused=Exists(mail.dead().filter(THEIRS)),
            mail_not_sent=Exists(mail.dead().exclude(THEIRS)),
        )
        .order_by("-pk")
    )


class Members(SettingsPage):
    """GET, POST /clinic/settings/members: who works for the clinic, and who is invited. POST invites somebody."""

    template_name = "clinic/settings/members.html"
    url_name = "clinic_members"
    roles = OWNER
    http_method_names = ("get", "head", "post", "options")

    def post(self, request: ClinicRequest) -> HttpResponse:
        if question := ask_again(request):
            return question
        form = InviteForm(request.POST)
        if form.is_valid():
            facts = form.cleaned_data
            try:
                invitation = invitations.invite(
                    clinic=request.clinic, by=request.user, email=facts["email"], role=facts["role"]
                )
            except invitations.InvitationNotSent as refusal:
                form.add_error("email", str(refusal))
            else:
                say_invited(request, invitation)
                return back_to_members()
        return self.render_to_response(self.get_context_data(form=form), status=400)

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        clinic = self.request.clinic
        kwargs.setdefault("form", InviteForm())
        members = list(members_of(clinic))
        return super().get_context_data(
            members=[one for one in members if one.is_active],
            former=[one for one in members if not one.is_active],
            invited=open_invitations_of(clinic),
            now=timezone.now(),
            roles_to_choose=Membership.Role.choices,
            duties=[(role.label, duty) for role, duty in DUTIES],
            **kwargs,
        )


def say_invited(request: HttpRequest, invitation: Invitation) -> None:
    text = _("%(email)s is invited. The mail with the link leaves within a minute.")
    messages.success(request, text % {"email": invitation.email})


def what_is_so_now(membership: Membership) -> str:
    facts = {"name": membership.user.get_full_name(), "role": membership.get_role_display()}
    if not membership.is_active:
        return _("%(name)s has no access any more.") % facts
    return _("%(name)s is now %(role)s.") % facts


def back_to_members() -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("clinic_members"), status=303)


class OwnersAction(PortalAction):
    """A button on the page of people. Something that can't be done any more is said on that page, with 409."""

    roles = OWNER

    def refused(self, reason: str, *, status: int = 409) -> HttpResponse:
        page = Members()
        page.setup(self.request)
        return page.render_to_response(page.get_context_data(problem=reason), status=status)


class ChangeMember(OwnersAction):
    """POST /clinic/settings/members/<id>: `action` role (with `role`), end or return."""

    def post(self, request: ClinicRequest, membership_id: int) -> HttpResponseBase:
        membership = get_object_or_404(Membership, pk=membership_id, clinic=request.clinic)
        if question := ask_again(request):
            return question
        change = self._change(request, membership)
        if change is None:
            return self.refused(_("Please choose what to do."))
        try:
            with audit.because("Changed by an owner"):
                change()
        except people.MembershipRefused as refusal:
            return self.refused(str(refusal))
        membership.refresh_from_db()
        messages.success(request, what_is_so_now(membership))
        if membership.user_id == request.user.pk:
            # No owner any more, perhaps: this page is closed to them then.
            return HttpResponseRedirect(reverse("clinic_settings"), status=303)
        return back_to_members()

    def _change(self, request: ClinicRequest, membership: Membership) -> Callable[[], Any] | None:
        action, form = request.POST.get("action"), RoleForm(request.POST)
        if action == "role" and form.is_valid():
            return lambda: people.change_role(membership=membership, role=form.cleaned_data["role"])
        if action == "end":
            return lambda: people.end_membership(membership=membership)
        if action == "return":
            return lambda: people.bring_back(membership=membership)
        return None


class ChangeInvitation(OwnersAction):
    """POST /clinic/settings/invitations/<id>: `action` send (again) or revoke."""

    def post(self, request: ClinicRequest, invitation_id: int) -> HttpResponseBase:
        invitation = get_object_or_404(Invitation, pk=invitation_id, clinic=request.clinic)
        if question := ask_again(request):
            return question
        try:
            if request.POST.get("action") == "send":
                say_invited(request, invitations.invite_again(invitation=invitation, by=request.user))
            elif request.POST.get("action") == "revoke":
                invitations.revoke_invitation(invitation=invitation)
                messages.success(request, _("The invitation is withdrawn: its link does not work any more."))
            else:
                return self.refused(_("Please choose what to do."))
        except invitations.InvitationNotSent as refusal:
            return self.refused(str(refusal))
        return back_to_members()
