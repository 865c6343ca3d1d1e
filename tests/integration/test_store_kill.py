"""kill -9 of a process that writes all the time: whatever it acknowledged is there."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from pwreset.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock

KILLS = 20
AT_LEAST = 50

WRITER = """
import asyncio, sys
from pathlib import Path
from pwreset.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.records import a_delivery, a_request, an_event

async def write_on(store, caller):
    now = FakeClock().now()
    while True:
        request = a_request(now, user_id=str(caller))
        await store.add(request, [a_delivery(request)], [an_event(now)], supersede=True)
        print(request.id, flush=True)

async def main():
    store = await SqliteStore.open(Path(sys.argv[1]), FakeClock(), exclusive=True)
    await asyncio.gather(*(write_on(store, caller) for caller in range(8)))

asyncio.run(main())
"""


def acknowledged_before_a_kill(path: Path, some: int) -> list[str]:
    """Ids that a child said it had written, killed after about so many."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    ) as child:
        assert child.stdout is not None
        ids = [child.stdout.readline().strip() for _ in range(some)]
        child.kill()
        # The last line may have been cut in the middle.
        return ids + child.stdout.read().split("\n")[:-1]


@pytest.mark.timeout(180)
async def test_no_acknowledged_request_is_lost_by_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    acknowledged: list[str] = []
    for _ in range(KILLS):
        acknowledged += acknowledged_before_a_kill(path, AT_LEAST + random.randrange(300))
    store = await SqliteStore.open(path, FakeClock(), exclusive=True)
    missing = [request_id for request_id in acknowledged if await store.get(request_id) is None]
    messages = [await store.deliveries(request_id) for request_id in acknowledged]
    await store.close()
    assert len(acknowledged) >= KILLS * AT_LEAST
    assert missing == []
    assert all(messages)
