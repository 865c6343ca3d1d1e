"""Units of work on the outbox: plain functions of a connection, run by the lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pwreset.reset.model import Channel, Delivery, DeliveryState, Settlement
from pwreset.store import statements as sql
from pwreset.store.connection import Connection
from pwreset.store.inserts import insert
from pwreset.store.requests import SUPERSEDED, end
from pwreset.store.rows import Parameters, as_json, delivery_of, micros, moment


def of_request(connection: Connection, request_id: str) -> tuple[Delivery, ...]:
    """The deliveries of a request, oldest first."""
    return tuple(delivery_of(row) for row in connection.execute(sql.DELIVERIES_OF_REQUEST, {"request_id": request_id}))


def take(connection: Connection, channel: Channel, now: datetime, until: datetime, limit: int) -> tuple[Delivery, ...]:
    """Lease what is due, oldest due first."""
    parameters = {"channel": channel.value, "now": micros(now), "limit": limit}
    taken = [delivery_of(row) for row in connection.execute(sql.DUE_DELIVERIES, parameters).fetchall()]
    if taken:
        ids = as_json([delivery.id for delivery in taken])
        connection.execute(sql.LEASE_DELIVERIES, {"ids": ids, "until": micros(until)})
    return tuple(replace(delivery, due_at=until) for delivery in taken)


def reclaim(connection: Connection, now: datetime) -> int:
    """Make all queued deliveries due now. Says how many were not."""
    return sum(
        connection.execute(sql.RECLAIM_DELIVERIES, {"channel": channel.value, "now": micros(now)}).rowcount
        for channel in Channel
    )


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Outcomes of attempts with their events."""

    settlements: Sequence[Settlement]
    events: Sequence[Parameters]


def settle(connection: Connection, outcomes: Sequence[Outcomes]) -> None:
    """Write outcomes of attempts down. A delivery that is settled already stays as it is."""
    settlements = [settlement for one in outcomes for settlement in one.settlements]
    _settle(connection, [settlement for settlement in settlements if settlement.state is not DeliveryState.QUEUED])
    for settlement in settlements:
        if settlement.state is DeliveryState.QUEUED:
            _defer(connection, settlement)
    insert(connection, sql.ADD_EVENT, [event for one in outcomes for event in one.events])


def _defer(connection: Connection, settlement: Settlement) -> None:
    connection.execute(
        sql.DEFER_DELIVERY,
        {
            "id": settlement.delivery_id,
            "due_at": micros(settlement.due_at or settlement.at),
            "detail": settlement.detail,
        },
    )


def _settle(connection: Connection, settlements: Sequence[Settlement]) -> None:
    """Settle for good, and end the links that are older than those that were sent."""
    if not settlements:
        return
    first = {settlement.delivery_id: settlement for settlement in reversed(settlements)}
    rows = [[one.delivery_id, one.state.value, micros(one.at), one.detail] for one in first.values()]
    connection.execute(sql.SETTLE_DELIVERIES, {"outcomes": as_json(rows)})
    sent = [one.delivery_id for one in first.values() if one.state is DeliveryState.SENT]
    if sent:
        end(connection, sql.END_OLDER_THAN_SENT, sent, micros(settlements[-1].at), SUPERSEDED)


def get(connection: Connection, delivery_id: str) -> Delivery | None:
    """The delivery of this id."""
    row = connection.execute(sql.GET_DELIVERY, {"id": delivery_id}).fetchone()
    return None if row is None else delivery_of(row)


def report(connection: Connection, parameters: Parameters, events: Sequence[Parameters]) -> bool:
    """Keep a delivery report; the events only if it says something new."""
    if connection.execute(sql.REPORT_DELIVERY, parameters).rowcount == 0:
        return False
    insert(connection, sql.ADD_EVENT, events)
    return True


def seals(connection: Connection, length: int) -> frozenset[bytes]:
    """The beginnings of the bodies that wait."""
    return frozenset(
        bytes(row[0])
        for channel in Channel
        for row in connection.execute(sql.SEALS, {"channel": channel.value, "length": length})
    )


def next_due(connection: Connection) -> datetime | None:
    """When the earliest queued delivery is due."""
    due = connection.execute(sql.NEXT_DUE).fetchone()[0]
    return None if due is None else moment(due)


def sms_since(connection: Connection, since: datetime) -> tuple[tuple[datetime, str], ...]:
    """When SMS were written since then, and to which numbers."""
    rows = connection.execute(sql.SMS_SINCE, {"since": micros(since)}).fetchall()
    return tuple((moment(created_at), address) for created_at, address in rows)
