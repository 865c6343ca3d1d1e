"""Use case: look up what is measured when it is asked for: which parts answer, and what the store counts.

A scrape must not hang because a part does, nor may scrapes pile questions up in front of it: each part has two seconds,
and is asked again only once its last answer has come.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from pwreset import logs
from pwreset.errors import PwresetError
from pwreset.metrics import Reading

if TYPE_CHECKING:
    from pwreset.reset.services import Services

T = TypeVar("T")

PROMPT_SECONDS = 2.0
FRESH_SECONDS = 5.0  # several scrapers share a reading

log = logs.get("metrics")


class _Question(Generic[T]):
    """One part, asked by one caller at a time."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._task: asyncio.Task[T] | None = None

    async def answer(self, seconds: float) -> T | None:
        """The answer; None when there is none in time, or the part cannot tell."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._asked())
        await asyncio.wait([self._task], timeout=seconds)
        if not self._task.done() or self._task.cancelled():
            return None
        try:
            return self._task.result()
        except PwresetError:
            return None
        except Exception:
            # One part that cannot be looked up must not hide how the others are.
            log.exception("a part cannot be looked up")
            return None

    async def _asked(self) -> T:
        return await self._ask()


class Gauges:
    """The reading of all parts, at most five seconds old."""

    def __init__(self, services: Services, prompt_seconds: float = PROMPT_SECONDS) -> None:
        """`prompt_seconds` is how long a part may take."""
        store = services.store
        self._prompt = prompt_seconds
        self._clock = services.clock
        self._up = _Question(store.health)
        self._counts = _Question(lambda: store.counts(services.clock.now()))
        self._directories = {name: _Question(directory.health) for name, directory in services.directories.items()}
        self._servers = {name: len(domain.uris) for name, domain in services.settings.domains.items()}
        self._transports = {
            channel.value: _Question(transport.health) for channel, transport in services.transports.items()
        }
        self._lock = asyncio.Lock()
        self._reading: Reading | None = None
        self._until = 0.0

    async def read(self) -> Reading:
        """The reading. Never raises, and takes little more than two seconds."""
        async with self._lock:
            if self._reading is None or self._clock.monotonic() >= self._until:
                self._reading = await self._read()
                self._until = self._clock.monotonic() + FRESH_SECONDS
            return self._reading

    async def _read(self) -> Reading:
        async with asyncio.TaskGroup() as group:
            store = group.create_task(self._up.answer(self._prompt))
            counts = group.create_task(self._counts.answer(self._prompt))
            directories = {
                name: group.create_task(question.answer(self._prompt)) for name, question in self._directories.items()
            }
            transports = {
                name: group.create_task(question.answer(self._prompt)) for name, question in self._transports.items()
            }
        health = store.result()
        return Reading(
            store_up=health is not None and health.ok,
            counts=counts.result(),
            directories={
                name: (sum(server.ok for server in task.result() or ()), self._servers[name])
                for name, task in directories.items()
            },
            transports={name: (answer := task.result()) is not None and answer.ok for name, task in transports.items()},
        )
