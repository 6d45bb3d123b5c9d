"""Who changes something, from where and why: the context that the audit trail's rows are written with (rule 12).

It goes to the database with each statement (django-pghistory), for the transaction at hand only; `clinics/door.py`
sends it with the SQL functions that write tracked tables. Without one the trail has the database's role and no more.
"""

import getpass
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import pghistory
import pghistory.runtime
import structlog
from django.core.handlers.wsgi import WSGIRequest
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.http import HttpRequest, HttpResponseBase
from pghistory.middleware import HistoryMiddleware
from psycopg.pq import TransactionStatus

LONGEST_REASON: Final = 300
# Statements that change nothing tracked need no context; reading a page is not a change.
READING: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


class Context(NamedTuple):
    """As the trigger reads it: `pghistory.context_id` and `pghistory.context_metadata`."""

    id: str
    metadata: str


def current() -> Context | None:
    """The context of this thread, or None where there is none."""
    value = getattr(pghistory.runtime._tracker, "value", None)
    return value and Context(str(value.id), json.dumps(value.metadata, cls=DjangoJSONEncoder))


@contextmanager
def because(reason: str, **facts: Any) -> Iterator[None]:
    """What is changed inside has this reason: a code, ids, what somebody typed into a field for it; no personal data.

    Inside a request or command it adds to their context, and leaves it as it was; by itself it opens one.
    """
    is_outermost = current() is None
    try:
        with pghistory.context() as context:
            before = dict(context.metadata)
            context.metadata.update(facts, reason=" ".join(reason.split())[:LONGEST_REASON])
            try:
                yield
            finally:
                context.metadata.clear()
                context.metadata.update(before)
    finally:
        if is_outermost and connection.in_atomic_block:
            forget()


def forget() -> None:
    """The settings last as long as the transaction: what comes later in it is not part of what is over.

    Not in one that has failed: it ends with nothing.
    """
    session = connection.connection
    if session is None or session.info.transaction_status != TransactionStatus.INTRANS:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT set_config('pghistory.context_id', '', true), set_config('pghistory.context_metadata', '', true)"
        )


@contextmanager
def command(arguments: Sequence[str]) -> Iterator[None]:
    """All that one run of `manage.py` changes, under the command's name and who ran it on this machine."""
    name = arguments[1] if len(arguments) > 1 else "help"
    with pghistory.context(channel="command", source=f"command: {name}", os_user=os_user()):
        yield


def tell_session(connection: BaseDatabaseWrapper) -> None:
    """The same for all that a connection does from now on: for `migrate`, whose SQL must run as it was written."""
    context = current()
    if context is not None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT set_config('pghistory.context_metadata', %s, false)", [context.metadata])


def os_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return ""


class AuditMiddleware(HistoryMiddleware):
    """The context of a request that may change something; stands after sign-in and the request's id."""

    get_response: Callable[[HttpRequest], HttpResponseBase]

    def __call__(self, request: WSGIRequest) -> HttpResponseBase:
        if request.method in READING:
            return self.get_response(request)
        answer: HttpResponseBase = super().__call__(request)  # type: ignore[no-untyped-call]
        return answer

    def get_context(self, request: WSGIRequest) -> dict[str, Any]:
        user = getattr(request, "user", None)
        request_id = structlog.contextvars.get_contextvars().get("request_id", "")
        return {
            "user": user.pk if user is not None and user.is_authenticated else None,
            "channel": "site",
            "request_id": str(request_id),
        }

    def process_view(self, request: HttpRequest, view: object, args: object, kwargs: object) -> None:
        """Where it came in, by the route's name: paths hold ids, and more."""
        route = request.resolver_match.view_name if request.resolver_match else ""
        channel = "back_office" if route.startswith("admin:") else "site"
        pghistory.context(source=route, channel=channel)  # only added to where a context is open
