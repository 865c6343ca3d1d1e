"""The store's file: made 0600, refused when others may read it, locked by the one process that serves it."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib.resources.abc import Traversable
from pathlib import Path

from pwreset.errors import SettingsError, StartError, StoreUnavailable
from pwreset.settings.load import refuse_readable_by_others
from pwreset.store.migrate import check_version, known_migrations, upgrade

OLDEST_SQLITE = (3, 38, 0)  # JSON functions are always there; STRICT tables came with 3.37, RETURNING with 3.35
BUSY_SECONDS = 10
LOCK_TRIES = 5
LOCK_PAUSE_SECONDS = 0.01
KEPT_STATEMENTS = 256  # ours, and the inserts of many rows (`inserts`)
# A checkpoint copies each changed page once, however often it changed: fewer checkpoints write less, and the log
# stays below about 16 MB.
CHECKPOINT_PAGES = 4000


class FileLock:
    """An exclusive lock beside the file (`FILE.lock`), held until closed or until the process ends in any way."""

    def __init__(self, path: Path) -> None:
        """Raises StartError when another process holds it, SettingsError when it cannot be made."""
        self._path = path.with_name(path.name + ".lock")
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise SettingsError(f"{self._path}: {error.strerror}") from error
        if not self._taken():
            os.close(self._descriptor)
            raise StartError(f"{path}: another pwreset process serves this store")

    def _taken(self) -> bool:
        """Whether we have it now. Asked more than once: who only looks (`is_locked`) has it for a moment."""
        for _ in range(LOCK_TRIES):
            with suppress(OSError):
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            time.sleep(LOCK_PAUSE_SECONDS)
        return False

    def close(self) -> None:
        """Give it up. The file stays: removing it would let two processes lock two files of one name."""
        os.close(self._descriptor)


def is_locked(path: Path) -> bool:
    """Whether another process serves the store."""
    try:
        FileLock(path).close()
    except StartError:
        return True
    return False


@contextmanager
def _locked(path: Path, *, already: bool) -> Iterator[None]:
    lock = None if already else FileLock(path)
    try:
        yield
    finally:
        if lock is not None:
            lock.close()


def prepare(path: Path, folder: Traversable | None = None, *, locked: bool) -> tuple[int, int]:
    """Make or upgrade the store: its versions before and after.

    With `locked` the caller holds the lock; without, it is taken for the upgrade, so that no running server's store
    changes under it. Raises SettingsError, StartError, StoreVersionError, StoreUnavailable.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise StartError(f"SQLite {sqlite3.sqlite_version} is too old; 3.38 is needed")
    _make(path)
    refuse_readable_by_others(path)
    migrations = known_migrations(folder)
    with closing(connect(path)) as connection:
        version = check_version(connection, migrations)
        if version == migrations[-1].number:
            return version, version
        with _locked(path, already=locked):
            versions = upgrade(connection, migrations)
            set_up_writer(connection)
            return versions


def _make(path: Path) -> None:
    """An empty file with mode 0600; SQLite gives its -wal and -shm files the same."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        pass
    except OSError as error:
        raise SettingsError(f"{path}: the store cannot be made: {error.strerror}") from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode, usable from any one thread at a time. Raises StoreUnavailable."""
    try:
        connection = sqlite3.connect(
            path,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=KEPT_STATEMENTS,
        )
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("PRAGMA temp_store = MEMORY")
    except sqlite3.Error as error:
        raise StoreUnavailable from error
    return connection


def set_up_writer(connection: sqlite3.Connection) -> None:
    """Durable at each commit, in write-ahead mode: readers never wait for the writer. Raises StoreUnavailable."""
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        # Freed content is overwritten, whole pages too, in which mails lie: FAST leaves those as they are. It costs a page
        # of the log for each, which went under in the noise.
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA cache_size = -8192")
    except sqlite3.Error as error:
        raise StoreUnavailable from error


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write. Raises StoreUnavailable."""
    connection = connect(path)
    with suppress(sqlite3.Error):
        connection.execute("PRAGMA query_only = ON")
    return connection
