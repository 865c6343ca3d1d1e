"""Records to fill a store with: each call makes another one."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from pwreset.reset.model import (
    AuditEvent,
    Channel,
    Delivery,
    DeliveryMode,
    DeliveryState,
    MessageName,
    Origin,
    Recipient,
    ResetRequest,
    Settlement,
)
from pwreset.reset.tokens import new_id

JANE = "6d1f0b7e-8a3c-103d-9f6e-5b2f3c1d0e4a"
JOHN = "6d1f0b7e-8a3c-103d-9f6e-5b2f3c1d0e4b"
MAIL = Recipient(Channel.MAIL, "jane.doe@example.org")
SMS = Recipient(Channel.SMS, "+33612345678")
DAY = timedelta(days=1)


def a_request(
    now: datetime,
    *,
    user_id: str = JANE,
    login: str = "jdoe",
    domain: str = "EXAMPLE",
    lifetime: timedelta = DAY,
    sent_to: tuple[Recipient, ...] = (),
    mode: DeliveryMode = DeliveryMode.NONE,
) -> ResetRequest:
    return ResetRequest(
        id=new_id(),
        digest=secrets.token_bytes(32),
        domain=domain,
        user_id=user_id,
        user_login=login,
        user_name="Jane Doe",
        mode=mode,
        origin=Origin.MANAGER,
        asked_by="cn=helpdesk,dc=example,dc=org",
        asked_from="192.0.2.7",
        correlation=new_id(),
        created_at=now,
        expires_at=now + lifetime,
        password_mark="20260101000000Z",
        sent_to=sent_to,
        binding=secrets.token_bytes(32),
    )


def a_delivery(
    request: ResetRequest,
    *,
    recipient: Recipient = MAIL,
    message: MessageName = MessageName.RESET_LINK,
    due_at: datetime | None = None,
) -> Delivery:
    return Delivery(
        id=new_id(),
        request_id=request.id,
        domain=request.domain,
        message=message,
        recipient=recipient,
        body=b"sealed",
        created_at=request.created_at,
        not_after=request.expires_at,
        due_at=due_at or request.created_at,
    )


def an_event(at: datetime, name: str = "request.sent", **facts: str | int | bool) -> AuditEvent:
    return AuditEvent(name=name, at=at, actor="manager:helpdesk", domain="EXAMPLE", user="jdoe", facts=facts)


def was_sent(delivery: Delivery, at: datetime) -> Settlement:
    return Settlement(delivery.id, DeliveryState.SENT, at)


def was_abandoned(delivery: Delivery, at: datetime, detail: str = "refused") -> Settlement:
    return Settlement(delivery.id, DeliveryState.ABANDONED, at, detail=detail)


def was_deferred(delivery: Delivery, at: datetime, due_at: datetime) -> Settlement:
    return Settlement(delivery.id, DeliveryState.QUEUED, at, due_at, "try later")
