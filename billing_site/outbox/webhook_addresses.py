"""Where a webhook may go: which URLs, and which of the addresses behind their names.

A clinic chooses the URL and its nameserver the address, so both are looked at before each request; the connection
then goes to the very address that was looked at. Registries of the blocks: RFC 6890, IANA's special-purpose ones.
"""

import queue
import re
import socket
import threading
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import urlsplit

import environ

Address = IPv4Address | IPv6Address

LONGEST_URL: Final = 500
HTTPS_PORT: Final = 443
FIRST_FREE_PORT: Final = 1024  # below it live mail, file and name servers
# What a URL may be written with (RFC 3986); anything else must be percent-encoded.
URL_TEXT: Final = re.compile(r"[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]+")
LABEL: Final = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
NOT_PUBLIC_V4: Final[list[IPv4Network]] = [
    IPv4Network(block)
    for block in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",
        "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
]  # fmt: skip
# All that IANA has given out to anybody; so IPv4-mapped and -compatible ones, NAT64 (64:ff9b::/96, 64:ff9b:1::/48),
# unique local, link-local, multicast and segment routing are out without being named.
PUBLIC_V6: Final = IPv6Network("2000::/3")
NOT_PUBLIC_V6: Final[list[IPv6Network]] = [
    IPv6Network(block)
    for block in (
        "2001::/23",  # protocol assignments: Teredo, benchmarking, ORCHID, …
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address, any, inside
        "3fff::/20",  # documentation
    )
]


class UrlRefused(Exception):
    """Nothing is sent to such a URL. `reason` says why, as a `Problem` of `billing_site.outbox.webhook_problems`."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that was looked at, in its parts. `host` is a name or an address without brackets."""

    url: str
    is_tls: bool
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (HTTPS_PORT if self.is_tls else 80) else f"{host}:{self.port}"


def loopback_is_allowed() -> bool:
    """On a developer's machine alone; read from the environment, which no test runner changes."""
    return bool(environ.Env().bool("DEBUG", default=False))


def read_url(url: str) -> Target:
    """The parts of a URL that may be called. Raises UrlRefused; looks up no name."""
    if len(url) > LONGEST_URL or not URL_TEXT.fullmatch(url):
        raise UrlRefused("not_a_url")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as problem:
        raise UrlRefused("not_a_url") from problem
    scheme = parts.scheme.lower()
    if scheme != "https" and not (scheme == "http" and loopback_is_allowed()):
        raise UrlRefused("not_https")
    if "@" in parts.netloc:
        raise UrlRefused("has_password")
    if not is_host(host):
        raise UrlRefused("not_a_url")
    if port is None:
        port = HTTPS_PORT if scheme == "https" else 80
    elif port < FIRST_FREE_PORT and port not in (HTTPS_PORT, 80 if scheme == "http" else HTTPS_PORT):
        raise UrlRefused("forbidden_port")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    target = Target(url, scheme == "https", host, port, path)
    return Target(f"{scheme}://{target.host_header}{path}", *_rest(target))


def _rest(target: Target) -> tuple[bool, str, int, str]:
    return target.is_tls, target.host, target.port, target.path


def is_host(host: str) -> bool:
    """A name of plain labels, or an address. What looks like a number in disguise (0x7f.1, 2130706433) is left to
    the look-up: whatever it comes to is looked at there."""
    if ":" in host:
        return _as_address(host) is not None and "%" not in host
    labels = host.split(".")
    return 0 < len(host) <= 253 and all(LABEL.fullmatch(label) for label in labels)


def look_up(target: Target, *, within: float) -> Address:
    """The address to connect to. Raises UrlRefused where a single one of the name's addresses is not public.

    All of them, since whoever mixes a private one in wants it to be reached; `within` seconds, since a name's server
    may take its time.
    """
    addresses = _resolve(target, within)
    if not addresses:
        raise UrlRefused("no_address")
    if not all(is_allowed(address, target) for address in addresses):
        raise UrlRefused("forbidden_address")
    return addresses[0]


def is_allowed(address: Address, target: Target) -> bool:
    if address.is_loopback and loopback_is_allowed():
        return True
    return target.is_tls and is_public(address)


def is_public(address: Address) -> bool:
    """Somebody's on the internet: neither ours, nor reserved, nor one that carries another inside."""
    if isinstance(address, IPv4Address):
        return address.is_global and not any(address in block for block in NOT_PUBLIC_V4)
    return address in PUBLIC_V6 and not any(address in block for block in NOT_PUBLIC_V6)


def _resolve(target: Target, within: float) -> list[Address]:
    """The system's resolver knows no deadline: a thread of its own asks, and is left behind when it takes too long."""
    answers: queue.SimpleQueue[list[Address] | None] = queue.SimpleQueue()
    asking = threading.Thread(target=_ask_resolver, args=(target, answers), daemon=True)
    asking.start()
    try:
        found = answers.get(timeout=max(within, 0.001))
    except queue.Empty:
        raise UrlRefused("timed_out") from None
    if found is None:
        raise UrlRefused("no_address")
    return found


def _ask_resolver(target: Target, answers: "queue.SimpleQueue[list[Address] | None]") -> None:
    try:
        rows = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
        found = [ip_address(str(row[4][0])) for row in rows]
    except (OSError, UnicodeError, ValueError):
        answers.put(None)
    else:
        answers.put(found)


def _as_address(text: str) -> Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
