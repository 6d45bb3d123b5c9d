"""The sign-in library's forms, with what phones and password managers need to fill them in."""

from typing import Any, Final

from allauth.account.forms import ConfirmLoginCodeForm, LoginForm, RequestLoginCodeForm, ResetPasswordForm
from django.forms import Field
from django.http import HttpRequest

from clinics.services.sign_in_mails import About, Sealed, ask_for_mail, password_mark

ADDRESS: Final = {
    "autocomplete": "username",
    "inputmode": "email",
    "autocapitalize": "none",
    "spellcheck": "false",
}
CODE: Final = {"autocomplete": "one-time-code", "autocapitalize": "characters", "spellcheck": "false"}


def fits(field: Field, **attributes: str) -> None:
    """The label says what belongs there: no placeholder that says it again and looks filled in."""
    field.widget.attrs.pop("placeholder", None)
    field.widget.attrs.update(attributes)


class SignInForm(LoginForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fits(self.fields["login"], **ADDRESS)
        fits(self.fields["password"])


class AskForCodeForm(RequestLoginCodeForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fits(self.fields["email"], **ADDRESS)


class AskForLinkForm(ResetPasswordForm):  # type: ignore[misc]
    """The library would make the link at once, and write more for an address that is known than for others."""

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        email: str = self.cleaned_data["email"]
        user = next(iter(self.users), None)
        if user is None:
            ask_for_mail(About.NO_ACCOUNT, Sealed(to=email))
        else:
            ask_for_mail(About.PASSWORD, Sealed(to=email, user_id=user.pk, password_mark=password_mark(user)))
        return email


class CodeForm(ConfirmLoginCodeForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fits(self.fields["code"], **CODE)
