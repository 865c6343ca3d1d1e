"""Shared by all tests: the event loop, the private directory."""

from __future__ import annotations

import pytest

pytest_plugins = ["tests.servers.directories"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
