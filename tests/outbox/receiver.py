"""A clinic's own system: an HTTP server on loopback that answers as it is told, and remembers what came."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from django.db.models.functions import Now

from billing_site.outbox.handing_on import hand_on
from billing_site.outbox.webhooks import send_due_webhooks
from clinics.models import Clinic, Membership, Notice, WebhookDelivery, WebhookEndpoint
from clinics.models.webhooks import KINDS_FOR_PROGRAMS
from clinics.services.webhooks import add_endpoint
from tests import factories

Answer = Callable[["Got"], "int | tuple[int, dict[str, str]] | Callable[[socket.socket], None]"]


@dataclass(frozen=True, slots=True)
class Got:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.body)
        return event

    @property
    def lead(self) -> int:
        return int(self.event["data"]["lead_id"])


@dataclass
class Receiver:
    """`answer` says what comes back: a status, with headers, or what is done with the bare socket."""

    port: int
    answer: Answer = lambda got: 200
    got: list[Got] = field(default_factory=list)

    def url(self, path: str = "/hook") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def leads(self) -> list[int]:
        return [one.lead for one in self.got]


class Handler(BaseHTTPRequestHandler):
    receiver: Receiver
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        got = Got(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
        self.receiver.got.append(got)
        answer = self.receiver.answer(got)
        self.close_connection = True
        if callable(answer):
            try:
                answer(self.connection)
            except OSError:
                return  # the caller has hung up
            return
        status, headers = (answer, {}) if isinstance(answer, int) else answer
        self.send_response(status)
        for name, value in {"Content-Length": "2", **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args: Any) -> None:
        return


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: Any) -> None:
        """A caller that does not trust us hangs up in the handshake."""


@contextmanager
def listening(tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    handler: Any = type("Bound", (Handler,), {})
    server = Server(("127.0.0.1", 0), handler)
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    receiver = handler.receiver = Receiver(server.server_port)
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def certificate_for(name: str, folder: Path) -> ssl.SSLContext:
    """Signed by itself, written to `certificate.pem`; what a server with this name would use."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM)
    (folder / "certificate.pem").write_bytes(pem)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "both.pem").write_bytes(secret + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context


def endpoint_of(clinic: Clinic, url: str, kinds: list[str] | None = None) -> tuple[WebhookEndpoint, str]:
    """With its secret; it hears of everything that programs hear of."""
    membership = Membership.objects.filter(clinic=clinic, role="owner").select_related("user").first()
    by = membership.user if membership else factories.member_of(clinic, "owner", password=None)
    return add_endpoint(clinic=clinic, by=by, url=url, kinds=kinds or [*dict(KINDS_FOR_PROGRAMS)])


def tell(clinic: Clinic, lead: int | None, kind: str = "lead_delivered", **data: Any) -> Notice:
    """A notice as the database's functions write them."""
    number = Notice.objects.count() + 1
    facts = {"lead_id": lead, "state": "delivered", **data} if lead else data
    return Notice.objects.create(clinic=clinic, kind=kind, unique_key=f"test:{number}", data=facts)


def sent_round() -> int:
    """What the worker does every few seconds; how many arrived."""
    hand_on()
    return send_due_webhooks()


def make_due() -> None:
    """As if every wait were over."""
    WebhookEndpoint.objects.update(rests_until=None)
    WebhookDelivery.objects.open().update(due_at=Now())


def delivery_of(notice: Notice) -> WebhookDelivery:
    return WebhookDelivery.objects.get(notice=notice)
