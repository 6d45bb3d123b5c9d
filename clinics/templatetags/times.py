"""Times as people say them."""

from datetime import datetime

from django import template
from django.contrib.humanize.templatetags.humanize import NaturalTimeFormatter, naturaltime
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timesince import timesince

register = template.Library()


@register.filter
def ago(moment: datetime | None) -> SafeString:
    """«2 hours ago», with the exact time in India on hover and for machines; nothing for None."""
    if moment is None:
        return SafeString("")
    local = timezone.localtime(moment)
    exact = date_format(local, "DATETIME_FORMAT")
    return format_html(
        '<time datetime="{}" title="{} IST">{}</time>', local.isoformat(), exact, _in_words(moment)
    )


def _in_words(moment: datetime) -> str:
    """Django's words, but «3 days ago» for its «3 days, 7 hours ago»."""
    if (timezone.now() - moment).days < 1:
        return str(naturaltime(moment))
    days = timesince(moment, time_strings=NaturalTimeFormatter.past_substrings, depth=1)
    return str(NaturalTimeFormatter.time_strings["past-day"] % {"delta": days})
