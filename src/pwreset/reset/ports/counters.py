"""Counts for limits."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` in `per`."""

    count: int
    per: timedelta


class Counters(Protocol):
    """Counts what happened under a key, for limits. In memory for one process, shared where there are several."""

    async def take(self, key: str, limit: Limit, now: datetime) -> timedelta | None:
        """Count one. None: within the limit. Else: how long until one fits; then nothing is counted."""
        ...

    async def peek(self, key: str, limit: Limit, now: datetime) -> timedelta | None:
        """Like `take`, without counting."""
        ...

    async def forget(self, key: str) -> None:
        """Start this key anew."""
        ...

    def alone(self, key: str) -> AbstractAsyncContextManager[None]:
        """Hold this key, which no other process then holds: for what is looked at, done, and counted after it."""
        ...
