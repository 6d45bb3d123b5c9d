"""What may be sent as evidence. Known to the page and to the process that looks at the files: no Django here."""

from dataclasses import dataclass
from typing import Final

MOST_BYTES: Final = 5 * 1024 * 1024  # a file, as sent and as kept
MOST_PIXELS: Final = 60_000_000  # of an image as sent: a phone's camera has 50 million
KEPT_PIXELS: Final = 12_000_000  # of an image as kept: a long screenshot is still readable
LONGEST_SIDE: Final = 30_000
MOST_PAGES: Final = 50
MOST_PDF_OBJECTS: Final = 20_000

PREVIEW: Final = ".preview"  # the name of a picture's small one ends so, behind the picture's own name

# The media type and the extension of each kind that is taken.
KINDS: Final = {
    "jpeg": ("image/jpeg", "jpg"),
    "png": ("image/png", "png"),
    "webp": ("image/webp", "webp"),
    "pdf": ("application/pdf", "pdf"),
}

# Why a file is not taken; what a person reads about it stands in `texts`.
REFUSALS: Final = frozenset({
    "empty", "too_large", "unknown_type", "broken", "too_many_pixels", "animated", "encrypted", "active_content",
    "too_many_pages", "hidden_data", "too_complicated", "unsafe", "not_checked",
})  # fmt: skip


class Refused(Exception):
    """This file is not taken; `code` is one of REFUSALS."""

    @property
    def code(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A file as it is kept: an image drawn anew, with a small picture of it; a PDF as it came, without one."""

    kind: str
    content: bytes
    preview: bytes | None = None


def kind_of(head: bytes) -> str:
    """The kind by the file's first bytes alone: names and headers are what the sender says. Raises Refused."""
    if not head:
        raise Refused("empty")
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith(b"%PDF-"):
        return "pdf"
    raise Refused("unknown_type")
