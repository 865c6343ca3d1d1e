"""A copy of the database, and the power to write to it, open no link: tried on both engines."""

from __future__ import annotations

import base64
import hashlib
import hmac
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pwreset.errors import LinkDead, SealBroken
from pwreset.reset.model import Channel, Delivery
from pwreset.reset.redeem import open_link
from pwreset.reset.services import Services
from pwreset.reset.tokens import new_token, read_token
from pwreset.secret import Secret
from pwreset.store.postgres import PostgresStore
from pwreset.store.sqlite import SqliteStore
from tests.fakes.world import World
from tests.servers.databases import server_of
from tests.servers.postgres import Database

pytestmark = pytest.mark.servers
TABLES = ("requests", "deliveries", "events", "blocks", "heads", "once", "challenges", "counters")
Run = Callable[..., list[tuple[Any, ...]]]


@dataclass
class Dump:
    """The service on a real store, and an attacker with the database."""

    world: World
    services: Services
    run: Run

    async def opens(self, token: Secret) -> bool:
        try:
            await open_link(token, self.services)
        except LinkDead:
            return False
        return True

    async def waiting(self) -> Delivery:
        now = self.services.clock.now()
        [delivery] = await self.services.store.take_deliveries(Channel.MAIL, now, now + timedelta(hours=1), 1)
        return delivery


@pytest.fixture(params=["sqlite", "postgres"])
async def dump(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Dump]:
    world = World()
    if request.param == "postgres":
        database: Database = request.getfixturevalue("database")
        store: SqliteStore | PostgresStore = await PostgresStore.open(server_of(database), world.clock)

        def run(statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
            with database.connect() as connection:
                done = connection.execute(statement.replace("?", "%s").encode(), values or None)
                return done.fetchall() if done.description else []
    else:
        path = tmp_path / "store.db"
        store = await SqliteStore.open(path, world.clock, exclusive=True)

        def run(statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
            with closing(sqlite3.connect(path, isolation_level=None)) as connection:
                return connection.execute(statement, values).fetchall()

    world.services = replace(world.services, store=store)
    yield Dump(world, world.services, run)
    await store.close()


async def token(dump: Dump, username: str = "jane") -> Secret:
    sent = await dump.world.send(username, mode="NONE", wait=0.0)
    found = read_token(sent.link.reveal().rpartition("/")[2])
    assert found is not None
    assert await dump.opens(found)
    return found


async def test_the_database_holds_neither_token_nor_link_nor_message(dump: Dump) -> None:
    real = await token(dump)
    sent = await dump.world.send("john", mode="MAIL", wait=0.0, hand_over=False, comments="a note for John")
    held = repr([row for table in TABLES for row in dump.run(f"SELECT * FROM {table}")])
    for secret in (real.reveal(), sent.link.reveal().rpartition("/")[2], "a note for John"):
        assert secret not in held
    raw = base64.urlsafe_b64decode(real.reveal() + "=")
    assert repr(raw)[2:-1] not in held


async def test_no_value_of_the_database_is_a_token(dump: Dump) -> None:
    await token(dump)
    await dump.world.send("john", mode="MAIL", wait=0.0, hand_over=False)
    values = {value for table in TABLES for row in dump.run(f"SELECT * FROM {table}") for value in row}
    tried = 0
    for value in values:
        raw = value if isinstance(value, bytes) else str(value).encode()
        for made in (raw, hashlib.sha256(raw).digest(), raw[:32]):
            text = base64.urlsafe_b64encode(made).decode().rstrip("=")[:43]
            candidate = read_token(text)
            if candidate is not None:
                tried += 1
                assert not await dump.opens(candidate)
    assert tried > 20


async def test_a_forged_row_is_no_link(dump: Dump) -> None:
    await token(dump)
    mine = new_token()
    text = mine.reveal().encode()
    [binding] = dump.run("SELECT binding FROM requests")[0]
    guesses = (
        hashlib.sha256(text).digest(),
        hmac.digest(b"", text, "sha256"),
        hmac.digest(b"\0" * 32, text, "sha256"),
        hmac.digest(binding, text, "sha256"),
        *dump.services.keys.digests(mine),  # even with the right digest, which only the key can make
    )
    for digest in guesses:
        dump.run("UPDATE requests SET digest = ?", (digest,))
        assert not await dump.opens(mine)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("user_id", "uuid-root"),
        ("domain", "OTHER"),
        ("expires_at", 4_000_000_000_000_000),
        ("password_mark", "20990101000000Z"),
        ("sent_to", '[["mail","thief@example.org"]]'),
        ("asked_by", "uid=boss"),
    ],
)
async def test_an_edited_row_is_no_link(dump: Dump, column: str, value: object) -> None:
    real = await token(dump)
    dump.run(f"UPDATE requests SET {column} = ?", (value,))
    assert not await dump.opens(real)


async def test_the_digest_of_one_link_gives_nobody_elses_row(dump: Dump) -> None:
    mine = await token(dump, "john")
    await token(dump, "jane")
    [[digest]] = dump.run("SELECT digest FROM requests WHERE user_login = 'john'")
    dump.run("UPDATE requests SET digest = ? WHERE user_login = 'john'", (b"x" * 32,))
    dump.run("UPDATE requests SET digest = ? WHERE user_login = 'jane'", (digest,))
    assert not await dump.opens(mine)


async def test_a_waiting_message_goes_to_nobody_else(dump: Dump) -> None:
    await dump.world.send("jane", mode="MAIL", wait=0.0, hand_over=False)
    dump.run("UPDATE deliveries SET address = 'thief@example.org'")
    delivery = await dump.waiting()
    with pytest.raises(SealBroken):
        dump.services.sealer.open(delivery.body, delivery.id, delivery.recipient)
    await dump.services.outbox.start(delivery, dump.services)
    assert dump.world.mail.sent == []


async def test_a_message_moved_to_another_row_does_not_open(dump: Dump) -> None:
    await dump.world.send("jane", mode="MAIL", wait=0.0, hand_over=False)
    [[body]] = dump.run("SELECT body FROM deliveries")
    await dump.world.send("john", mode="MAIL", wait=0.0, hand_over=False)
    dump.run("UPDATE deliveries SET settled_at = 1, state = 'sent' WHERE address = 'jane@example.org'")
    dump.run("UPDATE deliveries SET body = ? WHERE address = 'john@example.org'", (body,))
    delivery = await dump.waiting()
    with pytest.raises(SealBroken):
        dump.services.sealer.open(delivery.body, delivery.id, delivery.recipient)


async def test_a_used_link_that_is_set_back_by_hand_is_dead_since_the_password_was_changed(dump: Dump) -> None:
    real = await token(dump)
    dump.world.directory.change_password("uuid-jane", "changed meanwhile")
    dump.run("UPDATE requests SET state = 'pending', settled_at = NULL, settled_why = ''")
    assert not await dump.opens(real)
