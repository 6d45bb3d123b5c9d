"""The same writing of numbers as in English; times without AM and PM, which Hindi doesn't tell apart by one word, and
months by their whole name, whose short forms nobody reads."""

from billing_site.formats.en.formats import *  # noqa: F403

DATE_FORMAT = "j F Y"
TIME_FORMAT = "H:i"
DATETIME_FORMAT = "j F Y, H:i"
SHORT_DATE_FORMAT = "j F Y"
SHORT_DATETIME_FORMAT = "j F Y, H:i"
