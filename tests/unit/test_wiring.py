"""What stands around the rules when the service starts and ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pwreset.reset.ports import Limit
from pwreset.settings import Configuration, load
from pwreset.store.clock import SystemClock
from pwreset.store.sqlite import SqliteStore
from pwreset.wiring import services_of
from tests.fakes.records import an_event


@pytest.fixture
def configuration(tmp_path: Path) -> Configuration:
    file = tmp_path / "pwreset.toml"
    file.write_text(
        f"""
public_url = "https://reset.example.org"
[store]
url = "sqlite://{tmp_path / "pwreset.db"}"
[domains.EXAMPLE]
uris = ["ldaps://127.0.0.1:1"]
base_dn = "dc=example,dc=org"
""",
        encoding="utf-8",
    )
    file.chmod(0o600)
    return load(file, {})


async def unchained(path: Path) -> int:
    """How many events of a store that nobody serves are not chained."""
    store = await SqliteStore.open(path, SystemClock(), exclusive=False)
    try:
        return await store.chain_audit(b"k" * 32)
    finally:
        await store.close()


@pytest.mark.parametrize(("exclusive", "left"), [(True, 0), (False, 1)])
async def test_the_service_leaves_no_event_unchained(
    configuration: Configuration, tmp_path: Path, exclusive: bool, left: int
) -> None:
    async with services_of(configuration, exclusive=exclusive) as services:
        await services.store.record([an_event(datetime.now(UTC))])
    assert await unchained(tmp_path / "pwreset.db") == left


THREE = Limit(3, timedelta(hours=1))


async def test_a_command_beside_the_service_changes_nothing_of_what_it_has_counted(
    configuration: Configuration,
) -> None:
    now = datetime.now(UTC)
    async with (
        services_of(configuration, exclusive=False) as command,  # ends last
        services_of(configuration, exclusive=True) as service,
    ):
        for _ in range(3):
            await service.counters.take("kind:one", THREE, now)
        await command.counters.take("kind:one", THREE, now)
        await command.counters.take("kind:two", Limit(1, timedelta(hours=1)), now)
    async with services_of(configuration, exclusive=True) as service:
        assert await service.counters.peek("kind:one", THREE, now) is not None
        assert await service.counters.peek("kind:two", Limit(1, timedelta(hours=1)), now) is None
    async with services_of(configuration, exclusive=False) as command:
        assert await command.counters.peek("kind:one", THREE, now) is None
