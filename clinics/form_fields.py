"""Form fields that every app's forms share."""

from typing import Any, Final

from django import forms
from django.core.validators import RegexValidator

from clinics.models import IDEMPOTENCY_KEY_MAX_LENGTH

BIGGEST_ID: Final = 2**63 - 1  # what a bigint column holds: more would be an error of the database


class IdField(forms.IntegerField):
    """An id of ours: positive, and no more than the database can compare with."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_value=1, max_value=BIGGEST_ID, **kwargs)


class IdempotencyKeyField(forms.CharField):
    """A caller's key for a request that must count once (PRODUCT, routes)."""

    default_validators = [  # noqa: RUF012  (Django's own attribute)
        RegexValidator(r"^[\x21-\x7e]*$", "A key is printable ASCII without spaces.")
    ]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, max_length=IDEMPOTENCY_KEY_MAX_LENGTH, **kwargs)
