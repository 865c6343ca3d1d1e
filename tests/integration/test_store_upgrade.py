"""Stores of other versions on PostgreSQL: upgraded while older nodes serve people, or refused in words, untouched."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pwreset.errors import StoreVersionError
from pwreset.store.migrate import known_migrations
from pwreset.store.postgres import PostgresStore, migrate
from pwreset.store.postgres_migrate import known
from tests.fakes.clock import FakeClock
from tests.fakes.records import a_request
from tests.servers.databases import server_of, store_settings
from tests.servers.person import PersonBrowser
from tests.servers.postgres import Database
from tests.servers.service import Service, running
from tests.servers.settings import MANAGER, lab_settings
from tests.servers.slapd import LabSlapd, dn_of

pytestmark = pytest.mark.servers

OURS = Path(__file__).parents[2] / "src/pwreset/store/migrations/postgres"
NEWEST = known()[-1].number
NEXT = NEWEST + 1
NEW_PASSWORD = "a sunny river walk in May"
ADDS = "ALTER TABLE requests ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue'; CREATE TABLE paints (name TEXT);\n"
TAKES_AWAY = "ALTER TABLE requests DROP COLUMN doom;\n"


def later(folder: Path, text: str, works_with: int | None) -> Path:
    """The migrations of a later version, with a made-up one."""
    shutil.copytree(OURS, folder / "later", ignore=shutil.ignore_patterns("__pycache__"))
    first = f"-- Works with programs that know: {works_with}\n" if works_with else ""
    (folder / "later" / f"{NEXT:04}_colour.sql").write_text(first + text)
    return folder / "later"


def versions(database: Database) -> list[int]:
    with database.connect() as connection:
        return [number for (number,) in connection.execute("SELECT number FROM migrations ORDER BY number")]


def test_both_engines_have_the_same_migrations() -> None:
    assert [migration.name for migration in known()] == [migration.name for migration in known_migrations()]


async def test_an_older_store_is_upgraded_and_keeps_what_it_holds(database: Database, tmp_path: Path) -> None:
    store = await PostgresStore.open(server_of(database), FakeClock())
    link = a_request(FakeClock().now())
    await store.add(link, [], [], supersede=True)
    await store.close()
    assert migrate(server_of(database), later(tmp_path, ADDS, NEWEST)) == (NEWEST, NEXT)
    with database.connect() as connection:
        assert connection.execute("SELECT id, colour FROM requests").fetchall() == [(link.id, "blue")]


def test_an_upgrade_that_fails_leaves_the_store_as_it_was(database: Database, tmp_path: Path) -> None:
    migrate(server_of(database))
    with pytest.raises(Exception, match="unavailable"):
        migrate(server_of(database), later(tmp_path, ADDS + "SELECT nothing FROM nowhere;", NEWEST))
    assert versions(database)[-1] == NEWEST
    with database.connect() as connection:
        assert connection.execute("SELECT to_regclass('paints')").fetchone() == (None,)


async def test_an_older_program_refuses_a_store_that_it_cannot_work_with(database: Database, tmp_path: Path) -> None:
    migrate(server_of(database), later(tmp_path, TAKES_AWAY, None))
    with pytest.raises(StoreVersionError, match=f"has version {NEXT}, made by a newer pwreset"):
        await PostgresStore.open(server_of(database), FakeClock())


async def test_an_older_program_goes_on_with_a_store_that_says_it_can(database: Database, tmp_path: Path) -> None:
    migrate(server_of(database), later(tmp_path, ADDS, NEWEST))
    store = await PostgresStore.open(server_of(database), FakeClock())
    await store.add(a_request(FakeClock().now()), [], [], supersede=True)
    await store.close()
    assert versions(database)[-1] == NEXT


def test_a_migration_that_was_edited_is_noticed(database: Database, tmp_path: Path) -> None:
    migrate(server_of(database))
    edited = later(tmp_path, ADDS, NEWEST)
    (edited / "0001_foundation.sql").write_text("-- another\n")
    with pytest.raises(StoreVersionError, match="migration 1 is not the one"):
        migrate(server_of(database), edited)


@pytest.mark.parametrize("table", ["migrations", "customers"])
def test_a_database_of_another_program_is_refused_and_left_alone(database: Database, table: str) -> None:
    with database.connect() as connection:
        connection.execute(f"CREATE TABLE {table} (number INTEGER)".encode())
    with pytest.raises(StoreVersionError, match="tables of another program"):
        migrate(server_of(database))
    with database.connect() as connection:
        assert connection.execute("SELECT to_regclass('requests')").fetchone() == (None,)


def test_an_older_service_serves_people_while_and_after_a_newer_one_upgrades_the_store(
    database: Database, tmp_path: Path, slapd: LabSlapd
) -> None:
    settings = lab_settings(tmp_path, slapd, more={"store": store_settings(database, tmp_path)})
    uids = [slapd.add_person() for _ in range(3)]
    with running(Service(tmp_path, settings)) as service:
        links = [_link(service, uid) for uid in uids[:2]]
        assert migrate(server_of(database), later(tmp_path, ADDS, NEWEST)) == (NEWEST, NEXT)
        links.append(_link(service, uids[2]))
        assert [_set_password(service, link) for link in links[1:]] == [200, 200]
        service.stop()
        service.start()  # the older one, on the upgraded store
        assert _set_password(service, links[0]) == 200
        service.command("audit", "verify")
        service.command("migrate")
        service.command("purge")
    assert all(slapd.accepts(dn_of(uid), NEW_PASSWORD) for uid in uids)


def _link(service: Service, uid: str) -> str:
    answer, _ = service.call("PwReset.Send_Request", {"username": uid, "method": "NONE"}, **MANAGER)
    return str(answer["result"])


def _set_password(service: Service, link: str) -> int:
    person = PersonBrowser(service)
    return person.submit(person.open(link), NEW_PASSWORD).status
