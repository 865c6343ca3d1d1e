"""The audit trail's events: every ask, send, refusal, change and revocation, and never a secret."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from pwreset.reset.model import Asker, AuditEvent, ResetRequest


class Event(Enum):
    """The names of audit events with their meanings; the reference page is made from here."""

    REQUEST_SENT = (
        "request.sent",
        "A link was made for a user; `mode`, `expires_at` and the number of messages are among the facts.",
    )
    REQUEST_REFUSED = (
        "request.refused",
        "Somebody asked for a link and did not get it; `reason` says why. A name that was typed on the public page and is nobody's is not noted: `typed` is a mark of it, the same for the same name.",
    )
    ASKS_DROPPED = (
        "asks.dropped",
        "Asks on the public page found the queue full, or were too many of one network's refused ones to be told one by one; `count` says how many since the last time.",
    )
    REQUEST_REVOKED = ("request.revoked", "A link was revoked; `reason` says why.")
    LINK_DIED = (
        "link.died",
        "A link was found dead when it was opened to set a password: `reason` says what had changed.",
    )
    PASSWORD_SET = ("password.set", "A password was set with a link.")
    PASSWORD_CHANGED = ("password.changed", "Somebody who knew the present password changed it on the page `/change`.")
    CHANGE_REFUSED = (
        "change.refused",
        "Somebody tried to change a password on the page `/change` and was not let; `reason` says why, which the page does not. A name that is nobody's is not noted.",
    )
    PASSWORD_REFUSED = ("password.refused", "The directory refused a new password; `rules` names the rules.")
    PASSWORD_UNCLEAR = (
        "password.unclear",
        "The directory's answer was lost; the link waits until it is known whether the password was set.",
    )
    CLAIM_RECOVERED = (
        "claim.recovered",
        "A submission that died in the middle was cleared up; `password_set` says what had become of it.",
    )
    CODE_SENT = (
        "code.sent",
        "The holder of a link asked for a code; `channels` says how it goes, `number` how many there have been.",
    )
    FACTOR_PROVED = ("factor.proved", "The holder of a link has shown the second factor; `factor` says which.")
    FACTOR_REFUSED = ("factor.refused", "A wrong code or one-time password; `total` is the link's number of tries.")
    LINK_LOCKED = ("link.locked", "A link was revoked after too many tries at its second factor.")
    DELIVERY_SENT = ("delivery.sent", "A message was taken by the relay or gateway.")
    DELIVERY_ABANDONED = (
        "delivery.abandoned",
        "A message was given up: refused for good, or its time was over; `detail` says why.",
    )
    DELIVERY_REPORTED = (
        "delivery.reported",
        "The gateway told what became of an SMS after it had taken it: `report` is `delivered`, `failed` or `buffered`, `detail` its word.",
    )
    LOGIN_REFUSED = ("login.refused", "A manager's log-in failed; `reason` says why.")
    LOGIN_SUCCEEDED = ("login.succeeded", "A manager logged in; remembered log-ins are not told again.")
    AUDIT_PURGED = (
        "audit.purged",
        "Old audit events were deleted; `up_to` is the last one's number, `block` the chain's block that was left as a checkpoint.",
    )
    NOTICE_DISOWNED = (
        "notice.disowned",
        "Somebody who got a notice said that it was not him: the person's living links were revoked; `reports` mails tell of it.",
    )
    NOTICE_IMPOSSIBLE = (
        "notice.impossible",
        "A password was set for a user without any address, so nobody could be told.",
    )

    def __init__(self, event_name: str, meaning: str) -> None:
        self.event_name = event_name
        self.meaning = meaning


def by_asker(  # one line of the trail, told by who asked
    event: Event,
    at: datetime,
    asker: Asker,
    *,
    domain: str = "",
    user: str = "",
    request_id: str = "",
    **facts: str | int | bool,
) -> AuditEvent:
    """An event that whoever asked for a link caused."""
    return AuditEvent(
        name=event.event_name,
        at=at,
        actor=f"{asker.origin.value}:{asker.name}",
        domain=domain,
        user=user,
        address=asker.address,
        request_id=request_id,
        correlation=asker.correlation,
        facts=facts,
    )


def by_user(
    event: Event, at: datetime, request: ResetRequest, address: str, correlation: str, **facts: str | int | bool
) -> AuditEvent:
    """An event that the holder of a link caused."""
    return AuditEvent(
        name=event.event_name,
        at=at,
        actor=f"user:{request.user_login}",
        domain=request.domain,
        user=request.user_login,
        address=address,
        request_id=request.id,
        correlation=correlation,
        facts=facts,
    )


def by_service(
    event: Event, at: datetime, *, domain: str = "", user: str = "", request_id: str = "", **facts: str | int | bool
) -> AuditEvent:
    """An event that the service caused by itself."""
    return AuditEvent(
        name=event.event_name, at=at, actor="service", domain=domain, user=user, request_id=request_id, facts=facts
    )
