"""Log-ins under way from one address count as failures until they have ended: no burst slips past the limit.

And what must go one by one for other reasons.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from pwreset.errors import TooManyFailures
from pwreset.reset.ports import Limit

if TYPE_CHECKING:
    from pwreset.reset.services import Services


class _Gate:
    """The log-ins of one address. `turn` is held by the one that is let in next."""

    def __init__(self) -> None:
        self.under_way = 0
        self.turn = asyncio.Lock()
        self.ended = asyncio.Event()


class Gates:
    """One gate for each key that has log-ins under way or waiting."""

    def __init__(self) -> None:
        self._gates: WeakValueDictionary[str, _Gate] = WeakValueDictionary()

    @asynccontextmanager
    async def through(self, key: str, limit: Limit, services: Services) -> AsyncIterator[None]:
        """Wait until this log-in could fail, with all that are under way, and stay within the limit.

        Who fails is counted under `key` before he leaves. Raises TooManyFailures when the limit is used up.
        """
        if limit.count == 0:
            yield
            return
        gate = self._gates.setdefault(key, _Gate())
        async with gate.turn:
            await _room(gate, key, limit, services)
            gate.under_way += 1
        try:
            yield
        finally:
            gate.under_way -= 1
            gate.ended.set()


@asynccontextmanager
async def alone(key: str, services: Services) -> AsyncIterator[None]:
    """What is done under one key goes one by one, in all tabs and on all nodes: each counts before the next."""
    async with services.log_ins.lock(key), services.counters.alone(key):
        yield


async def _room(gate: _Gate, key: str, limit: Limit, services: Services) -> None:
    while True:
        gate.ended.clear()
        now = services.clock.now()
        wait = await services.counters.peek(key, limit, now)
        if wait is not None:
            raise TooManyFailures(wait)
        left = limit.count - gate.under_way
        if left > 0 and await services.counters.peek(key, Limit(left, limit.per), now) is None:
            return
        await gate.ended.wait()
