"""What PostgreSQL has otherwise than SQLite, and what only an engine with several writers needs.

All other statements are the same text on both: `statements`.
"""

# ruff: noqa: S608 - what is put into the texts here are our own constants, column lists

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from pwreset.store import statements as sql
from pwreset.store.rows import EVENT_COLUMNS, REQUEST_COLUMNS

_ITEMS = "jsonb_array_elements_text(CAST(:{name} AS jsonb)) AS item (value)"

# Parts of statements.
_PARTS: Mapping[str, str] = {
    "json_each(:ids)": _ITEMS.format(name="ids"),
    "x''": "''::bytea",
    "BEGIN IMMEDIATE": "BEGIN",
    # As for `_LIVING`, below: only the index of users fits.
    "other.domain = requests.domain": "coalesce(other.domain, '') = requests.domain",
}

_EACH_ID = f"ARRAY(SELECT item.value FROM {_ITEMS.format(name='ids')})"
_MINE = f"SELECT domain, user_id, sequence FROM requests WHERE id = ANY({_EACH_ID})"
_SENT = f"""
SELECT link.domain, link.user_id, link.sequence FROM deliveries JOIN requests AS link ON link.id = request_id
WHERE deliveries.id = ANY({_EACH_ID}) AND deliveries.state = 'sent' AND message = 'reset-link' AND link.settled_at IS NULL
"""


def _end(mine: str, compare: str) -> str:
    """An `END_...`, in an order that the planner cannot turn round: each link's user, that user's others, these rows.

    On a new table it would begin with all living links, or look for each user along them (see `_LIVING`).
    """
    return sql.ending(f"""
WHERE requests.sequence = ANY(ARRAY(
    SELECT other.sequence FROM ({mine} OFFSET 0) AS mine CROSS JOIN LATERAL (
        SELECT sequence FROM requests AS near
        WHERE near.user_id = mine.user_id AND coalesce(near.domain, '') = mine.domain AND near.settled_at IS NULL
            AND near.sequence + 0 {compare} mine.sequence
        OFFSET 0
    ) AS other
)) AND requests.settled_at IS NULL
""")


# Whole statements. Neither engine can index the other's way of comparing without regard to letter case: SQLite's NOCASE
# knows the letters of ASCII, and so does lower() under the collation C, whatever the database's own.
_WHOLE: Mapping[str, str] = {
    sql.LIST_BY_USER: f"""
SELECT {REQUEST_COLUMNS} FROM requests
WHERE (lower(user_login COLLATE "C") = lower(CAST(:user AS text) COLLATE "C") OR user_id = :user)
    AND sequence < :before
ORDER BY sequence DESC
""",
    # A NUL in a detail, which jsonb has not, becomes the sign that stands for it in all texts.
    sql.SETTLE_DELIVERIES: r"""
UPDATE deliveries
SET state = outcome.value->>1, settled_at = CAST(outcome.value->>2 AS bigint), attempts = deliveries.attempts + 1,
    detail = outcome.value->>3, body = ''::bytea
FROM jsonb_array_elements(
    CAST(replace(:outcomes, '\u0000', '\ufdd0') AS jsonb)
) AS outcome (value)
WHERE deliveries.id = outcome.value->>0 AND deliveries.settled_at IS NULL
""",
    sql.END_OLDER: _end(_MINE, "<"),
    sql.END_OTHERS: _end(_MINE, "<>"),
    sql.END_OLDER_THAN_SENT: _end(_SENT, "<"),
    # Each goes to one taker only; whoever comes at the same moment takes the next ones.
    sql.DUE_DELIVERIES: f"{sql.DUE_DELIVERIES} FOR UPDATE SKIP LOCKED",
    # Numbers are given before the commit, so a smaller one may come to light later: what is chained is marked.
    sql.EVENTS_TO_CHAIN: f"""
SELECT {EVENT_COLUMNS} FROM events WHERE block IS NULL ORDER BY sequence LIMIT :limit
""",
    sql.EVENTS_OF_BLOCK: f"SELECT {EVENT_COLUMNS} FROM events WHERE block = :number ORDER BY sequence",
    sql.DELETE_EVENTS: "DELETE FROM events WHERE block <= :number",
    sql.ADD_BLOCK: f"""
WITH marked AS (
    UPDATE events SET block = :number
    WHERE sequence = ANY(ARRAY(SELECT CAST(value AS bigint) FROM {_ITEMS.format(name="events")}))
)
{sql.ADD_BLOCK}
""",
    # Asked where there is no block: then no event may be in one. A number itself says nothing here.
    sql.LOWEST_EVENT: "SELECT min(block) + 1 FROM events WHERE block IS NOT NULL",
}

# Advisory locks, held to the end of the transaction. Their keys are the same in all versions that may run side by side.
LOCK_CHAIN = "SELECT pg_advisory_xact_lock(7023202608290001)"
LOCK_MIGRATIONS = "SELECT pg_advisory_xact_lock(7023202608290002)"

# Those of people, by the hash of their name, and always in one order, so that no two transactions wait for each other.
LOCK_PEOPLE = f"""
SELECT pg_advisory_xact_lock(key) FROM (
    SELECT DISTINCT hashtextextended(name, 0) AS key FROM (
        SELECT value AS name FROM {_ITEMS.format(name="people")}
        UNION ALL
        SELECT domain || ':' || user_id FROM requests
        WHERE id = ANY(ARRAY(SELECT value FROM {_ITEMS.format(name="requests")}))
        UNION ALL
        SELECT link.domain || ':' || link.user_id FROM deliveries JOIN requests AS link ON link.id = request_id
        WHERE deliveries.id = ANY(ARRAY(SELECT value FROM {_ITEMS.format(name="deliveries")}))
    ) AS names ORDER BY key
) AS keys
"""

BEGIN_STILL = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

TIME = "SELECT clock_timestamp()"
CHANNEL = "pwreset_outbox"
RING = f"NOTIFY {CHANNEL}"
LISTENERS = f"""
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query = 'LISTEN {CHANNEL}'
"""

# A change names its rows by id or user. A prepared statement keeps the plan that was good when the table was new, and then
# an index of a few living rows looks cheaper than theirs: its condition is written so that only theirs fits.
_LIVING = re.compile(r"((?:\w+\.)?settled_at) IS NULL")
_CLAIMED = re.compile(r"(?<==)( :id AND state) = 'claimed'")

_NAMED = re.compile(r"(?<!:):([a-z_]+)")


@cache
def translated(statement: str) -> str:
    """A statement with PostgreSQL's differences and psycopg's placeholders."""
    text = _WHOLE.get(statement, statement)
    for part, instead in _PARTS.items():
        text = text.replace(part, instead)
    if text.lstrip().startswith("UPDATE"):
        text = _CLAIMED.sub(r"\1 || '' = 'claimed'", _LIVING.sub(r"coalesce(\1, 0) = 0", text))
    return _NAMED.sub(r"%(\1)s", text).replace("?", "%s")
