"""What can come of a call, sorted by the one question that matters: may it have been executed?

- `GatewayNotReached`: no, the connection was never made.
- `GatewayRefused`: no, Razorpay said so (also rate limits and wrong keys).
- `GatewayAnswerUnknown`: perhaps. A write must be looked up (order by receipt, refund by its
  idempotency key) before it is tried again; a read is simply repeated.

The SDK's own exceptions carry a message and nothing else; none of them leaves this package.
"""

from dataclasses import dataclass

BODY_KEPT = 2000


@dataclass(frozen=True)
class Answer:
    """What Razorpay (or something before it) answered; every field may be missing."""

    status: int | None = None
    code: str = ""
    description: str = ""
    reason: str = ""
    source: str = ""
    field: str = ""
    retry_after: float | None = None  # seconds
    body: str = ""  # the first 2,000 characters; may hold personal data, so it is not in the message


class GatewayError(Exception):
    """A call failed. `str()` is fit for a log; `answer.body` is not."""

    may_have_been_executed = True

    def __init__(self, call: str, why: str, answer: Answer | None = None) -> None:
        super().__init__(call, why, answer)
        self.call = call
        self.why = why
        self.answer = answer or Answer()

    def __str__(self) -> str:
        known = [str(self.answer.status or ""), self.answer.code, self.answer.reason, self.answer.field]
        return " ".join([f"{self.call}:", self.why, *filter(None, known)])

    @property
    def status(self) -> int | None:
        return self.answer.status

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, when the answer named them."""
        return self.answer.retry_after


class GatewayAnswerUnknown(GatewayError):
    """Sent, but no answer that can be believed: cut line, timeout, 5xx, redirect, odd body."""


class GatewayNotReached(GatewayError):
    """Never sent: no address, no connection, no valid certificate."""

    may_have_been_executed = False


class GatewayRefused(GatewayError):
    """Razorpay answered 4xx: not executed. Its sentence is in `answer.description`."""

    may_have_been_executed = False

    def says(self, sentence: str) -> bool:
        return sentence.lower() in self.answer.description.lower()

    @property
    def is_unknown_id(self) -> bool:
        return self.says("The id provided does not exist")

    @property
    def is_already_captured(self) -> bool:
        """Fetch the payment again, then treat it as a success."""
        return self.says("This payment has already been captured")

    @property
    def is_fully_refunded(self) -> bool:
        return self.says("The payment has been fully refunded already")

    @property
    def is_balance_too_low(self) -> bool:
        return self.says("does not have enough balance")

    @property
    def is_key_used_for_another_body(self) -> bool:
        """The idempotency key has already paid for a different refund."""
        return self.says("Different request with the same idempotency key")


class GatewayRateLimited(GatewayRefused):
    """429. Razorpay documents neither numbers nor a body; `retry_after` is set when a header named it."""


class GatewayUnauthorised(GatewayRefused):
    """401: the keys are wrong, or of the other mode."""


class GatewayCallInsideTransaction(RuntimeError):
    """A network call was about to be made while a database transaction is open: a fault in our code."""


class InvalidGatewayValue(ValueError):
    """An id, amount, receipt, note or key that must not be sent; nothing was."""
