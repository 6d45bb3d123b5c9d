"""What may stand in a log line: never a row's values, which a database's or a library's exception may quote."""

import logging
import re
import sys
import threading
from collections.abc import Iterator, MutableMapping
from traceback import format_tb
from types import TracebackType
from typing import Any, Final

import psycopg
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InterfaceError

from billing_site.problems import sqlstate_of

logger = logging.getLogger(__name__)

# What stands behind these in a path opens a door to whoever has it.
LINKS: Final = re.compile(r"(/(?:accounts/(?:invitations|password/reset/key)|enquiries|mail/stop)/)\S+")

# PostgreSQL's second lines quote the row; a task that failed is named with its exception's `repr`.
QUOTED_ROW: Final = re.compile(r"(?:\n|\\n)\s*(?:DETAIL|CONTEXT|HINT|QUERY|WHERE|LINE \d+):.*", re.DOTALL)


def without_personal_data(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: drops the caller's address and browser, the request's query string, and links from mails.

    A search may hold a name or a number; an address beside a lead's id is a person.
    """
    event.pop("ip", None)
    event.pop("user_agent", None)
    if isinstance(request := event.get("request"), str):
        event["request"] = LINKS.sub(r"\1…", request.partition("?")[0])
    for name, value in event.items():
        if isinstance(value, str):
            event[name] = QUOTED_ROW.sub("…", value)
    return event


def without_words_of_exceptions(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """A structlog processor: the traceback with the kinds of its exceptions, and none of their texts."""
    if not (given := event.pop("exc_info", None)):
        return event
    problem = (
        given if isinstance(given, BaseException) else (given if given is not True else sys.exc_info())[1]
    )
    if problem is not None:
        event["exception"] = "".join(traceback_of(problem)).rstrip()
    return event


def traceback_of(problem: BaseException, *, told: frozenset[int] = frozenset()) -> Iterator[str]:
    """As Python prints it, from the first cause on, but for what the exceptions say."""
    told |= {id(problem)}  # a chain may be a ring
    before = problem.__cause__ or (None if problem.__suppress_context__ else problem.__context__)
    if before is not None and id(before) not in told:
        yield from traceback_of(before, told=told)
        how = "The one above caused this one" if problem.__cause__ else "While handling the one above"
        yield f"\n{how}:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from format_tb(problem.__traceback__)
    kind = type(problem)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    yield " ".join(filter(None, (name, sqlstate_of(problem), safe_words_of(problem)))) + "\n"
    for part in getattr(problem, "exceptions", ()):  # of a group
        yield from traceback_of(part, told=told)


def safe_words_of(problem: BaseException) -> str:
    """What says how the machine is set up, and a database's first line, which names tables and constraints: but for
    data that it could not read (class 22), which it quotes. With DEBUG whatever is no database's."""
    if isinstance(problem, psycopg.Error | DatabaseError | InterfaceError):
        return "" if sqlstate_of(problem).startswith("22") else str(problem).partition("\n")[0]
    is_safe = isinstance(problem, ImproperlyConfigured | ImportError)
    return str(problem) if is_safe or settings.DEBUG else ""


def log_what_nobody_caught() -> None:
    """Of commands and threads: Python itself would print the exception's text to where logs are kept as well."""
    sys.excepthook = _uncaught
    threading.excepthook = lambda given: _uncaught(
        given.exc_type, given.exc_value or given.exc_type(), given.exc_traceback
    )


def _uncaught(kind: type[BaseException], problem: BaseException, place: TracebackType | None) -> None:
    if issubclass(kind, BrokenPipeError):
        return  # `… | head` has read enough
    if issubclass(kind, Exception):
        logger.critical("Nobody caught this", exc_info=(kind, problem, place))
    else:
        sys.__excepthook__(kind, problem, place)  # Ctrl-C, an exit
