"""docs/accounts.md tells the truth: every event in it is played, every row it shows is compared."""

from pathlib import Path

import pytest
from django.conf import settings

from billing_site.rights import DOOR
from tests.credits.accounts_doc import DOC, Section, Story, sections

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("books_are_clean")]

SECTIONS = sections(DOC.read_text(encoding="utf-8"))
FILES = (
    Path(settings.BASE_DIR) / "credits/sql" / name for name in ("events.sql", "delivery.sql", "release.sql")
)
# What is called from outside runs as the owner; the steps inside it do not say so.
EVENTS = {
    function.partition("(")[0]
    for file in FILES
    for function in file.read_text(encoding="utf-8").split("CREATE OR REPLACE FUNCTION ")[1:]
    if "SECURITY DEFINER" in function.partition("AS $$")[0]
}


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.title)
def test_the_rows_are_as_the_page_says(section: Section) -> None:
    story = Story()
    try:
        story.play(section)
    finally:
        story.clock.reset()


def test_every_event_of_the_ledger_is_told() -> None:
    told = set[str]().union(*(section.events for section in SECTIONS))

    assert told >= EVENTS
    assert set(DOOR) & EVENTS == EVENTS - {
        "refund_lead",
        "adjust_credits",
    }  # steps of an approved dispute or request


def test_a_wrong_number_on_the_page_is_found() -> None:
    text = DOC.read_text(encoding="utf-8")
    wrong = sections(text.replace("| -180.00 | 820.00 |", "| -180.00 | 821.00 |"))
    assert wrong != SECTIONS

    caught = 0
    for section in wrong:
        if section not in SECTIONS:
            with pytest.raises(AssertionError, match="credit_transactions"):
                Story().play(section)
            caught += 1
    assert caught > 0


def test_an_event_that_should_be_refused_and_is_not_is_found() -> None:
    with pytest.raises(AssertionError, match="not refused"):
        Story().happen("refused InvalidAmount: add_credits 10")
