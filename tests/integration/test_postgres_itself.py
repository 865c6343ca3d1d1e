"""What the tests' own PostgreSQL promises: databases apart from each other, data kept over a crash, TLS on demand."""

from __future__ import annotations

import psycopg
import pytest

from tests.servers.postgres import PrivatePostgres

pytestmark = pytest.mark.servers


def test_a_database_begins_as_a_copy_of_its_template(postgres: PrivatePostgres) -> None:
    template = postgres.database()
    with template.connect() as connection:
        connection.execute("CREATE TABLE things (name TEXT)")
    copy, empty = postgres.database(template.name), postgres.database()
    with copy.connect() as connection:
        assert connection.execute("SELECT count(*) FROM things").fetchone() == (0,)
    with empty.connect() as connection, pytest.raises(psycopg.errors.UndefinedTable):
        connection.execute("SELECT count(*) FROM things")


def test_what_was_committed_is_there_after_a_crash(own_postgres: PrivatePostgres) -> None:
    database = own_postgres.database()
    with database.connect() as connection:
        connection.execute("CREATE TABLE things AS SELECT 7 AS number")
    own_postgres.kill()
    with pytest.raises(psycopg.OperationalError), database.connect():
        pass
    own_postgres.start()
    with database.connect() as connection:
        assert connection.execute("SELECT number FROM things").fetchone() == (7,)


def test_connections_can_be_cut(postgres: PrivatePostgres) -> None:
    database = postgres.database()
    with database.connect() as connection:
        assert postgres.cut(database) == 1
        with pytest.raises(psycopg.OperationalError):
            connection.execute("SELECT 1")


def test_over_tls_its_certificate_is_good_for_its_address_and_the_clear_is_refused() -> None:
    with PrivatePostgres(tls=True) as server:
        database = server.database()
        address = f"host=127.0.0.1 port={server.port} dbname={database.name} user={database.user}"
        with psycopg.connect(
            f"{address} sslmode=verify-full sslrootcert={server.ca_file}", password=database.password
        ) as connection:
            assert connection.pgconn.ssl_in_use
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(f"{address} sslmode=disable", password=database.password)
