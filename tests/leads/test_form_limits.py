"""What the form lets in, the tables can hold."""

import pytest

from leads.forms import EnquiryForm
from leads.models import Lead, LeadContact


@pytest.mark.parametrize(
    ("field", "model", "column"),
    [
        ("patient_name", LeadContact, "name"),
        ("email", LeadContact, "email"),
        ("procedure_name", LeadContact, "procedure_name"),
        ("guardian_name", LeadContact, "guardian_name"),
        ("city", Lead, "city"),
        ("source", Lead, "source"),
    ],
)
def test_no_field_takes_more_than_its_column(
    field: str, model: type[Lead] | type[LeadContact], column: str
) -> None:
    asked = EnquiryForm.base_fields[field].max_length  # type: ignore[attr-defined]

    assert asked <= model._meta.get_field(column).max_length  # type: ignore[union-attr]
