"""The one boundary to blocking calls: daemon threads with deadlines.

libldap can hang for ever in a TLS handshake, whatever time-outs it was given. So a call that does not come back in time
is given up: its thread is left behind, counted, and ends whenever the peer lets it.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

MOST_AT_ONCE = 16
MOST_GIVEN_UP = 32


class TooManyGivenUp(Exception):
    """So many calls hang that no further thread is spent on this directory."""


class _Call(Generic[T]):
    """One blocking call; who is late, its thread or its caller, is decided under the lock."""

    def __init__(self, work: Callable[[], T], discard: Callable[[T], None] | None) -> None:
        self._work = work
        self._discard = discard
        self._lock = threading.Lock()
        self._given_up = False
        self._loop = asyncio.get_running_loop()
        self.answer: asyncio.Future[T] = self._loop.create_future()
        self.ended = threading.Event()

    def run(self) -> None:
        """The thread's body."""
        result: T | None = None
        error: BaseException | None = None
        try:
            result = self._work()
        except BaseException as raised:  # noqa: BLE001 - handed to the caller, whatever it is
            error = raised
        with self._lock:
            self.ended.set()
            late = self._given_up
            if not late:
                self._post(result, error)
        if late and error is None and self._discard is not None:
            self._discard(result)  # type: ignore[arg-type]

    def give_up(self) -> None:
        """The caller waits no longer: a result that comes late is discarded by the thread."""
        with self._lock:
            self._given_up = True

    def _post(self, result: T | None, error: BaseException | None) -> None:
        try:
            self._loop.call_soon_threadsafe(self._settle, result, error)
        except RuntimeError:  # the loop is closed: nobody waits
            self._given_up = True

    def _settle(self, result: T | None, error: BaseException | None) -> None:
        if self.answer.cancelled():
            if error is None and self._discard is not None:
                self._discard(result)  # type: ignore[arg-type]
        elif error is not None:
            self.answer.set_exception(error)
        else:
            self.answer.set_result(result)  # type: ignore[arg-type]


class Threads:
    """Runs blocking calls, at most MOST_AT_ONCE waited for and at most MOST_GIVEN_UP left behind."""

    def __init__(self) -> None:
        self._slots = asyncio.Semaphore(MOST_AT_ONCE)
        self._given_up: set[_Call[object]] = set()

    @property
    def given_up(self) -> int:
        """How many threads are stuck in a call that nobody waits for."""
        self._given_up = {call for call in self._given_up if not call.ended.is_set()}
        return len(self._given_up)

    async def run(self, work: Callable[[], T], seconds: float, discard: Callable[[T], None] | None = None) -> T:
        """What `work` returns, within so many seconds (the wait for a free slot included).

        `discard` gets a result that comes too late. Raises TimeoutError, TooManyGivenUp, and what `work` raises.
        """
        if self.given_up >= MOST_GIVEN_UP:
            raise TooManyGivenUp
        async with asyncio.timeout(seconds), self._slots:
            call = _Call(work, discard)
            threading.Thread(target=call.run, name="ldap", daemon=True).start()
            try:
                return await call.answer
            except BaseException:
                if not call.ended.is_set():
                    call.give_up()
                    self._given_up.add(call)  # type: ignore[arg-type]
                raise
