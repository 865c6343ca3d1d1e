"""Stores of other versions: upgraded, or refused in words, never damaged."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from pwreset.errors import StartError, StoreUnavailable, StoreVersionError
from pwreset.store.migrate import known_migrations
from pwreset.store.rows import request_parameters
from pwreset.store.sqlite import SqliteStore, migrate
from tests.fakes.clock import FakeClock
from tests.fakes.records import a_request

OURS = Path(__file__).parents[3] / "src/pwreset/store/migrations"
NEWEST = known_migrations()[-1].number
LATER = f"{NEWEST + 1:04d}_colour.sql"
NEXT = """
-- A later version; the semicolon in this comment; and in 'this' text must not split it.
ALTER TABLE requests ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue;green';
CREATE TRIGGER painted AFTER INSERT ON requests BEGIN
    UPDATE requests SET colour = 'red' WHERE sequence = NEW.sequence;
END;
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """The migrations of a later version."""
    folder = tmp_path / "migrations"
    shutil.copytree(OURS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / LATER).write_text(NEXT)
    return folder


async def filled(path: Path) -> str:
    store = await SqliteStore.open(path, FakeClock(), exclusive=True)
    request = a_request(FakeClock().now())
    await store.add(request, [], [], supersede=True)
    await store.close()
    return request.id


def colour(path: Path) -> str:
    with closing(sqlite3.connect(path)) as connection:
        return str(connection.execute("SELECT colour FROM requests").fetchone()[0])


def test_a_new_store_is_made_at_the_newest_version(path: Path) -> None:
    assert migrate(path) == (0, NEWEST)
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_store_of_this_version_is_left_alone(path: Path) -> None:
    migrate(path)
    assert migrate(path) == (NEWEST, NEWEST)


async def test_an_older_store_is_upgraded_with_its_content(path: Path, newer: Path) -> None:
    await filled(path)
    assert migrate(path, newer) == (NEWEST, NEWEST + 1)
    assert colour(path) == "blue;green"


async def test_an_upgraded_store_works(path: Path, newer: Path) -> None:
    request_id = await filled(path)
    store = await SqliteStore.open(path, FakeClock(), exclusive=True, migrations=newer)
    assert await store.get(request_id) is not None
    await store.add(a_request(FakeClock().now()), [], [], supersede=True)
    await store.close()


async def test_an_older_program_refuses_a_newer_store_and_leaves_it_alone(path: Path, newer: Path) -> None:
    await filled(path)
    migrate(path, newer)
    before = path.read_bytes()
    with pytest.raises(StoreVersionError, match=f"version {NEWEST + 1}, written by a newer pwreset"):
        await SqliteStore.open(path, FakeClock(), exclusive=True)
    assert path.read_bytes() == before


async def test_an_upgrade_that_fails_changes_nothing(path: Path, newer: Path) -> None:
    await filled(path)
    (newer / f"{NEWEST + 1:04}_broken.sql").write_text(
        "CREATE TABLE more (id INTEGER);\nINSERT INTO nowhere VALUES (1);\n"
    )
    with pytest.raises(StoreUnavailable):
        migrate(path, newer)
    assert migrate(path) == (NEWEST, NEWEST)


async def test_a_store_with_another_programs_migration_is_refused(path: Path, newer: Path) -> None:
    migrate(path, newer)
    (newer / LATER).write_text(NEXT + "-- edited\n")
    with pytest.raises(StoreVersionError, match=f"migration {NEWEST + 1} is not the one"):
        migrate(path, newer)


async def test_a_store_in_service_is_not_upgraded_under_its_server(path: Path, newer: Path) -> None:
    server = await SqliteStore.open(path, FakeClock(), exclusive=True)
    with pytest.raises(StartError, match="another pwreset"):
        migrate(path, newer)
    assert migrate(path) == (NEWEST, NEWEST)
    await server.close()


async def test_links_from_before_there_were_demands_demand_nothing(path: Path, tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.mkdir()
    for migration in known_migrations()[:2]:
        (before / migration.name).write_text(migration.text, encoding="utf-8")
    migrate(path, before)
    request = a_request(FakeClock().now())
    columns = {name: value for name, value in request_parameters(request).items() if name != "demand"}
    with closing(sqlite3.connect(path)) as connection, connection:
        names = ", ".join(columns)
        values = ", ".join(f":{name}" for name in columns)
        connection.execute(f"INSERT INTO requests ({names}, state) VALUES ({values}, 'pending')", columns)
    store = await SqliteStore.open(path, FakeClock(), exclusive=True)
    kept = await store.get(request.id)
    await store.close()
    assert kept is not None
    assert (kept.demand, kept.binding) == (None, request.binding)
