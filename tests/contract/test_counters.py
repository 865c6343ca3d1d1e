"""What all counters keep to: one suite, run on those in memory and on those that nodes share in PostgreSQL."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pwreset.errors import StoreUnavailable
from pwreset.reset.limits import MemoryCounters
from pwreset.reset.ports import Counters, Limit
from pwreset.store.counters import PostgresCounters
from pwreset.store.postgres import migrate
from tests.servers.databases import server_of
from tests.servers.postgres import Database, PrivatePostgres

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
THREE = Limit(3, timedelta(minutes=15))


@pytest.fixture
async def shared(database: Database) -> AsyncIterator[tuple[PostgresCounters, ...]]:
    """Those of three nodes."""
    migrate(server_of(database))
    nodes = tuple(PostgresCounters(server_of(database)) for _ in range(3))
    yield nodes
    for node in nodes:
        await node.close()


@pytest.fixture(params=["memory", pytest.param("postgres", marks=pytest.mark.servers)])
def counters(request: pytest.FixtureRequest) -> Counters:
    if request.param == "memory":
        return MemoryCounters()
    nodes: tuple[PostgresCounters, ...] = request.getfixturevalue("shared")
    return nodes[0]


async def taken(counters: Counters, times: int, key: str = "kind:one") -> None:
    for _ in range(times):
        assert await counters.take(key, THREE, NOW) is None


async def test_the_limit_itself_is_allowed_and_one_more_is_not(counters: Counters) -> None:
    await taken(counters, 3)
    assert await counters.take("kind:one", THREE, NOW) == timedelta(minutes=15)


async def test_it_slides_so_that_never_more_fit_into_any_window(counters: Counters) -> None:
    await taken(counters, 2)
    later = NOW + timedelta(minutes=14)
    assert await counters.take("kind:one", THREE, later) is None
    assert await counters.take("kind:one", THREE, later) == timedelta(minutes=1)
    assert await counters.take("kind:one", THREE, NOW + timedelta(minutes=15)) is None


async def test_a_refused_one_is_not_counted(counters: Counters) -> None:
    await taken(counters, 3)
    for _ in range(5):
        await counters.take("kind:one", THREE, NOW + timedelta(minutes=10))
    assert await counters.take("kind:one", THREE, NOW + timedelta(minutes=15)) is None


async def test_a_look_counts_nothing(counters: Counters) -> None:
    for _ in range(10):
        assert await counters.peek("kind:one", THREE, NOW) is None
    await taken(counters, 3)
    assert await counters.peek("kind:one", THREE, NOW) == timedelta(minutes=15)


async def test_a_forgotten_key_begins_anew(counters: Counters) -> None:
    await taken(counters, 3)
    await counters.forget("kind:one")
    await taken(counters, 3)


async def test_zero_switches_a_limit_off(counters: Counters) -> None:
    for _ in range(100):
        assert await counters.take("kind:one", Limit(0, timedelta(hours=1)), NOW) is None


async def test_a_clock_that_is_set_back_holds_nobody_up_for_longer_than_the_limit_says(counters: Counters) -> None:
    await taken(counters, 3)
    earlier = NOW - timedelta(days=1)
    assert await counters.take("kind:one", THREE, earlier) == timedelta(minutes=15)
    assert await counters.take("kind:one", THREE, earlier + timedelta(minutes=15)) is None


async def test_keys_are_counted_apart_whoever_is_named_in_them(counters: Counters) -> None:
    keys = ["kind:one", "kind:two", "other:one", "kind:o\x00ne", "kind:\ud800", "kind:" + "long" * 1000, "kind:"]
    for key in keys:
        await taken(counters, 3, key)
    for key in keys:
        assert await counters.take(key, THREE, NOW) == timedelta(minutes=15)


async def test_of_many_at_once_as_many_as_the_limit_allows_are_let_in(counters: Counters) -> None:
    waits = await asyncio.gather(*(counters.take("kind:one", THREE, NOW) for _ in range(20)))
    assert waits.count(None) == 3
    assert set(waits) == {None, timedelta(minutes=15)}


def operations(keys: list[str], minutes: list[int]) -> st.SearchStrategy[list[tuple[str, str, int, int]]]:
    """What is done, to which key, with which limit, how many minutes after what came before."""
    one = st.tuples(
        st.sampled_from(["take", "take", "take", "peek", "forget"]),
        st.sampled_from(keys),
        st.integers(1, 3),
        st.sampled_from(minutes),
    )
    return st.lists(one, max_size=25)


@pytest.mark.servers
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(done=operations(["kind:a", "kind:b"], [0, 0, 1, 4, 7]))
def test_both_answer_the_same_whatever_is_done_as_time_goes_on(
    postgres: PrivatePostgres, done: list[tuple[str, str, int, int]]
) -> None:
    asyncio.run(_do_on_both(_database(postgres), done, same=True))


# Of a clock that is set back the two may make different things: memory has forgotten what was over by the later time, and
# PostgreSQL counts it again until it sweeps.
@pytest.mark.servers
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(done=operations(["kind:a", "kind:b"], [0, 0, 1, 4, 7, -3, -60]))
def test_neither_holds_anybody_up_for_longer_than_the_limit_says_whatever_the_clock_does(
    postgres: PrivatePostgres, done: list[tuple[str, str, int, int]]
) -> None:
    asyncio.run(_do_on_both(_database(postgres), done, same=False))


_databases: dict[str, Database] = {}


def _database(postgres: PrivatePostgres) -> Database:
    """One for all examples."""
    if "one" not in _databases:
        _databases["one"] = postgres.database()
        migrate(server_of(_databases["one"]))
    return _databases["one"]


async def _do_on_both(database: Database, done: list[tuple[str, str, int, int]], *, same: bool) -> None:
    memory, shared = MemoryCounters(), PostgresCounters(server_of(database))
    salt, now = secrets.token_hex(8), NOW
    try:
        for operation, name, count, minutes in done:
            now += minutes * MINUTE
            key, limit = f"{name}-{salt}", Limit(count, timedelta(minutes=10))
            if operation == "forget":
                for counters in (memory, shared):
                    await counters.forget(key)
                continue
            answers = [await getattr(counters, operation)(key, limit, now) for counters in (memory, shared)]
            assert all(wait is None or timedelta(0) <= wait <= limit.per for wait in answers), (operation, key, answers)
            assert not same or answers[0] == answers[1], (operation, key, limit, now)
    finally:
        await shared.close()


# --- on several nodes --------------------------------------------------------------------------------------------


@pytest.mark.servers
async def test_all_nodes_together_let_in_as_many_as_the_limit_allows(shared: tuple[PostgresCounters, ...]) -> None:
    limit = Limit(10, MINUTE)
    waits = await asyncio.gather(*(node.take("kind:one", limit, NOW) for _ in range(10) for node in shared))
    assert waits.count(None) == 10
    assert await shared[2].peek("kind:one", limit, NOW) == MINUTE


@pytest.mark.servers
async def test_what_one_node_forgets_all_forget(shared: tuple[PostgresCounters, ...]) -> None:
    await taken(shared[0], 3)
    await shared[1].forget("kind:one")
    await taken(shared[2], 3)


@pytest.mark.servers
async def test_one_node_at_a_time_is_alone_with_a_key(shared: tuple[PostgresCounters, ...]) -> None:
    inside: list[int] = []

    async def enter(number: int) -> None:
        async with shared[number].alone("login:jane"):
            inside.append(number)
            for _ in range(5):  # time enough for the others to come
                await shared[number].peek("kind:one", THREE, NOW)
            assert inside == [number]
            inside.pop()

    await asyncio.gather(*(enter(number) for number in range(len(shared))))
    async with shared[0].alone("login:jane"), shared[1].alone("login:john"):
        pass


@pytest.mark.servers
async def test_a_node_that_dies_leaves_a_key_to_the_others(shared: tuple[PostgresCounters, ...]) -> None:
    async with shared[0].alone("login:jane"):
        await shared[0].close()  # its connection, as a kill does
        async with shared[1].alone("login:jane"):
            pass


@pytest.mark.servers
async def test_counts_that_are_over_are_swept_out(shared: tuple[PostgresCounters, ...], database: Database) -> None:
    for number in range(50):
        await shared[0].take(f"kind:{number}", THREE, NOW)
    later = NOW + timedelta(hours=2)
    await shared[0].take("kind:new", THREE, later)
    assert await shared[0].peek("kind:new", Limit(1, MINUTE), later) is not None  # behind the sweep
    with database.connect() as connection:
        assert connection.execute("SELECT count(*) FROM counters").fetchone() == (1,)


@pytest.mark.servers
async def test_no_name_stands_in_the_database(shared: tuple[PostgresCounters, ...], database: Database) -> None:
    await shared[0].take("asks-for-name:EXAMPLE:jane.doe", THREE, NOW)
    with database.connect() as connection:
        (key,) = connection.execute("SELECT key FROM counters").fetchone() or ("",)
    assert key.startswith("asks-for-name:")
    assert "jane" not in key


@pytest.mark.servers
async def test_without_the_database_nothing_is_let_in(database: Database, postgres: PrivatePostgres) -> None:
    counters = PostgresCounters(server_of(postgres.database()))  # no tables there
    with pytest.raises(StoreUnavailable):
        await counters.take("kind:one", THREE, NOW)
    await counters.close()
