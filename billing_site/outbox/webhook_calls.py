"""One call of an endpoint: to the address that was looked at, within ten seconds, without following it anywhere.

The socket is connected here and handed to `http.client`. What stands above it (urllib3's pools, `requests`) would look
the name up once more, take proxies from the environment, keep cookies and follow redirects. No database in here.
"""

import errno
import math
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPResponse
from ipaddress import IPv6Address
from typing import Final

import certifi

from billing_site.outbox.webhook_addresses import Address, Target, UrlRefused, look_up, read_url
from billing_site.outbox.webhook_problems import Problem
from clinics.retry_after import seconds_to_wait

DEADLINE: Final = 10.0  # seconds, from the look-up of the name to the last byte that is read
CLOSE: Final = 0.05  # seconds by which the clock of the cut may be early
MOST_READ: Final = 64 * 1024
CHUNK: Final = 8 * 1024
UNREACHABLE: Final = frozenset({errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH})


@dataclass(frozen=True, slots=True)
class Call:
    """What is sent, made ready beforehand."""

    url: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. `problem` is empty for a success; `retry_after` in seconds, as the endpoint asked for."""

    milliseconds: int
    problem: str = ""
    status: int | None = None
    retry_after: float | None = None

    @property
    def succeeded(self) -> bool:
        return not self.problem


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    retry_after: float | None


def make(call: Call, *, deadline: float = DEADLINE) -> Outcome:
    """Raises nothing: whatever happens is an outcome."""
    began = time.monotonic()
    try:
        answer = _ask(call, until=began + deadline)
    except UrlRefused as refusal:
        return Outcome(_milliseconds(began), refusal.reason)
    except (OSError, HTTPException, ValueError) as problem:
        is_late = time.monotonic() - began >= deadline - CLOSE
        return Outcome(_milliseconds(began), Problem.TIMED_OUT if is_late else _name_of(problem))
    return Outcome(_milliseconds(began), _verdict(answer.status), answer.status, answer.retry_after)


def _ask(call: Call, *, until: float) -> _Answer:
    target = read_url(call.url)
    address = look_up(target, within=_left(until))
    with _connected(target, address, until=until) as connection:
        connection.request("POST", target.path, call.body, {"Host": target.host_header, **call.headers})
        response = connection.getresponse()
        if time.monotonic() >= until - CLOSE:  # cut amid its headers: to http.client the end of them
            raise TimeoutError
        _read_some(response)
        return _Answer(response.status, seconds_to_wait(response.headers.get("Retry-After")))


@contextmanager
def _connected(target: Target, address: Address, *, until: float) -> Iterator[HTTPConnection]:
    """A connection to the very address; the certificate must be the name's. Cut when time is up."""
    family = socket.AF_INET6 if isinstance(address, IPv6Address) else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as plain:
        plain.settimeout(_left(until))
        plain.connect((str(address), target.port))
        plain.settimeout(_left(until))
        sock = trust().wrap_socket(plain, server_hostname=target.host) if target.is_tls else plain
        watch = threading.Timer(_left(until), _cut, [sock])
        watch.start()
        connection = HTTPConnection(target.host, target.port)
        connection.sock = sock
        try:
            yield connection
        finally:
            watch.cancel()
            connection.close()


@cache
def trust() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())


def _cut(sock: socket.socket) -> None:
    """Ends a call that takes too long. A socket's own time-out starts anew with each byte that drips in."""
    with suppress(OSError):
        socket.socket.shutdown(sock, socket.SHUT_RDWR)


def _read_some(response: HTTPResponse) -> None:
    """So that a server that still writes is not cut off for a few words. The status has said already what counts."""
    read = 0
    with suppress(OSError, HTTPException, ValueError):
        while read < MOST_READ and (chunk := response.read1(CHUNK)):
            read += len(chunk)


def _verdict(status: int) -> str:
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return Problem.REDIRECTED
    return Problem.GONE if status == 410 else Problem.ANSWERED


def _name_of(problem: Exception) -> str:
    if isinstance(problem, TimeoutError):
        return Problem.TIMED_OUT
    if isinstance(problem, ssl.SSLError) and not isinstance(
        problem, ssl.SSLEOFError | ssl.SSLZeroReturnError
    ):
        return Problem.CERTIFICATE
    is_unreachable = isinstance(problem, OSError) and problem.errno in UNREACHABLE
    return Problem.NOT_CONNECTED if is_unreachable else Problem.BROKEN_OFF


def _left(until: float) -> float:
    return max(until - time.monotonic(), 0.001)


def _milliseconds(began: float) -> int:
    return math.ceil((time.monotonic() - began) * 1000)
