"""The service's own work: deliveries that are due, submissions that died in the middle, the audit trail's chain."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from pwreset import logs
from pwreset.errors import PwresetError
from pwreset.reset.dispatch import lease_until
from pwreset.reset.recover import recover_claims
from pwreset.reset.tokens import AUDIT

if TYPE_CHECKING:
    from pwreset.reset.ports import Clock
    from pwreset.reset.services import Services

POLL_SECONDS = 1.0
SET_BACK_SECONDS = 2.0  # less is what a time service mends now and then

log = logs.get("worker")


async def work(services: Services) -> None:
    """Work until cancelled. A failure of one step is logged, and the step is tried again at the next turn."""
    # Once, before anything of this process is under way. Where it fails, what is leased comes back when its lease ends.
    await _try(_reclaim, services)
    async with asyncio.TaskGroup() as group:
        group.create_task(_deliver(services))
        group.create_task(_clear_up(services))


async def _deliver(services: Services) -> None:
    while True:
        await _try(start_due_deliveries, services)
        await _rest(services)


async def _clear_up(services: Services) -> None:
    """By the clock and not by the bell: under load the bell rings all the time, and none of this is urgent."""
    watch = ClockWatch(services.clock)
    while True:
        watch.look()
        await _try(recover_claims, services)
        await _try(chain, services)
        await asyncio.sleep(POLL_SECONDS)


async def _try(step: Callable[[Services], Awaitable[None]], services: Services) -> None:
    try:
        await step(services)
    except PwresetError as error:
        log.warning("work postponed", step=step.__name__, reason=error.reason)
    except Exception:
        log.exception("work failed", step=step.__name__)


class ClockWatch:
    """Notices that the clock was set back.

    Leases and pauses end by the clock, which several processes share. Set back, all of them wait for as much longer:
    nothing is lost or doubled by it, so it is told and not mended.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._ahead = self._lead()

    def look(self) -> None:
        """Log when the clock was set back since the last look."""
        before, self._ahead = self._ahead, self._lead()
        back = before - self._ahead
        if back > SET_BACK_SECONDS:
            log.warning(
                "the clock was set back",
                seconds=round(back),
                advice="Messages and submissions that were under way wait for as much longer, and links live for as much"
                " longer. Let a time service keep the clock.",
            )

    def _lead(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()


async def start_due_deliveries(services: Services) -> None:
    """Take what is due, as far as there are slots, and begin the attempts."""
    now = services.clock.now()
    due = await services.store.next_due()
    if due is None or due > now:
        return
    for channel in services.transports:
        free = services.outbox.free_slots(channel)
        if free == 0:
            continue
        for delivery in await services.store.take_deliveries(channel, now, lease_until(now), free):
            services.outbox.start(delivery, services)


async def _reclaim(services: Services) -> None:
    await services.store.reclaim(services.clock.now())


async def chain(services: Services) -> None:
    """Chain the audit events committed since the last time. Raises StoreUnavailable."""
    await services.store.chain_audit(services.keys.newest.derive(AUDIT))


async def _rest(services: Services) -> None:
    """Until the bell rings (a slot is free, a message is due at once) or the next look is due."""
    bell = services.outbox.bell
    seconds = services.outbox.seconds_to_room()
    try:
        async with asyncio.timeout(min(seconds, POLL_SECONDS) if seconds else POLL_SECONDS):
            await bell.wait()
    except TimeoutError:
        pass
    bell.clear()
