"""Finding English in a Hindi page: every word in Latin letters that is neither a name nor data."""

import re
from collections.abc import Iterable
from html.parser import HTMLParser
from typing import Final

SEEN_ATTRIBUTES: Final = ("aria-label", "title", "placeholder", "alt", "data-confirm", "aria-description")
UNSEEN: Final = {"script", "style", "svg", "template"}
WITHOUT_END: Final = {"input", "img", "br", "hr", "meta", "link", "source", "wbr", "col"}
WORD: Final = re.compile(r"[A-Za-z][A-Za-z'’]+")
# Names and abbreviations that Indians write in these letters, in Hindi text too.
LATIN_IN_HINDI: Final = {
    "Clinic", "Credits",  # the product's own name
    "Razorpay", "WhatsApp", "Google", "JavaScript", "English", "Hindi",
    "CSV", "PDF", "JPEG", "JPG", "PNG", "WebP", "GSTIN", "GST", "IGST", "CGST", "SGST", "HSN", "SAC", "PAN", "UPI",
    "IST", "AM", "PM", "ID", "QR", "TOTP", "API", "JSON", "CRM", "MB", "KB", "ms", "ZIP", "TEST", "MODE", "curl",
    "Bearer", "Authorization", "Ctrl", "Esc", "Enter", "Tab", "Shift", "Alt",
}  # fmt: skip


class _Reader(HTMLParser):
    """Collects what is read or heard; nothing of elements that say they are in another language."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[str] = []
        self.skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = dict(attrs)
        is_other = tag != "html" and facts.get("lang") not in (None, "hi")
        if self.skipped or tag in UNSEEN or is_other or facts.get("translate") == "no":
            self.skipped += tag not in WITHOUT_END
            return
        self.said += [value for name in SEEN_ATTRIBUTES if (value := facts.get(name))]
        if tag == "input" and facts.get("type") in ("submit", "button"):
            self.said.append(facts.get("value") or "")

    def handle_endtag(self, tag: str) -> None:
        if self.skipped and tag not in WITHOUT_END:
            self.skipped -= 1

    def handle_data(self, data: str) -> None:
        if not self.skipped:
            self.said.append(data)


def english_in(html: str, data: Iterable[str]) -> list[str]:
    """The English that is left, as short pieces of text. `data` are texts people wrote, which stay as they are."""
    reader = _Reader()
    reader.feed(html)
    known = sorted(filter(None, data), key=len, reverse=True)
    found = []
    for said in reader.said:
        text = " ".join(said.split())
        for one in known:
            text = text.replace(one, " ")
        text = re.sub(r"\b(?:pay|rfnd|order|disp)_\w+|\b[A-Z2-7]{32}\b", " ", text)  # ids and keys
        text = re.sub(r"https?://\S*|\S+@\S+|(?<!\w)/[a-z][\w/?=&.-]*|[\w-]+\.(?:png|jpg|pdf|csv)", " ", text)
        text = re.sub(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4,12}){4}\b|\b[a-z]+\.[a-z]+\b", " ", text)  # events
        if [word for word in WORD.findall(text) if word not in LATIN_IN_HINDI]:
            found.append(" ".join(text.split())[:120])
    return found
