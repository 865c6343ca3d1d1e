"""The store's file: who may read it, who may serve it, what else may be in it."""

from __future__ import annotations

import asyncio
import os
import secrets
import sqlite3
from collections.abc import Coroutine, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pwreset.errors import SettingsError, StartError, StoreUnavailable, StoreVersionError
from pwreset.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
from tests.fakes.records import JOHN, a_delivery, a_request, was_sent


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


async def opened(path: Path, *, exclusive: bool = True) -> SqliteStore:
    return await SqliteStore.open(path, FakeClock(), exclusive=exclusive)


async def outcome_of(doing: Coroutine[None, None, None]) -> type[BaseException] | None:
    try:
        await doing
    except StoreUnavailable as error:
        return type(error)
    return None


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


@pytest.mark.usefixtures("open_umask")
async def test_all_files_are_for_their_owner_only_whatever_the_umask(path: Path) -> None:
    store = await opened(path)
    await store.add(a_request(FakeClock().now()), [], [], supersede=True)
    modes = {each.name: mode(each) for each in path.parent.iterdir()}
    await store.close()
    assert modes == dict.fromkeys(["store.db", "store.db-wal", "store.db-shm", "store.db.lock"], 0o600)


async def test_a_file_that_others_may_read_stops_the_start(path: Path) -> None:
    await (await opened(path)).close()
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 0600"):
        await opened(path)


async def test_a_folder_that_is_not_there_is_told(path: Path) -> None:
    with pytest.raises(SettingsError, match="No such file or directory"):
        await opened(path.parent / "nowhere" / "store.db")


async def test_two_processes_do_not_serve_one_file(path: Path) -> None:
    store = await opened(path)
    with pytest.raises(StartError, match="another pwreset"):
        await opened(path)
    await store.close()


async def test_the_file_is_free_again_once_closed(path: Path) -> None:
    await (await opened(path)).close()
    await (await opened(path)).close()


async def test_a_command_works_beside_the_server(path: Path) -> None:
    now = FakeClock().now()
    server, command = await opened(path), await opened(path, exclusive=False)
    old, new = a_request(now), a_request(now)
    await server.add(old, [], [], supersede=True)
    await command.add(new, [], [], supersede=True)
    seen = await server.find([new.digest])
    superseded = await command.get(old.id)
    await command.close()
    await server.close()
    assert seen is not None
    assert superseded is not None
    assert superseded.settled_why == "superseded"


async def test_a_command_and_a_busy_server_both_get_their_turn(path: Path) -> None:
    now = FakeClock().now()
    server, command = await opened(path), await opened(path, exclusive=False)
    done = asyncio.Event()

    async def keep_busy(caller: int) -> None:
        while not done.is_set():
            await server.add(a_request(now, user_id=str(caller)), [], [], supersede=True)

    busy = [asyncio.create_task(keep_busy(caller)) for caller in range(8)]
    for _ in range(10):
        await command.add(a_request(now, user_id=JOHN), [], [], supersede=True)
    done.set()
    await asyncio.gather(*busy)
    await command.close()
    await server.close()


@pytest.mark.parametrize("content", [b"hello", b"hello" * 1000, b"\x00" * 4096])
async def test_a_file_that_is_no_database_is_refused_and_untouched(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StoreVersionError):
        await opened(path)
    assert path.read_bytes() == content


async def test_another_programs_database_is_refused_and_untouched(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.execute("CREATE TABLE photos (id INTEGER)")
        other.commit()
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(StoreVersionError, match="another program"):
        await opened(path)
    assert path.read_bytes() == before


async def test_a_folder_in_its_place_is_told(path: Path) -> None:
    path.mkdir(mode=0o700)
    with pytest.raises(StoreUnavailable):
        await opened(path)


async def test_a_full_disk_is_told_and_got_over(path: Path) -> None:
    now = FakeClock().now()
    store = await opened(path)
    pages = await store._writer.run(lambda c: int(c.execute("PRAGMA page_count").fetchone()[0]))
    await store._writer.run(lambda c: c.execute(f"PRAGMA max_page_count = {pages}").fetchone()[0])
    requests = [a_request(now, user_id=str(number)) for number in range(1000)]
    outcomes = [await outcome_of(store.add(request, [], [], supersede=True)) for request in requests]
    assert set(outcomes[-100:]) == {StoreUnavailable}
    kept = [request for request, outcome in zip(requests, outcomes, strict=True) if outcome is None]
    await store._writer.run(lambda c: c.execute("PRAGMA max_page_count = 100000").fetchone()[0])
    after = a_request(now)
    await store.add(after, [], [], supersede=True)
    assert all([await store.get(request.id) for request in (*kept, after)])
    await store.close()


async def test_a_locked_file_is_told(path: Path) -> None:
    store = await opened(path)
    await store._writer.run(lambda c: c.execute("PRAGMA busy_timeout = 1").fetchone())
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            await store.add(a_request(FakeClock().now()), [], [], supersede=True)
        assert not (await store.health()).ok
        other.execute("ROLLBACK")
    await store.add(a_request(FakeClock().now()), [], [], supersede=True)
    await store.close()


async def test_a_file_that_was_taken_away_is_unhealthy(path: Path) -> None:
    store = await opened(path)
    path.rename(path.with_name("elsewhere.db"))
    assert "gone" in (await store.health()).detail
    await store.close()


async def test_nothing_is_acknowledged_once_the_file_was_taken_away(path: Path) -> None:
    store = await opened(path)
    path.rename(path.with_name("elsewhere.db"))
    with pytest.raises(StoreUnavailable):
        await store.add(a_request(FakeClock().now()), [], [], supersede=True)
    await store.close()


async def test_nothing_is_acknowledged_once_another_file_is_in_its_place(path: Path) -> None:
    store = await opened(path)
    path.rename(path.with_name("elsewhere.db"))
    path.touch(mode=0o600)
    with pytest.raises(StoreUnavailable):
        await store.add(a_request(FakeClock().now()), [], [], supersede=True)
    await store.close()


async def test_a_file_that_is_back_is_written_to_again(path: Path) -> None:
    store = await opened(path)
    path.rename(path.with_name("elsewhere.db"))
    path.with_name("elsewhere.db").rename(path)
    await store.add(a_request(FakeClock().now()), [], [], supersede=True)
    await store.close()


async def test_a_closed_store_is_unavailable(path: Path) -> None:
    store = await opened(path)
    await store.close()
    with pytest.raises(StoreUnavailable):
        await store.get("x")


async def test_what_was_queued_before_the_end_is_written(path: Path) -> None:
    store = await opened(path)
    request = a_request(FakeClock().now())
    adding = asyncio.create_task(store.add(request, [], [], supersede=True))
    await asyncio.sleep(0)  # lets the task queue its job
    await store.close()
    await adding
    again = await opened(path)
    assert await again.get(request.id) is not None
    await again.close()


async def test_a_caller_that_gives_up_does_not_stop_his_write_nor_the_others(path: Path) -> None:
    store = await opened(path)
    now = FakeClock().now()
    given_up, other = a_request(now), a_request(now, user_id=JOHN)
    adding = asyncio.create_task(store.add(given_up, [], [], supersede=True))
    await asyncio.sleep(0)  # lets the task queue its job
    adding.cancel()
    await store.add(other, [], [], supersede=True)
    assert await store.get(given_up.id) is not None
    assert await store.get(other.id) is not None
    await store.close()


async def test_every_commit_reaches_the_disk(path: Path) -> None:
    store = await opened(path)
    pragmas = await store._writer.run(
        lambda c: [
            c.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    )
    await store.close()
    assert pragmas == ["wal", 2, 1]


@pytest.mark.parametrize("size", [200, 6000, 50_000], ids="{} bytes".format)
async def test_what_was_erased_is_in_no_file_any_more(path: Path, size: int) -> None:
    clock = FakeClock()
    store = await SqliteStore.open(path, clock, exclusive=True)
    messages = []
    for number in range(3):
        request = a_request(clock.now(), user_id=str(number))
        message = replace(a_delivery(request), body=secrets.token_bytes(size))
        await store.add(request, [message], [], supersede=False)
        messages.append(message)
    assert pieces_left(path, messages[0].body) > 0
    await store.settle_deliveries([was_sent(message, clock.now()) for message in messages[:2]], [])
    await store.revoke(messages[2].request_id, clock.now(), "by-hand", [])
    with closing(sqlite3.connect(path)) as other:
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    assert [pieces_left(path, message.body) for message in messages] == [0, 0, 0]
    await store.close()


def pieces_left(path: Path, body: bytes) -> int:
    """How many pieces of a sealed body are in the store's files."""
    files = b"".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())
    return sum(body[at : at + 16] in files for at in range(0, len(body) - 16, 50))
