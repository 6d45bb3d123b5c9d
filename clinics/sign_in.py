"""How people sign in: allauth's e-mail and password, by invitation only, with a second factor where there is one."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core import context
from allauth.mfa.adapter import DefaultMFAAdapter
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from django.urls import reverse

from clinics.models import Clinic, User
from clinics.second_factor import used_second_factor
from clinics.services.sign_in_mails import About, Sealed, ask_for_mail
from clinics.step_up import signed_in_recently
from clinics.stored_secrets import SecretUnreadable, decrypted, encrypted
from clinics.surfaces import CLINIC_SESSION_KEY, caller_address

SECOND_FACTOR_SALT = (
    "clinics.second_factor"  # of what was stored since the first authenticator app: never changed
)


class AccountAdapter(DefaultAccountAdapter):
    """Nobody signs up by themselves: an account is made when somebody is invited."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_login_redirect_url(self, request: HttpRequest) -> str:
        """Staff who are members of no clinic have nothing to see in the portal."""
        user = request.user
        if isinstance(user, User) and user.is_staff and not Clinic.objects.of_member(user).exists():
            return reverse("admin:index")
        return str(super().get_login_redirect_url(request))

    def login(self, request: HttpRequest, user: Any) -> None:
        """The session says from the start which clinic it works for: a form filled in for one is then never carried
        out for another, should a membership end or a name change meanwhile."""
        super().login(request, user)
        clinic = Clinic.objects.of_member(user).first()
        if clinic is not None:
            request.session[CLINIC_SESSION_KEY] = clinic.pk

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Every mail of the library's comes through here, and waits in the outbox like any other. Raises ValueError
        for one that we have no words for (`About`)."""
        about = About(template_prefix.rpartition("/")[2])
        ask_for_mail(about, Sealed(to=email, code=context.get("code", "")))

    def get_client_ip(self, request: HttpRequest) -> str:
        """Whom the rate limits count: the same caller as everywhere else."""
        return caller_address(request)

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """One rule for allauth's pages and ours: who has just signed in is not asked again."""
        required = super().is_reauthentication_required(app=app, **kwargs)
        return bool(required) and not signed_in_recently(context.request)

    def get_reauthentication_methods(self, user: Any) -> list[dict[str, Any]]:
        """Password or code. A session from before the second factor confirms with the code: else a stolen password
        would be enough to swap the factor.
        """
        methods: list[dict[str, Any]] = super().get_reauthentication_methods(user)
        by_code = [method for method in methods if method["id"] == "mfa_reauthenticate"]
        return by_code if by_code and not used_second_factor(context.request) else methods


class SecondFactorAdapter(DefaultMFAAdapter):
    """Secrets of authenticator apps and seeds of recovery codes are stored encrypted."""

    def encrypt(self, text: str) -> str:
        return encrypted(text, salt=SECOND_FACTOR_SALT)

    def decrypt(self, encrypted_text: str) -> str:
        """Raises ValidationError, which the form shows."""
        try:
            return decrypted(encrypted_text, salt=SECOND_FACTOR_SALT)
        except SecretUnreadable as problem:
            message = (
                "Your second factor can't be read any more. Ask the people who run this site to reset it."
            )
            raise ValidationError(message) from problem
