"""The other side: an HTTP server that takes webhooks and can be told to fail."""

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from billing_site.razorpay_sandbox import WEBHOOK_SECRET
from credits.gateway import webhook_signature_is_valid


@dataclass(frozen=True)
class Delivery:
    headers: dict[str, str]  # names in lower case
    body: bytes
    at: float

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value

    @property
    def event(self) -> str:
        return str(self.json["event"])

    @property
    def event_id(self) -> str | None:
        return self.headers.get("x-razorpay-event-id")

    def is_signed(self, secret: str = WEBHOOK_SECRET) -> bool:
        return webhook_signature_is_valid(self.body, self.headers.get("x-razorpay-signature"), [secret])


class Shop:
    """`status` is what each webhook is answered, after `sleeps` seconds."""

    def __init__(self) -> None:
        shop = self
        self.deliveries: list[Delivery] = []
        self.status = 200
        self.sleeps = 0.0
        self.at_once = 0  # the most requests that were here at the same time
        self._here = 0
        self._lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with shop._lock:
                    shop._here += 1
                    shop.at_once = max(shop.at_once, shop._here)
                    headers = {name.lower(): value for name, value in self.headers.items()}
                    shop.deliveries.append(Delivery(headers, body, time.monotonic()))
                time.sleep(shop.sleeps)
                with shop._lock:
                    shop._here -= 1
                self.send_response(shop.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                pass

        class Server(ThreadingHTTPServer):
            request_queue_size = 128

            def handle_error(self, request: Any, client_address: Any) -> None:
                pass  # the sandbox hangs up on a slow shop

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/razorpay/webhook?from=sandbox"

    def events(self) -> list[str]:
        return [delivery.event for delivery in self.deliveries]

    def only(self, event: str) -> Delivery:
        found = [delivery for delivery in self.deliveries if delivery.event == event]
        assert len(found) == 1, f"{len(found)} deliveries of {event}: {self.events()}"
        return found[0]

    def __enter__(self) -> "Shop":
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.shutdown()
        self._server.server_close()
