"""How long another's server asks us to wait (RFC 9110, 10.2.3)."""

import email.utils
import time


def seconds_to_wait(header: str | None) -> float | None:
    """Retry-After in seconds, from seconds or a date; None when missing or unreadable."""
    text = (header or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text[:12])
    try:
        moment = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None
    return max(0.0, moment - time.time())
