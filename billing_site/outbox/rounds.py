"""One turn of the worker: notices are handed on, and what is due of one kind leaves, for at most a minute."""

import time
from collections.abc import Callable
from typing import Final

from billing_site.outbox.handing_on import MOST_AT_ONCE, hand_on

LONGEST: Final = 60.0  # seconds; then the worker says that it is alive, and begins again


def make_round(send: Callable[[], int]) -> int:
    """How many left. Both kinds hand on, so that neither waits for the other's servers."""
    until = time.monotonic() + LONGEST
    try:
        while hand_on() == MOST_AT_ONCE and time.monotonic() < until:
            pass
    finally:  # what was handed on before leaves, whatever is in the way of new ones
        total = sent = send()
        while sent and time.monotonic() < until:
            sent = send()
            total += sent
    return total
