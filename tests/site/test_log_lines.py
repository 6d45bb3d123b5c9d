import pytest

from billing_site.log_lines import without_personal_data


@pytest.mark.parametrize(
    "before",
    ["/accounts/invitations/", "/accounts/password/reset/key/", "/enquiries/", "/mail/stop/"],
)
def test_a_link_that_opens_a_door_stands_in_no_log_line(before: str) -> None:
    line = without_personal_data(None, "", {"request": f"GET {before}7.a-signature?next=/"})
    assert line["request"] == f"GET {before}…"


def test_who_asked_and_what_they_searched_for_stand_in_no_log_line() -> None:
    event = {"request": "GET /clinic/dashboard?search=98", "ip": "10.0.0.1", "user_agent": "a"}
    assert without_personal_data(None, "", event) == {"request": "GET /clinic/dashboard"}
