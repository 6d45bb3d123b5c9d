"""A page as its reader has it: the text alone."""

import re
from typing import Any


def text_of(page: Any) -> str:
    """The words of an answer, or of its HTML, with one blank between any two; without attributes."""
    html = page if isinstance(page, str) else page.content.decode()
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())
