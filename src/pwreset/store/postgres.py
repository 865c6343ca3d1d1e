"""The store on PostgreSQL, which any number of equal processes share.

The same units of work as on SQLite: one thread writes in groups, others read. What one writer may take for granted is
held here by row locks, advisory locks and leases that end by the database's clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from importlib.resources.abc import Traversable

from pwreset import logs
from pwreset.errors import StoreUnavailable
from pwreset.reset.model import ServerHealth
from pwreset.reset.ports import Clock
from pwreset.store import statements as sql
from pwreset.store.bell import Bell
from pwreset.store.clock import OffsetClock, uptime
from pwreset.store.connection import FAILURES, Connection
from pwreset.store.counters import PostgresCounters
from pwreset.store.lane import Jobs, Lane, Measure, keep_quiet, read_each, write_together
from pwreset.store.postgres_connection import STATEMENT_SECONDS, PostgresConnection, Server
from pwreset.store.postgres_lanes import care, lock_people, read_still
from pwreset.store.postgres_migrate import prepare, version_of
from pwreset.store.postgres_statements import LISTENERS, RING, TIME
from pwreset.store.rows import micros
from pwreset.store.sql import SqlStore

READERS = 2
PROMPT_SECONDS = 4  # of a statement that a call or a page waits for; those that look through the store have longer
BATCH_STATEMENTS = 2.0  # a batch has longer than the server's own time limit for a statement, which tells more
CLOCK_SECONDS = 5.0

log = logs.get("store")


def migrate(server: Server, folder: Traversable | None = None) -> tuple[int, int]:
    """Make or upgrade a store: its versions before and after. Raises StoreVersionError, StoreUnavailable."""
    # A large table may take its time. Waiting for its lock holds up all who come behind, so that has a limit.
    with closing(PostgresConnection(server, statement_timeout="0", lock_timeout="10s")) as connection:
        return prepare(connection, folder)


def exists(server: Server) -> bool:
    """Whether there is a store. Raises StoreUnavailable."""
    with closing(PostgresConnection(server)) as connection:
        return version_of(connection) > 0


class PostgresStore(SqlStore):
    """`pwreset.reset.ports.Store` on PostgreSQL. Built by `open`."""

    def __init__(self, server: Server, clock: Clock | None, measure: Measure) -> None:
        self._server = server
        self._database_clock = OffsetClock()
        self._clock_keeper: asyncio.Task[None] | None = None
        self._bell: Bell | None = None
        self.counters = PostgresCounters(server)
        super().__init__(
            clock or self._database_clock,
            writer=_lane("store-writer", server, self._write, partial(measure, "write")),
            carer=_lane("store-carer", server, care, partial(measure, "care"), STATEMENT_SECONDS),
            readers=[
                _lane(f"store-reader-{number}", server, read_each, partial(measure, "read"))
                for number in range(READERS)
            ],
            lister=_lane("store-lister", server, read_still, partial(measure, "list"), STATEMENT_SECONDS),
            in_order=False,
        )

    @classmethod
    async def open(
        cls,
        server: Server,
        clock: Clock | None = None,
        *,
        migrations: Traversable | None = None,
        measure: Measure = keep_quiet,
    ) -> PostgresStore:
        """Open the store, made or upgraded where needed. Its clock is the database's, unless another one is given.

        Raises StoreVersionError, StoreUnavailable.
        """
        await asyncio.to_thread(migrate, server, migrations)
        store = cls(server, clock, measure)
        await store._read(store._look_at_the_clock)
        store._clock_keeper = asyncio.create_task(store._keep_the_clock())
        return store

    @property
    def clock(self) -> Clock:
        """The time that all processes on this store agree on."""
        return self._clock

    def on_due(self, ring: Callable[[], None]) -> None:
        """Call this when another process has written messages that are due."""
        loop = asyncio.get_running_loop()
        self._bell = Bell(self._server, lambda: loop.call_soon_threadsafe(ring))

    async def is_worked(self) -> bool:
        """Whether a process listens for messages that are due: those that carry them out do."""
        return bool(await self._read(lambda c: c.execute(LISTENERS).fetchone()[0] > 0))

    async def reclaim(self, now: datetime) -> int:  # noqa: ARG002 - the port's
        """Nothing: what is leased may be under way in another process. Leases of a dead one end by themselves."""
        return 0

    async def close(self) -> None:
        """Commit what is queued and close."""
        if self._clock_keeper is not None:
            self._clock_keeper.cancel()
        if self._bell is not None:
            await asyncio.to_thread(self._bell.close)
        await self.counters.close()
        await super().close()

    async def health(self) -> ServerHealth:
        """Whether a durable write works. Never raises."""
        began = self._clock.monotonic()
        now = micros(self._clock.now())
        try:
            await self._writer.run(lambda c: c.execute(sql.BEAT, {"now": now}).rowcount)
        except StoreUnavailable as error:
            advice = "look at the server's log, the network, store.url and the password"
            return ServerHealth(self._server.name, ok=False, detail=str(error), advice=advice)
        return ServerHealth(self._server.name, ok=True, took=timedelta(seconds=self._clock.monotonic() - began))

    def _write(self, connection: Connection, jobs: Jobs) -> None:
        """Write, then tell the other processes of messages that are due.

        After the commit, as a statement of its own: within the transaction it would make all commits wait for one
        another. Lost with the connection it is made up for by their polling.
        """
        write_together(connection, jobs, lock_people)
        try:
            if any(job.rings and job.failure is None for job in jobs):
                connection.execute(RING)
        except FAILURES:
            log.debug("the database is away; what waits is found by polling")

    async def _keep_the_clock(self) -> None:
        while True:
            await asyncio.sleep(CLOCK_SECONDS)
            with suppress(StoreUnavailable):
                await self._read(self._look_at_the_clock)

    def _look_at_the_clock(self, connection: Connection) -> None:
        before = uptime()
        there: datetime = connection.execute(TIME).fetchone()[0]
        self._database_clock.set(there.astimezone(UTC), before, uptime())


def _lane(
    name: str,
    server: Server,
    run_batch: Callable[[Connection, Jobs], None],
    measure: Callable[[float], None],
    statement_seconds: int = PROMPT_SECONDS,
) -> Lane:
    connection = PostgresConnection(server, statement_timeout=f"{statement_seconds}s")
    seconds = BATCH_STATEMENTS * statement_seconds
    return Lane(name, connection, run_batch, abort=connection.abort, seconds=seconds, measure=measure)
