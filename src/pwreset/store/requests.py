"""Units of work on reset requests: plain functions of a connection, run by the lanes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

from pwreset.errors import SentAlready
from pwreset.reset.model import RequestFilter, RequestState, ResetRequest
from pwreset.store import statements as sql
from pwreset.store import trail
from pwreset.store.connection import Connection
from pwreset.store.inserts import insert
from pwreset.store.rows import Parameters, as_json, micros, request_of

SUPERSEDED = "superseded"
PASSWORD_SET = "password-set"  # noqa: S105 - why a link died
DISOWNED = "disowned"
LINK_DEAD = "the link is dead"
LINK_USED = "the link has been used"
EXPIRED = "expired"
ALL_TIME = (-(1 << 62), 1 << 62)


@dataclass(frozen=True, slots=True)
class NewRequest:
    """A request with its deliveries and events; with `supersede` its user's older links are over."""

    request: Parameters
    deliveries: Sequence[Parameters]
    events: Sequence[Parameters]
    supersede: bool
    once: str = ""


def add(connection: Connection, new: Sequence[NewRequest]) -> None:
    """Write requests down, in this order. Raises SentAlready, with nothing written, when a key was used before."""
    _use_keys(connection, new)
    insert(connection, sql.ADD_REQUEST, [one.request for one in new])
    insert(connection, sql.ADD_DELIVERY, [delivery for one in new for delivery in one.deliveries])
    insert(connection, sql.ADD_EVENT, [event for one in new for event in one.events])
    superseding = [one.request for one in new if one.supersede]
    if superseding:
        # They share a commit, so they share a moment too: the last one's.
        end(connection, sql.END_OLDER, [one["id"] for one in superseding], superseding[-1]["created_at"], SUPERSEDED)


def _use_keys(connection: Connection, new: Sequence[NewRequest]) -> None:
    for one in new:
        if one.once:
            mine = {"key": one.once, "request_id": one.request["id"]}
            if connection.execute(sql.ADD_ONCE, mine).rowcount == 0:
                raise SentAlready(str(sent_once(connection, one.once)))


def sent_once(connection: Connection, key: str) -> str | None:
    """The id of the request that was made under this key."""
    row = connection.execute(sql.GET_ONCE, {"key": key}).fetchone()
    return None if row is None else str(row[0])


def end(connection: Connection, statement: str, ids: Sequence[object], now: object, why: str) -> int:
    """End living links beside these (one of `END_...`). Says how many died; claimed ones are doomed only."""
    parameters = {"ids": as_json(ids), "now": now, "why": why}
    ended = connection.execute(statement, parameters).fetchall()
    dead = [other for other, state in ended if state == "revoked"]
    for other in dead:
        connection.execute(sql.ABANDON_DELIVERIES, {"request_id": other, "now": now, "detail": LINK_DEAD})
    return len(dead)


def supersede(connection: Connection, request_id: str, now: int) -> int:
    """End the older links of a request's user. Says how many died."""
    return end(connection, sql.END_OLDER, [request_id], now, SUPERSEDED)


def find(connection: Connection, digests: Sequence[bytes]) -> ResetRequest | None:
    """The request with one of these digests."""
    for digest in digests:
        row = connection.execute(sql.FIND_REQUEST, {"digest": digest}).fetchone()
        if row is not None:
            return request_of(row)
    return None


def get(connection: Connection, request_id: str) -> ResetRequest | None:
    """The request of this id."""
    row = connection.execute(sql.GET_REQUEST, {"id": request_id}).fetchone()
    return None if row is None else request_of(row)


def claim(connection: Connection, parameters: Parameters) -> bool:
    """Pending -> claimed; True for exactly one caller."""
    return connection.execute(sql.CLAIM_REQUEST, parameters).rowcount == 1


def release(connection: Connection, parameters: Parameters, events: Sequence[Parameters]) -> bool:
    """Claimed -> pending, or -> revoked when it is doomed; the events only if it was claimed."""
    row = connection.execute(sql.RELEASE_REQUEST, parameters).fetchone()
    if row is None:
        return False
    if row[0] == "revoked":
        connection.execute(
            sql.ABANDON_DELIVERIES,
            {"request_id": parameters["id"], "now": parameters["now"], "detail": LINK_DEAD},
        )
    insert(connection, sql.ADD_EVENT, events)
    return True


def settle(
    connection: Connection,
    parameters: Parameters,
    notices: Sequence[Parameters],
    events: Sequence[Parameters],
) -> bool:
    """Claimed -> used, with its notices and events; all other links of the user are over."""
    if connection.execute(sql.USE_REQUEST, parameters).rowcount == 0:
        return False
    request_id, now = parameters["id"], parameters["now"]
    end(connection, sql.END_OTHERS, [request_id], now, PASSWORD_SET)
    connection.execute(sql.ABANDON_LINKS, {"request_id": request_id, "now": now, "detail": LINK_USED})
    insert(connection, sql.ADD_DELIVERY, notices)
    insert(connection, sql.ADD_EVENT, events)
    return True


def revoke(connection: Connection, parameters: Parameters, events: Sequence[Parameters]) -> bool:
    """Pending -> revoked, claimed -> doomed; the events only if it was one of them."""
    if connection.execute(sql.REVOKE_REQUEST, parameters).rowcount == 0:
        return False
    connection.execute(
        sql.ABANDON_DELIVERIES, {"request_id": parameters["id"], "now": parameters["now"], "detail": LINK_DEAD}
    )
    insert(connection, sql.ADD_EVENT, events)
    return True


def disown(
    connection: Connection,
    request_id: str,
    now: int,
    reports: Sequence[Parameters],
    events: Sequence[Parameters],
) -> bool:
    """Mark a request as disowned and end all living links of its user; True for the first one only."""
    parameters = {"id": request_id, "now": now, "why": DISOWNED}
    if connection.execute(sql.DISOWN_REQUEST, parameters).rowcount == 0:
        return False
    connection.execute(sql.ABANDON_LINKS, {"request_id": request_id, "now": now, "detail": LINK_DEAD})
    end(connection, sql.END_OTHERS, [request_id], now, DISOWNED)
    insert(connection, sql.ADD_DELIVERY, reports)
    insert(connection, sql.ADD_EVENT, events)
    return True


def expired_claims(connection: Connection, now: datetime, limit: int) -> tuple[ResetRequest, ...]:
    """Claims whose lease is over, the oldest first."""
    return tuple(
        request_of(row) for row in connection.execute(sql.EXPIRED_CLAIMS, {"now": micros(now), "limit": limit})
    )


def listed(connection: Connection, wanted: RequestFilter, now: datetime) -> tuple[ResetRequest, ...]:
    """Requests, newest first."""
    before = ALL_TIME[1] if wanted.before is None else wanted.before
    if wanted.user is not None:
        rows = connection.execute(sql.LIST_BY_USER, {"user": wanted.user, "before": before})
        fitting = (request for request in map(request_of, rows) if _fits(request, wanted, now))
        return tuple(islice(fitting, max(wanted.limit, 0)))
    found = [request for states in _each_state(connection, wanted, now, before) for request in states]
    found.sort(key=lambda request: -request.sequence)
    return tuple(found[: max(wanted.limit, 0)])


def _each_state(
    connection: Connection, wanted: RequestFilter, now: datetime, before: int
) -> Iterator[list[ResetRequest]]:
    """The newest of each domain and state: each is one walk along the index, however large the store is."""
    domains = wanted.domains
    if domains is None:
        domains = frozenset(row[0] for row in connection.execute(sql.DOMAINS))
    after, until = _expiry_span(wanted.state, now)
    for domain in domains:
        for state in _states(wanted.state):
            parameters = {
                "domain": domain,
                "state": state,
                "before": before,
                "after": after,
                "until": until,
                "limit": max(wanted.limit, 0),
            }
            yield [request_of(row) for row in connection.execute(sql.LIST_BY_STATE, parameters)]


def _states(wanted: str | None) -> tuple[str, ...]:
    if wanted is None:
        return tuple(state.value for state in RequestState)
    return (RequestState.PENDING.value,) if wanted == EXPIRED else (wanted,)


def _expiry_span(wanted: str | None, now: datetime) -> tuple[int, int]:
    """Expired is no state: it is a pending link whose time is over, and is not listed as pending."""
    if wanted == EXPIRED:
        return ALL_TIME[0], micros(now)
    if wanted == RequestState.PENDING.value:
        return micros(now), ALL_TIME[1]
    return ALL_TIME


def _fits(request: ResetRequest, wanted: RequestFilter, now: datetime) -> bool:
    if wanted.domains is not None and request.domain not in wanted.domains:
        return False
    if wanted.state is None:
        return True
    expired = request.state is RequestState.PENDING and request.expires_at <= now
    return wanted.state == (EXPIRED if expired else request.state.value)


def delete_old(connection: Connection, before: int, limit: int) -> tuple[int, int]:
    """Delete requests that are over since before then, with their deliveries: how many of both, in one step."""
    parameters = {"before": before, "limit": limit}
    ids = [row[0] for row in connection.execute(sql.OLD_SETTLED_REQUESTS, parameters)]
    if len(ids) < limit:
        parameters["limit"] = limit - len(ids)
        ids += [row[0] for row in connection.execute(sql.OLD_EXPIRED_REQUESTS, parameters)]
    deliveries = 0
    for request_id in ids:
        deliveries += connection.execute(sql.DELETE_DELIVERIES, {"request_id": request_id}).rowcount
        connection.execute(sql.DELETE_ONCE, {"request_id": request_id})
        connection.execute(sql.DELETE_CHALLENGE, {"request_id": request_id})
        connection.execute(sql.DELETE_REQUEST, {"id": request_id})
    return len(ids), deliveries


def counts(connection: Connection, now: datetime) -> dict[str, int]:
    """How many are alive, and how old in whole seconds the oldest of what waits is; each along an index."""

    def count(statement: str, parameters: Parameters) -> int:
        return int(connection.execute(statement, parameters).fetchone()[0])

    def age(since: int | None) -> int:
        return 0 if since is None else max(0, (micros(now) - since) // 1_000_000)

    def oldest(channel: str) -> int:
        return age(connection.execute(sql.OLDEST_QUEUED, {"channel": channel}).fetchone()[0])

    return {
        "live_links": count(sql.COUNT_LIVE_LINKS, {"now": micros(now)}),
        "claimed_links": count(sql.COUNT_CLAIMED_LINKS, {}),
        "queued_mail": count(sql.COUNT_QUEUED, {"channel": "mail"}),
        "queued_sms": count(sql.COUNT_QUEUED, {"channel": "sms"}),
        "abandoned_deliveries": count(sql.COUNT_ABANDONED, {}),
        "oldest_mail_seconds": oldest("mail"),
        "oldest_sms_seconds": oldest("sms"),
        "unchained_seconds": age(trail.unchained_since(connection)),
    }
