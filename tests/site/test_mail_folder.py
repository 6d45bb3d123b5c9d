"""EMAIL_URL=filemail:///…: mails as files, in the folder it names."""

import os
import subprocess
import sys

import pytest

SAYS_WHERE = "from billing_site import settings; print(settings.EMAIL_FILE_PATH)"


@pytest.mark.parametrize(
    ("url", "folder"),
    [
        ("filemail:///var/mails", "/var/mails"),
        ("filemail:////var/mails", "/var/mails"),
        ("consolemail://", ""),
    ],
)
def test_it_is_the_absolute_path_of_the_address(url: str, folder: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", SAYS_WHERE],
        env={**os.environ, "EMAIL_URL": url},
        check=True,
        capture_output=True,
        text=True,
    )

    assert told.stdout.strip() == folder
