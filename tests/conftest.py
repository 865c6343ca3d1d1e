"""Shared by all tests: the event loop, the private directory."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

# No test depends on how fast the machine is.
settings.register_profile("pwreset", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("pwreset")

pytest_plugins = ["tests.servers.databases", "tests.servers.directories", "tests.contract.record"]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"
