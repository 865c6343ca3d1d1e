"""A thread with a connection of its own, and the units of work that wait for it.

A unit of work is a plain function of the connection. It is pure: it may be run again after a rollback, so it touches
nothing but the database and answers with a value.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from itertools import groupby
from queue import SimpleQueue
from time import perf_counter
from typing import Any, Generic, TypeVar

from pwreset import logs
from pwreset.errors import StoreUnavailable
from pwreset.store.connection import FAILURES, Connection, befalls_all

T = TypeVar("T")
S = TypeVar("S")
Together = Callable[[Connection, Sequence[S]], None]

MOST_AT_ONCE = 256
GATHER_SECONDS = 0.005  # a batch grows for no longer, however many jobs each turn of the event loop brings

log = logs.get("store")


Measure = Callable[[str, float], None]  # told `write`, `read`, `list` or `care`, and how many seconds a batch took


def keep_quiet(_work: str, _seconds: float) -> None:
    """Nobody measures."""


class Job(Generic[T]):
    """One unit of work and what came of it."""

    __slots__ = ("answer", "failure", "future", "link", "rings", "work")

    def __init__(
        self, work: Callable[[Connection], T], future: asyncio.Future[T], *, rings: bool = False, link: str = ""
    ) -> None:
        self.work = work
        self.future = future
        self.rings = rings  # whether it writes messages that are due at once
        self.link = link  # the id of the request whose person's links it changes
        self.answer: T | None = None
        self.failure: BaseException | None = None

    def run(self, connection: Connection) -> None:
        """Do it and keep the answer; a failure of the database goes to the caller of this."""
        self.failure = None
        self.answer = self.work(connection)

    def fail(self, error: BaseException) -> None:
        """Keep why it failed, in our words."""
        if isinstance(error, FAILURES):
            self.failure = StoreUnavailable()
            self.failure.__cause__ = error
        else:
            self.failure = error

    def deliver(self) -> None:
        """Hand the answer to who waits, if he still does. On the event loop's thread."""
        if self.future.done():
            return
        if self.failure is not None:
            self.future.set_exception(self.failure)
        else:
            self.future.set_result(self.answer)  # type: ignore[arg-type] # an answer of None is one


class Share(Job[None]):
    """A share of work that is done in one go for all neighbours that bring one: `together` takes all their shares."""

    __slots__ = ("share", "together")

    def __init__(self, together: Together[S], share: S, future: asyncio.Future[None], *, rings: bool = False) -> None:
        super().__init__(lambda c: together(c, [share]), future, rings=rings)
        self.together = together
        self.share = share


Jobs = Sequence[Job[Any]]


class Lane:
    """A thread that runs jobs in batches with `run_batch`, and answers all of a batch at once.

    What is asked for while a batch is under way goes together in the next, and so does what comes as long as each turn
    of the event loop brings more: the busier the loop, the larger the batches and the fewer the commits and changes of
    threads. An idle loop is not waited for: a lone caller waits for nobody.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        run_batch: Callable[[Connection, Jobs], None],
        *,
        abort: Callable[[], None] | None = None,
        seconds: float = 0.0,
        measure: Callable[[float], None] | None = None,
    ) -> None:
        """`abort` cuts the connection, from another thread, when a batch takes longer than `seconds`.

        `measure` is told, on the event loop, how many seconds each batch took.
        """
        self._measure = measure
        self._began = 0.0
        self._abort = abort
        self._seconds = seconds
        self._alarm: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._connection = connection
        self._run_batch = run_batch
        self._waiting: deque[Job[Any]] = deque()
        self._seen = 0
        self._gather_until = 0.0
        self._under_way = False
        self._closed = False
        self._batches: SimpleQueue[Jobs | None] = SimpleQueue()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def run(self, work: Callable[[Connection], T], *, rings: bool = False, link: str = "") -> asyncio.Future[T]:
        """Queue a unit of work. The future ends with its answer, or with StoreUnavailable."""
        return self._queue(Job(work, self._loop.create_future(), rings=rings, link=link))

    def share(self, together: Together[S], share: S, *, rings: bool = False) -> asyncio.Future[None]:
        """Queue a share of work that neighbours with the same `together` are done with in one go."""
        return self._queue(Share(together, share, self._loop.create_future(), rings=rings))

    def _queue(self, job: Job[T]) -> asyncio.Future[T]:
        if self._closed:
            job.future.set_exception(StoreUnavailable())
            return job.future
        self._waiting.append(job)
        if not self._under_way:
            self._under_way = True
            self._loop.call_soon(self._hand_over)
        return job.future

    async def close(self) -> None:
        """End after what is queued, and close the connection."""
        if not self._closed:
            self._closed = True
            if not self._under_way:
                self._batches.put(None)
        await asyncio.shield(self._ended)
        self._thread.join()

    def _hand_over(self) -> None:
        """Give the thread what waits; or, when nothing does, leave it idle or end it."""
        if self._waiting:
            if self._more_are_coming():
                self._loop.call_soon(self._hand_over)
            else:
                if self._abort is not None:
                    self._alarm = self._loop.call_later(self._seconds, self._abort)
                self._began = perf_counter()
                self._batches.put([self._waiting.popleft() for _ in range(min(len(self._waiting), MOST_AT_ONCE))])
            return
        self._under_way = False
        if self._closed:
            self._batches.put(None)

    def _more_are_coming(self) -> bool:
        """Whether the last turn of the event loop has brought jobs, so that the next one may; for a few milliseconds."""
        now, count = self._loop.time(), len(self._waiting)
        if self._seen == 0:
            self._gather_until = now + GATHER_SECONDS
        if self._closed or not self._seen < count < MOST_AT_ONCE or now >= self._gather_until:
            self._seen = 0
            return False
        self._seen = count
        return True

    def _deliver(self, jobs: Jobs) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        if self._measure is not None:
            self._measure(perf_counter() - self._began)
        for job in jobs:
            job.deliver()
        self._loop.call_soon(self._hand_over)

    def _work(self) -> None:
        while (jobs := self._batches.get()) is not None:
            self._run_batch(self._connection, jobs)
            self._tell(self._deliver, jobs)
        self._connection.close()
        self._tell(self._ended.set_result, None)

    def _tell(self, what: Callable[[Any], object], argument: object) -> None:
        """On the event loop, unless it is closed: then nobody waits any more."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(what, argument)


def read_each(connection: Connection, jobs: Jobs) -> None:
    """Run reading jobs, each for itself."""
    for job in jobs:
        try:
            job.run(connection)
        except BaseException as error:  # noqa: BLE001 - it belongs to the job's caller, and the thread must live
            note(error)
            job.fail(error)


def _lock_nothing(_connection: Connection, _jobs: Jobs) -> None:
    """Where one process writes, nobody else is in the way."""


def write_together(
    connection: Connection, jobs: Jobs, lock: Callable[[Connection, Jobs], None] = _lock_nothing
) -> None:
    """Run writing jobs in one transaction with one commit; when one of them fails it, each in one of its own.

    Jobs share a commit because the commit's fsync is what costs: 64 callers get 17 times as many durable writes. `lock`
    is called first in the transaction, with its jobs.
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
    except FAILURES as error:
        # Locked for longer than the time-out, or the file cannot be written: trying each would wait for each.
        note(error)
        for job in jobs:
            job.fail(error)
        return
    try:
        lock(connection, jobs)
        _run_in_order(connection, jobs)
        connection.execute("COMMIT")
    except BaseException as error:  # noqa: BLE001 - it belongs to a job's caller, and the thread must live
        roll_back(connection)
        if len(jobs) == 1 or befalls_all(error):
            # A connection that was lost while it committed, too: it may have been done, and would be done twice.
            note(error)
            for job in jobs:
                job.fail(error)
        else:
            for job in jobs:
                write_together(connection, [job], lock)


def _run_in_order(connection: Connection, jobs: Jobs) -> None:
    """Run jobs as they came; shares that no other job lies between in one go for each kind.

    A new link and the outcome of a message alternate in the queue. None of them has been answered, so nobody has built
    one on another, and any order of them is one in which they could have come.
    """
    for shared, neighbours in groupby(jobs, key=lambda job: isinstance(job, Share)):
        if shared:
            for together, shares in _by_kind(neighbours).items():
                together(connection, shares)
        else:
            for job in neighbours:
                job.run(connection)


def _by_kind(jobs: Iterable[Job[Any]]) -> dict[Together[Any], list[object]]:
    kinds: dict[Together[Any], list[object]] = {}
    for job in jobs:
        if isinstance(job, Share):
            kinds.setdefault(job.together, []).append(job.share)
    return kinds


def roll_back(connection: Connection) -> None:
    """Undo what a transaction has done, if there is one. Never raises."""
    try:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
    except FAILURES as error:
        note(error)


def note(error: BaseException) -> None:
    """Log a failure of the database by its code: its words may hold values."""
    if isinstance(error, FAILURES):
        reason = getattr(error, "sqlite_errorname", "") or str(getattr(error, "code", ""))
        log.warning("the database refuses", error=reason or type(error).__name__)
