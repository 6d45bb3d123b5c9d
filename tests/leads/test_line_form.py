"""The form that checks lines of a file says what the form of one enquiry says."""

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from leads.forms import PartnerEnquiryForm
from leads.line_form import E164, LineForm, indian_mobile

ODD: Final = [
    "",
    " ",
    "0",
    "nan",
    "1e5",
    "x" * 130,
    "a@b.in",
    "2030-01-01",
    "true",
    "maybe",
    "-1",
    "7000.005",
]
PHONES: Final = [
    "9876543210", "+919876543210", "09876543210", "919876543210", "9198765432", "6000000000", "5876543210",
    "+1 212 555 2368", "98765 43210", "९८७६५४३२१०", "+91 9876543210;ext=5", "12345",
]  # fmt: skip
RIGHT: Final[dict[str, str]] = {
    "clinic_id": "5",
    "patient_name": "Asha Patel",
    "mobile_number": "9876543210",
    "consent_given": "true",
}
lines = st.dictionaries(
    st.sampled_from(sorted(PartnerEnquiryForm.base_fields)), st.sampled_from(ODD), max_size=5
)


@settings(max_examples=150, deadline=None)
@given(st.lists(lines, max_size=3), st.sampled_from(PHONES))
def test_a_line_is_refused_and_read_as_one_enquiry_is(odd: list[dict[str, str]], phone: str) -> None:
    form = LineForm()
    for line in [*odd, {}]:
        data = {**RIGHT, "mobile_number": phone, **line}

        form.data = data
        form.full_clean()

        single = PartnerEnquiryForm(data)
        assert form.errors == single.errors
        assert texts(form.cleaned_data) == texts(single.cleaned_data)


@settings(max_examples=100, deadline=None)
@given(st.from_regex(r"(\+91)?[0-9]{10}", fullmatch=True))
def test_a_number_taken_without_asking_the_library_is_what_it_says(raw: str) -> None:
    quick = indian_mobile(raw)

    field = PartnerEnquiryForm.base_fields["mobile_number"]
    assert quick is None or quick == E164(field.clean(raw).as_e164)


@pytest.mark.parametrize("raw", ["9876543210", "+917012345678"])
def test_a_usual_number_is_taken_without_asking_the_library(raw: str) -> None:
    assert indian_mobile(raw) == "+91" + raw[-10:]


def texts(cleaned: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Values as they are stored and kept in a digest, with the kind of each but the phone's."""
    return {
        name: ("" if name == "mobile_number" else type(value).__name__, str(value))
        for name, value in cleaned.items()
    }
