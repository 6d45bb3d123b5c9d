"""Where no webhook goes, however it is written or resolved."""

import socket
import threading
from typing import Any

import pytest

from billing_site.outbox import webhook_calls
from billing_site.outbox.webhook_addresses import UrlRefused, look_up, read_url
from billing_site.outbox.webhook_calls import Call

REAL_LOOK_UP = socket.getaddrinfo
# A name's addresses → what becomes of the request. `""`: it would be made.
ADDRESSES = [
    ("127.0.0.1", "forbidden_address"),
    ("127.255.255.254", "forbidden_address"),
    ("0.0.0.0", "forbidden_address"),  # noqa: S104
    ("10.1.2.3", "forbidden_address"),
    ("172.16.0.1", "forbidden_address"),
    ("172.31.255.255", "forbidden_address"),
    ("192.168.1.1", "forbidden_address"),
    ("169.254.169.254", "forbidden_address"),  # where clouds hand out their keys
    ("100.64.0.1", "forbidden_address"),
    ("100.127.255.255", "forbidden_address"),
    ("192.0.0.8", "forbidden_address"),
    ("192.0.2.1", "forbidden_address"),
    ("198.51.100.1", "forbidden_address"),
    ("203.0.113.1", "forbidden_address"),
    ("198.18.0.1", "forbidden_address"),
    ("198.19.255.255", "forbidden_address"),
    ("192.88.99.1", "forbidden_address"),
    ("224.0.0.1", "forbidden_address"),
    ("239.255.255.250", "forbidden_address"),
    ("240.0.0.1", "forbidden_address"),
    ("255.255.255.255", "forbidden_address"),
    ("::1", "forbidden_address"),
    ("::", "forbidden_address"),
    ("fe80::1", "forbidden_address"),
    ("fe80::1%eth0", "forbidden_address"),
    ("fc00::1", "forbidden_address"),
    ("fd00:ec2::254", "forbidden_address"),
    ("fec0::1", "forbidden_address"),
    ("ff02::1", "forbidden_address"),
    ("::ffff:127.0.0.1", "forbidden_address"),
    ("::ffff:169.254.169.254", "forbidden_address"),
    ("::ffff:8.8.8.8", "forbidden_address"),
    ("::127.0.0.1", "forbidden_address"),
    ("::ffff:0:127.0.0.1", "forbidden_address"),
    ("64:ff9b::7f00:1", "forbidden_address"),
    ("64:ff9b::a9fe:a9fe", "forbidden_address"),
    ("64:ff9b:1::a00:1", "forbidden_address"),
    ("2002:7f00:1::", "forbidden_address"),
    ("2002:a9fe:a9fe::1", "forbidden_address"),
    ("2001:0:4136:e378:8000:63bf:80ff:fffe", "forbidden_address"),
    ("2001:20::1", "forbidden_address"),
    ("2001:db8::1", "forbidden_address"),
    ("3fff::1", "forbidden_address"),
    ("5f00::1", "forbidden_address"),
    ("100::1", "forbidden_address"),
    ("8.8.8.8,10.0.0.1", "forbidden_address"),
    ("2606:4700::1111,fe80::1", "forbidden_address"),
    ("8.8.8.8", ""),
    ("172.32.0.1", ""),
    ("100.128.0.1", ""),
    ("2606:4700:4700::1111", ""),
    ("2400:cb00::1,104.16.0.1", ""),
]
# What somebody types → why it is refused; looked up for real: no name here needs the network.
URLS = [
    ("", "not_a_url"),
    ("https://", "not_a_url"),
    ("//crm.example/hook", "not_https"),
    ("http://crm.example/hook", "not_https"),
    ("ftp://crm.example/", "not_https"),
    ("file:///etc/passwd", "not_https"),
    ("gopher://crm.example:70/_", "not_https"),
    ("javascript:alert(1)", "not_https"),
    ("https://user:secret@crm.example/", "has_password"),
    ("https://crm.example@10.0.0.1/", "has_password"),
    ("https://@crm.example/", "has_password"),
    ("https://crm.example/#part", "not_a_url"),
    ("https://crm.example\\@10.0.0.1/", "not_a_url"),
    ("https://crm.example/a b", "not_a_url"),
    ("https://crm.example/\r\nHost: evil", "not_a_url"),
    ("https://crm.example/\x00", "not_a_url"),
    ("https://crm.ex\u0430mple/", "not_a_url"),
    ("https://127。0。0。1/", "not_a_url"),
    ("https://①②⑦.0.0.1/", "not_a_url"),
    ("https://crm.example/" + "a" * 500, "not_a_url"),
    ("https://-crm.example/", "not_a_url"),
    ("https://crm..example/", "not_a_url"),
    ("https://%31%32%37.0.0.1/", "not_a_url"),
    ("https://[::1/", "not_a_url"),
    ("https://[fe80::1%25eth0]/", "not_a_url"),
    ("https://[not-an-address]/", "not_a_url"),
    ("https://[v1.fe80::1]/", "not_a_url"),
    ("https://crm.example:22/", "forbidden_port"),
    ("https://crm.example:25/", "forbidden_port"),
    ("https://crm.example:80/", "forbidden_port"),
    ("https://crm.example:0/", "forbidden_port"),
    ("https://crm.example:70000/", "not_a_url"),
    ("https://crm.example:abc/", "not_a_url"),
    ("https://127.0.0.1/", "forbidden_address"),
    ("https://127.1/", "forbidden_address"),
    ("https://2130706433/", "forbidden_address"),
    ("https://0x7f000001/", "forbidden_address"),
    ("https://0177.0.0.1/", "forbidden_address"),
    ("https://0/", "forbidden_address"),
    ("https://169.254.169.254/latest/meta-data/", "forbidden_address"),
    ("https://[::ffff:169.254.169.254]/", "forbidden_address"),
    ("https://[::]/", "forbidden_address"),
    ("https://localhost/", "forbidden_address"),
    ("https://nobody.invalid/", "no_address"),
]


class Resolver:
    """In place of the system's: a name's addresses, one list for each time that it is asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: str) -> None:
        self.answers, self.asked = list(answers), 0
        monkeypatch.setattr(socket, "getaddrinfo", self)

    def __call__(self, host: str, port: int, *args: Any, **kwargs: Any) -> list[Any]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            (socket.AF_INET6 if ":" in one else socket.AF_INET, socket.SOCK_STREAM, 6, "", (one, port))
            for one in answer.split(",")
        ]


class Wire:
    """Where connections would go: none is made."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.went: list[Any] = []
        monkeypatch.setattr(socket.socket, "connect", lambda sock, address: self.note(address))

    def note(self, address: Any) -> None:
        self.went.append(address)
        raise ConnectionRefusedError(111, "not in a test")


@pytest.fixture(autouse=True)
def _like_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBUG", "off")


def test_a_request_goes_to_public_addresses_alone_and_to_the_one_that_was_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for addresses, verdict in ADDRESSES:
        with monkeypatch.context() as patch:
            wire, resolver = Wire(patch), Resolver(patch, addresses)
            outcome = webhook_calls.make(Call("https://crm.example/hook", {}, b"{}"))
        if verdict:
            assert (outcome.problem, wire.went) == (verdict, []), addresses
        else:
            assert outcome.problem == "not_connected", addresses
            assert wire.went == [(addresses.split(",")[0], 443)], addresses
        assert resolver.asked == 1


@pytest.mark.parametrize(("url", "verdict"), URLS)
def test_hostile_urls_are_refused_for_what_they_are(
    monkeypatch: pytest.MonkeyPatch, url: str, verdict: str
) -> None:
    wire = Wire(monkeypatch)
    if verdict == "no_address":

        def unknown(*args: Any, **kwargs: Any) -> None:
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert webhook_calls.make(Call(url, {}, b"{}")).problem == verdict
    assert wire.went == []


def test_a_name_that_turns_private_after_the_look_never_gets_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wire, resolver = Wire(monkeypatch), Resolver(monkeypatch, "104.16.0.1", "127.0.0.1")
    call = Call("https://rebinding.example/hook", {}, b"{}")
    assert webhook_calls.make(call).problem == "not_connected"
    assert (wire.went, resolver.asked) == ([("104.16.0.1", 443)], 1)
    assert webhook_calls.make(call).problem == "forbidden_address"
    assert wire.went == [("104.16.0.1", 443)]


def test_the_environments_proxies_and_the_netrc_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://10.0.0.1:3128")
    wire = Wire(monkeypatch)
    Resolver(monkeypatch, "104.16.0.1")
    webhook_calls.make(Call("https://crm.example:8443/", {}, b"{}"))
    assert wire.went == [("104.16.0.1", 8443)]


def test_http_and_loopback_are_for_a_developers_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UrlRefused, match="not_https"):
        read_url("http://127.0.0.1:8000/")
    monkeypatch.setenv("DEBUG", "on")
    monkeypatch.setattr(
        "django.conf.settings.DEBUG", False
    )  # as a test runner has it: the environment counts
    assert str(look_up(read_url("http://127.0.0.1:8000/"), within=1)) == "127.0.0.1"
    assert str(look_up(read_url("https://[::1]:8000/"), within=1)) == "::1"
    wire = Wire(monkeypatch)
    for addresses in ("10.0.0.1", "104.16.0.1", "169.254.169.254", "127.0.0.1,10.0.0.1"):
        with monkeypatch.context() as patch:
            Resolver(patch, addresses)
            problem = webhook_calls.make(Call("http://crm.example:8000/", {}, b"{}")).problem
            assert problem == "forbidden_address", addresses
    assert wire.went == []


def test_a_name_server_that_takes_its_time_keeps_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    nobody_waits, answered = threading.Event(), threading.Event()

    def slow(*args: Any, **kwargs: Any) -> list[Any]:
        nobody_waits.wait(20)
        answered.set()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    outcome = webhook_calls.make(Call("https://crm.example/", {}, b"{}"), deadline=0.1)
    assert (outcome.problem, answered.is_set()) == ("timed_out", False)
    nobody_waits.set()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: [])
    assert webhook_calls.make(Call("https://crm.example/", {}, b"{}")).problem == "no_address"


def test_a_url_is_kept_as_it_is_called() -> None:
    assert read_url("HTTPS://CRM.Example:443/Hook?a=B").url == "https://crm.example/Hook?a=B"
    assert read_url("https://crm.example").url == "https://crm.example/"
    target = read_url("https://[2606:4700::1111]:8443/")
    assert (target.host_header, target.host, target.port) == (
        "[2606:4700::1111]:8443",
        "2606:4700::1111",
        8443,
    )
