"""What a log may say of an exception: never its text, which may quote a row, an address or a template's value."""

from pathlib import Path
from traceback import extract_tb
from typing import Final

OURS: Final = Path(__file__).resolve().parent.parent


def place_of(problem: BaseException) -> str:
    """The last line of our code it came through, or of any: of a traceback, what holds nobody's data."""
    steps = list(extract_tb(problem.__traceback__))
    ours = [step for step in steps if is_ours(Path(step.filename))]
    return next((f"{Path(step.filename).name}:{step.lineno}" for step in reversed(ours or steps)), "?")


def is_ours(file: Path) -> bool:
    return file.is_relative_to(OURS) and "site-packages" not in file.parts


def sqlstate_of(problem: BaseException) -> str:
    """Of what the database refused; empty for anything else. Django wraps the driver's exception, which has it."""
    return getattr(problem, "sqlstate", None) or getattr(problem.__cause__, "sqlstate", None) or ""
