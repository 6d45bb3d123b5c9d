"""The sign-in library's forms, with what phones and password managers need to fill them in."""

from typing import Any, Final

from allauth.account.forms import ConfirmLoginCodeForm, LoginForm, RequestLoginCodeForm
from django.forms import Field

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


class CodeForm(ConfirmLoginCodeForm):  # type: ignore[misc]
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fits(self.fields["code"], **CODE)
