"""Every statement finds its rows along an index: a store of a million links answers like one of ten."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from pwreset.store import statements
from pwreset.store.sqlite import migrate

EVERY = {name: text for name, text in vars(statements).items() if name.isupper() and isinstance(text, str)}
NAMED = {name: text for name, text in EVERY.items() if not name.startswith("_") and not name.endswith("_COLUMNS")}
# Walking a whole index is a walk too, but for the index of abandoned messages, which holds nothing else.
SCAN = re.compile(r"SCAN (requests|deliveries|events|blocks|other)\b(?!.* deliveries_abandoned)")


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("store") / "store.db"
    migrate(path)
    with closing(sqlite3.connect(path)) as opened:
        yield opened


def plan(connection: sqlite3.Connection, statement: str) -> list[str]:
    parameters = dict.fromkeys(re.findall(r":(\w+)", statement))
    return [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]


@pytest.mark.parametrize("name", NAMED)
def test_a_statement_walks_no_table(connection: sqlite3.Connection, name: str) -> None:
    assert [step for step in plan(connection, NAMED[name]) if SCAN.search(step)] == []


def test_the_check_sees_a_walk(connection: sqlite3.Connection) -> None:
    steps = plan(connection, "SELECT * FROM requests WHERE password_mark = :mark")
    assert [step for step in steps if SCAN.search(step)] != []


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("END_OLDER", "requests_by_user (user_id=? AND domain=? AND settled_at=?"),
        ("END_OLDER_THAN_SENT", "requests_by_user (user_id=? AND domain=? AND settled_at=?"),
        ("END_OTHERS", "requests_by_user (user_id=? AND domain=? AND settled_at=?"),
        ("CLAIM_REQUEST", "requests_by_user (user_id=? AND domain=? AND settled_at=?"),
        ("EXPIRED_CLAIMS", "requests_claimed (claimed_until<?)"),
        ("LIST_BY_STATE", "requests_by_state (domain=? AND state=? AND rowid<?)"),
        ("DUE_DELIVERIES", "deliveries_due (channel=? AND due_at<?)"),
        ("COUNT_CLAIMED_LINKS", "requests_claimed (claimed_until>?)"),
        ("COUNT_LIVE_LINKS", "requests_alive (expires_at>?)"),
    ],
)
def test_a_statement_uses_the_index_made_for_it(connection: sqlite3.Connection, name: str, index: str) -> None:
    assert any(index in step for step in plan(connection, NAMED[name]))


@pytest.mark.parametrize("name", ["LIST_BY_STATE", "EXPIRED_CLAIMS", "DUE_DELIVERIES", "OLD_SETTLED_REQUESTS"])
def test_a_limited_statement_does_not_sort_what_it_leaves_out(connection: sqlite3.Connection, name: str) -> None:
    assert not any("TEMP B-TREE" in step for step in plan(connection, NAMED[name]))
