"""What the benchmark writes into stores by itself must keep up with them."""

from __future__ import annotations

from pathlib import Path

from bench.links import fill
from pwreset.store.clock import SystemClock
from pwreset.store.sqlite import SqliteStore

LINKS = 3


async def test_a_filled_store_has_so_many_living_links(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    fill(path, LINKS)
    clock = SystemClock()
    store = await SqliteStore.open(path, clock, exclusive=True)
    counts = await store.counts(clock.now())
    await store.close()
    assert counts["live_links"] == LINKS
