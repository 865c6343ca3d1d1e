"""The audit trail's hash chain, computed after the commit over blocks of events.

A block's digest is HMAC-SHA-256 under a key that is not in the database, over the digest of the block before and the
block's rows. An edited row, a row that was cut out or put in, and a block that was cut out break it. The head's mark
names the newest block under the same key, so that a cut at the end shows too.
"""

from __future__ import annotations

import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from pwreset.store.rows import Row

NO_DIGEST = b""


@dataclass(frozen=True, slots=True)
class Block:
    """A run of events, `first` to `last`; `last_at` is the last one's time in microseconds. Purged: a checkpoint."""

    number: int
    first: int
    last: int
    last_at: int
    digest: bytes
    purged: bool = False


def next_block(key: bytes, previous: Block | None, rows: Sequence[Row]) -> Block:
    """The block of these events (`EVENT_COLUMNS`, at least one) behind the previous block."""
    number = previous.number + 1 if previous else 1
    first, last, last_at = rows[0][0], rows[-1][0], rows[-1][2]
    return Block(number, first, last, last_at, _digest(key, number, previous, rows))


def is_whole(keys: Sequence[bytes], previous: Block | None, block: Block, rows: Sequence[Row]) -> bool:
    """Whether a block's events are those it was made of, under one of the keys."""
    return (
        bool(rows)
        and (rows[0][0], rows[-1][0], rows[-1][2]) == (block.first, block.last, block.last_at)
        and any(hmac.compare_digest(_digest(key, block.number, previous, rows), block.digest) for key in keys)
    )


def head_mark(key: bytes, block: Block) -> bytes:
    """What says that this block is the newest one."""
    return hmac.digest(key, b"head %d " % block.number + block.digest, sha256)


def is_head(keys: Sequence[bytes], block: Block, mark: bytes) -> bool:
    """Whether the mark names this block, under one of the keys."""
    return any(hmac.compare_digest(head_mark(key, block), mark) for key in keys)


def _digest(key: bytes, number: int, previous: Block | None, rows: Sequence[Row]) -> bytes:
    before = previous.digest if previous else NO_DIGEST
    return hmac.digest(key, msgspec.json.encode([number, before.hex(), rows]), sha256)
