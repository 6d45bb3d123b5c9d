"""What a form takes, as JSON Schema: the description of a route cannot differ from what the route checks."""

from collections.abc import Iterator
from typing import Any, Final

from django import forms
from phonenumber_field.formfields import PhoneNumberField

from disputes.forms import FilesField

JsonSchema = dict[str, Any]
# What a program has no use for: the honeypot is for browsers' robots.
LEFT_OUT: Final = frozenset({"website"})
CONSENT: Final = "consent_given"
# The first that fits counts.
KINDS: Final[tuple[tuple[type[forms.Field], JsonSchema], ...]] = (
    (
        PhoneNumberField,
        {"type": "string", "description": "Ten digits for India, or with + and country code."},
    ),
    (FilesField, {"type": "array", "items": {"type": "string", "format": "binary"}}),
    (forms.BooleanField, {"type": "boolean"}),
    (forms.DecimalField, {"type": "number"}),
    (forms.IntegerField, {"type": "integer"}),
    (forms.DateField, {"type": "string", "format": "date"}),
    (forms.EmailField, {"type": "string", "format": "email"}),
)


def schema_of_form(form: type[forms.Form], *, leave_out: frozenset[str] = frozenset()) -> JsonSchema:
    """An object with the form's fields; nothing else is taken."""
    fields = {name: field for name, field in form.base_fields.items() if name not in LEFT_OUT | leave_out}
    schema: JsonSchema = {
        "type": "object",
        "properties": {name: schema_of_field(name, field) for name, field in fields.items()},
        "additionalProperties": False,
    }
    if required := [name for name, field in fields.items() if field.required]:
        schema["required"] = required
    return schema


def schema_of_field(field_name: str, field: forms.Field) -> JsonSchema:
    schema = _kind(field)
    if field_name == CONSENT:
        schema["const"] = True
    if isinstance(field, forms.CharField) and not isinstance(field, PhoneNumberField):
        schema |= {"maxLength": field.max_length} if field.max_length else {}
        if field.min_length or field.required:
            schema["minLength"] = field.min_length or 1
    number: type[int] | type[float] = int if schema.get("type") == "integer" else float
    for name, limit in (("minimum", "min_value"), ("maximum", "max_value")):
        value: Any = getattr(field, limit, None)
        if value is not None:
            schema[name] = number(value)
    return schema


def _values(choices: Any) -> Iterator[str]:
    for value, label in choices:
        if isinstance(label, list | tuple):  # a group of choices under a heading
            yield from _values(label)
        elif value != "":
            yield str(value)


def _kind(field: forms.Field) -> JsonSchema:
    if isinstance(field, forms.ChoiceField):
        return {"type": "string", "enum": list(_values(field.choices))}
    return dict(next((schema for kind, schema in KINDS if isinstance(field, kind)), {"type": "string"}))
