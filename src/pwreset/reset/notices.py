"""The notices a user gets of what was done to his account, as deliveries for the outbox."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pwreset.reset.model import Channel, Content, Delivery, MessageName, Recipient, ResetRequest, User
from pwreset.reset.ports import MessageFacts
from pwreset.reset.recipients import usable_mails, usable_mobiles
from pwreset.reset.tokens import new_id

if TYPE_CHECKING:
    from pwreset.reset.services import Services

NOTICE_LIFETIME = timedelta(days=7)


def password_changed_notices(
    request: ResetRequest, user: User, now: datetime, services: Services
) -> tuple[Delivery, ...]:
    """To every mail address of the entry; where there is none, to its first mobile number."""
    recipients = every_address(user, services)
    facts = MessageFacts(domain=user.domain, user=user, at=now)
    return tuple(message(MessageName.PASSWORD_CHANGED, request, recipient, facts, services) for recipient in recipients)


def every_address(user: User, services: Services) -> tuple[Recipient, ...]:
    """Where the user can be told something: all mail addresses, else the first mobile number."""
    if Channel.MAIL in services.transports and (mails := usable_mails(user)):
        return mails
    if Channel.SMS in services.transports:
        return usable_mobiles(user, services.settings.domains[user.domain].country)[:1]
    return ()


def message(
    name: MessageName, request: ResetRequest, recipient: Recipient, facts: MessageFacts, services: Services
) -> Delivery:
    """One message, rendered and sealed, due at once."""
    content = services.messages.render(name, recipient.channel, facts.user.language, facts)
    return sealed(name, request, recipient, content, services, at=facts.at, not_after=facts.at + NOTICE_LIFETIME)


def sealed(
    name: MessageName,
    request: ResetRequest,
    recipient: Recipient,
    content: Content,
    services: Services,
    *,
    at: datetime,
    not_after: datetime,
    due_at: datetime | None = None,
) -> Delivery:
    """A message as the outbox keeps it, due at once if nothing else is said."""
    delivery_id = new_id()
    return Delivery(
        id=delivery_id,
        request_id=request.id,
        domain=request.domain,
        message=name,
        recipient=recipient,
        body=services.sealer.seal(content, delivery_id, recipient),
        created_at=at,
        not_after=not_after,
        due_at=due_at or at,
    )
