"""How the service is doing: `/healthz`, `/readyz`, and what `Server_Status` says."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta

from pwreset.reset.model import Channel, ServerHealth
from pwreset.reset.services import Services
from pwreset.reset.status import Status, status
from pwreset.web.access import PRIVATE
from pwreset.web.answer import Answer, json_answer

# Load balancers ask every second or two, from several places; the directories shall not be asked as often.
FRESH_FOR = timedelta(seconds=2)


class Health:
    """The status of all parts, looked at again when it is older than two seconds, by one caller at a time."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = asyncio.Lock()
        self._status: Status | None = None
        self._until = 0.0

    async def status(self) -> Status:
        """The status, at most two seconds old."""
        async with self._lock:
            clock = self._services.clock
            if self._status is None or clock.monotonic() >= self._until:
                self._status = await status(self._services)
                self._until = clock.monotonic() + FRESH_FOR.total_seconds()
            return self._status

    async def is_ready(self, address: str) -> Answer:
        """`/readyz`: 200 or 503; which part ails is told to loopback and private networks only."""
        now = await self.status()
        told: dict[str, object] = {"ready": now.ready}
        if PRIVATE.hold(address):
            told["parts"] = {
                "store": _part([now.store]),
                "directories": {name: _part(servers) for name, servers in now.directories.items()},
                "transports": {channel.value: _part([server]) for channel, server in now.transports.items()},
            }
        return json_answer(200 if now.ready else 503, told)


def is_alive() -> Answer:
    """`/healthz`: the process answers."""
    return json_answer(200, {"alive": True})


def servers_of(now: Status) -> dict[str, bool]:
    """The servers as `Server_Status` names them: links are the sessions, and the store keeps them."""
    mail = now.transports.get(Channel.MAIL)
    return {
        "ldap": all(any(server.ok for server in servers) for servers in now.directories.values()),
        "sql": now.store.ok,
        "session": now.store.ok,
        "pki": True,
        "mail": mail is not None and mail.ok,
    }


def _part(servers: Iterable[ServerHealth]) -> list[dict[str, object]]:
    return [
        {
            "name": server.name,
            "ok": server.ok,
            "detail": server.detail,
            "advice": server.advice,
            "milliseconds": round(server.took.total_seconds() * 1000),
        }
        for server in servers
    ]
