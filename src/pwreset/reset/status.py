"""Use case: how the service and what it depends on are doing."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pwreset.reset.model import Channel, ServerHealth

if TYPE_CHECKING:
    from pwreset.reset.services import Services


@dataclass(frozen=True, slots=True)
class Status:
    """The parts, each with its servers."""

    store: ServerHealth
    directories: Mapping[str, tuple[ServerHealth, ...]]
    transports: Mapping[Channel, ServerHealth]

    @property
    def ready(self) -> bool:
        """Whether calls can be served: the store writes and each domain has a directory server that answers."""
        return self.store.ok and all(any(server.ok for server in servers) for servers in self.directories.values())


async def status(services: Services) -> Status:
    """All parts, tried at once, each within its own deadline."""
    async with asyncio.TaskGroup() as group:
        store = group.create_task(services.store.health())
        directories = {name: group.create_task(directory.health()) for name, directory in services.directories.items()}
        transports = {
            channel: group.create_task(transport.health()) for channel, transport in services.transports.items()
        }
    return Status(
        store=store.result(),
        directories={name: task.result() for name, task in directories.items()},
        transports={channel: task.result() for channel, task in transports.items()},
    )
