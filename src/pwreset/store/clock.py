"""The clock of a store: the machine's own where one machine serves it, the database's where several do."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime, timedelta


class SystemClock:
    """`pwreset.reset.ports.Clock` from the operating system."""

    def now(self) -> datetime:
        """The time, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()


# How far apart two machines' clocks may run, with room: 1 ms in a second.
DRIFT = 0.001


class OffsetClock:
    """`pwreset.reset.ports.Clock` from another machine: its time as last seen, and what has passed since.

    What this machine believes the time to be is no part of it, and a machine that was suspended counts on.
    """

    def __init__(self) -> None:
        # In one, for readers in other threads: the other's time, ours then, and by how much that may be wrong.
        self._seen = (datetime.now(UTC), uptime(), math.inf)

    def now(self) -> datetime:
        """The other machine's time, aware, UTC."""
        seen, at, _ = self._seen
        return seen + timedelta(seconds=uptime() - at)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def set(self, seen: datetime, before: float, after: float) -> None:
        """The other machine's time was `seen` at some moment between these two `uptime`s of ours.

        An answer that was long on its way tells less than what is known already, for a while.
        """
        _, at, doubt = self._seen
        new_doubt = (after - before) / 2
        if new_doubt <= doubt + (after - at) * DRIFT:
            self._seen = (seen, (before + after) / 2, new_doubt)


def uptime() -> float:
    """Seconds since the machine began, those included in which it was suspended."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
