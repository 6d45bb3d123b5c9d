"""PDFs are kept as they came, so they are taken only where nothing in them acts, hides or never ends."""

import re
from collections.abc import Iterator
from io import BytesIO
from typing import Any, Final

from pypdf import PdfReader
from pypdf.generic import ArrayObject, DictionaryObject, IndirectObject

from disputes.evidence.rules import MOST_PAGES, MOST_PDF_OBJECTS, Cleaned, Refused

# Keys and values that make a PDF do something, or carry another file. Links into the web (/URI) do nothing unasked.
ACTIVE: Final = frozenset({
    "/JavaScript", "/JS", "/Launch", "/EmbeddedFile", "/EmbeddedFiles", "/Filespec", "/FileAttachment", "/RichMedia",
    "/GoToR", "/GoToE", "/SubmitForm", "/ImportData", "/Rendition", "/Movie", "/Sound", "/Screen", "/3D",
    "/XFA", "/AA",
})  # fmt: skip
# The same in the raw bytes, for what no table of objects leads to. Names so long don't turn up in pictures by chance.
RAW: Final = re.compile(
    rb"/(?:JavaScript|EmbeddedFiles?|FileAttachment|RichMedia|SubmitForm|ImportData|Launch)\b"
)
ESCAPED: Final = re.compile(rb"#([0-9A-Fa-f]{2})")
END: Final = b"%%EOF"
ARCHIVE_END: Final = b"PK\x05\x06"
ARCHIVE_REACH: Final = 66_000  # an archive's directory ends this near to the end of its file


def clean_pdf(content: bytes) -> Cleaned:
    """The file as it came. Raises Refused."""
    check_bytes(content)
    try:
        reader = PdfReader(BytesIO(content), strict=False)
        check_document(reader)
    except Refused:
        raise
    except MemoryError as error:
        raise Refused("too_complicated") from error
    except Exception as error:  # a hostile file may break any part of a parser
        raise Refused("broken") from error
    return Cleaned("pdf", content)


def check_bytes(content: bytes) -> None:
    """Nothing stands after the end, and no other format hides in it."""
    end = content.rfind(END)
    if end < 0:
        raise Refused("broken")
    if content[end + len(END) :].strip(b"\r\n \t\x00") or ARCHIVE_END in content[-ARCHIVE_REACH:]:
        raise Refused("hidden_data")
    if RAW.search(ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), content)):
        raise Refused("active_content")


def check_document(reader: PdfReader) -> None:
    if "/Encrypt" in reader.trailer:
        raise Refused("encrypted")
    check_pages(reader)
    seen: set[int] = set()
    for start in (reader.trailer, *listed_objects(reader)):
        check_graph(start, seen)


def check_pages(reader: PdfReader) -> None:
    """Between 1 and MOST_PAGES of them, counted, whatever /Count says. Raises Refused."""
    root: Any = reader.trailer.raw_get("/Root").get_object()
    waiting: list[Any] = [root.raw_get("/Pages")]
    seen: set[int] = set()
    pages = 0
    while waiting:
        node = waiting.pop()
        if isinstance(node, IndirectObject):
            if node.idnum in seen:
                raise Refused("broken")  # a page tree that bites its tail
            seen.add(node.idnum)
        node = node.get_object()
        kids = node.get("/Kids") if isinstance(node, DictionaryObject) else None
        if kids is None:
            pages += isinstance(node, DictionaryObject)
        else:
            waiting.extend(kids.get_object())
        if pages > MOST_PAGES or len(seen) > MOST_PDF_OBJECTS:
            raise Refused("too_many_pages")
    if not pages:
        raise Refused("broken")


def listed_objects(reader: PdfReader) -> Iterator[Any]:
    """Every object that a table of the file lists, also those nothing points at: a lax viewer may find them."""
    listed = {(number, generation) for generation, table in reader.xref.items() for number in table}
    listed |= {(number, 0) for number in reader.xref_objStm}
    if len(listed) > MOST_PDF_OBJECTS:
        raise Refused("too_complicated")
    for number, generation in sorted(listed):
        yield IndirectObject(number, generation, reader)


def check_graph(start: Any, seen: set[int]) -> None:
    """Everything that hangs on `start`, each object once. Raises Refused."""
    waiting: list[Any] = [start]
    while waiting:
        item = waiting.pop()
        if isinstance(item, IndirectObject):
            if item.idnum in seen:
                continue
            seen.add(item.idnum)
            item = item.get_object()
        if isinstance(item, DictionaryObject):
            check_dictionary(item)
            waiting.extend(item.values())
        elif isinstance(item, ArrayObject):
            waiting.extend(item)


def check_dictionary(item: DictionaryObject) -> None:
    named = {str(item.get(key)) for key in ("/S", "/Type", "/Subtype") if not isinstance(item.get(key), dict)}
    if not ACTIVE.isdisjoint(item.keys()) or not ACTIVE.isdisjoint(named):
        raise Refused("active_content")
