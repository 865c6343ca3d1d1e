"""What PostgreSQL has planned while a table was new is still quick when it has grown.

A prepared statement keeps its plan until the table is counted (ANALYZE), which may be a minute and thousands of links
later.
"""

from __future__ import annotations

import ast
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
FROM generate_series(1, 3000) AS n;
INSERT INTO deliveries (id, request_id, domain, message, channel, address, body, created_at, not_after, due_at, state,
    attempts, detail)
SELECT 'd' || n, 'r' || n, 'EXAMPLE', 'reset-link', 'mail', '', '', 0, 1, 0, 'queued', 0, ''
FROM generate_series(1, 3000) AS n
"""
VALUES = {
    "ids": """'["r1"]'""",
    "outcomes": """'[["d1", "sent", 1, ""]]'""",
    "id": "'r1'",
    "request_id": "'r1'",
    "mark": "''",
    "why": "'x'",
    "detail": "'x'",
    "now": "1",
    "until": "2",
    "lease": "3",
}
BY = {
    "END_OLDER": "requests_by_user",
    "END_OTHERS": "requests_by_user",
    "END_OLDER_THAN_SENT": "requests_by_user",
    "CLAIM_REQUEST": "requests_by_user",
    "REVOKE_REQUEST": "requests_id_key",
    "USE_REQUEST": "requests_id_key",
    "RELEASE_REQUEST": "requests_id_key",
    "SETTLE_DELIVERIES": "deliveries_id_key",
    "ABANDON_DELIVERIES": "deliveries_by_request",
}


@pytest.mark.parametrize("name", BY)
def test_a_row_is_found_by_its_own_index(database: Database, name: str) -> None:
    migrate(server_of(database))
    statement = getattr(sql, name)
    parts = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", translated(statement))))
    with closing(PostgresConnection(server_of(database))) as connection:
        for _ in range(12):  # psycopg prepares it, and PostgreSQL then settles for one plan
            connection.execute(statement, {part: ast.literal_eval(VALUES[part]) for part in parts})
        connection.execute(FILL)
        prepared = connection.execute(
            "SELECT name FROM pg_prepared_statements WHERE statement LIKE '%UPDATE%'"
        ).fetchone()[0]
        arguments = ", ".join(VALUES[part] for part in parts)
        plan = connection.execute(f"EXPLAIN EXECUTE {prepared} ({arguments})").fetchall()
        steps = "\n".join(row[0] for row in plan)
    assert BY[name] in steps
    assert not re.search("Seq Scan|requests_alive|requests_claimed|requests_by_state|deliveries_due", steps)
