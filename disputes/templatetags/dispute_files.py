"""The files of a dispute on its page."""

from django import template

from disputes.evidence.storage import preview_path_of
from disputes.models import Evidence

register = template.Library()


@register.filter
def has_preview(evidence: Evidence) -> bool:
    return preview_path_of(evidence.stored_name).is_file()
