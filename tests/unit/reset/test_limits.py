from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pwreset.reset.limits import MemoryCounters
from pwreset.reset.ports import Limit

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
THREE = Limit(3, timedelta(minutes=15))


async def taken(counters: MemoryCounters, times: int, key: str = "kind:one") -> None:
    for _ in range(times):
        assert await counters.take(key, THREE, NOW) is None


async def test_the_limit_itself_is_allowed_and_one_more_is_not() -> None:
    counters = MemoryCounters()
    await taken(counters, 3)
    assert await counters.take("kind:one", THREE, NOW) == timedelta(minutes=15)


async def test_it_slides_so_that_never_more_fit_into_any_window() -> None:
    counters = MemoryCounters()
    await taken(counters, 2)
    later = NOW + timedelta(minutes=14)
    assert await counters.take("kind:one", THREE, later) is None
    assert await counters.take("kind:one", THREE, later) == timedelta(minutes=1)
    assert await counters.take("kind:one", THREE, NOW + timedelta(minutes=15)) is None


async def test_a_refused_one_is_not_counted() -> None:
    counters = MemoryCounters()
    await taken(counters, 3)
    for _ in range(5):
        await counters.take("kind:one", THREE, NOW + timedelta(minutes=10))
    assert await counters.take("kind:one", THREE, NOW + timedelta(minutes=15)) is None


async def test_a_look_counts_nothing() -> None:
    counters = MemoryCounters()
    for _ in range(10):
        assert await counters.peek("kind:one", THREE, NOW) is None
    await taken(counters, 3)
    assert await counters.peek("kind:one", THREE, NOW) == timedelta(minutes=15)


async def test_a_forgotten_key_begins_anew() -> None:
    counters = MemoryCounters()
    await taken(counters, 3)
    await counters.forget("kind:one")
    await taken(counters, 3)


async def test_zero_switches_a_limit_off() -> None:
    counters = MemoryCounters()
    for _ in range(100):
        assert await counters.take("kind:one", Limit(0, timedelta(hours=1)), NOW) is None


async def test_a_flood_of_one_kind_leaves_the_counts_of_another() -> None:
    counters = MemoryCounters(keys_per_kind=10)
    await taken(counters, 3)
    for number in range(100):
        await counters.take(f"flood:{number}", THREE, NOW)
    assert await counters.take("kind:one", THREE, NOW) is not None


async def test_what_was_counted_before_a_restart_counts() -> None:
    counters = MemoryCounters()
    counters.restore("kind:one", [NOW] * 3)
    assert await counters.take("kind:one", THREE, NOW) is not None


async def test_a_clock_that_is_set_back_holds_nobody_up_for_longer_than_the_limit_says() -> None:
    counters = MemoryCounters()
    await taken(counters, 3)
    earlier = NOW - timedelta(days=1)
    assert await counters.take("kind:one", THREE, earlier) == timedelta(minutes=15)
    assert await counters.take("kind:one", THREE, earlier + timedelta(minutes=15)) is None


async def test_counts_that_are_over_take_no_memory() -> None:
    counters = MemoryCounters()
    for number in range(1000):
        await counters.take(f"kind:{number}", THREE, NOW)
    for number in range(1000, 2000):
        await counters.take(f"kind:{number}", THREE, NOW + timedelta(hours=1))
    assert counters.known("kind:") == 1000


async def test_counts_that_are_not_over_are_kept() -> None:
    counters = MemoryCounters()
    await taken(counters, 3)
    for number in range(1000):
        await counters.take(f"kind:another-{number}", THREE, NOW)
    assert await counters.take("kind:one", THREE, NOW) is not None
