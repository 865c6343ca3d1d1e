"""How many connections stand from where: one client alone cannot take all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from pwreset import logs
from pwreset.web.access import Networks
from pwreset.web.security import network_of

log = logs.get("web")


class Peers:
    """Counts the connections of each IPv4 address and IPv6 /64. Trusted proxies may have any number."""

    def __init__(self, most: int, trusted_proxies: Iterable[str]) -> None:
        self._most = most
        self._trusted = Networks(trusted_proxies)
        self._connections: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Count one; whether it may stay. To be followed by `leave` either way."""
        network = network_of(address)
        self._connections[network] += 1
        count = self._connections[network]
        if not self._most or count <= self._most or self._trusted.hold(address):
            return True
        if count == self._most + 1:
            log.warning("too many connections from one address", address=network, most=self._most)
        return False

    def leave(self, address: str) -> None:
        """The connection is gone."""
        network = network_of(address)
        self._connections[network] -= 1
        if not self._connections[network]:
            del self._connections[network]
