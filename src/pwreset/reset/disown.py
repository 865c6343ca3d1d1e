"""Use case: "it was not me". Whoever got a notice may say that he had nothing to do with what it tells of.

A notice carries a token of its own, good for nothing else: the request's id, when it ends, and an HMAC of both under a
key derived for this purpose alone, so that no copy of the database makes one. GET looks, POST disowns: the person's
living links are revoked, nothing is locked, and whom the domain names is told by mail. Once per notice's request.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pwreset import logs
from pwreset.errors import LinkUnknown, NoticeTooOld
from pwreset.reset import audit
from pwreset.reset.model import AccountState, Channel, Delivery, MessageName, Recipient, ResetRequest, User
from pwreset.reset.notices import message
from pwreset.reset.ports import MessageFacts
from pwreset.secret import Secret

if TYPE_CHECKING:
    from pwreset.reset.services import Services

DISOWNED = "disowned"

log = logs.get("disown")


@dataclass(frozen=True, slots=True)
class Notice:
    """What a notice was about, and whether it was disowned already."""

    request: ResetRequest
    disowned: bool


async def look(token: Secret, services: Services) -> Notice:
    """What a token is about; changes nothing. Raises LinkUnknown, NoticeTooOld."""
    read = services.keys.read_disowning(token)
    if read is None:
        raise LinkUnknown
    request_id, ends_at = read
    if ends_at <= services.clock.now():
        raise NoticeTooOld
    request = await services.store.get(request_id)
    if request is None or not services.keys.is_bound(request) or request.domain not in services.directories:
        raise LinkUnknown
    return Notice(request, request.settled_why == DISOWNED)


async def disown(token: Secret, address: str, services: Services) -> Notice:
    """Revoke the person's living links and tell whom the domain names; again, nothing more happens.

    Raises LinkUnknown, NoticeTooOld.
    """
    notice = await look(token, services)
    now, request = services.clock.now(), notice.request
    reports = _reports(request, now, services)
    event = audit.by_user(
        audit.Event.NOTICE_DISOWNED, now, request, address, logs.correlation.get(), reports=len(reports)
    )
    first = await services.store.disown(request.id, now, reports, [event])
    if first:
        log.warning("a person says: it was not me", request=request.id, domain=request.domain)
        services.outbox.bell.set()
    return Notice(request, disowned=not first)


def _reports(request: ResetRequest, now: datetime, services: Services) -> tuple[Delivery, ...]:
    """The mail to whom the domain names, if it names anybody. The directory is not asked: it may be down."""
    to = services.settings.domains[request.domain].report_to
    if to is None or Channel.MAIL not in services.transports:
        return ()
    user = User(
        id=request.user_id,
        dn="",
        domain=request.domain,
        login=request.user_login,
        name=request.user_name,
        mails=(),
        mobiles=(),
        language=None,
        state=AccountState.ACTIVE,
        protected=False,
        password_mark="",
        entry_mark="",
    )
    facts = MessageFacts(domain=request.domain, user=user, at=now)
    return (message(MessageName.DISOWNED, request, Recipient(Channel.MAIL, to), facts, services),)
