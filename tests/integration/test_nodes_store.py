"""Several nodes on one PostgreSQL, at the same moment: what only one may do, one does."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from pwreset.reset.model import Channel, RequestFilter, RequestState, ResetRequest
from pwreset.store.postgres import PostgresStore
from tests.fakes.clock import FakeClock
from tests.fakes.records import a_delivery, a_request, an_event, was_sent
from tests.servers.databases import server_of
from tests.servers.postgres import Database

pytestmark = pytest.mark.servers

NODES = 3
ROUNDS = 15
KEY = b"k" * 32
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)

Nodes = Sequence[PostgresStore]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def nodes(database: Database, clock: FakeClock) -> AsyncIterator[Nodes]:
    opened = [await PostgresStore.open(server_of(database), clock) for _ in range(NODES)]
    yield opened
    for node in opened:
        await node.close()


async def states(node: PostgresStore, requests: Sequence[ResetRequest]) -> Counter[RequestState]:
    return Counter([found.state for one in requests if (found := await node.get(one.id)) is not None])


async def test_nodes_that_start_at_once_make_one_store(database: Database, clock: FakeClock) -> None:
    opened = await asyncio.gather(*(PostgresStore.open(server_of(database), clock) for _ in range(6)))
    for node in opened:
        assert (await node.health()).ok
        await node.close()


async def test_of_a_persons_links_claimed_on_several_nodes_at_once_one_is(nodes: Nodes, clock: FakeClock) -> None:
    for number in range(ROUNDS):
        links = [a_request(clock.now(), user_id=f"user-{number}") for _ in nodes]
        for link in links:
            await nodes[0].add(link, [], [], supersede=False)
        until = clock.now() + MINUTE
        won = await asyncio.gather(
            *(node.claim(link.id, clock.now(), until, "") for node, link in zip(nodes, links, strict=True))
        )
        assert sorted(won) == [False, False, True]


async def test_a_link_claimed_on_several_nodes_at_once_is_won_by_one(nodes: Nodes, clock: FakeClock) -> None:
    for number in range(ROUNDS):
        link = a_request(clock.now(), user_id=f"user-{number}")
        await nodes[0].add(link, [], [], supersede=False)
        won = await asyncio.gather(*(node.claim(link.id, clock.now(), clock.now() + MINUTE, "") for node in nodes))
        assert sorted(won) == [False, False, True]


async def test_of_links_made_for_a_person_on_several_nodes_at_once_one_lives(nodes: Nodes, clock: FakeClock) -> None:
    for number in range(ROUNDS):
        links = [a_request(clock.now(), user_id=f"user-{number}") for _ in nodes]
        await asyncio.gather(*(node.add(link, [], [], supersede=True) for node, link in zip(nodes, links, strict=True)))
        assert await states(nodes[0], links) == {RequestState.PENDING: 1, RequestState.REVOKED: NODES - 1}


async def test_of_messages_sent_to_a_person_by_several_nodes_at_once_one_link_lives(
    nodes: Nodes, clock: FakeClock
) -> None:
    for number in range(ROUNDS):
        links = [a_request(clock.now(), user_id=f"user-{number}") for _ in nodes]
        mails = [a_delivery(link) for link in links]
        for link, mail in zip(links, mails, strict=True):
            await nodes[0].add(link, [mail], [], supersede=False)
        await asyncio.gather(
            *(
                node.settle_deliveries([was_sent(mail, clock.now())], [])
                for node, mail in zip(nodes, mails, strict=True)
            )
        )
        assert await states(nodes[0], links) == {RequestState.PENDING: 1, RequestState.REVOKED: NODES - 1}


async def test_a_message_is_leased_to_one_node(nodes: Nodes, clock: FakeClock) -> None:
    link = a_request(clock.now())
    await nodes[0].add(link, [a_delivery(link) for _ in range(100)], [], supersede=False)
    takes = await asyncio.gather(
        *(node.take_deliveries(Channel.MAIL, clock.now(), clock.now() + MINUTE, 7) for _ in range(10) for node in nodes)
    )
    taken = [message.id for some in takes for message in some]
    assert len(taken) == len(set(taken)) == 100


async def test_a_start_reclaims_nothing_that_another_node_has_leased(nodes: Nodes, clock: FakeClock) -> None:
    link = a_request(clock.now())
    await nodes[0].add(link, [a_delivery(link)], [], supersede=False)
    await nodes[0].take_deliveries(Channel.MAIL, clock.now(), clock.now() + MINUTE, 5)
    assert await nodes[1].reclaim(clock.now()) == 0
    assert await nodes[1].take_deliveries(Channel.MAIL, clock.now(), clock.now() + MINUTE, 5) == ()
    clock.advance(MINUTE)
    assert len(await nodes[1].take_deliveries(Channel.MAIL, clock.now(), clock.now() + MINUTE, 5)) == 1


async def test_the_trail_of_all_nodes_is_one_whole_chain(nodes: Nodes, clock: FakeClock) -> None:
    async def tell_and_chain(node: PostgresStore, name: int) -> int:
        chained = 0
        for number in range(ROUNDS):
            await node.record([an_event(clock.now(), id=f"{name}-{number}")])
            chained += await node.chain_audit(KEY)
        return chained

    counts = await asyncio.gather(*(tell_and_chain(node, name) for name, node in enumerate(nodes)))
    rest = await nodes[0].chain_audit(KEY)
    assert sum(counts) + rest == NODES * ROUNDS == len(await nodes[0].audit(0, 1000))
    assert await nodes[1].verify_audit([KEY]) is None


@pytest.mark.parametrize(
    "tampering",
    [
        "UPDATE events SET facts = '{}' WHERE sequence = 2",
        "DELETE FROM events WHERE sequence = 2",
        "UPDATE events SET block = NULL WHERE sequence = 2",
        "DELETE FROM events WHERE block = 3",
        "DELETE FROM blocks WHERE number = 3",
        "DELETE FROM blocks",
        "DELETE FROM blocks; DELETE FROM heads",
        "DELETE FROM heads",
        """
        INSERT INTO events (name, at, actor, domain, "user", address, request_id, correlation, facts, block)
        SELECT name, at, actor, domain, "user", address, request_id, correlation, facts, 2 FROM events LIMIT 1
        """,
    ],
)
async def test_what_was_done_to_the_trail_shows(
    nodes: Nodes, clock: FakeClock, database: Database, tampering: str
) -> None:
    for node in nodes:
        await node.record([an_event(clock.now(), id="x")])
        await node.chain_audit(KEY)
    assert await nodes[0].verify_audit([KEY]) is None
    with database.connect() as connection:
        connection.execute(tampering.encode())
    assert await nodes[0].verify_audit([KEY]) is not None


async def test_nodes_that_purge_at_once_leave_a_whole_trail_also_to_who_looks_meanwhile(
    nodes: Nodes, clock: FakeClock
) -> None:
    for _ in range(30):
        await nodes[0].record([an_event(clock.now()) for _ in range(3)])
        await nodes[0].chain_audit(KEY)
        clock.advance(MINUTE)
    purges = [node.purge(clock.now() - minutes * MINUTE) for minutes in (20, 10, 5) for node in nodes[:2]]
    looks = [nodes[2].verify_audit([KEY]) for _ in range(10)]
    purged, seen = await asyncio.gather(asyncio.gather(*purges), asyncio.gather(*looks))
    assert seen == [None] * len(looks)
    assert sum(gone["events"] for gone in purged) == 3 * 25
    await nodes[0].chain_audit(KEY)
    assert await nodes[1].verify_audit([KEY]) is None


async def test_nodes_never_wait_for_each_other_in_a_ring(nodes: Nodes, clock: FakeClock, database: Database) -> None:
    people = [f"user-{number}" for number in range(8)]

    async def work(node: PostgresStore, order: Sequence[str]) -> None:
        for _ in range(8):
            links = [a_request(clock.now(), user_id=user) for user in order]
            await asyncio.gather(
                *(node.add(link, [a_delivery(link)], [an_event(clock.now())], supersede=True) for link in links)
            )
            await asyncio.gather(
                *(node.claim(link.id, clock.now(), clock.now() + MINUTE, "") for link in links),
                *(node.supersede(link.id, clock.now()) for link in links),
                node.chain_audit(KEY),
            )
            await asyncio.gather(*(node.release(link.id, clock.now(), []) for link in reversed(links)))

    await asyncio.gather(work(nodes[0], people), work(nodes[1], people[::-1]), work(nodes[2], people[4:] + people[:4]))
    with database.connect() as connection:
        found = connection.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = %s", (database.name,))
        assert found.fetchone() == (0,)
    alive = await nodes[0].list(RequestFilter(state="pending", limit=1000), clock.now())
    assert sorted(link.user_id for link in alive) == people


async def test_the_time_is_the_databases_whatever_the_nodes_clock_says(database: Database) -> None:
    """The node's clock is two hours behind: to it, the database is ahead."""
    with database.connect() as connection:
        connection.execute(
            "CREATE SCHEMA ahead; CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE"
            " AS $$ SELECT pg_catalog.clock_timestamp() + interval '2 hours' $$"
        )
        connection.execute(f"ALTER DATABASE {database.name} SET search_path = ahead, pg_catalog, public".encode())
    node = await PostgresStore.open(server_of(database))
    try:
        link = a_request(datetime.now(UTC), lifetime=HOUR)
        assert abs(node.clock.now() - datetime.now(UTC) - 2 * HOUR) < MINUTE
        await node.add(link, [], [], supersede=False)
        assert not await node.claim(link.id, node.clock.now(), node.clock.now() + MINUTE, "")
        other = replace(a_request(node.clock.now(), user_id="other"), expires_at=node.clock.now() + HOUR)
        await node.add(other, [], [], supersede=False)
        assert await node.claim(other.id, node.clock.now(), node.clock.now() + MINUTE, "")
    finally:
        await node.close()
