"""PostgreSQL cut off, restarted, hung: calls fail in time and clearly, and go on by themselves afterwards."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta

import pytest

from pwreset.errors import StoreUnavailable
from pwreset.reset.gauges import PROMPT_SECONDS, Gauges
from pwreset.reset.model import Channel
from pwreset.store import postgres, postgres_connection
from pwreset.store.postgres import PostgresStore
from tests.fakes.clock import FakeClock
from tests.fakes.records import a_delivery, a_request
from tests.fakes.world import World
from tests.servers.databases import server_of
from tests.servers.postgres import Database, PrivatePostgres

pytestmark = pytest.mark.servers

MINUTE = timedelta(minutes=1)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def weathered(own_postgres: PrivatePostgres) -> Database:
    return own_postgres.database()


@pytest.fixture
async def store(weathered: Database, clock: FakeClock) -> AsyncIterator[PostgresStore]:
    opened = await PostgresStore.open(server_of(weathered), clock)
    yield opened
    await opened.close()


async def until_it_writes(store: PostgresStore, clock: FakeClock) -> None:
    async with asyncio.timeout(60):
        while not (await store.health()).ok:
            await asyncio.sleep(0.05)
    await store.add(a_request(clock.now(), user_id="later"), [], [], supersede=True)


async def test_connections_that_were_cut_are_made_anew_and_nobody_notices(
    store: PostgresStore, clock: FakeClock, own_postgres: PrivatePostgres, weathered: Database
) -> None:
    link = a_request(clock.now())
    await store.add(link, [], [], supersede=False)
    for _ in range(3):
        assert own_postgres.cut(weathered) > 0
        assert await store.get(link.id) is not None
        await store.add(a_request(clock.now()), [], [], supersede=False)
        await store.counts(clock.now())


async def test_while_postgresql_is_down_calls_say_so_and_afterwards_go_on(
    store: PostgresStore, clock: FakeClock, own_postgres: PrivatePostgres
) -> None:
    link = a_request(clock.now())
    await store.add(link, [a_delivery(link)], [], supersede=False)
    own_postgres.kill()
    refused = await asyncio.gather(
        store.add(a_request(clock.now()), [], [], supersede=False),
        store.get(link.id),
        store.counts(clock.now()),
        store.chain_audit(b"k" * 32),
        return_exceptions=True,
    )
    assert [type(answer) for answer in refused] == [StoreUnavailable] * 4
    health = await store.health()
    assert (health.ok, bool(health.advice)) == (False, True)
    own_postgres.start()
    await until_it_writes(store, clock)
    assert await store.get(link.id) is not None
    assert len(await store.take_deliveries(Channel.MAIL, clock.now(), clock.now() + MINUTE, 5)) == 1


async def test_a_postgresql_that_hangs_holds_calls_up_for_no_longer_than_their_time_limit(
    store: PostgresStore, clock: FakeClock, own_postgres: PrivatePostgres, weathered: Database
) -> None:
    link = a_request(clock.now())
    await store.add(link, [], [], supersede=False)
    backends = await store._read(lambda c: [row[0] for row in c.execute("SELECT pid FROM pg_stat_activity").fetchall()])
    hung = [own_postgres.pid, *(pid for pid in backends if pid)]
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    try:
        # One batch on the connection that hangs, and one attempt at another, which does not come about.
        batch = postgres.BATCH_STATEMENTS * postgres.PROMPT_SECONDS
        async with asyncio.timeout(batch + 2 * postgres_connection.CONNECT_SECONDS):
            refused = await asyncio.gather(
                store.add(a_request(clock.now()), [], [], supersede=False), store.get(link.id), return_exceptions=True
            )
    finally:
        for pid in reversed(hung):
            os.kill(pid, signal.SIGCONT)
    assert [type(answer) for answer in refused] == [StoreUnavailable] * 2
    await until_it_writes(store, clock)


async def test_a_postgresql_that_hangs_does_not_hang_the_figures(
    store: PostgresStore, clock: FakeClock, own_postgres: PrivatePostgres
) -> None:
    services = replace(World().services, store=store)
    assert (await Gauges(services).read()).store_up
    backends = await store._read(lambda c: [row[0] for row in c.execute("SELECT pid FROM pg_stat_activity").fetchall()])
    hung = [own_postgres.pid, *(pid for pid in backends if pid)]
    for pid in hung:
        os.kill(pid, signal.SIGSTOP)
    try:
        async with asyncio.timeout(10 * PROMPT_SECONDS):
            reading = await Gauges(services).read()
    finally:
        for pid in reversed(hung):
            os.kill(pid, signal.SIGCONT)
    assert (reading.store_up, reading.counts) == (False, None)
    await until_it_writes(store, clock)


async def test_a_message_written_on_another_node_rings_after_its_commit(
    store: PostgresStore, clock: FakeClock, weathered: Database
) -> None:
    rung = asyncio.Event()
    other = await PostgresStore.open(server_of(weathered), clock)
    try:
        other.on_due(rung.set)
        async with asyncio.timeout(60):
            while not rung.is_set():  # until it listens, and then at once
                link = a_request(clock.now(), user_id="x")
                await store.add(link, [a_delivery(link, due_at=clock.now())], [], supersede=False)
                await asyncio.sleep(0.05)
        assert len(await other.take_deliveries(Channel.MAIL, clock.now(), clock.now() + MINUTE, 5)) > 0
    finally:
        await other.close()
