"""A connection to PostgreSQL as the units of work want it: made when needed, made anew when lost."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, cast

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper

from pwreset.errors import SettingsError
from pwreset.secret import Secret
from pwreset.store.connection import ConnectionLost, Cursor, DatabaseFailed
from pwreset.store.postgres_statements import translated
from pwreset.store.rows import Row

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 10
LOCK_SECONDS = 5
# After a failed attempt the next ones fail at once for so long: a server that is silent must not hold up every call.
PAUSE_SECONDS = 0.5
KEPT_STATEMENTS = 256  # ours, and the inserts of many rows (`inserts`)
# PostgreSQL's texts hold no NUL, and a name that somebody typed may. A sign stands for it that is no character (Unicode
# 23.7: for use inside of programs); where that comes itself, another follows.
NUL, SIGN, ITSELF = "\0", "\ufdd0", "\ufdd1"
LOST = "08006"  # SQLSTATE connection_failure
_OURS = {
    # Whatever the server's defaults are: what we answer is durable, and each statement sees what was committed before.
    "synchronous_commit": "on",
    "default_transaction_isolation": "read\\ committed",
    # Every statement is made for an index. On young tables, not counted yet, the planner would read all of them instead.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "jit": "off",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": f"{LOCK_SECONDS}s",
    # A process that dies in the middle of a transaction must not keep its locks until TCP notices.
    "idle_in_transaction_session_timeout": f"{STATEMENT_SECONDS}s",
}


@dataclass(frozen=True, slots=True)
class Server:
    """Where the database is and how it is reached. The password is not part of `conninfo`."""

    conninfo: str
    name: str  # as people may see it
    password: Secret | None = field(default=None, repr=False)

    def connect(self, **more: str) -> psycopg.Connection[tuple[Any, ...]]:
        """A fresh connection in autocommit mode, with these session settings. Raises ConnectionLost."""
        options = " ".join(f"-c {name}={value}" for name, value in {**_OURS, **more}.items())
        given = str(conninfo_to_dict(self.conninfo).get("options", ""))
        password = None if self.password is None else self.password.reveal()
        try:
            connection = psycopg.connect(
                self.conninfo, autocommit=True, options=f"{options} {given}".rstrip(), password=password
            )
        except psycopg.Error as error:
            raise ConnectionLost(error.sqlstate or LOST) from error
        # By default the type of a number depends on its size, and each mixture of types is a prepared statement.
        connection.adapters.register_dumper(int, Int8Dumper)
        connection.prepared_max = KEPT_STATEMENTS
        return connection


def read_server(url: str, password: Secret | None, ca_file: str | None) -> Server:
    """The server of `store.url`, with TLS verified off this machine unless the URL says otherwise.

    Raises SettingsError, without the URL: it may hold a password.
    """
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error as error:
        raise SettingsError("store.url: must be like postgresql://USER@HOST:5432/DATABASE") from error
    if "password" in given:
        raise SettingsError("store.url: the password belongs into store.password_file or PWRESET_STORE_PASSWORD")
    host = str(given.get("host", "") or given.get("hostaddr", ""))
    # Where the URL names none, libpq asks the environment.
    way = [str(given.get(name) or os.environ.get(f"PG{name.upper()}", "")) for name in ("host", "hostaddr")]
    if not all(map(_is_local, way)):
        given.setdefault("sslmode", "verify-full")
    if given.get("sslmode") in ("verify-full", "verify-ca"):
        given.setdefault("sslrootcert", ca_file or "system")
    given.setdefault("connect_timeout", CONNECT_SECONDS)
    given.setdefault("application_name", "pwreset")
    given.setdefault("tcp_user_timeout", STATEMENT_SECONDS * 1000)
    name = f"postgresql://{host or 'localhost'}/{given.get('dbname', '')}"
    return Server(make_conninfo("", **given), name, password)


def _is_local(hosts: str) -> bool:
    """Whether all hosts are on this machine: a socket's folder, loopback, or none named."""
    return all(not host or host[0] in "/@" or host == "localhost" or _is_loopback(host) for host in hosts.split(","))


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _storable(parameters: Mapping[str, object] | Sequence[object]) -> Mapping[str, object] | Sequence[object]:
    values = parameters.values() if isinstance(parameters, Mapping) else parameters
    if not any(type(value) is str and (NUL in value or SIGN in value) for value in values):
        return parameters
    if isinstance(parameters, Mapping):
        return {name: _without_nul(value) for name, value in parameters.items()}
    return [_without_nul(value) for value in parameters]


def _without_nul(value: object) -> object:
    return value.replace(SIGN, SIGN + ITSELF).replace(NUL, SIGN) if isinstance(value, str) else value


def _with_nul(row: Row) -> Row:
    if not any(type(value) is str and SIGN in value for value in row):
        return row
    return tuple(
        SIGN.join(part.replace(SIGN, NUL) for part in value.split(SIGN + ITSELF)) if isinstance(value, str) else value
        for value in row
    )


class _Rows:
    """Implements `Cursor`: what a statement gave, as it was written."""

    def __init__(self, cursor: psycopg.Cursor[Row]) -> None:
        self.rowcount = cursor.rowcount
        self._rows = iter(map(_with_nul, cursor.fetchall() if cursor.description else ()))

    def fetchone(self) -> Row | None:
        """The next row, or None."""
        return next(self._rows, None)

    def fetchall(self) -> list[Row]:
        """All rows that are left."""
        return list(self._rows)

    def __iter__(self) -> Iterator[Row]:
        """Row by row."""
        return self._rows


class PostgresConnection:
    """Implements `Connection`. Used by one thread at a time; `abort` may come from another."""

    def __init__(self, server: Server, **settings: str) -> None:
        self._server = server
        self._settings = settings
        self._live: psycopg.Connection[tuple[Any, ...]] | None = None
        self._not_before = 0.0

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        live = self._live
        return live is not None and not live.closed and live.info.transaction_status is not TransactionStatus.IDLE

    def execute(self, sql: str, parameters: Mapping[str, object] | Sequence[object] = (), /) -> Cursor:
        """Run one of the statements. Raises DatabaseFailed; ConnectionLost when it broke under way.

        Outside of a transaction there are reads and beginnings only: on a connection that turns out to be dead they are
        tried once more on a fresh one.
        """
        text = translated(sql)
        parameters = _storable(parameters)
        kept, alone = self._live is not None, not self.in_transaction
        try:
            return self._run(text, parameters)
        except ConnectionLost:
            if not (kept and alone):
                raise
        return self._run(text, parameters)

    def _run(self, text: str, parameters: Mapping[str, object] | Sequence[object]) -> Cursor:
        live = self._live or self._connect()
        try:
            # The texts are our own constants; psycopg wants to be told so.
            return _Rows(live.execute(cast("Any", text), parameters or None))
        except psycopg.Error as error:
            code = error.sqlstate or ""
            if live.closed or live.broken:
                self.close()
                raise ConnectionLost(code or LOST) from error
            raise DatabaseFailed(code) from error

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        if time.monotonic() < self._not_before:
            raise ConnectionLost(LOST)
        try:
            self._live = self._server.connect(**self._settings)
        except ConnectionLost:
            self._not_before = time.monotonic() + PAUSE_SECONDS
            raise
        return self._live

    def abort(self) -> None:
        """Cut it, so that a thread that waits for a server which says nothing any more goes on. From any thread."""
        live = self._live
        if live is None:
            return
        with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(live.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Close it. The next statement makes a new one."""
        live, self._live = self._live, None
        if live is not None:
            with suppress(psycopg.Error):
                live.close()
