"""Hindi is complete: the catalogs hold every text of the source, each translated, and the pages show no English."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import polib
import pytest
from django.conf import settings
from django.test import Client

from clinics.models import User
from disputes.models import DisputePolicy
from leads.services.intake import current_notice
from tests.site.back_office import sign_in
from tests.site.hindi import english_in
from tests.site.portal_routes import Row, table
from tests.site.portal_stage import FOREIGN, Stage

ROOT: Final = Path(settings.BASE_DIR)
CATALOGS: Final = sorted((ROOT / "locale").rglob("*.po"))
SOURCES: Final = ("billing_site", "clinics", "leads", "credits", "disputes", "templates", "locale")
PLACEHOLDER: Final = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{\w*\}")
NAMES: Final = [str(path.relative_to(ROOT)) for path in CATALOGS]
# What the stage's people wrote; it stays as it was written.
WRITTEN: Final = (
    "Sunrise Dental Care", "Asha Patel", "Meghna Bhatt", "Jignesh Modi", "Komal Solanki", "Gone Away", "Ahmedabad",
    "Nobody Inparticular", "Teeth whitening", "Whitening", "Dental", "After six, please", "Wrong number",
    "On which days did you call?", "We reached them.", "We called it too.", "Our CRM", "Please ring us.",
    "web", "Adjusted by a test", "Given by a test",
)  # fmt: skip


def entries(path: Path) -> dict[tuple[str | None, str], polib.POEntry]:
    return {(entry.msgctxt, entry.msgid): entry for entry in polib.pofile(str(path))}


def strings_of(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


@pytest.mark.parametrize("path", CATALOGS, ids=NAMES)
def test_every_text_is_translated_and_keeps_its_placeholders(path: Path) -> None:
    wrong = []
    for entry in polib.pofile(str(path)):
        strings = strings_of(entry)
        if entry.fuzzy or not all(strings):
            wrong.append(f"not translated: {entry.msgid}")
            continue
        # The singular may leave its number out («one lead»); nothing else may come or go.
        needed = set(PLACEHOLDER.findall(entry.msgid_plural or entry.msgid))
        if set(PLACEHOLDER.findall(strings[-1])) != needed:
            wrong.append(f"other placeholders: {entry.msgid}")
        if any(set(PLACEHOLDER.findall(string)) - needed for string in strings):
            wrong.append(f"a placeholder too many: {entry.msgid}")
        if entry.msgid[:1].isspace() != strings[0][:1].isspace():
            wrong.append(f"other space at the start: {entry.msgid!r}")

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", CATALOGS, ids=NAMES)
def test_the_compiled_catalog_is_that_of_the_text(path: Path) -> None:
    compiled = {
        (entry.msgctxt, entry.msgid): strings_of(entry)
        for entry in polib.mofile(str(path.with_suffix(".mo")))
    }

    assert compiled == {key: strings_of(entry) for key, entry in entries(path).items()}, "run: make messages"


def test_the_catalogs_hold_every_text_of_the_source_and_no_other(tmp_path: Path) -> None:
    if shutil.which("xgettext") is None:
        assert not os.environ.get("CI"), "CI must install gettext"
        pytest.skip("needs xgettext on the PATH")
    for name in SOURCES:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "*.whl"))
    shutil.copy(ROOT / "manage.py", tmp_path)

    subprocess.run(["locale/collect.sh", sys.executable], cwd=tmp_path, check=True, capture_output=True)

    for path in CATALOGS:
        anew = entries(tmp_path / path.relative_to(ROOT))
        assert set(anew) == set(entries(path)), "run: make messages"
        assert {key: entry.msgid_plural for key, entry in anew.items()} == {
            key: entry.msgid_plural for key, entry in entries(path).items()
        }


class InHindi:
    """A member's browser that reads Hindi, and what it found to be English."""

    def __init__(self, stage: Stage, user: User | None, cookies: dict[str, str]) -> None:
        self.stage, self.client, self.left = (
            stage,
            Client(headers={"accept-language": "hi"}),
            dict[str, list[str]](),
        )
        self.client.cookies.load(cookies)
        if user:
            User.objects.filter(pk=user.pk).update(language="hi")
            sign_in(self.client, user)
        guidance = DisputePolicy.objects.values_list("guidance", flat=True)
        consent = " ".join(current_notice().text.split())
        self.data = [*WRITTEN, *FOREIGN, *guidance, consent, stage.house.clinic.address]

    def look(self, row: Row, method: str) -> None:
        ask: Any = self.client.get if method == "GET" else self.client.post
        response = ask(self.stage.path(row.route), headers={"accept": "text/html"}, follow=method == "GET")
        if not str(response.get("Content-Type", "")).startswith("text/html") or response.status_code in (
            302,
            303,
        ):
            return
        html = response.content.decode()
        found = english_in(html, self.data)
        if response.status_code == 200 and "<html" in html and 'lang="hi"' not in html:
            found.append("lang is not hi")
        if found:
            self.left[f"{method} {row.route} ({response.status_code})"] = found


@pytest.mark.django_db
@pytest.mark.usefixtures("evidence_folder")
@pytest.mark.parametrize("who", ["owner", "front desk", "signed out"])
def test_no_page_of_the_portal_has_english_left_in_hindi(who: str) -> None:
    """Each page, and what it answers to a form sent empty."""
    stage = Stage()
    reader = InHindi(stage, stage.person(who), {})
    for row in table().values():
        if row.kind not in ("page", "part", "form") or row.route in ("accounts/logout/", "language"):
            continue
        for method, word in (("GET", "see"), ("POST", "do")):
            if word in row.rights[who] and not (method == "POST" and row.route == "clinic/switch"):
                reader.look(row, method)

    assert reader.left == {}, "\n".join(f"{page}: {words}" for page, words in reader.left.items())
