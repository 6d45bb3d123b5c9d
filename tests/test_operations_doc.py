"""The runbook has a section for each command of ours, and for no other."""

import re
from pathlib import Path

from django.conf import settings
from django.core.management import get_commands

OURS = ("billing_site", "clinics", "leads", "credits")


def test_every_command_of_ours_is_in_the_runbook() -> None:
    text = (Path(settings.BASE_DIR) / "docs/operations.md").read_text()
    told = {
        name for line in re.findall(r"^## (.+)$", text, re.MULTILINE) for name in re.findall(r"\w+", line)
    }

    assert told == {name for name, app in get_commands().items() if app in OURS}
