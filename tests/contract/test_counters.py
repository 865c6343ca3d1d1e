"""What all counters keep to: one suite, run on those in memory, on those that SQLite keeps, and on those that nodes share
in PostgreSQL.
"""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from pwreset.errors import StoreUnavailable
from pwreset.reset.limits import KEYS_PER_KIND, MemoryCounters
from pwreset.reset.pool import digest_of
from pwreset.reset.ports import Counters, Limit
from pwreset.store.counters import PostgresCounters
from pwreset.store.postgres import migrate
from pwreset.store.sqlite import SqliteStore
from tests.fakes.clock import FakeClock
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


class KeptCounters:
    """Those of a process that serves a SQLite store, and of the next one on it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = FakeClock(NOW)
        self._store: SqliteStore | None = None

    async def start(self, now: datetime = NOW, keys_per_kind: int = KEYS_PER_KIND) -> MemoryCounters:
        """Those of a new process; the one before has stopped in order."""
        await self.stop()
        self.clock.set(now)
        counters = MemoryCounters(keys_per_kind, are_kept=True)
        self._store = await SqliteStore.open(self.path, self.clock, exclusive=True)
        await self._store.keep(counters)
        # Who waits for a lock does not wait for long.
        await self._store._writer.run(lambda c: c.execute("PRAGMA busy_timeout = 1").fetchone())
        return counters

    async def stop(self) -> None:
        if self._store is not None:
            await self._store.close()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else can write meanwhile."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")

    def rows(self) -> list[tuple[str, str]]:
        """What is written down."""
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute("SELECT key, times FROM counters").fetchall()


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[KeptCounters]:
    made = KeptCounters(tmp_path / "store.db")
    yield made
    await made.stop()


@pytest.fixture
async def only(kept: KeptCounters) -> MemoryCounters:
    """Those of the one process on a SQLite store."""
    return await kept.start()


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.servers)])
def counters(request: pytest.FixtureRequest) -> Counters:
    if request.param == "memory":
        return MemoryCounters()
    if request.param == "sqlite":
        only: MemoryCounters = request.getfixturevalue("only")
        return only
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


# --- after a restart ---------------------------------------------------------------------------------------------


Start = Callable[[datetime], Awaitable[Counters]]


@pytest.fixture
async def start_shared(database: Database) -> AsyncIterator[Start]:
    migrate(server_of(database))
    running: list[PostgresCounters] = []

    async def start(_now: datetime) -> PostgresCounters:
        while running:
            await running.pop().close()
        running.append(PostgresCounters(server_of(database)))
        return running[-1]

    yield start
    await running[-1].close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.servers)])
def start(request: pytest.FixtureRequest) -> Start:
    """Starts a process on the same store, after the one before has stopped."""
    if request.param == "sqlite":
        kept: KeptCounters = request.getfixturevalue("kept")
        return kept.start
    started: Start = request.getfixturevalue("start_shared")
    return started


async def test_what_was_counted_counts_after_a_restart_and_for_no_longer(start: Start) -> None:
    await taken(await start(NOW), 3)
    counters = await start(NOW)
    assert await counters.take("kind:one", THREE, NOW + 5 * MINUTE) == 10 * MINUTE
    assert await counters.take("kind:two", THREE, NOW + 5 * MINUTE) is None
    assert await counters.take("kind:one", THREE, NOW + 15 * MINUTE) is None


async def test_what_was_forgotten_stays_so_after_a_restart(start: Start) -> None:
    before = await start(NOW)
    await taken(before, 3)
    await taken(before, 3, "kind:two")
    await before.forget("kind:one")
    between = await start(NOW)
    await between.forget("kind:two")
    counters = await start(NOW)
    await taken(counters, 3)
    await taken(counters, 3, "kind:two")


async def test_what_is_counted_after_a_restart_adds_to_what_was_before(start: Start) -> None:
    for _ in range(3):
        await taken(await start(NOW), 1)
    counters = await start(NOW)
    assert await counters.take("kind:one", THREE, NOW) == timedelta(minutes=15)


async def test_what_is_counted_later_counts_for_longer(start: Start) -> None:
    await taken(await start(NOW), 1)
    assert await (await start(NOW + 10 * MINUTE)).take("kind:one", THREE, NOW + 10 * MINUTE) is None
    later = NOW + 16 * MINUTE
    assert await (await start(later)).peek("kind:one", Limit(1, THREE.per), later) == 9 * MINUTE


async def test_what_was_only_looked_at_after_a_restart_counts_after_the_next(start: Start) -> None:
    await taken(await start(NOW), 3)
    for _ in range(2):
        counters = await start(NOW)
        assert await counters.peek("kind:one", THREE, NOW) == timedelta(minutes=15)


async def test_whoever_is_named_in_a_key_is_known_again(start: Start) -> None:
    keys = ["kind:one", "kind:o\x00ne", "kind:\ud800", "kind:" + "long" * 1000, "kind:"]
    before = await start(NOW)
    for key in keys:
        await taken(before, 3, key)
    counters = await start(NOW)
    for key in keys:
        assert await counters.take(key, THREE, NOW) == timedelta(minutes=15)


async def test_a_clock_that_was_set_back_between_two_starts_holds_nobody_up_for_longer(start: Start) -> None:
    await taken(await start(NOW), 3)
    earlier = NOW - timedelta(days=1)
    assert await (await start(earlier)).take("kind:one", THREE, earlier) == timedelta(minutes=15)
    assert await (await start(earlier + 5 * MINUTE)).take("kind:one", THREE, earlier + 5 * MINUTE) == timedelta(
        minutes=10
    )
    assert await (await start(earlier + 15 * MINUTE)).take("kind:one", THREE, earlier + 15 * MINUTE) is None


@settings(max_examples=30)
@given(done=operations(["kind:a", "kind:b"], [0, 0, 1, 4, 7, 11]), restarts=st.sets(st.integers(0, 24), max_size=6))
def test_restarts_change_no_answer(done: list[tuple[str, str, int, int]], restarts: set[int]) -> None:
    asyncio.run(_do_with_restarts(done, restarts, same=True))


@settings(max_examples=30)
@given(done=operations(["kind:a", "kind:b"], [0, 1, 4, 7, -3, -60]), restarts=st.sets(st.integers(0, 24), max_size=6))
def test_restarts_hold_nobody_up_for_longer_whatever_the_clock_does(
    done: list[tuple[str, str, int, int]], restarts: set[int]
) -> None:
    asyncio.run(_do_with_restarts(done, restarts, same=False))


async def _do_with_restarts(done: list[tuple[str, str, int, int]], restarts: set[int], *, same: bool) -> None:
    with TemporaryDirectory() as folder:
        memory, kept = MemoryCounters(), KeptCounters(Path(folder) / "store.db")
        counters, now = await kept.start(), NOW
        for number, (operation, key, count, minutes) in enumerate(done):
            now += minutes * MINUTE
            limit = Limit(count, timedelta(minutes=10))
            kept.clock.set(now)
            if number in restarts:
                counters = await kept.start(now)
            if operation == "forget":
                for each in (memory, counters):
                    await each.forget(key)
                continue
            answers = [await getattr(each, operation)(key, limit, now) for each in (memory, counters)]
            assert all(wait is None or timedelta(0) <= wait <= limit.per for wait in answers), (number, answers)
            assert not same or answers[0] == answers[1], (number, answers)
        await kept.stop()


# --- written down by one process, on SQLite ----------------------------------------------------------------------


async def seen(what: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(30):
        while not what():
            await asyncio.sleep(0.01)


async def test_what_is_counted_is_written_down_within_moments_without_a_stop(kept: KeptCounters) -> None:
    counters = await kept.start()
    await taken(counters, 3)
    await seen(lambda: [row[1].count(",") for row in kept.rows()] == [2])
    await counters.forget("kind:one")
    await seen(lambda: kept.rows() == [])


async def test_what_cannot_be_written_down_is_as_soon_as_it_can(kept: KeptCounters) -> None:
    counters = await kept.start()
    await taken(counters, 1)
    await seen(lambda: len(kept.rows()) == 1)
    with kept.locked(), capture_logs() as told:
        await taken(counters, 1)
        await taken(counters, 2, "kind:two")
        await seen(lambda: "the database refuses" in [line["event"] for line in told])
        await counters.forget("kind:one")
    await seen(lambda: [(row[0], row[1].count(",")) for row in kept.rows()] == [(digest_of("kind:two"), 1)])


async def test_a_store_that_cannot_be_written_holds_up_no_stop(kept: KeptCounters) -> None:
    await taken(await kept.start(), 3)
    with kept.locked(), capture_logs() as told:
        await kept.stop()
    assert any("what was counted last for limits is not written" in line["event"] for line in told)


async def test_a_flood_writes_no_more_rows_than_memory_keeps(kept: KeptCounters) -> None:
    counters = await kept.start(keys_per_kind=100)
    with closing(sqlite3.connect(kept.path, isolation_level=None)) as other:
        other.execute("CREATE TABLE written (key TEXT)")
        for event in ("INSERT", "UPDATE"):
            other.execute(
                f"CREATE TRIGGER {event}_seen AFTER {event} ON counters BEGIN INSERT INTO written VALUES (NEW.key); END"
            )
        # Nothing else has its turn meanwhile: none of these waits.
        for number in range(20_000):
            await counters.take(f"flood:{number}", THREE, NOW)
            await counters.take("kind:one", Limit(30_000, MINUTE), NOW)
        await kept.stop()
        assert other.execute("SELECT count(*) FROM written").fetchone() == (101,)
    assert len(kept.rows()) == 101


async def test_no_name_stands_in_the_file(kept: KeptCounters) -> None:
    await (await kept.start()).take("asks-for-name:EXAMPLE:jane.doe", THREE, NOW)
    await kept.stop()
    [(key, _)] = kept.rows()
    assert key.startswith("asks-for-name:")
    assert b"jane" not in kept.path.read_bytes()


async def test_what_wards_off_floods_and_what_the_outbox_knows_is_not_written_down(kept: KeptCounters) -> None:
    counters = await kept.start()
    for key in ("page:192.0.2.1", "report:192.0.2.1", "sms:day", "sms:33"):
        await counters.take(key, THREE, NOW)
    await kept.stop()
    assert kept.rows() == []


async def test_what_is_over_leaves_memory_and_file(kept: KeptCounters) -> None:
    counters = await kept.start()
    for number in range(50):
        await counters.take(f"kind:{number}", THREE, NOW)
    await seen(lambda: len(kept.rows()) == 50)
    kept.clock.advance(timedelta(minutes=15))
    await seen(lambda: kept.rows() == [])
    assert counters.known("kind:") == 0


async def test_what_was_counted_before_the_start_leaves_in_its_order(kept: KeptCounters) -> None:
    before = await kept.start()
    for minutes in range(3):
        await before.take(f"kind:{minutes}", THREE, NOW + minutes * MINUTE)
    counters = await kept.start(NOW + 2 * MINUTE)
    kept.clock.set(NOW + 16 * MINUTE)
    await seen(lambda: len(kept.rows()) == 1)
    assert await counters.peek("kind:2", Limit(1, THREE.per), NOW + 16 * MINUTE) == MINUTE


@pytest.mark.parametrize("starts", [1, 2])
async def test_what_a_later_clock_has_counted_counts_from_the_first_start_on(kept: KeptCounters, starts: int) -> None:
    await taken(await kept.start(), 3)
    earlier = NOW - timedelta(days=1)
    counters = await kept.start(earlier)
    for _ in range(starts - 1):
        counters = await kept.start(earlier + 5 * MINUTE)
    assert await counters.peek("kind:one", THREE, earlier + 5 * MINUTE) == 10 * MINUTE


async def test_a_clock_that_was_set_back_before_a_stop_does_not_count_from_the_next_start_on(
    kept: KeptCounters,
) -> None:
    counters = await kept.start()
    await taken(counters, 3)
    await seen(lambda: len(kept.rows()) == 1)
    earlier = NOW - timedelta(days=1)
    assert await counters.peek("kind:one", THREE, earlier) == 15 * MINUTE
    again = await kept.start(earlier + 5 * MINUTE)
    assert await again.peek("kind:one", THREE, earlier + 5 * MINUTE) == 10 * MINUTE


async def test_what_was_over_at_the_start_is_gone(kept: KeptCounters) -> None:
    await taken(await kept.start(), 1)
    await kept.start(NOW + timedelta(minutes=15))
    assert kept.rows() == []


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
