"""The way to PostgreSQL: verified off this machine, the password told nowhere, a commit durable whatever the default."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from psycopg.conninfo import conninfo_to_dict

from pwreset.demo.authority import Authority
from pwreset.errors import SettingsError, StoreUnavailable
from pwreset.secret import Secret
from pwreset.store.postgres import PostgresStore, migrate
from pwreset.store.postgres_connection import PostgresConnection, read_server
from tests.fakes.clock import FakeClock
from tests.servers.databases import server_of
from tests.servers.postgres import Database, PrivatePostgres

PASSWORD = Secret("store-secret-7")


@pytest.fixture(scope="module")
def over_tls() -> Iterator[PrivatePostgres]:
    with PrivatePostgres(tls=True) as server:
        yield server


@pytest.mark.parametrize(
    "where",
    [
        "db.example.org/pwreset",
        "10.0.0.9/pwreset",
        "localhost,db.example.org/pwreset",
        "127.0.0.1.example.org/pwreset",
        "localhost/pwreset?hostaddr=10.0.0.9",
        "/pwreset?host=db.example.org",
    ],
)
def test_off_this_machine_tls_is_demanded_and_verified(where: str) -> None:
    given = conninfo_to_dict(read_server(f"postgresql://pwreset@{where}", PASSWORD, None).conninfo)
    assert (given["sslmode"], given["sslrootcert"]) == ("verify-full", "system")


def test_verification_is_lifted_by_the_url_alone() -> None:
    url = "postgresql://pwreset@db.example.org/pwreset?sslmode=require"
    assert conninfo_to_dict(read_server(url, PASSWORD, None).conninfo)["sslmode"] == "require"


def test_a_password_in_the_url_is_refused_and_not_shown() -> None:
    with pytest.raises(SettingsError, match="password_file") as refused:
        read_server("postgresql://pwreset:store-secret-7@db.example.org/pwreset", None, None)
    assert "store-secret-7" not in str(refused.value)


def test_the_password_is_in_no_description() -> None:
    server = read_server("postgresql://pwreset@db.example.org/pwreset", PASSWORD, None)
    assert "store-secret-7" not in f"{server!r} {server.conninfo} {server.name}"


@pytest.mark.servers
async def test_a_server_whose_certificate_is_vouched_for_is_used(over_tls: PrivatePostgres) -> None:
    database = over_tls.database()
    url = f"{database.url}?sslmode=verify-full"
    store = await PostgresStore.open(read_server(url, Secret(database.password), str(over_tls.ca_file)), FakeClock())
    assert await store._read(
        lambda c: c.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()").fetchone()
    ) == (True,)
    await store.close()


@pytest.mark.servers
def test_a_server_that_another_authority_vouches_for_is_not(
    over_tls: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory
) -> None:
    database = over_tls.database()
    other = Authority("A CA that signed nothing here").write(tmp_path_factory.mktemp("ca") / "other.crt")
    with pytest.raises(StoreUnavailable):
        migrate(read_server(f"{database.url}?sslmode=verify-full", Secret(database.password), str(other)))


@pytest.mark.servers
def test_a_wrong_password_opens_nothing_and_is_not_shown(database: Database) -> None:
    with pytest.raises(StoreUnavailable) as refused:
        migrate(read_server(database.url, PASSWORD, None))
    seen, error = "", refused.value.__cause__
    while error is not None:
        seen, error = seen + repr(error), error.__cause__
    assert "store-secret-7" not in seen


@pytest.mark.servers
def test_a_commit_is_durable_whatever_the_servers_default_is(database: Database) -> None:
    with database.connect() as connection:
        connection.execute(f"ALTER DATABASE {database.name} SET synchronous_commit = off".encode())
        connection.execute(f"ALTER DATABASE {database.name} SET default_transaction_isolation = serializable".encode())
    session = PostgresConnection(server_of(database))
    assert session.execute("SELECT current_setting('synchronous_commit')").fetchone() == ("on",)
    assert session.execute("SELECT current_setting('transaction_isolation')").fetchone() == ("read committed",)
    session.close()
