"""How messages are made, sealed and handed over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pwreset.reset.model import Channel, Content, Envelope, MessageName, Recipient, ServerHealth, User
from pwreset.secret import Secret


class Transport(Protocol):
    """An SMTP relay or an SMS gateway."""

    @property
    def channel(self) -> Channel:
        """What it carries."""
        ...

    async def send(self, envelope: Envelope) -> None:
        """Hand one message over, within the transport's deadline. Raises DeliveryDeferred, DeliveryRefused."""
        ...

    async def health(self) -> ServerHealth:
        """Whether the relay or gateway can be reached and lets us in; sends nothing. Never raises."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


class Messages(Protocol):
    """Message templates by name, channel and language."""

    def render(self, name: MessageName, channel: Channel, language: str | None, facts: MessageFacts) -> Content:
        """A message in the best fitting language; facts are data, never template text."""
        ...


@dataclass(frozen=True, slots=True)
class MessageFacts:
    """What a template may show. `link` is absent in notices, `not_me` elsewhere."""

    domain: str
    user: User
    at: datetime  # when it happened
    expires_at: datetime | None = None
    link: Secret | None = None
    comments: str = ""
    sender: str = ""  # who asked, as people may see it
    not_me: Secret | None = None  # the address of the page that says "it was not me"
    handed_over: bool = False  # the link was returned to whoever asked, and not sent
    code: Secret | None = None  # the code of a second factor, in its own message only


class Sealer(Protocol):
    """Seals messages that wait in the outbox: AES-GCM with recipient and delivery id authenticated."""

    def seal(self, content: Content, delivery_id: str, recipient: Recipient) -> bytes:
        """The sealed content."""
        ...

    def open(self, body: bytes, delivery_id: str, recipient: Recipient) -> Content:
        """The content. Raises SealBroken."""
        ...
