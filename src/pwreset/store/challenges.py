"""Units of work on the tries at second factors: plain functions of a connection, run by the lanes."""

from __future__ import annotations

from collections.abc import Sequence

from pwreset.reset.model import Challenge
from pwreset.store import statements as sql
from pwreset.store.connection import Connection
from pwreset.store.inserts import insert
from pwreset.store.rows import Parameters, challenge_of

REPLACED = "replaced by a newer code"


def get(connection: Connection, request_id: str) -> Challenge | None:
    """What is known of this link's second factor."""
    row = connection.execute(sql.GET_CHALLENGE, {"request_id": request_id}).fetchone()
    return None if row is None else challenge_of(row)


def renew(
    connection: Connection, parameters: Parameters, deliveries: Sequence[Parameters], events: Sequence[Parameters]
) -> bool:
    """A new code with its messages, unless it is too soon or there were too many."""
    if connection.execute(sql.RENEW_CHALLENGE, parameters).rowcount == 0:
        return False
    connection.execute(
        sql.ABANDON_CODES,
        {"request_id": parameters["request_id"], "now": parameters["sent_at"], "detail": REPLACED},
    )
    insert(connection, sql.ADD_DELIVERY, deliveries)
    insert(connection, sql.ADD_EVENT, events)
    return True


def take_try(connection: Connection, parameters: Parameters) -> Challenge | None:
    """Count one try, if there is one left."""
    row = connection.execute(sql.TAKE_TRY, parameters).fetchone()
    return None if row is None else challenge_of(row)


def return_try(connection: Connection, request_id: str) -> None:
    """Take one back of the link's total."""
    connection.execute(sql.RETURN_TRY, {"request_id": request_id})


def spend(connection: Connection, parameters: Parameters, events: Sequence[Parameters]) -> bool:
    """Use the code up; True for one form only, however often it comes."""
    if connection.execute(sql.SPEND_CODE, parameters).rowcount == 1:
        insert(connection, sql.ADD_EVENT, events)
        return True
    return connection.execute(sql.SPENT_BY, parameters).fetchone() is not None
