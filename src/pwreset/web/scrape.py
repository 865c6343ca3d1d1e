"""`/metrics`: the figures for Prometheus, for those networks alone that the settings name.

To everybody else there is no such page: what an address that is not listed gets is what any unknown address is.
"""

from __future__ import annotations

from pwreset.metrics import CONTENT_TYPE
from pwreset.reset.gauges import Gauges
from pwreset.reset.services import Services
from pwreset.web.access import Networks
from pwreset.web.answer import NO_SNIFF, NO_STORE, Answer, plain_answer

PATH = "/metrics"
READING = frozenset({"GET", "HEAD"})


class Scrape:
    """Answers `/metrics`."""

    def __init__(self, services: Services) -> None:
        self._metrics = services.metrics
        self._gauges = Gauges(services)
        self._allowed = Networks(services.settings.metrics.allowed_networks)

    def allows(self, address: str) -> bool:
        """Whether this client may see the figures."""
        return self._allowed.hold(address)

    async def answer(self, method: str) -> Answer:
        """All metrics, read just now. Never raises; a part that is down is told as such, within two seconds."""
        if method not in READING:
            refused = plain_answer(405, "Only GET is served here.")
            refused.headers = [*refused.headers, (b"allow", b"GET, HEAD")]
            return refused
        body = self._metrics.scrape(await self._gauges.read())
        return Answer(200, body, [(b"content-type", CONTENT_TYPE.encode()), NO_STORE, NO_SNIFF])
