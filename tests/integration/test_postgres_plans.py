"""On tables that PostgreSQL has not counted yet, the ends of older links are found by their users, and not one by one."""

from __future__ import annotations

import re
from contextlib import closing

import pytest

from pwreset.store import statements as sql
from pwreset.store.postgres import migrate
from pwreset.store.postgres_connection import PostgresConnection
from pwreset.store.postgres_statements import translated
from tests.servers.databases import server_of
from tests.servers.postgres import Database

FILL = """
INSERT INTO requests (id, digest, domain, user_id, user_login, user_name, mode, origin, asked_by, asked_from,
    correlation, created_at, expires_at, password_mark, sent_to, binding, state)
SELECT 'r' || n, CAST(n || '' AS bytea), 'EXAMPLE', 'u' || n, '', '', 'NONE', 'manager', '', '', '', 0, 1, '', '[]', '', 'pending'
FROM generate_series(1, 3000) AS n
"""


@pytest.mark.parametrize("name", ["END_OLDER", "END_OTHERS", "END_OLDER_THAN_SENT"])
def test_older_links_are_found_by_their_user(database: Database, name: str) -> None:
    migrate(server_of(database))
    with closing(PostgresConnection(server_of(database))) as connection:
        connection.execute(FILL)
        plan = connection.execute(
            f"EXPLAIN {translated(getattr(sql, name))}", {"ids": '["r1"]', "now": 1, "why": "x"}
        ).fetchall()
        steps = "\n".join(row[0] for row in plan)
    assert "requests_by_user" in steps
    assert not re.search("Seq Scan|requests_alive|requests_by_state|deliveries_due", steps)
