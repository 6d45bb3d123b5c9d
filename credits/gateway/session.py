"""The HTTP session under the SDK: it has limits, and it judges each answer before the SDK parses it.

What the SDK does by itself: no timeout, a CA bundle of 2015, redirects that turn a POST into GETs,
proxies from the environment, TypeError on odd error bodies, and print() on each network error.
"""

import json
import ssl
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from clinics.retry_after import seconds_to_wait

from .errors import (
    BODY_KEPT,
    Answer,
    GatewayAnswerUnknown,
    GatewayError,
    GatewayNotReached,
    GatewayRateLimited,
    GatewayRefused,
    GatewayUnauthorised,
)

MAX_BODY = 8 * 1024 * 1024  # a full page of 1,000 recon rows is about 1 MB
CHUNK = 64 * 1024
NEVER_SENT = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
    ssl.SSLCertVerificationError,
)
IN_PROGRESS = "still in progress"


class GatewaySession(requests.Session):
    def __init__(self, timeout: tuple[float, float], total_s: float) -> None:
        super().__init__()
        self.trust_env = False  # no proxies, no netrc, no REQUESTS_CA_BUNDLE
        self.max_redirects = 0
        self._timeout = timeout
        self._total_s = total_s
        self._give_up_at = 0.0
        self.hooks["response"] = [self._judge]

    def request(  # type: ignore[override]  # the SDK passes whatever requests takes
        self, method: str, url: str | bytes, *args: Any, **kwargs: Any
    ) -> requests.Response:
        """Raises GatewayError alone. `stream` lets the hook bound the body before it is read."""
        kwargs.setdefault("timeout", self._timeout)
        kwargs.update(allow_redirects=False, stream=True)
        self._give_up_at = time.monotonic() + self._total_s
        try:
            return super().request(method, url, *args, **kwargs)
        except requests.RequestException as error:
            call = name_of(method, str(url))
            if any(isinstance(cause, NEVER_SENT) for cause in causes(error)):
                raise GatewayNotReached(call, f"not reached ({type(error).__name__})") from error
            raise GatewayAnswerUnknown(call, f"no answer ({type(error).__name__})") from error

    def _judge(self, response: requests.Response, *_args: Any, **_kwargs: Any) -> None:
        """The response hook: lets only a JSON object with a 2xx status through to the SDK."""
        call = name_of(str(response.request.method), str(response.request.url))
        body = self._read(response, call)
        # requests has no public way to say that the body was already read; the SDK asks for it next.
        response._content = body
        response._content_consumed = True  # type: ignore[attr-defined]
        value = parsed(body)
        answer = read_answer(response, value, body)
        if not 200 <= response.status_code < 300:
            raise failure(call, answer)
        if not isinstance(value, dict):
            raise GatewayAnswerUnknown(call, "the answer is not a JSON object:", answer)

    def _read(self, response: requests.Response, call: str) -> bytes:
        """The body within MAX_BODY and the time left; a server that drips can't hold a worker."""
        known = Answer(status=response.status_code)
        body = bytearray()
        try:
            while chunk := response.raw.read1(CHUNK, decode_content=True):
                body += chunk
                if len(body) > MAX_BODY:
                    raise GatewayAnswerUnknown(call, "the answer is too long:", known)
                if time.monotonic() > self._give_up_at:
                    raise GatewayAnswerUnknown(call, "the answer takes too long:", known)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise GatewayAnswerUnknown(call, f"half an answer ({type(error).__name__}):", known) from error
        except GatewayError:
            response.close()
            raise
        return bytes(body)


def name_of(method: str, url: str) -> str:
    """For messages: method and path; ids are no secret, the query may hold more."""
    return f"{method.upper()} {urlsplit(url).path}"


def causes(error: BaseException) -> Iterator[BaseException]:
    """The error, what it wraps (requests and urllib3 keep it as argument or reason), and what led to it."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        cause = waiting.pop()
        if not isinstance(cause, BaseException) or id(cause) in seen:
            continue
        seen.add(id(cause))
        yield cause
        waiting += [*cause.args, getattr(cause, "reason", None), cause.__cause__, cause.__context__]


def parsed(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def read_answer(response: requests.Response, value: object, body: bytes) -> Answer:
    """Whatever can be read from it; Razorpay has two shapes of errors, proxies have their own."""
    error = value.get("error") if isinstance(value, dict) else None
    fields = error if isinstance(error, dict) else {}
    description = fields.get("description") or (error if isinstance(error, str) else "")
    if not description and isinstance(value, dict) and isinstance(value.get("errors"), list):
        description = "; ".join(str(item) for item in value["errors"])
    return Answer(
        status=response.status_code,
        code=str(fields.get("code") or ""),
        description=str(description),
        reason=str(fields.get("reason") or ""),
        source=str(fields.get("source") or ""),
        field=str(fields.get("field") or ""),
        retry_after=seconds_to_wait(response.headers.get("Retry-After")),
        body=body[: BODY_KEPT * 4].decode("utf-8", "replace")[:BODY_KEPT],
    )


def failure(call: str, answer: Answer) -> GatewayError:
    """4xx is a refusal, except where the request, or its twin, may be at work: 408 and «in progress»."""
    status = answer.status or 0
    if not 400 <= status < 500 or status == 408:
        return GatewayAnswerUnknown(call, "failed at the gateway:", answer)
    if status == 409 and IN_PROGRESS in answer.description.lower():
        return GatewayAnswerUnknown(call, "still in progress:", answer)
    kinds: dict[int, type[GatewayRefused]] = {401: GatewayUnauthorised, 429: GatewayRateLimited}
    return kinds.get(status, GatewayRefused)(call, "refused:", answer)
