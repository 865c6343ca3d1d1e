"""Fill a store with living links, in bulk: with the service's own statement, but in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from pwreset.store.rows import micros
from pwreset.store.sqlite import migrate
from pwreset.store.statements import ADD_REQUEST


def fill(path: Path, count: int) -> None:
    """A store with so many living links of as many people."""
    migrate(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -400000")
        connection.execute("BEGIN")
        connection.executemany(ADD_REQUEST, rows(count))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def rows(count: int) -> Iterator[dict[str, object]]:
    """The rows of so many living links, the same each time but for the clock."""
    now = datetime.now(UTC)
    fixed = {
        "domain": "EXAMPLE",
        "user_name": "Load User",
        "mode": "NONE",
        "origin": "manager",
        "asked_by": "uid=manager,ou=people,dc=example,dc=org",
        "asked_from": "127.0.0.1",
        "correlation": "0" * 16,
        "created_at": micros(now),
        "password_mark": "20260101000000Z",
        "sent_to": "[]",
        "binding": b"b" * 32,
        "demand": "",
    }
    expires_at = micros(now + timedelta(days=30))
    for number in range(count):
        digest = sha256(b"%d" % number).digest()
        word = digest.hex()
        yield {
            **fixed,
            "id": word[:24],
            "digest": digest,
            "user_id": f"{word[:8]}-{word[8:12]}-{word[12:16]}-{word[16:20]}-{word[20:32]}",
            "user_login": f"filled-{word[:10]}",
            "expires_at": expires_at + number,
        }
