"""PDF documents: templates/documents/*.typ, filled with data, set by a process of its own."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import files
from pathlib import Path
from threading import Condition
from typing import Any, Final, TypeAlias

from django.conf import settings

from clinics.models import Clinic

COMPILER: Final = Path(__file__).with_name("documents_compiler.py")
TEMPLATES: Final = Path(settings.BASE_DIR) / "templates" / "documents"
FONT_PACKAGE: Final = "fontpkg-mukta"
LONGEST_SECONDS: Final = 30
LONGEST_WAIT_SECONDS: Final = 0.5  # in a thread that serves nobody meanwhile
# Set at once in each server process, of two clinics: half of its threads (`make run`: 4) goes on serving pages.
MOST_AT_ONCE: Final = 2
# Clinics, by id, whose documents are being made, and that have a request waiting; both under the condition's lock.
_changed: Final = Condition()
_served: Final[set[int]] = set()
_waiting: Final[set[int]] = set()


class DocumentsBusy(Exception):
    """Others are being set; the same request may succeed in a few seconds. `is_own`: one of the clinic's own is."""

    def __init__(self, *, is_own: bool) -> None:
        super().__init__("one of the clinic's own is being made" if is_own else "all places are taken")
        self.is_own = is_own


class DocumentFailed(Exception):
    """It took too much time or memory, or the template is broken. The text is for the log, without data."""


@dataclass(frozen=True, slots=True)
class Document:
    """A template's name and what it says: texts and lists of texts only, in the reader's language.

    `timestamp` (seconds) is the file's own date.
    """

    template: str
    timestamp: int
    data: Mapping[str, Any]


Typeset: TypeAlias = Callable[[Sequence[Document]], list[bytes]]


@contextmanager
def typesetting_for(clinic: Clinic) -> Iterator[Typeset]:
    """A place in this process to set the clinic's documents, with what sets them. Raises DocumentsBusy.

    Ask before reading what they say, which costs as well. A clinic has one place and one request that waits for it,
    for a finger that tapped twice; its others are refused at once, so that a member who asks for forty documents
    keeps two threads and no more.
    """
    _take_a_place(clinic.pk)
    try:
        yield _typeset
    finally:
        with _changed:
            _served.discard(clinic.pk)
            _changed.notify_all()


def _take_a_place(clinic_id: int) -> None:
    with _changed:
        if clinic_id in _waiting:
            raise DocumentsBusy(is_own=True)
        _waiting.add(clinic_id)
        try:
            is_free = _changed.wait_for(
                lambda: clinic_id not in _served and len(_served) < MOST_AT_ONCE, LONGEST_WAIT_SECONDS
            )
        finally:
            _waiting.discard(clinic_id)
        if not is_free:
            raise DocumentsBusy(is_own=clinic_id in _served)
        _served.add(clinic_id)


def _typeset(documents: Sequence[Document]) -> list[bytes]:
    """The documents as PDF, in their order. Raises DocumentFailed."""
    order = {
        "folder": str(TEMPLATES),
        "fonts": fonts_folder(),
        "documents": [
            {"template": document.template, "data": {**document.data, "timestamp": document.timestamp}}
            for document in documents
        ],
    }
    try:
        done = subprocess.run(  # noqa: S603  (no shell, and no word of anybody's in the command)
            [sys.executable, "-I", str(COMPILER)],
            input=json.dumps(order).encode(),
            capture_output=True,
            timeout=LONGEST_SECONDS,
            env={},
            check=False,
        )
    except subprocess.TimeoutExpired as slow:
        raise DocumentFailed("a document took too long") from slow
    if done.returncode:
        raise DocumentFailed(f"the compiler ended with {done.returncode}: {done.stderr[-500:]!r}")
    return list(_split(done.stdout))


def fonts_folder() -> str:
    """Where the font's wheel put its files: Mukta, which has Latin, Devanagari and the rupee sign."""
    font = next(file for file in files(FONT_PACKAGE) or () if file.name == "Mukta-Regular.ttf")
    return str(Path(str(font.locate())).parent)


def _split(output: bytes) -> Iterator[bytes]:
    start = 0
    while start < len(output):
        end = output.index(b"\n", start)
        length = int(output[start:end])
        yield output[end + 1 : end + 1 + length]
        start = end + 1 + length
