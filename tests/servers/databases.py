"""Fixtures: the private PostgreSQL of a test run. One per process; each test makes databases of its own in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.servers.postgres import PrivatePostgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[PrivatePostgres]:
    """A running server that all tests of this process share: never stop it."""
    with PrivatePostgres() as server:
        yield server


@pytest.fixture
def own_postgres() -> Iterator[PrivatePostgres]:
    """A running server for one test, to be stopped, killed and cut off at will."""
    with PrivatePostgres() as server:
        yield server
