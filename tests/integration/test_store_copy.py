"""Moving a store from SQLite to PostgreSQL: all of it, compared, and it goes on there."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from pwreset.errors import StartError
from pwreset.reset.limits import MemoryCounters
from pwreset.reset.model import Channel, RequestFilter
from pwreset.reset.ports import Limit
from pwreset.store.copying import copy_store, row_count
from pwreset.store.migrate import known_migrations
from pwreset.store.postgres import PostgresStore
from pwreset.store.sqlite import SqliteStore, migrate
from tests.fakes.clock import FakeClock
from tests.fakes.records import a_delivery, a_request, an_event
from tests.servers.databases import server_of
from tests.servers.postgres import Database

pytestmark = pytest.mark.servers
KEY = b"k" * 32
THREE = Limit(3, timedelta(minutes=15))


async def filled(path: Path, clock: FakeClock) -> None:
    store = await SqliteStore.open(path, clock, exclusive=True)
    for number in range(30):
        request = a_request(clock.now(), user_id=f"user-{number % 20}", login=f"Üser {number}")
        await store.add(request, [a_delivery(request)], [an_event(clock.now())], supersede=True, once=f"Key {number}")
        if number % 7 == 0:
            await store.chain_audit(KEY)
    await store.chain_audit(KEY)
    await store.record([an_event(clock.now())])
    await store.close()


async def test_a_copied_store_holds_the_same_and_goes_on(tmp_path: Path, database: Database) -> None:
    clock, path = FakeClock(), tmp_path / "store.db"
    told: list[int] = []
    await filled(path, clock)
    counts = copy_store(path, server_of(database), told.append)
    assert (counts["requests"], counts["deliveries"], counts["events"], counts["once"]) == (30, 30, 31, 30)
    assert sum(told) == 2 * row_count(path)
    old = await SqliteStore.open(path, clock, exclusive=True)
    new = await PostgresStore.open(server_of(database), clock)
    everything = RequestFilter(limit=500)
    assert await new.list(everything, clock.now()) == await old.list(everything, clock.now())
    assert await new.audit(0, 500) == await old.audit(0, 500)
    assert await new.verify_audit([KEY]) is None
    request = a_request(clock.now())
    await new.add(request, [a_delivery(request)], [an_event(clock.now())], supersede=True)
    assert (await new.list(everything, clock.now()))[0].id == request.id
    assert await new.chain_audit(KEY) == 2
    assert await new.verify_audit([KEY]) is None
    taken = await new.take_deliveries(
        Channel.MAIL, clock.now() + timedelta(days=1), clock.now() + timedelta(days=2), 99
    )
    assert len(taken) > 1
    await old.close()
    await new.close()


async def test_a_store_that_holds_rows_is_not_copied_over(tmp_path: Path, database: Database) -> None:
    clock, path = FakeClock(), tmp_path / "store.db"
    await filled(path, clock)
    copy_store(path, server_of(database), lambda _: None)
    with pytest.raises(StartError, match="holds requests already"):
        copy_store(path, server_of(database), lambda _: None)


async def test_a_store_in_service_is_not_copied(tmp_path: Path, database: Database) -> None:
    path = tmp_path / "store.db"
    store = await SqliteStore.open(path, FakeClock(), exclusive=True)
    with pytest.raises(StartError, match="serves this store"):
        copy_store(path, server_of(database), lambda _: None)
    await store.close()


async def test_what_arrives_otherwise_than_it_was_sent_is_not_kept(tmp_path: Path, database: Database) -> None:
    clock, path = FakeClock(), tmp_path / "store.db"
    await filled(path, clock)
    store = await PostgresStore.open(server_of(database), clock)
    with database.connect() as connection:
        connection.execute(
            "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN NEW.asked_by := 'somebody else'; RETURN NEW; END $$"
        )
        connection.execute("CREATE TRIGGER spoiled BEFORE INSERT ON requests FOR EACH ROW EXECUTE FUNCTION spoil()")
    with pytest.raises(StartError, match="not what was sent"):
        copy_store(path, server_of(database), lambda _: None)
    assert await store.list(RequestFilter(), clock.now()) == ()
    await store.close()


async def test_what_limits_have_counted_moves_too(tmp_path: Path, database: Database) -> None:
    clock, path = FakeClock(), tmp_path / "store.db"
    store = await SqliteStore.open(path, clock, exclusive=True)
    counters = MemoryCounters(are_kept=True)
    await store.keep(counters)
    for key in ("login-account:jane", "login-account:j\u00f6rg") * 3:
        await counters.take(key, THREE, clock.now())
        clock.advance(timedelta(minutes=1))
    await store.close()
    assert copy_store(path, server_of(database), lambda _: None)["counters"] == 2
    new = await PostgresStore.open(server_of(database), clock)
    for key in ("login-account:jane", "login-account:j\u00f6rg"):
        assert await new.counters.take(key, THREE, clock.now()) == await counters.peek(key, THREE, clock.now())
    await new.close()


async def test_an_older_store_is_copied(tmp_path: Path, database: Database) -> None:
    path, before = tmp_path / "store.db", tmp_path / "before"
    before.mkdir()
    (before / known_migrations()[0].name).write_text(known_migrations()[0].text, encoding="utf-8")
    migrate(path, before)
    assert row_count(path) == 0
    assert set(copy_store(path, server_of(database), lambda _: None).values()) == {0}
