"""Between the domain's values and the store's rows. Times are whole microseconds since 1970-01-01 UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from pwreset.reset.model import (
    AuditEvent,
    Challenge,
    Channel,
    Delivery,
    DeliveryMode,
    DeliveryState,
    Demand,
    Factor,
    MessageName,
    Origin,
    Recipient,
    Report,
    ReportState,
    RequestState,
    ResetRequest,
)

Parameters = dict[str, object]
Row = tuple[Any, ...]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

# Looked up by value once and not for each row: an Enum's call costs as much as the rest of a column.
_MODES = {mode.value: mode for mode in DeliveryMode}
_ORIGINS = {origin.value: origin for origin in Origin}
_STATES = {state.value: state for state in RequestState}
_CHANNELS = {channel.value: channel for channel in Channel}
_MESSAGES = {message.value: message for message in MessageName}
_DELIVERY_STATES = {state.value: state for state in DeliveryState}

_REPORT_STATES = {state.value: state for state in ReportState}

_encode = msgspec.json.Encoder().encode
_facts = msgspec.json.Decoder(dict[str, str | int | bool]).decode
_sent_to = msgspec.json.Decoder(list[tuple[str, str]]).decode
_demand = msgspec.json.Decoder(tuple[str, list[tuple[str, str]], int | None]).decode


def as_json(value: object) -> str:
    """A list that a statement takes apart, or facts."""
    return _encode(value).decode()


def micros(at: datetime) -> int:
    """A time as the store keeps it."""
    return (at - _EPOCH) // _MICROSECOND


def moment(micros: int) -> datetime:
    """A time as the store keeps it, back."""
    return _EPOCH + timedelta(microseconds=micros)


def _maybe(micros: int | None) -> datetime | None:
    return None if micros is None else moment(micros)


REQUEST_COLUMNS = (
    "id, digest, domain, user_id, user_login, user_name, mode, origin, asked_by, asked_from, correlation, created_at,"
    " expires_at, password_mark, sent_to, binding, state, claimed_until, claim_mark, settled_at, settled_why, sequence,"
    " demand"
)


def request_parameters(request: ResetRequest) -> Parameters:
    """What is written of a new request; the state is always that of a new one."""
    return {
        "id": request.id,
        "digest": request.digest,
        "domain": request.domain,
        "user_id": request.user_id,
        "user_login": request.user_login,
        "user_name": request.user_name,
        "mode": request.mode._value_,
        "origin": request.origin._value_,
        "asked_by": request.asked_by,
        "asked_from": request.asked_from,
        "correlation": request.correlation,
        "created_at": micros(request.created_at),
        "expires_at": micros(request.expires_at),
        "password_mark": request.password_mark,
        "sent_to": (as_json([[to.channel.value, to.address] for to in request.sent_to]) if request.sent_to else "[]"),
        "binding": request.binding,
        "demand": _written(request.demand) if request.demand is not None else "",
    }


def _written(demand: Demand) -> str:
    to = [[recipient.channel.value, recipient.address] for recipient in demand.code_to]
    return as_json([demand.factor.value, to, micros(demand.since) if demand.since else None])


def _demand_of(text: str) -> Demand:
    factor, to, since = _demand(text)
    return Demand(
        Factor(factor), tuple(Recipient(_CHANNELS[channel], address) for channel, address in to), _maybe(since)
    )


def request_of(row: Row) -> ResetRequest:
    """A request from `REQUEST_COLUMNS`."""
    return ResetRequest(
        id=row[0],
        digest=row[1],
        domain=row[2],
        user_id=row[3],
        user_login=row[4],
        user_name=row[5],
        mode=_MODES[row[6]],
        origin=_ORIGINS[row[7]],
        asked_by=row[8],
        asked_from=row[9],
        correlation=row[10],
        created_at=moment(row[11]),
        expires_at=moment(row[12]),
        password_mark=row[13],
        sent_to=tuple(Recipient(_CHANNELS[channel], address) for channel, address in _sent_to(row[14])),
        binding=row[15],
        state=_STATES[row[16]],
        claimed_until=_maybe(row[17]),
        claim_mark=row[18],
        settled_at=_maybe(row[19]),
        settled_why=row[20],
        sequence=row[21],
        demand=_demand_of(row[22]) if row[22] else None,
    )


CHALLENGE_COLUMNS = "request_id, mark, sent_at, expires_at, tries, total, codes, spent_by"


def challenge_of(row: Row) -> Challenge:
    """The state of a second factor from `CHALLENGE_COLUMNS`."""
    return Challenge(
        request_id=row[0],
        mark=row[1],
        sent_at=moment(row[2]),
        expires_at=moment(row[3]),
        tries=row[4],
        total=row[5],
        codes=row[6],
        spent_by=row[7],
    )


DELIVERY_COLUMNS = (
    "id, request_id, domain, message, channel, address, body, created_at, not_after, due_at, state, attempts,"
    " settled_at, detail, report, reported_at, report_detail"
)


def delivery_parameters(delivery: Delivery) -> Parameters:
    """What is written of a new delivery; it is always queued."""
    return {
        "id": delivery.id,
        "request_id": delivery.request_id,
        "domain": delivery.domain,
        "message": delivery.message.value,
        "channel": delivery.recipient.channel.value,
        "address": delivery.recipient.address,
        "body": delivery.body,
        "created_at": micros(delivery.created_at),
        "not_after": micros(delivery.not_after),
        "due_at": micros(delivery.due_at),
        "attempts": delivery.attempts,
        "detail": delivery.detail,
    }


def delivery_of(row: Row) -> Delivery:
    """A delivery from `DELIVERY_COLUMNS`."""
    return Delivery(
        id=row[0],
        request_id=row[1],
        domain=row[2],
        message=_MESSAGES[row[3]],
        recipient=Recipient(_CHANNELS[row[4]], row[5]),
        body=row[6],
        created_at=moment(row[7]),
        not_after=moment(row[8]),
        due_at=moment(row[9]),
        state=_DELIVERY_STATES[row[10]],
        attempts=row[11],
        settled_at=_maybe(row[12]),
        detail=row[13],
        report=Report(_REPORT_STATES[row[14]], moment(row[15]), row[16]) if row[14] else None,
    )


EVENT_COLUMNS = 'sequence, name, at, actor, domain, "user", address, request_id, correlation, facts'


def event_parameters(event: AuditEvent) -> Parameters:
    """What is written of an audit event; its facts as JSON, so that nobody writes a line through a user name."""
    return {
        "name": event.name,
        "at": micros(event.at),
        "actor": event.actor,
        "domain": event.domain,
        "user": event.user,
        "address": event.address,
        "request_id": event.request_id,
        "correlation": event.correlation,
        "facts": as_json(event.facts),
    }


def event_of(row: Row) -> AuditEvent:
    """An audit event from `EVENT_COLUMNS`."""
    return AuditEvent(
        sequence=row[0],
        name=row[1],
        at=moment(row[2]),
        actor=row[3],
        domain=row[4],
        user=row[5],
        address=row[6],
        request_id=row[7],
        correlation=row[8],
        facts=_facts(row[9]),
    )
