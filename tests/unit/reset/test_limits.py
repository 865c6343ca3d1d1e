from __future__ import annotations

from datetime import UTC, datetime, timedelta

from pwreset.reset.limits import MemoryCounters
from pwreset.reset.ports import Limit

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
THREE = Limit(3, timedelta(minutes=15))


async def taken(counters: MemoryCounters, times: int, key: str = "kind:one") -> None:
    for _ in range(times):
        assert await counters.take(key, THREE, NOW) is None


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
