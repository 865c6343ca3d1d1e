"""The notices a user gets of what was done to his account, as deliveries for the outbox."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pwreset.reset.model import Channel, Content, Delivery, DeliveryMode, MessageName, Recipient, ResetRequest, User
from pwreset.reset.ports import MessageFacts
from pwreset.reset.recipients import usable_mails, usable_mobiles
from pwreset.reset.tokens import new_id
from pwreset.secret import Secret

if TYPE_CHECKING:
    from pwreset.reset.services import Services

NOTICE_LIFETIME = timedelta(days=7)


def password_changed_notices(
    request: ResetRequest, user: User, now: datetime, services: Services
) -> tuple[Delivery, ...]:
    """To every address of the entry."""
    recipients = every_address(user, services)
    facts = MessageFacts(domain=user.domain, user=user, at=now, not_me=disowning_link(request, now, services))
    return tuple(message(MessageName.PASSWORD_CHANGED, request, recipient, facts, services) for recipient in recipients)


def every_address(user: User, services: Services) -> tuple[Recipient, ...]:
    """Where the user can be told something: all mail addresses and all mobile numbers.

    Whoever has taken over one of them shall not be the only one who is told.
    """
    mails = usable_mails(user) if Channel.MAIL in services.transports else ()
    if Channel.SMS not in services.transports:
        return mails
    return mails + usable_mobiles(user, services.settings.domains[user.domain].country)


def link_issued_notices(request: ResetRequest, facts: MessageFacts, services: Services) -> tuple[Delivery, ...]:
    """Of a link that was made for the user, where it was not sent to, if the settings say so."""
    handed_over = request.mode is DeliveryMode.NONE
    wanted = services.settings.domains[request.domain].notify_of_links
    if not wanted and not (handed_over and services.settings.links.notify_on_none):
        return ()
    told = replace(
        facts, link=None, not_me=disowning_link(request, facts.at, services), comments="", handed_over=handed_over
    )
    return tuple(
        message(MessageName.LINK_ISSUED, request, recipient, told, services)
        for recipient in every_address(facts.user, services)
        if recipient not in request.sent_to
    )


def disowning_link(request: ResetRequest, now: datetime, services: Services) -> Secret:
    """The address of the page that says "it was not me", for as long as the notice may be on its way."""
    token = services.keys.disowning_token(request.id, now + NOTICE_LIFETIME)
    return Secret(f"{services.configuration.base_url(request.domain)}/not-me/{token.reveal()}")


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
