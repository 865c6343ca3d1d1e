"""Changing the keys that links and waiting messages are made with."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from pwreset.commands.running import DEFAULT_CONFIG, ConfigPath, Json, configuration_of, print_json, with_services
from pwreset.errors import KeyNeeded

if TYPE_CHECKING:
    from pwreset.reset.services import Services

keys_app = App(name="keys", help="Change the keys that links and waiting messages are made with.")

SETTLE_SECONDS = 6.0  # three times as long as a running process takes to see that the file has changed


@keys_app.command(name="show")
def show_keys(*, as_json: Json = False, config: ConfigPath = DEFAULT_CONFIG) -> None:
    """List the keys, newest first, with what still needs each. Never shows a key."""

    async def look(services: Services) -> None:
        from pwreset.reset.rotation import needed

        counts = await needed(services)
        newest = services.keys.newest.id
        told = [
            {
                "id": key.id,
                "made": key.made or None,
                "use": "makes and opens" if key.id == newest else "waits" if key.waiting else "opens",
                "needed_by": counts[key.id],
                "may_go": key.id != newest and not key.waiting and counts[key.id] == 0,
            }
            for key in services.keys.keys
        ]
        told += [
            {"id": key.id, "made": key.made or None, "use": "audit trail only", "needed_by": 0, "may_go": False}
            for key in services.keys.retired
        ]
        if as_json:
            print_json(told)
            return
        for one in told:
            need = "may go" if one["may_go"] else f"needed by {one['needed_by']:,}" if one["needed_by"] else ""
            print(f"{one['id']}  made {one['made'] or 'unknown':10}  {one['use']:16}  {need}".rstrip())  # noqa: T201

    with_services(config, look)


@keys_app.command
def rotate(
    *,
    prepare: Annotated[
        bool,
        Parameter(negative=(), help="Only add the new key, to be copied to other nodes; the next `rotate` uses it."),
    ] = False,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Make a new key: new links and messages are made with it, older ones still open with theirs.

    Running processes on this key file see it by themselves: first they learn to open with it, some seconds later they
    make with it. Nodes with a key file of their own: `rotate --prepare` on one, copy the file to all, then `rotate` on
    that one, and copy again.
    """
    from pwreset import key_file
    from pwreset.wiring import load_keys

    configuration = configuration_of(config)
    keys, path, today = load_keys(configuration), configuration.key_file, f"{datetime.now(UTC):%Y-%m-%d}"
    if not any(key.waiting for key in keys.keys):
        keys = keys.prepared(today)
        key_file.replace(path, keys)
        if prepare:
            print(f"key {keys.keys[-1].id} waits; copy {path} to the other nodes, then: pwreset keys rotate")  # noqa: T201
            return
        time.sleep(SETTLE_SECONDS)
    keys = key_file.read(path).rotated(today)
    key_file.replace(path, keys)
    print(f"key {keys.newest.id} is used from now on; keep {path} in its backup, apart from the store's")  # noqa: T201


@keys_app.command
def retire(
    key_id: Annotated[str, Parameter(help="The id, as `pwreset keys show` tells it.")],
    *,
    config: ConfigPath = DEFAULT_CONFIG,
) -> None:
    """Forget a key that no living link and no waiting message needs. What proves old audit events is kept of it."""

    async def act(services: Services) -> None:
        from pwreset import key_file
        from pwreset.reset.rotation import needed

        known = {key.id: key for key in services.keys.keys[1:] if not key.waiting}
        if key_id not in known:
            raise KeyNeeded(key_id, "it is not one of the older keys")
        if count := (await needed(services))[key_id]:
            raise KeyNeeded(key_id, f"{count:,} living links or waiting messages need it")
        key_file.replace(services.configuration.key_file, services.keys.without(key_id))
        print(f"key {key_id} is gone", file=sys.stdout)  # noqa: T201

    with_services(config, act)
