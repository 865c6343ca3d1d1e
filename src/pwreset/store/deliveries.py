"""Units of work on the outbox: plain functions of a connection, run by the lanes."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from pwreset.reset.model import Channel, Delivery, DeliveryState, MessageName, Settlement
from pwreset.store import statements as sql
from pwreset.store.requests import supersede
from pwreset.store.rows import Parameters, delivery_of, micros, moment


def of_request(connection: sqlite3.Connection, request_id: str) -> tuple[Delivery, ...]:
    """The deliveries of a request, oldest first."""
    return tuple(delivery_of(row) for row in connection.execute(sql.DELIVERIES_OF_REQUEST, {"request_id": request_id}))


def take(
    connection: sqlite3.Connection, channel: Channel, now: datetime, until: datetime, limit: int
) -> tuple[Delivery, ...]:
    """Lease what is due, oldest due first."""
    parameters = {"channel": channel.value, "now": micros(now), "limit": limit}
    taken = [delivery_of(row) for row in connection.execute(sql.DUE_DELIVERIES, parameters).fetchall()]
    lease = micros(until)
    for delivery in taken:
        connection.execute(sql.LEASE_DELIVERY, {"id": delivery.id, "until": lease})
    return tuple(replace(delivery, due_at=until) for delivery in taken)


def reclaim(connection: sqlite3.Connection, now: datetime) -> int:
    """Make all queued deliveries due now. Says how many were not."""
    return sum(
        connection.execute(sql.RECLAIM_DELIVERIES, {"channel": channel.value, "now": micros(now)}).rowcount
        for channel in Channel
    )


def settle(connection: sqlite3.Connection, settlements: Sequence[Settlement], events: Sequence[Parameters]) -> None:
    """Write outcomes of attempts down. A delivery that is settled already stays as it is."""
    for settlement in settlements:
        if settlement.state is DeliveryState.QUEUED:
            _defer(connection, settlement)
        else:
            _settle_one(connection, settlement)
    connection.executemany(sql.ADD_EVENT, events)


def _defer(connection: sqlite3.Connection, settlement: Settlement) -> None:
    connection.execute(
        sql.DEFER_DELIVERY,
        {
            "id": settlement.delivery_id,
            "due_at": micros(settlement.due_at or settlement.at),
            "detail": settlement.detail,
        },
    )


def _settle_one(connection: sqlite3.Connection, settlement: Settlement) -> None:
    at = micros(settlement.at)
    row = connection.execute(
        sql.SETTLE_DELIVERY,
        {"id": settlement.delivery_id, "state": settlement.state.value, "at": at, "detail": settlement.detail},
    ).fetchone()
    if row is None:
        return
    request_id, message = row
    if settlement.state is DeliveryState.SENT and message == MessageName.RESET_LINK.value:
        supersede(connection, request_id, at)


def next_due(connection: sqlite3.Connection) -> datetime | None:
    """When the earliest queued delivery is due."""
    due = connection.execute(sql.NEXT_DUE).fetchone()[0]
    return None if due is None else moment(due)


def sms_since(connection: sqlite3.Connection, since: datetime) -> int:
    """How many SMS were written since then."""
    return int(connection.execute(sql.SMS_SINCE, {"since": micros(since)}).fetchone()[0])
