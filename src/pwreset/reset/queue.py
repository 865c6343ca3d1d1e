"""The asks of the public page that have had their answer and are still to be looked at.

In memory, bounded, and each begun at a moment that its sender does not choose: neither the answer nor the server's load
right behind it tells what is found. Asks without a proof of work wait longer, in a small queue of their own, one by one,
and so take nothing from those with one; and one network has a tenth of the places, so that it takes nothing from others
before its limits are looked at. When the process is killed, what waits is lost: the person asks again.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

from pwreset import logs
from pwreset.errors import Overloaded, StoreUnavailable
from pwreset.reset import audit
from pwreset.reset.asked import PublicAsk, answer, counted

if TYPE_CHECKING:
    from pwreset.reset.services import Services

AT_ONCE = 8
UNPROVEN_AT_ONCE = 1
UNPROVEN_SHARE = 10  # of the places, one in so many
NETWORK_SHARE = 10  # of those, again
SPREAD_MILLISECONDS = 2000
BETWEEN_TELLING = 60.0  # seconds from one line of the trail about many asks to the next

log = logs.get("queue")


class AskQueue:
    """The asks of this process. `dropped` counts those that found it full, `untold` what the trail does not tell of yet."""

    def __init__(self) -> None:
        self._slots = {True: asyncio.Semaphore(AT_ONCE), False: asyncio.Semaphore(UNPROVEN_AT_ONCE)}
        self._tasks: dict[bool, dict[asyncio.Task[None], str]] = {True: {}, False: {}}  # each with its network
        self._ending = asyncio.Event()
        self.dropped = 0
        self.untold = 0
        self._tell_at = 0.0

    @property
    def waiting(self) -> int:
        """How many are waiting or looked at."""
        return sum(map(len, self._tasks.values()))

    def put(self, ask: PublicAsk, services: Services) -> None:
        """Take an ask, or drop it where the queue is full, or its network's share. To be called when its answer is on the wire."""
        tasks, places = self._tasks[ask.proven], services.settings.public.queue
        places = places if ask.proven else max(1, places // UNPROVEN_SHARE)
        of_network = sum(site == ask.site for site in tasks.values())
        if len(tasks) >= places or of_network >= max(1, places // NETWORK_SHARE):
            self.dropped += 1
            self.untold += 1
            counted(ask, services, Overloaded.reason)
            log.warning("the queue of the public page is full", dropped=self.dropped, proven=ask.proven)
            return
        task = asyncio.create_task(self._work(ask, services))
        tasks[task] = ask.site
        task.add_done_callback(tasks.pop)

    async def drain(self, seconds: float, services: Services) -> None:
        """Have all that wait begun at once, and give them time to end; the rest is lost."""
        self._ending.set()
        tasks = {*self._tasks[True], *self._tasks[False]}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            if late:
                log.warning("asks on the public page lost: the service stops", count=len(late))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        self._ending.clear()
        await self._tell_untold(services)

    async def _work(self, ask: PublicAsk, services: Services) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_pause(ask, services)):
                await self._ending.wait()
        async with self._slots[ask.proven]:
            logs.correlation.set(ask.asker.correlation)
            try:
                told = await answer(ask, services)
                self.untold += not told  # in one step: others count meanwhile
                if services.clock.monotonic() >= self._tell_at:
                    await self._tell_untold(services)
            except Exception:
                # A bug met by one must not stop the others, and nobody waits for the task's exception.
                log.exception("ask failed unexpectedly")

    async def _tell_untold(self, services: Services) -> None:
        """One line of the trail for many: a flood must not become one of events."""
        if not self.untold:
            return
        count, self.untold = self.untold, 0
        self._tell_at = services.clock.monotonic() + BETWEEN_TELLING
        with suppress(StoreUnavailable):
            now = services.clock.now()
            await services.store.record([audit.by_service(audit.Event.ASKS_DROPPED, now, count=count)])


def _pause(ask: PublicAsk, services: Services) -> float:
    """Seconds until an ask is looked at."""
    spread = secrets.randbelow(SPREAD_MILLISECONDS) / 1000
    return spread if ask.proven else spread + services.settings.public.unproven_delay_seconds
