"""Why a webhook did not arrive: a word that is stored, and a sentence for whoever reads the log."""

from typing import Final

from django.db.models import TextChoices
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy


class Problem(TextChoices):
    NOT_A_URL = "not_a_url", gettext_lazy("This is not a web address.")
    NOT_HTTPS = "not_https", gettext_lazy("The address must begin with https://.")
    HAS_PASSWORD = "has_password", gettext_lazy("The address must not hold a user name or password.")
    FORBIDDEN_PORT = "forbidden_port", gettext_lazy("Use port 443, or one from 1024 up.")
    # One sentence for both: nobody finds out from us which names our own network knows.
    NO_ADDRESS = "no_address", gettext_lazy("This leads to no address on the public internet.")
    FORBIDDEN_ADDRESS = "forbidden_address", gettext_lazy("This leads to no address on the public internet.")
    NOT_CONNECTED = "not_connected", gettext_lazy("No connection: nobody answers at this address.")
    CERTIFICATE = "certificate", gettext_lazy("No secure connection: its certificate was not accepted.")
    TIMED_OUT = "timed_out", gettext_lazy("No answer in time.")
    BROKEN_OFF = "broken_off", gettext_lazy("The connection broke off before there was an answer.")
    REDIRECTED = "redirected", gettext_lazy("It sent us on to another address, where we do not go.")
    GONE = "gone", gettext_lazy("It said that it is gone (410), so we stopped.")
    ANSWERED = "answered", gettext_lazy("It answered with an error.")
    SECRET_LOST = "secret_lost", gettext_lazy("Its secret can't be read any more. Make a new one.")
    OURS = "ours", gettext_lazy("Not sent: something went wrong on our side.")
    STOPPED = "stopped", gettext_lazy("Not sent: the endpoint was stopped.")
    REMOVED = "removed", gettext_lazy("Not sent: the endpoint was removed.")


# What is for us to mend; without a word about how the clinic's server does.
BY_OURSELVES: Final = (Problem.OURS.value, Problem.SECRET_LOST.value)


def in_words(problem: str, status: int | None = None) -> str:
    """For people; a word that is not known here (written by a newer version) as it is."""
    if problem == Problem.ANSWERED and status is not None:
        return _("It answered %(status)d.") % {"status": status}
    return str(Problem(problem).label) if problem in Problem.values else problem
