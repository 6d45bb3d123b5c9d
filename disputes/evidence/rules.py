"""What may be sent as evidence. Known to the page and to the process that looks at the files: no Django here."""

from dataclasses import dataclass
from typing import Final

MOST_BYTES: Final = 5 * 1024 * 1024  # a file, as sent and as kept
MOST_PIXELS: Final = 60_000_000  # of an image as sent: a phone's camera has 50 million
KEPT_PIXELS: Final = 12_000_000  # of an image as kept: a long screenshot is still readable
LONGEST_SIDE: Final = 30_000
MOST_PAGES: Final = 50
MOST_PDF_OBJECTS: Final = 20_000

# The media type and the extension of each kind that is taken.
KINDS: Final = {
    "jpeg": ("image/jpeg", "jpg"),
    "png": ("image/png", "png"),
    "webp": ("image/webp", "webp"),
    "pdf": ("application/pdf", "pdf"),
}

# What a person reads about a file that is not taken.
REFUSALS: Final = {
    "empty": "This file is empty.",
    "too_large": "This file is larger than 5 MB.",
    "unknown_type": "This is not a JPEG, PNG, WebP or PDF file, whatever its name says.",
    "broken": "This file is damaged or incomplete. Please save it again, or send a photo of it.",
    "too_many_pixels": "This picture has too many pixels. Please send a smaller one.",
    "animated": "This picture moves. Please send a still one.",
    "encrypted": "This PDF is locked with a password. Please send it without one.",
    "active_content": "This PDF holds scripts, actions or other files. Please print it to a new PDF, or send a photo.",
    "too_many_pages": f"This PDF has more than {MOST_PAGES} pages. Please send the ones that matter.",
    "hidden_data": "This PDF carries other data after its end. Please print it to a new PDF.",
    "too_complicated": "This file takes too long to look at. Please send a simpler one, or a photo of it.",
    "unsafe": "Our virus scanner does not let this file in.",
    "not_checked": "This file could not be checked just now. Please try again.",
}


class Refused(Exception):
    """This file is not taken; `code` is one of REFUSALS."""

    @property
    def code(self) -> str:
        return str(self)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """A file as it is kept: an image drawn anew, a PDF as it came."""

    kind: str
    content: bytes


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
