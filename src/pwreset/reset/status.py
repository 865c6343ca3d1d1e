"""Use case: how the service and what it depends on are doing."""

from __future__ import annotations

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
    raise NotImplementedError
