"""The store in one SQLite file: one thread writes in groups, two threads read.

Short reads have a thread of their own, so that a listing of a large store holds up no page.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from importlib.resources.abc import Traversable
from pathlib import Path

from pwreset import logs
from pwreset.errors import StoreUnavailable
from pwreset.reset.limits import MemoryCounters
from pwreset.reset.model import ServerHealth
from pwreset.reset.ports import Clock
from pwreset.store import statements
from pwreset.store.connection import Connection
from pwreset.store.file import FileLock, connect, connect_reader, is_locked, prepare, set_up_writer
from pwreset.store.kept import CountKeeper
from pwreset.store.lane import Jobs, Lane, Measure, keep_quiet, read_each, write_together
from pwreset.store.rows import micros
from pwreset.store.sql import SqlStore

log = logs.get("store")


def migrate(path: Path, folder: Traversable | None = None) -> tuple[int, int]:
    """Make or upgrade a store: its versions before and after.

    Raises SettingsError, StartError (a server runs on it), StoreVersionError, StoreUnavailable.
    """
    return prepare(path, folder, locked=False)


class SqliteStore(SqlStore):
    """`pwreset.reset.ports.Store` on SQLite. Built by `open`."""

    def __init__(self, path: Path, clock: Clock, lock: FileLock | None, measure: Measure) -> None:
        self._path = path
        self._lock = lock
        self._inode = path.stat().st_ino
        self._keeper: CountKeeper | None = None
        connection = connect(path)
        set_up_writer(connection)
        writer = Lane("store-writer", connection, self._write, measure=partial(measure, "write"))
        super().__init__(
            clock,
            writer=writer,
            carer=writer,
            readers=[Lane("store-reader", connect_reader(path), read_each, measure=partial(measure, "read"))],
            lister=Lane("store-lister", connect_reader(path), read_each, measure=partial(measure, "list")),
            in_order=True,
        )

    @classmethod
    async def open(
        cls,
        path: Path,
        clock: Clock,
        *,
        exclusive: bool,
        migrations: Traversable | None = None,
        measure: Measure = keep_quiet,
    ) -> SqliteStore:
        """Open the store, made or upgraded where needed.

        `exclusive` is for the one process that serves it. Raises SettingsError (the file is readable by others, or
        cannot be made), StartError (another process serves it), StoreVersionError, StoreUnavailable.
        """
        lock = FileLock(path) if exclusive else None
        try:
            prepare(path, migrations, locked=exclusive)
            return cls(path, clock, lock, measure)
        except BaseException:
            if lock is not None:
                lock.close()
            raise

    def on_due(self, ring: Callable[[], None]) -> None:
        """No other process works this store's outbox."""

    async def is_worked(self) -> bool:
        """Whether a process holds the lock of those that serve."""
        return self._lock is not None or is_locked(self._path)

    async def keep(self, counters: MemoryCounters) -> None:
        """Give these counters what an earlier process has counted, and write down what they count, until closed.

        For the one process that serves the store. Raises StoreUnavailable.
        """
        self._keeper = await CountKeeper.begin(counters, self._writer, self._clock)

    async def close(self) -> None:
        """Commit what is queued and close."""
        if self._keeper is not None:
            await self._keeper.close()
            self._keeper = None
        await super().close()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _write(self, connection: Connection, jobs: Jobs) -> None:
        """Write, if the file still is the one we opened. What is written to a deleted one is lost at the next start."""
        try:
            is_ours = self._path.stat().st_ino == self._inode
        except OSError:
            is_ours = False
        if is_ours:
            write_together(connection, jobs)
            return
        log.error("the store's file is gone or was replaced: nothing is written", path=str(self._path))
        for job in jobs:
            job.fail(StoreUnavailable())

    async def health(self) -> ServerHealth:
        """Whether a durable write works. Never raises."""
        name = str(self._path)
        began = self._clock.monotonic()
        now = micros(self._clock.now())
        try:
            if self._path.stat().st_ino != self._inode:
                return ServerHealth(name, ok=False, detail="the file was replaced", advice="restart pwreset")
            await self._writer.run(lambda c: c.execute(statements.BEAT, {"now": now}).rowcount)
        except OSError:
            return ServerHealth(name, ok=False, detail="the file is gone", advice="restore it, then restart pwreset")
        except StoreUnavailable as error:
            return ServerHealth(
                name, ok=False, detail=str(error), advice="look at the disk's free space and the file's owner and mode"
            )
        return ServerHealth(name, ok=True, took=timedelta(seconds=self._clock.monotonic() - began))
