"""Fixtures: the private PostgreSQL of a test run. One per process; each test makes databases of its own in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pwreset.secret import Secret
from pwreset.store.postgres_connection import Server, read_server
from tests.servers.postgres import Database, PrivatePostgres


def server_of(database: Database) -> Server:
    """How the product reaches a database."""
    return read_server(database.url, Secret(database.password), None)


def store_settings(database: Database, folder: Path) -> dict[str, str]:
    """The section `store` of a service's settings, with the password in a file of this folder."""
    secret = folder / "store-password"
    secret.touch(mode=0o600)
    secret.write_text(database.password)
    return {"url": database.url, "password_file": str(secret)}


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """A running server that all tests of this process share: never stop it."""
    with PrivatePostgres() as server:
        yield server


@pytest.fixture
def database(postgres: PrivatePostgres) -> Iterator[Database]:
    """An empty database of one test, in the shared server."""
    made = postgres.database()
    yield made
    postgres.drop(made)


@pytest.fixture
def own_postgres() -> Iterator[PrivatePostgres]:
    """A running server for one test, to be stopped, killed and cut off at will."""
    with PrivatePostgres() as server:
        yield server
