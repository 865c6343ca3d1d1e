"""Hears when another process has written messages that are due (PostgreSQL's LISTEN)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

import psycopg

from pwreset.store.connection import ConnectionLost
from pwreset.store.postgres_connection import Server
from pwreset.store.postgres_statements import CHANNEL

LOOK_SECONDS = 1.0
PAUSE_SECONDS = 2.0


class Bell:
    """A thread with a connection that only listens. What it misses while it has none is found by polling."""

    def __init__(self, server: Server, ring: Callable[[], object]) -> None:
        self._server = server
        self._ring = ring
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="store-bell", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening."""
        self._over.set()
        self._thread.join(LOOK_SECONDS + PAUSE_SECONDS)

    def _work(self) -> None:
        while not self._over.is_set():
            # A loop that is closed wants no more rings.
            with suppress(psycopg.Error, ConnectionLost, RuntimeError):
                self._listen()
            self._over.wait(PAUSE_SECONDS)

    def _listen(self) -> None:
        # No time limit for statements: between rings there is nothing to say for hours.
        with self._server.connect(statement_timeout="0") as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            while not self._over.is_set():
                for _ in connection.notifies(timeout=LOOK_SECONDS, stop_after=1):
                    self._ring()
