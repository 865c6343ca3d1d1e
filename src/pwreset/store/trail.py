"""Units of work on the audit trail and its chain: plain functions of a connection, run by the lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pwreset.reset import audit
from pwreset.reset.model import AuditEvent
from pwreset.store import statements as sql
from pwreset.store.chain import Block, head_mark, is_head, is_whole, next_block
from pwreset.store.connection import Connection
from pwreset.store.inserts import insert
from pwreset.store.rows import Parameters, Row, as_json, event_of, event_parameters

NODE = "main"  # one chain for a store, whoever writes it
EVENTS_PER_BLOCK = 500
BLOCKS_PER_STEP = 200


def record(connection: Connection, events: Sequence[Parameters]) -> None:
    """Append events."""
    insert(connection, sql.ADD_EVENT, events)


def events_after(connection: Connection, after: int, limit: int) -> tuple[AuditEvent, ...]:
    """Events behind a sequence, in order."""
    return tuple(map(event_of, _rows_after(connection, after, limit)))


def _rows_after(connection: Connection, after: int, limit: int) -> list[Row]:
    return connection.execute(sql.EVENTS_AFTER, {"after": after, "limit": limit}).fetchall()


# --- chaining ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Link:
    """A block that is ready to be written, the mark that makes it the newest, and the numbers of its events."""

    block: Block
    mark: bytes
    events: Sequence[int]


def forge(connection: Connection, key: bytes) -> Link | None:
    """The next block of committed events, on a reading connection: writers do not wait for it."""
    newest = _newest(connection)
    rows = _unchained(connection, newest)
    if not rows:
        return None
    block = next_block(key, newest, rows)
    return Link(block, head_mark(key, block), [row[0] for row in rows])


def attach(connection: Connection, link: Link) -> bool:
    """Write a block down, if it still is the next one."""
    newest = _newest(connection)
    block = link.block
    if block.number != (newest.number + 1 if newest else 1):
        return False
    connection.execute(
        sql.ADD_BLOCK,
        {
            "node": NODE,
            "number": block.number,
            "first": block.first,
            "last": block.last,
            "last_at": block.last_at,
            "digest": block.digest,
            "events": as_json(link.events),
        },
    )
    connection.execute(sql.SET_HEAD, {"node": NODE, "number": block.number, "mark": link.mark})
    return True


def _unchained(connection: Connection, newest: Block | None) -> list[Row]:
    """The next events that no block holds yet."""
    return connection.execute(
        sql.EVENTS_TO_CHAIN, {"last": newest.last if newest else 0, "limit": EVENTS_PER_BLOCK}
    ).fetchall()


def unchained_since(connection: Connection) -> int | None:
    """The time of the oldest event that no block holds yet, as the store keeps it."""
    newest = _newest(connection)
    row = connection.execute(sql.EVENTS_TO_CHAIN, {"last": newest.last if newest else 0, "limit": 1}).fetchone()
    return None if row is None else int(row[2])


def _newest(connection: Connection) -> Block | None:
    return _block(connection.execute(sql.NEWEST_BLOCK, {"node": NODE}).fetchone())


def _block(row: Row | None) -> Block | None:
    return None if row is None else Block(row[0], row[1], row[2], row[3], row[4], bool(row[5]))


# --- verifying ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a check has come: the last good block, the highest block that a purge has told of, what is broken."""

    block: Block | None = None
    checkpoint: int = 0
    purged_to: int = 0
    broken: str | None = None
    done: bool = False
    in_order: bool = True  # whether each block's events follow on those before


def verify_step(connection: Connection, keys: Sequence[bytes], progress: Progress) -> Progress:
    """Check the next block, or the end."""
    previous = progress.block
    block = _block(
        connection.execute(sql.NEXT_BLOCK, {"node": NODE, "after": previous.number if previous else 0}).fetchone()
    )
    if block is None:
        return _verify_end(connection, keys, progress)
    if block.purged:
        return replace(progress, block=block, checkpoint=block.number)
    if block.number != (previous.number + 1 if previous else 1):
        return _broken(progress, f"blocks before number {block.number} are missing")
    if progress.in_order and block.first != (previous.last + 1 if previous else 1):
        return _broken(progress, f"events before number {block.first} are missing")
    rows = connection.execute(
        sql.EVENTS_OF_BLOCK, {"number": block.number, "first": block.first, "last": block.last}
    ).fetchall()
    if not is_whole(keys, previous, block, rows):
        return _broken(progress, f"events {block.first} to {block.last} are not as they were written")
    return replace(progress, block=block, purged_to=max(progress.purged_to, _purge_told(rows)))


def _verify_end(connection: Connection, keys: Sequence[bytes], progress: Progress) -> Progress:
    newest = progress.block
    head = connection.execute(sql.GET_HEAD, {"node": NODE}).fetchone()
    lowest = connection.execute(sql.LOWEST_EVENT).fetchone()[0]
    if newest is None:
        if head is not None or (lowest is not None and lowest != 1):
            return _broken(progress, "the chain is gone")
        return replace(progress, done=True)
    if head is None or head[0] != newest.number or not is_head(keys, newest, head[1]):
        return _broken(progress, f"what came behind event {newest.last} is gone, or was put back from an old copy")
    unchained = _unchained(connection, newest)
    if progress.checkpoint > max(progress.purged_to, _purge_told(unchained)):
        return _broken(progress, f"events up to those of block {progress.checkpoint} are gone, and no purge told of it")
    return replace(progress, done=True)


def _broken(progress: Progress, words: str) -> Progress:
    return replace(progress, broken=words, done=True)


def _purge_told(rows: Sequence[Row]) -> int:
    """The highest block that purges among these events have told of."""
    events = (event_of(row) for row in rows if row[1] == audit.Event.AUDIT_PURGED.event_name)
    return max((int(event.facts.get("block", 0)) for event in events), default=0)


# --- purging -----------------------------------------------------------------------------------------------------


def purge_step(connection: Connection, before: int, now: datetime) -> int:
    """Delete whole blocks of events from before then, oldest first, and leave a checkpoint. Says how many events.

    Only chained events go, and the newest block stays, so that the numbers of events never begin anew.
    """
    rows = connection.execute(sql.OLDEST_BLOCKS, {"node": NODE, "limit": BLOCKS_PER_STEP + 1}).fetchall()
    blocks = [block for row in rows[:-1] if (block := _block(row)) is not None]
    old = next((index for index, block in enumerate(blocks) if block.last_at >= before), len(blocks))
    if old == 0:
        return 0
    last = blocks[old - 1]
    gone = connection.execute(sql.DELETE_EVENTS, {"number": last.number, "last": last.last}).rowcount
    connection.execute(sql.DELETE_BLOCKS, {"node": NODE, "number": last.number})
    connection.execute(sql.MARK_CHECKPOINT, {"node": NODE, "number": last.number})
    told = audit.by_service(audit.Event.AUDIT_PURGED, now, block=last.number, up_to=last.last, events=gone)
    connection.execute(sql.ADD_EVENT, event_parameters(told))
    return gone
