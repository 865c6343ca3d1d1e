"""Many searches under way on one connection, read by the event loop itself.

The connection's socket does not block, so the loop can send a search and read what has arrived without waiting: no
thread, no lock, no hand-over. (python-ldap aborts the process when two threads use one connection at once, so a reading
thread of its own is no alternative.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import ldap

from pwreset.directory.connection import close
from pwreset.directory.rootdse import RootDse

# (DN, attributes with their raw values)
RawEntry = tuple[str, dict[str, list[bytes]]]

MOST_UNDER_WAY = 1000


class Search(NamedTuple):
    """What is asked for."""

    base: str
    scope: int
    filter_text: str
    attributes: Sequence[str]
    size_limit: int = 0


class ConnectionLost(Exception):
    """The connection broke, or did not answer in time, before the answer came. A search may be repeated elsewhere."""

    def __init__(self) -> None:
        super().__init__("connection lost")


class OnClose(Protocol):
    """What is told that a connection is closed, and whether for want of an answer."""

    def __call__(self, *, timed_out: bool) -> None:
        """Called once."""
        ...


class SharedConnection:
    """A connection of the service account for searches. Belongs to the event loop that made it."""

    def __init__(self, connection: Any, uri: str, root: RootDse, seconds: float, on_close: OnClose) -> None:
        self.uri = uri
        self.root = root  # of the server at the other end, which need not be the only one at this address
        self.closed = False
        self._connection = connection
        # The methods of the C object: the wrapper around it takes a lock and costs as much again as the search.
        self._search = connection._l.search_ext  # noqa: SLF001
        self._result = connection._l.result4  # noqa: SLF001
        self._descriptor: int = connection.fileno()
        self._seconds = seconds
        self._on_close = on_close
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, tuple[asyncio.Future[list[RawEntry]], float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._loop.add_reader(self._descriptor, self._read)

    @property
    def full(self) -> bool:
        """Whether no further search should be sent."""
        return len(self._waiting) >= MOST_UNDER_WAY

    def search(
        self, base: str, scope: int, filter_text: str, attributes: Sequence[str], size_limit: int
    ) -> asyncio.Future[list[RawEntry]]:
        """Send a search. The future raises ldap.LDAPError for a result code, ConnectionLost otherwise."""
        now = self._loop.time()
        future: asyncio.Future[list[RawEntry]] = self._loop.create_future()
        try:
            message = self._search(base, scope, filter_text, attributes, 0, None, None, -1, size_limit)
        except ldap.LDAPError:
            self.close()
            raise ConnectionLost from None
        self._waiting[message] = future, now
        if self._timer is None:
            self._timer = self._loop.call_at(now + self._seconds, self._look_at_the_oldest)
        return future

    def close(self, *, timed_out: bool = False) -> None:
        """Close it; searches under way raise ConnectionLost."""
        if self.closed:
            return
        self.closed = True
        self._loop.remove_reader(self._descriptor)
        if self._timer is not None:
            self._timer.cancel()
        close(self._connection)
        waiting, self._waiting = self._waiting, {}
        for future, _ in waiting.values():
            if not future.done():
                future.set_exception(ConnectionLost())
        self._on_close(timed_out=timed_out)

    def _read(self) -> None:
        """Take all answers that have arrived. At least one attempt, which also notices the connection's end."""
        while not self.closed:
            try:
                answer = self._result(ldap.RES_ANY, ldap.MSG_ALL, 0, 0, 0, 0)
            except ldap.LDAPError as error:
                if not self._settle_refused(error):
                    self.close()
                    return
            else:
                if answer is None or answer[0] is None:
                    return
                future, _ = self._waiting.pop(answer[2], (None, 0.0))
                if future is not None and not future.done():
                    # Search references have no DN; they are not followed.
                    future.set_result([entry for entry in answer[1] if entry[0] is not None])
            if not self._waiting:
                return

    def _settle_refused(self, error: ldap.LDAPError) -> bool:
        """Hand a result code to whom it belongs. False when it belongs to nobody: the connection is unusable."""
        details = error.args[0] if error.args and isinstance(error.args[0], dict) else {}
        message = details.get("msgid")
        if message is None or isinstance(error, (ldap.SERVER_DOWN, ldap.UNAVAILABLE, ldap.CONNECT_ERROR)):
            return False
        future, _ = self._waiting.pop(message, (None, 0.0))
        if future is not None and not future.done():
            future.set_exception(error)
        return future is not None

    def _look_at_the_oldest(self) -> None:
        """All searches have the same deadline, so the oldest one's is the next."""
        self._timer = None
        if not self._waiting:
            return
        _, sent = next(iter(self._waiting.values()))
        due = sent + self._seconds
        if due <= self._loop.time():
            self.close(timed_out=True)
        else:
            self._timer = self._loop.call_at(due, self._look_at_the_oldest)
