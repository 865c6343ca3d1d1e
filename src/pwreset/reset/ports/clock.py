"""The store's clock."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """The store's clock, so that several nodes agree."""

    def now(self) -> datetime:
        """The time, aware, UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back, for waits."""
        ...
