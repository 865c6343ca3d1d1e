"""The service's own work, on fakes."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from pwreset.reset.worker import ClockWatch, work
from tests.fakes.clock import FakeClock
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


def test_a_clock_that_was_set_back_is_told_once() -> None:
    clock = FakeClock()
    watch = ClockWatch(clock)
    clock.advance(timedelta(minutes=1))
    clock.set(clock.now() - timedelta(hours=1))
    with capture_logs() as events:
        watch.look()
        clock.advance(timedelta(seconds=1))
        watch.look()
    assert [(event["event"], event["seconds"]) for event in events] == [("the clock was set back", 3600)]


@pytest.mark.parametrize("by", [timedelta(seconds=-1), timedelta(), timedelta(hours=1)])
def test_a_clock_that_is_mended_a_little_or_set_forward_is_not_told(by: timedelta) -> None:
    clock = FakeClock()
    watch = ClockWatch(clock)
    clock.set(clock.now() + by)
    with capture_logs() as events:
        watch.look()
    assert events == []
