"""kill -9 of a process that writes all the time: whatever it acknowledged is there."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pwreset.store.postgres import PostgresStore
from pwreset.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.servers.databases import server_of
from tests.servers.postgres import Database, PrivatePostgres

KILLS = 20
AT_LEAST = 50

WRITER = """
import asyncio, sys
from pathlib import Path
from pwreset.secret import Secret
from pwreset.store.postgres import PostgresStore
from pwreset.store.postgres_connection import read_server
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
    where = sys.argv[1]
    if where.startswith("/"):
        store = await SqliteStore.open(Path(where), FakeClock(), exclusive=True)
    else:
        store = await PostgresStore.open(read_server(where, Secret(sys.stdin.readline()), None), FakeClock())
    await asyncio.gather(*(write_on(store, caller) for caller in range(8)))

asyncio.run(main())
"""


def acknowledged_before_a_kill(where: str, some: int, password: str = "") -> list[str]:
    """Ids that a child said it had written, killed after about so many."""
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, where],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(password)
        child.stdin.close()
        ids = [child.stdout.readline().strip() for _ in range(some)]
        child.kill()
        # The last line may have been cut in the middle.
        return ids + child.stdout.read().split("\n")[:-1]


def some() -> int:
    return AT_LEAST + random.randrange(300)


async def assert_all_there(store: SqliteStore | PostgresStore, acknowledged: list[str]) -> None:
    missing = [request_id for request_id in acknowledged if await store.get(request_id) is None]
    messages = [await store.deliveries(request_id) for request_id in acknowledged]
    await store.close()
    assert len(acknowledged) >= KILLS * AT_LEAST
    assert missing == []
    assert all(messages)


@pytest.mark.timeout(180)
async def test_no_acknowledged_request_is_lost_by_kill_9(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    acknowledged: list[str] = []
    for _ in range(KILLS):
        acknowledged += acknowledged_before_a_kill(str(path), some())
    await assert_all_there(await SqliteStore.open(path, FakeClock(), exclusive=True), acknowledged)


@pytest.mark.servers
@pytest.mark.timeout(180)
async def test_no_acknowledged_request_is_lost_by_kill_9_on_postgresql(database: Database) -> None:
    acknowledged: list[str] = []
    for _ in range(KILLS):
        acknowledged += acknowledged_before_a_kill(database.url, some(), database.password)
    await assert_all_there(await PostgresStore.open(server_of(database), FakeClock()), acknowledged)


@pytest.mark.servers
@pytest.mark.timeout(180)
async def test_no_acknowledged_request_is_lost_by_kill_9_of_postgresql_itself(own_postgres: PrivatePostgres) -> None:
    database = own_postgres.database()
    acknowledged: list[str] = []
    for _ in range(KILLS // 4):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, database.url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=Path(__file__).parents[2],
        ) as child:
            assert child.stdin is not None
            assert child.stdout is not None
            child.stdin.write(database.password)
            child.stdin.close()
            acknowledged += [child.stdout.readline().strip() for _ in range(4 * AT_LEAST)]
            own_postgres.kill()
            # It ends by itself, with StoreUnavailable, and a line of the log about it.
            acknowledged += re.findall(r"^[0-9a-f]{24}$", child.stdout.read(), re.MULTILINE)
        own_postgres.start()
    await assert_all_there(await PostgresStore.open(server_of(database), FakeClock()), acknowledged)
