"""Blocking calls that do not come back are given up, counted and not waited for."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from pwreset.directory import threads
from pwreset.directory.threads import Threads, TooManyGivenUp

AT_ONCE = 0.01
GENEROUS = 60.0


@pytest.fixture
async def stuck() -> AsyncIterator[threading.Event]:
    """What stuck calls wait for."""
    event = threading.Event()
    yield event
    event.set()


async def give_up_one(pool: Threads, stuck: threading.Event) -> None:
    with pytest.raises(TimeoutError):
        await pool.run(lambda: stuck.wait(GENEROUS), AT_ONCE)


async def test_a_call_returns_its_result() -> None:
    assert await Threads().run(lambda: 42, GENEROUS) == 42


async def test_a_call_raises_its_failure() -> None:
    with pytest.raises(ZeroDivisionError):
        await Threads().run(lambda: 1 // 0, GENEROUS)


async def test_a_call_that_hangs_is_given_up(stuck: threading.Event) -> None:
    pool = Threads()
    await give_up_one(pool, stuck)
    assert pool.given_up == 1


async def test_a_call_that_was_given_up_leaves_its_place_to_others(stuck: threading.Event) -> None:
    pool = Threads()
    for _ in range(threads.MOST_AT_ONCE + 1):
        await give_up_one(pool, stuck)
    assert await pool.run(lambda: 42, GENEROUS) == 42


async def test_no_further_thread_is_spent_when_too_many_hang(stuck: threading.Event) -> None:
    pool = Threads()
    for _ in range(threads.MOST_GIVEN_UP):
        await give_up_one(pool, stuck)
    with pytest.raises(TooManyGivenUp):
        await pool.run(lambda: 42, GENEROUS)


async def test_calls_that_end_after_all_are_forgotten(stuck: threading.Event) -> None:
    pool = Threads()
    await give_up_one(pool, stuck)
    stuck.set()
    async with asyncio.timeout(GENEROUS):
        while pool.given_up:
            await asyncio.sleep(0.01)


async def test_a_result_that_comes_too_late_is_discarded(stuck: threading.Event) -> None:
    discarded: list[str] = []
    done = threading.Event()

    def late() -> str:
        stuck.wait(GENEROUS)
        return "connection"

    def discard(result: str) -> None:
        discarded.append(result)
        done.set()

    with pytest.raises(TimeoutError):
        await Threads().run(late, AT_ONCE, discard)
    stuck.set()
    await asyncio.to_thread(done.wait, GENEROUS)
    assert discarded == ["connection"]
