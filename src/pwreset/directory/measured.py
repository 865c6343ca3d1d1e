"""A pool that tells how long its round trips take."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeVar

from pwreset.directory.pool import Answer, Pool, Session
from pwreset.directory.shared import Search, SharedConnection
from pwreset.secret import Secret
from pwreset.settings.domains import Domain

T = TypeVar("T")
Measure = Callable[[str, float], None]  # told `search`, `bind` or `write`, and how many seconds it took


def keep_quiet(_operation: str, _seconds: float) -> None:
    """Nobody measures."""


class MeasuredPool(Pool):
    """What people wait for is measured, failures included; what `check` looks at is not."""

    def __init__(self, name: str, domain: Domain, bind_password: Secret | None, measure: Measure) -> None:
        super().__init__(name, domain, bind_password)
        self._measure = measure

    async def search_near(self, near: SharedConnection | None, wanted: Search) -> Answer:
        """See `Pool.search_near`; `Pool.search` comes by here."""
        began = perf_counter()
        try:
            return await super().search_near(near, wanted)
        finally:
            self._measure("search", perf_counter() - began)

    async def alone(self, work: Callable[[Any], T]) -> T:
        """See `Pool.alone`."""
        began = perf_counter()
        try:
            return await super().alone(work)
        finally:
            self._measure("bind", perf_counter() - began)

    async def write(self, work: Callable[[Session], T], *, answers: int) -> T:
        """See `Pool.write`."""
        began = perf_counter()
        try:
            return await super().write(work, answers=answers)
        finally:
            self._measure("write", perf_counter() - began)
