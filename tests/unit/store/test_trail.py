"""Whoever edits or cuts the audit trail without the key is found out."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from pwreset.store import trail
from pwreset.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.records import an_event

KEY = b"k" * 32
BLOCKS, EVENTS = 4, 3


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def store(tmp_path: Path, clock: FakeClock) -> AsyncIterator[SqliteStore]:
    """A trail of four chained blocks of three events, an hour apart."""
    opened = await SqliteStore.open(tmp_path / "store.db", clock, exclusive=True)
    for _ in range(BLOCKS):
        await opened.record([an_event(clock.now()) for _ in range(EVENTS)])
        await opened.chain_audit(KEY)
        clock.advance(timedelta(hours=1))
    yield opened
    await opened.close()


def tamper(tmp_path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(tmp_path / "store.db")) as connection:
        for statement in statements:
            assert connection.execute(statement).rowcount > 0
        connection.commit()


async def broken(store: SqliteStore) -> str:
    found = await store.verify_audit([KEY])
    assert found is not None
    return found


@pytest.mark.parametrize("column", ["name", "actor", "domain", "user", "address", "request_id", "correlation"])
async def test_an_edited_event_shows(store: SqliteStore, tmp_path: Path, column: str) -> None:
    tamper(tmp_path, f"UPDATE events SET {column} = 'x' WHERE sequence = 5")
    assert await broken(store) == "events 4 to 6 are not as they were written"


async def test_edited_facts_and_times_show(store: SqliteStore, tmp_path: Path) -> None:
    tamper(tmp_path, "UPDATE events SET facts = '{\"a\":1}', at = at + 1 WHERE sequence = 5")
    assert await broken(store) == "events 4 to 6 are not as they were written"


async def test_a_cut_out_event_shows(store: SqliteStore, tmp_path: Path) -> None:
    tamper(tmp_path, "DELETE FROM events WHERE sequence = 5")
    assert await broken(store) == "events 4 to 6 are not as they were written"


async def test_an_event_put_in_shows(store: SqliteStore, tmp_path: Path) -> None:
    tamper(
        tmp_path,
        "DELETE FROM events WHERE sequence = 5",
        "INSERT INTO events SELECT 5, name, at, actor, domain, user, address, request_id, correlation, '{\"x\":1}'"
        " FROM events WHERE sequence = 4",
    )
    assert await broken(store) == "events 4 to 6 are not as they were written"


async def test_a_block_cut_out_of_the_middle_shows(store: SqliteStore, tmp_path: Path) -> None:
    tamper(tmp_path, "DELETE FROM events WHERE sequence BETWEEN 4 AND 6", "DELETE FROM blocks WHERE number = 2")
    assert await broken(store) == "blocks before number 3 are missing"


async def test_a_block_cut_out_and_the_rest_renumbered_shows(store: SqliteStore, tmp_path: Path) -> None:
    tamper(
        tmp_path,
        "DELETE FROM events WHERE sequence BETWEEN 4 AND 6",
        "DELETE FROM blocks WHERE number = 2",
        "UPDATE events SET sequence = sequence - 3 WHERE sequence > 6",
        "UPDATE blocks SET number = number - 1, first = first - 3, last = last - 3 WHERE number > 2",
        "UPDATE heads SET number = number - 1",
    )
    assert await broken(store) == "events 4 to 6 are not as they were written"


async def test_events_cut_off_at_the_end_show(store: SqliteStore, tmp_path: Path) -> None:
    tamper(tmp_path, "DELETE FROM events WHERE sequence > 11")
    assert await broken(store) == "events 10 to 12 are not as they were written"


async def test_blocks_cut_off_at_the_end_show(store: SqliteStore, tmp_path: Path) -> None:
    tamper(
        tmp_path,
        "DELETE FROM events WHERE sequence > 9",
        "DELETE FROM blocks WHERE number > 3",
        "UPDATE heads SET number = 3",
    )
    assert "behind event 9" in await broken(store)


async def test_a_trail_that_was_emptied_shows(store: SqliteStore, tmp_path: Path) -> None:
    tamper(tmp_path, "DELETE FROM events", "DELETE FROM blocks")
    assert await broken(store) == "the chain is gone"


async def test_a_cut_at_the_beginning_shows(store: SqliteStore, tmp_path: Path) -> None:
    tamper(tmp_path, "DELETE FROM events WHERE sequence < 4", "DELETE FROM blocks WHERE number < 2")
    assert await broken(store) == "blocks before number 2 are missing"


async def test_a_cut_at_the_beginning_dressed_up_as_a_purge_shows(store: SqliteStore, tmp_path: Path) -> None:
    tamper(
        tmp_path,
        "DELETE FROM events WHERE sequence < 7",
        "DELETE FROM blocks WHERE number < 2",
        "UPDATE blocks SET purged = 1 WHERE number = 2",
    )
    assert "no purge told of it" in await broken(store)


async def test_a_cut_behind_a_checkpoint_shows(store: SqliteStore, tmp_path: Path, clock: FakeClock) -> None:
    await store.purge(clock.now() - timedelta(hours=2))
    tamper(tmp_path, "DELETE FROM events WHERE sequence < 10", "DELETE FROM blocks WHERE number = 3")
    assert await broken(store) == "blocks before number 4 are missing"


async def test_a_purge_keeps_the_newest_block(store: SqliteStore, clock: FakeClock) -> None:
    gone = await store.purge(clock.now() + timedelta(days=1))
    assert gone["events"] == (BLOCKS - 1) * EVENTS
    assert [event.sequence for event in await store.audit(0, 10)] == [10, 11, 12, 13]
    assert await store.verify_audit([KEY]) is None


async def test_a_purge_in_steps_is_whole(store: SqliteStore, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "BLOCKS_PER_STEP", 1)
    gone = await store.purge(clock.now())
    assert gone["events"] == (BLOCKS - 1) * EVENTS
    await store.chain_audit(KEY)
    assert await store.verify_audit([KEY]) is None


async def test_a_long_trail_is_chained_in_blocks(tmp_path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(tmp_path / "long.db", clock, exclusive=True)
    count = 2 * trail.EVENTS_PER_BLOCK + 1
    await store.record([an_event(clock.now()) for _ in range(count)])
    assert await store.chain_audit(KEY) == count
    assert await store.verify_audit([KEY]) is None
    await store.close()
