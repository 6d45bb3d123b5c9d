"""Virus scanners for tests, as `EVIDENCE_SCANNER` names them."""

from pathlib import Path


def says_yes(path: Path) -> bool:
    return path.stat().st_size > 0


def says_no(path: Path) -> bool:
    return False


def breaks(path: Path) -> bool:
    raise ConnectionError("the scanner is away")
