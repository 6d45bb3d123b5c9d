"""The running account: state under one lock, the virtual clock, and the timers that hang on it.

Every change of state happens while `lock` is held; nothing slow (sleep, network) ever does.
"""

import heapq
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from . import state as state_file
from .clock import Clock
from .faults import Faults
from .state import State
from .webhooks import Courier

TimerHandler = Callable[["Sandbox", Any], None]
TICK_S = 0.05
SAVE_EVERY_S = 1.0


class Sandbox:
    def __init__(
        self, state: State, timer_handlers: dict[str, TimerHandler], file: Path | None = None
    ) -> None:
        self.state = state
        self.file = file
        self.lock = threading.RLock()
        self.advancing = threading.Lock()
        self.stopping = threading.Event()
        self.clock = Clock(state.clock_offset)
        self.faults = Faults()
        self.courier = Courier(self)
        self.timer_handlers = {**timer_handlers, "deliver": deliver}
        self.refund_keys_in_progress: set[str] = set()
        self.dirty = False
        self._ticker = threading.Thread(target=self._tick, name="razorpay-sandbox-clock", daemon=True)

    # --- timers ----------------------------------------------------------------------------------
    def at(self, due: float, kind: str, argument: Any) -> None:
        heapq.heappush(self.state.timers, [due, self.state.next_number(), kind, argument])

    def run_due_timers(self) -> None:
        with self.lock:
            while self.state.timers and self.state.timers[0][0] <= self.clock.now():
                _due, _number, kind, argument = heapq.heappop(self.state.timers)
                self.timer_handlers[kind](self, argument)
                self.dirty = True

    def next_due(self) -> float | None:
        with self.lock:
            return self.state.timers[0][0] if self.state.timers else None

    # --- the clock -------------------------------------------------------------------------------
    def advance(self, seconds: float) -> None:
        """Move the clock and run everything that falls due on the way, in order, retries included."""
        with self.advancing:
            target = self.clock.now() + seconds
            self.drain()
            while (due := self.next_due()) is not None and due <= target and not self.stopping.is_set():
                self._move_to(due)
                self.drain()
            self._move_to(target)
            self.drain()

    def _move_to(self, at: float) -> None:
        with self.lock:
            self.clock.move_to(at)
            self.state.clock_offset = self.clock.offset
            self.dirty = True

    def drain(self, timeout: float = 60.0) -> bool:
        """Wait until nothing is due and no webhook is under way; False when that took too long."""
        give_up_at = time.monotonic() + timeout
        while (left := give_up_at - time.monotonic()) > 0:
            self.run_due_timers()
            if not self.courier.wait_until_idle(left):
                return False
            due = self.next_due()
            if due is None or due > self.clock.now():
                return True
        return False

    # --- life ------------------------------------------------------------------------------------
    def start(self) -> None:
        self._take_up_messages()
        self._ticker.start()

    def _take_up_messages(self) -> None:
        """Those that were under way when the process that wrote the state file ended."""
        with self.lock:
            waiting = {
                number for timer in self.state.timers if timer[2] == "deliver" for number in timer[3][0]
            }
            for number in sorted(set(self.state.messages) - waiting, key=int):
                self.at(self.clock.now(), "deliver", [[number], False])

    def stop(self) -> None:
        self.stopping.set()
        self._ticker.join(timeout=5)
        self.courier.stop()
        self.save()

    def save(self) -> None:
        with self.lock:
            if self.file is not None and self.dirty:
                state_file.save(self.state, self.file)
                self.dirty = False

    def reset(self, seed: str | None = None) -> None:
        """Forget everything but the configuration, the clock and how many ids were issued.

        Issued ids are not issued again, since the shop's database may still know them; a new
        seed starts a new series.
        """
        with self.lock:
            old = self.state
            self.state = State(
                seed=old.seed if seed is None else seed,
                issued_ids=old.issued_ids if seed is None else 0,
                counter=old.counter,
                clock_offset=old.clock_offset,
                config=old.config,
            )
            self.state.config.webhook_enabled = True
            self.faults.clear()
            self.dirty = True

    @contextmanager
    def refund_key_in_progress(self, key: str) -> Iterator[None]:
        with self.lock:
            self.refund_keys_in_progress.add(key)
        try:
            yield
        finally:
            with self.lock:
                self.refund_keys_in_progress.discard(key)

    def _tick(self) -> None:
        ticks = 0
        while not self.stopping.wait(TICK_S):
            self.run_due_timers()
            ticks += 1
            if ticks % int(SAVE_EVERY_S / TICK_S) == 0:
                self.save()


def deliver(sandbox: Sandbox, argument: Any) -> None:
    numbers, together = argument
    sandbox.courier.dispatch([str(number) for number in numbers], together=bool(together))
