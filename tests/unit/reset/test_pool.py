"""What is to be written down of counts, and how much of it at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pwreset.reset.limits import MemoryCounters
from pwreset.reset.pool import Kept, digest_of
from pwreset.reset.ports import Limit

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
MANY = Limit(1000, QUARTER)
ALL = 1_000_000


async def counted(counters: MemoryCounters, *keys: str, now: datetime = NOW) -> None:
    for key in keys:
        await counters.take(key, MANY, now)


class Keeper:
    """Writes down what it is told, and knows what is written: how often each has happened."""

    def __init__(self, *keys: str, keys_per_kind: int = ALL) -> None:
        """These were counted once by an earlier process."""
        self.counters = MemoryCounters(keys_per_kind, are_kept=True)
        self.rows = {row: (digest_of(key), 1) for row, key in enumerate(keys, 1)}
        for row, (digest, _) in self.rows.items():
            self.counters.restore_kept(Kept(row, digest.encode(), (NOW,), NOW + QUARTER), NOW)

    def write(self, most: int = ALL) -> int:
        """Write down some; how many rows that were."""
        changes = self.counters.changes(most)
        for kept in changes:
            if kept.until is None:
                del self.rows[kept.row]
            else:
                self.rows[kept.row] = kept.digest, len(kept.times)
        assert len({digest for digest, _ in self.rows.values()}) == len(self.rows)
        return len(changes)

    def knows(self, **times: int) -> bool:
        """Whether so many times of these keys, `a` for `kind:a`, are written down, and nothing else."""
        return sorted(self.rows.values()) == sorted((digest_of(f"kind:{key}"), count) for key, count in times.items())


async def test_a_thousand_times_under_one_key_are_one_row_written_once() -> None:
    keeper = Keeper()
    await counted(keeper.counters, *["kind:a"] * 1000)
    assert keeper.write() == 1
    assert keeper.knows(a=1000)
    assert keeper.write() == 0


async def test_of_a_flood_of_keys_a_part_is_written_down_and_the_rest_later() -> None:
    keeper = Keeper()
    await counted(keeper.counters, *[f"flood:{number}" for number in range(2500)])
    assert [keeper.write(1000) for _ in range(4)] == [1000, 1000, 500, 0]


async def test_a_flood_of_one_kind_holds_up_no_other() -> None:
    keeper = Keeper()
    await counted(keeper.counters, *[f"flood:{number}" for number in range(2500)], "kind:a")
    keeper.write(1000)
    assert (digest_of("kind:a"), 1) in keeper.rows.values()


async def test_a_flood_that_goes_on_is_written_down_little_by_little_and_never_more_than_memory_holds() -> None:
    keeper = Keeper(keys_per_kind=100)
    for turn in range(20):
        await counted(keeper.counters, *[f"flood:{turn}-{number}" for number in range(500)])
        assert keeper.write(50) <= 100
        assert len(keeper.rows) <= 150
    while keeper.write(50):
        pass
    assert len(keeper.rows) == 100


async def test_what_a_flood_has_pushed_out_before_it_was_written_down_never_is() -> None:
    keeper = Keeper(keys_per_kind=100)
    await counted(keeper.counters, *[f"flood:{number}" for number in range(2500)])
    assert keeper.write() == 100


async def test_what_was_written_down_and_is_pushed_out_goes() -> None:
    keeper = Keeper(keys_per_kind=2)
    await counted(keeper.counters, "kind:a", "kind:b")
    keeper.write()
    await counted(keeper.counters, "kind:c")
    keeper.write()
    assert keeper.knows(b=1, c=1)


@pytest.mark.parametrize("writes", [0, 1])
async def test_what_comes_back_before_it_is_gone_is_there_once(writes: int) -> None:
    keeper = Keeper("kind:a")
    for _ in range(3):
        await keeper.counters.forget("kind:a")
        await counted(keeper.counters, "kind:a", "kind:a")
        for _ in range(writes):
            keeper.write(1)
    while keeper.write(1):
        pass
    assert keeper.knows(a=2)
    await keeper.counters.forget("kind:a")
    keeper.write()
    assert keeper.knows()


async def test_what_goes_is_written_down_first_and_little_by_little() -> None:
    keeper = Keeper("kind:a", "kind:b", "kind:c")
    for key in ("kind:a", "kind:b", "kind:c"):
        await keeper.counters.forget(key)
    await counted(keeper.counters, "kind:c", "kind:c")
    assert [keeper.write(1) for _ in range(2)] == [1, 1]
    assert keeper.knows(c=1)
    keeper.write(1)
    assert keeper.knows(c=2)


async def test_what_is_new_takes_nothing_of_what_was_there() -> None:
    keeper = Keeper("kind:a")
    await counted(keeper.counters, "kind:b")
    keeper.write()
    assert keeper.knows(a=1, b=1)


async def test_what_nobody_has_asked_for_since_the_start_makes_room_first() -> None:
    keeper = Keeper("kind:a", "kind:b", keys_per_kind=2)
    await counted(keeper.counters, "kind:c")
    keeper.write()
    assert keeper.knows(b=1, c=1)
    await counted(keeper.counters, "kind:b")
    keeper.write()
    assert keeper.knows(b=2, c=1)


async def test_what_is_over_goes_whoever_has_counted_it() -> None:
    keeper = Keeper("kind:a", "kind:b")
    await counted(keeper.counters, "kind:b", "kind:c", now=NOW + timedelta(minutes=1))
    keeper.counters.drop_over(NOW + QUARTER, ALL)
    keeper.write()
    assert keeper.knows(b=2, c=1)
    keeper.counters.drop_over(NOW + QUARTER + timedelta(minutes=1), 1)
    keeper.write()
    assert keeper.knows(c=1)


async def test_what_the_outbox_has_told_is_not_dropped_before_anybody_says_how_long_it_counts() -> None:
    counters = MemoryCounters()
    counters.restore("sms:day", [NOW])
    counters.drop_over(NOW + timedelta(hours=23), ALL)
    assert counters.known("sms:") == 1


async def test_what_happened_very_often_waits_while_the_rest_is_written_down() -> None:
    keeper = Keeper()
    await counted(keeper.counters, *["kind:often"] * 11, *["kind:a"] * 10)
    assert [kept.digest for kept in keeper.counters.changes(ALL, longest=10)] == [digest_of("kind:a")]
    keeper.write()
    assert keeper.knows(often=11)


async def test_what_nobody_keeps_is_not_gathered() -> None:
    counters = MemoryCounters()
    await counted(counters, "kind:a")
    assert counters.changes(ALL) == []
