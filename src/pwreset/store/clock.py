"""The clock of a store: the machine's own where one machine serves it, the database's where several do."""

from __future__ import annotations

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


class OffsetClock:
    """`pwreset.reset.ports.Clock` from another machine: its time as last seen, and what has passed since."""

    def __init__(self) -> None:
        self._seen = (datetime.now(UTC), time.monotonic())  # in one, for readers in other threads

    def now(self) -> datetime:
        """The other machine's time, aware, UTC."""
        seen, at = self._seen
        return seen + timedelta(seconds=time.monotonic() - at)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()

    def set(self, seen: datetime, before: float, after: float) -> None:
        """The other machine's time was `seen` at some moment between these two of ours."""
        self._seen = (seen, (before + after) / 2)
