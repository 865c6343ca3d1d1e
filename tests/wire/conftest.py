from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.fakes.api import ApiWorld
from tests.servers.wire import Wire, connected


@pytest.fixture
def world() -> ApiWorld:
    return ApiWorld()


@pytest.fixture
async def wire(world: ApiWorld) -> AsyncIterator[Wire]:
    """A connection to the server that serves `world`."""
    async with world.served() as listener, connected(listener.address[1]) as connection:
        yield connection
