"""The clock of a store that one machine serves: the machine's own."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class SystemClock:
    """`pwreset.reset.ports.Clock` from the operating system."""

    def now(self) -> datetime:
        """The time, aware, UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that never go back."""
        return time.monotonic()
