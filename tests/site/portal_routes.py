"""The routes of the portal as the URLconf has them, and as the table of docs/portal.md says who may use them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.urls import URLPattern, URLResolver, get_resolver

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "portal.md"
WHO: Final = ("owner", "billing", "front desk", "no clinic", "signed out")
KINDS: Final = ("page", "part", "file", "form", "program")


@dataclass(frozen=True, slots=True)
class Row:
    """What the table says of one route. `rights` has for each of WHO the words of the cell."""

    route: str
    kind: str
    rights: dict[str, frozenset[str]]


def routes(resolver: URLResolver | None = None, before: str = "") -> Iterator[tuple[str, str]]:
    """Every route but the back office's, as the URLconf writes it, with its name."""
    for pattern in (resolver or get_resolver()).url_patterns:
        route = before + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, route)
        elif isinstance(pattern, URLPattern) and not route.startswith("admin"):
            yield route, str(pattern.name or "")


def table() -> dict[str, Row]:
    lines = [line for line in DOCUMENT.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    rows = [[cell.strip() for cell in line.replace(r"\|", "¦").strip("|").split("|")] for line in lines]
    return {row.route: row for row in map(row_of, rows)}


def row_of(cells: list[str]) -> Row:
    route, kind, *rights = cells
    words = [frozenset(cell.replace("–", "").replace(",", " ").split()) for cell in rights]
    return Row(route.strip("`").removeprefix("/").replace("¦", "|"), kind, dict(zip(WHO, words, strict=True)))
