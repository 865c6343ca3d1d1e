"""The service's own work, on fakes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

from pwreset.reset.worker import work
from tests.fakes.world import World


async def test_a_store_that_is_down_at_the_start_does_not_end_the_work() -> None:
    world = World()
    world.mail.defer("jane@example.org")
    await world.send()
    world.store.down = True
    working = asyncio.create_task(work(world.services))
    for _ in range(20):  # it begins, and finds the store down
        await asyncio.sleep(0)
    world.store.down = False
    world.mail.accept("jane@example.org")
    world.clock.advance(timedelta(minutes=1))
    world.services.outbox.bell.set()
    with suppress(TimeoutError):
        async with asyncio.timeout(10):
            while not world.mail.sent and not working.done():
                await asyncio.sleep(0.01)
    working.cancel()
    await asyncio.gather(working, return_exceptions=True)
    assert [envelope.recipient.address for envelope in world.mail.sent] == ["jane@example.org"]
