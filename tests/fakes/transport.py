"""A transport in memory that keeps what it carries, and defers, refuses or hangs as told."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from pwreset.errors import DeliveryDeferred, DeliveryRefused
from pwreset.reset.model import Channel, Envelope, ServerHealth


class FakeTransport:
    """Implements `pwreset.reset.ports.Transport`.

    `defer`, `refuse` and `hang` name addresses and last until `accept`; `reachable = False` is a relay that is down.
    """

    def __init__(self, channel: Channel = Channel.MAIL, deadline: timedelta = timedelta(seconds=20)) -> None:
        self._channel = channel
        self._deadline = deadline
        self._deferred: set[str] = set()
        self._refused: set[str] = set()
        self._hanging: set[str] = set()
        self._answered = asyncio.Event()
        self.sent: list[Envelope] = []
        self.reachable = True
        self.closed = False

    @property
    def channel(self) -> Channel:
        return self._channel

    def defer(self, address: str) -> None:
        self._deferred.add(address)

    def refuse(self, address: str) -> None:
        self._refused.add(address)

    def hang(self, address: str) -> None:
        self._hanging.add(address)

    def accept(self, address: str) -> None:
        for told in (self._deferred, self._refused, self._hanging):
            told.discard(address)

    def answer_the_hanging(self) -> None:
        """Answer those who wait, as `accept` and the others say by now."""
        self._answered.set()

    async def send(self, envelope: Envelope) -> None:
        address = envelope.recipient.address
        await asyncio.sleep(0)  # as any real one, it lets others run
        if not self.reachable:
            raise DeliveryDeferred("the fake is not reachable")
        if address in self._hanging:
            try:
                async with asyncio.timeout(self._deadline.total_seconds()):
                    await self._answered.wait()
            except TimeoutError as error:
                raise DeliveryDeferred("the fake did not answer in time") from error
        if address in self._deferred:
            raise DeliveryDeferred("the fake defers this address (451)")
        if address in self._refused:
            raise DeliveryRefused("the fake refuses this address (550)")
        self.sent.append(envelope)

    async def health(self) -> ServerHealth:
        if self.reachable:
            return ServerHealth("fake", ok=True)
        return ServerHealth("fake", ok=False, detail="connection refused", advice="Set reachable to True.")

    async def close(self) -> None:
        self.closed = True
