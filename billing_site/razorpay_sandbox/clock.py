"""The virtual clock: it runs at real speed and can be moved forward, never back."""

import time


class Clock:
    def __init__(self, offset: float = 0.0) -> None:
        self.offset = offset

    def now(self) -> float:
        return time.time() + self.offset

    def seconds(self) -> int:
        """Unix seconds, as every `created_at` on the wire."""
        return int(self.now())

    def move_to(self, at: float) -> None:
        self.offset += max(0.0, at - self.now())
