"""How fast messages may be handed over on one channel: so many at once, and so many per second, evenly spaced."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

AHEAD_SECONDS = 1.0  # how far ahead of its turn a message may be taken out of the outbox


@dataclass(frozen=True, slots=True)
class Quota:
    """What a relay or gateway is asked at most, by one process. `per_second` 0: as fast as it goes."""

    at_once: int
    per_second: float = 0.0


class Pace:
    """Gives turns, one after another, so that never more than `per_second` begin in a second."""

    def __init__(self, per_second: float, monotonic: Callable[[], float]) -> None:
        self._interval = 1 / per_second if per_second else 0.0
        self._monotonic = monotonic
        self._next = 0.0

    def room(self) -> int | None:
        """How many more turns there are within the next second, and at least one at rest. None: any number."""
        if not self._interval:
            return None
        behind = max(0.0, self._next - self._monotonic())
        if not behind:
            return max(1, int(AHEAD_SECONDS / self._interval))
        return max(0, int((AHEAD_SECONDS - behind) / self._interval))

    def book(self) -> float:
        """Take the next turn: when it is, by the clock of the paces."""
        at = max(self._monotonic(), self._next)
        self._next = at + self._interval
        return at

    async def turn(self) -> None:
        """Take the next turn and wait for it."""
        if self._interval and (seconds := self.book() - self._monotonic()) > 0:
            await asyncio.sleep(seconds)

    def wait(self) -> float:
        """Seconds until there is room again; 0 when there is, or when there is no limit."""
        if self.room() != 0:
            return 0.0
        return self._next - self._monotonic() - max(0.0, AHEAD_SECONDS - self._interval)
