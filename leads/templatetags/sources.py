"""Where leads come from, in words."""

from django import template

from leads.sources import name_of_source

register = template.Library()
register.filter("source_name", name_of_source)
