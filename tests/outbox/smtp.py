"""A mail server of our own on loopback, which keeps what it takes and refuses whom it is told to."""

import socketserver
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage

from pytest_django import Settings


class Conversation(socketserver.StreamRequestHandler):
    server: "MailServer"

    def handle(self) -> None:
        self.server.conversations += 1
        self.say(220, "here")
        while line := self.rfile.readline().decode().strip():
            word = line.upper()
            if word.startswith("RCPT"):
                address = line[line.index("<") + 1 : line.index(">")]
                self.say(*self.server.verdicts.get(address, (250, "fine")))
            elif word.startswith("DATA"):
                self.say(354, "go on")
                self.server.keep(self.body())
                self.say(250, "kept")
                if self.server.hangs_up_after_each:
                    return
            elif word.startswith("QUIT"):
                self.say(221, "bye")
                return
            else:
                self.say(250, "fine")

    def body(self) -> bytes:
        lines = []
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)

    def say(self, code: int, text: str) -> None:
        self.wfile.write(f"{code} {text}\r\n".encode())
        self.wfile.flush()


class MailServer(socketserver.ThreadingTCPServer):
    """`verdicts`: by address, what a recipient is answered instead of 250."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.messages: list[EmailMessage] = []
        self.verdicts: dict[str, tuple[int, str]] = {}
        self.conversations = 0
        self.hangs_up_after_each = False
        self._lock = threading.Lock()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """A sender that was killed while it spoke: what these tests are about."""

    def keep(self, body: bytes) -> None:
        with self._lock:
            self.messages.append(message_from_bytes(body, policy=policy.default))

    def taken(self) -> Counter[str]:
        """How often each message was taken, by its id."""
        with self._lock:
            return Counter(str(message["Message-ID"]) for message in self.messages)


@contextmanager
def mail_server(settings: Settings | None = None) -> Iterator[MailServer]:
    """With `settings`, this process sends there too."""
    with MailServer() as server:
        if settings is not None:
            settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
            settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", server.port, 5
            settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
            settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()
