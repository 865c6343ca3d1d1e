"""What stands around the rules when the service starts and ends."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

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
