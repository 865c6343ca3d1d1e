"""Connections to one domain's directory: which server, which connection, and what to do when it fails."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import ldap

from pwreset import logs
from pwreset.directory.connection import OPERATORS_KINDS, Kind, Server, Trouble, Trust, close, connect, log_in
from pwreset.directory.outcomes import ReadOnly
from pwreset.directory.paging import Paging, failure
from pwreset.directory.rootdse import RootDse, read_root
from pwreset.directory.servers import Servers
from pwreset.directory.shared import ConnectionLost, RawEntry, Search, SharedConnection
from pwreset.directory.threads import Threads, TooManyGivenUp
from pwreset.errors import DirectoryMisconfigured, DirectoryUnavailable, Overloaded
from pwreset.secret import Secret
from pwreset.settings.domains import Domain

T = TypeVar("T")

# A connection that has rested for longer is not used for a write again: somebody in between may have forgotten it.
REST_SECONDS = 60.0
# While no server at all can be reached, one attempt in this time is enough: further callers get the same answer.
QUIET_SECONDS = 1.0
# A blocking call knows its deadline; this is what it gets on top before its thread is given up.
GRACE_SECONDS = 0.5
MANY_ANSWERS = 20

PASSING = (ldap.BUSY, ldap.UNAVAILABLE, ldap.TIMELIMIT_EXCEEDED, ldap.ADMINLIMIT_EXCEEDED, ldap.OTHER)
FOR_THE_CALLER = (ldap.NO_SUCH_OBJECT, ldap.SIZELIMIT_EXCEEDED, ldap.INVALID_DN_SYNTAX)

log = logs.get("directory")


@dataclass(frozen=True, slots=True)
class Session:
    """A connection, the server it leads to, and what that server says of itself (nothing before the log-in)."""

    server: Server
    connection: Any
    root: RootDse


class Answer(NamedTuple):
    """The entries found, and the connection they came by: what two servers say is not to be compared."""

    entries: list[RawEntry]
    connection: SharedConnection


class Pool:
    """The connections of one domain. Belongs to the event loop it is first used on."""

    def __init__(self, name: str, domain: Domain, bind_password: Secret | None) -> None:
        self.servers = tuple(Server.read(uri, start_tls=domain.start_tls) for uri in domain.uris)
        self.seconds = domain.timeout_seconds
        # Where there is another server to turn to, one gets its share of the deadline: the rest is for the next.
        self._patience = self.seconds if len(self.servers) == 1 else max(1.0, self.seconds / len(self.servers))
        self._name = name
        self._bind_dn = domain.bind_dn
        self._bind_password = bind_password
        self._trust = Trust(domain.ca_file, domain.lenient_x509)
        self._threads = Threads()
        self._known = Servers(name, self.servers)
        self._resting: list[tuple[Session, float]] = []
        self._last_failure: tuple[float, Trouble] | None = None
        self._shared: list[SharedConnection | None] = [None] * domain.connections
        self._turn = 0
        self._opening: dict[int, asyncio.Task[SharedConnection]] = {}
        self._closed = False

    async def search(
        self, base: str, scope: int, filter_text: str, attributes: Sequence[str], size_limit: int = 0
    ) -> list[RawEntry]:
        """Entries found on a shared connection; repeated when it breaks, until one holds that was made since.

        When a server dies, all connections to it break, and each is found out by the search that takes it. All within the deadline. Raises ldap.NO_SUCH_OBJECT, ldap.SIZELIMIT_EXCEEDED, ldap.INVALID_DN_SYNTAX;
        DirectoryUnavailable, DirectoryMisconfigured, Overloaded.
        """
        return (await self.search_near(None, Search(base, scope, filter_text, attributes, size_limit))).entries

    async def search_near(self, near: SharedConnection | None, wanted: Search) -> Answer:
        """The same, on the connection `near` if it can be used; it is told which one was. Raises like `search`."""
        try:
            async with asyncio.timeout(self.seconds):
                for _ in self._shared:
                    with suppress(ConnectionLost):
                        return await self._search(near, wanted)
                return await self._search(near, wanted)
        except (ConnectionLost, TimeoutError):
            raise DirectoryUnavailable(self._name) from None

    async def _search(self, near: SharedConnection | None, wanted: Search) -> Answer:
        """One attempt. Raises ConnectionLost, and what `search` raises."""
        if near is not None and not near.closed and not near.full:
            connection = near
        else:
            connection = self._open_one() or await self._opened()
        try:
            return Answer(await connection.search(*wanted), connection)
        except FOR_THE_CALLER:
            raise
        except PASSING as error:
            log.warning("directory is busy", domain=self._name, uri=connection.uri, error=type(error).__name__)
            raise DirectoryUnavailable(self._name) from None
        except ldap.LDAPError as error:
            log.exception("directory refuses a search", domain=self._name, base=wanted.base)
            raise DirectoryMisconfigured(self._name, "it refuses our searches") from error

    async def pages(self, base: str, filter_text: str, attributes: Sequence[str]) -> AsyncIterator[list[RawEntry]]:
        """All entries of a subtree, page by page (RFC 2696), on a connection of its own: the cookie belongs to it.

        Raises ldap.FILTER_ERROR; DirectoryUnavailable, DirectoryMisconfigured, the latter also when the server would
        tell only some of them.
        """
        session, paging = await self._connect(logged_in=True), Paging(base, filter_text, attributes)
        while True:
            page = await self._next_page(session, paging)  # closes the connection when it fails
            try:
                yield page
            except GeneratorExit:  # nobody wants the rest
                close(session.connection)
                raise
            if paging.over:
                close(session.connection)
                return

    async def _next_page(self, session: Session, paging: Paging) -> list[RawEntry]:
        turn = functools.partial(paging.next_page, session.connection, self.seconds)
        try:
            return await self._run(session, turn, 1, keep=True)
        except ldap.FILTER_ERROR:
            raise
        except (ldap.LDAPError, TimeoutError) as error:
            raise failure(self._name, error) from error

    async def root(self) -> RootDse:
        """What the directory says of itself, as read when a connection was made.

        Raises DirectoryUnavailable, DirectoryMisconfigured, Overloaded.
        """
        connection = self._open_one() or await self._opened()
        return connection.root

    async def alone(self, work: Callable[[Any], T]) -> T:
        """Run `work`, which waits for one answer, on a new connection that nobody has logged in on.

        Raises DirectoryUnavailable and DirectoryMisconfigured before `work` has begun, TimeoutError, and what `work`
        raises.
        """
        session = await self._connect(logged_in=False)
        return await self._run(session, lambda: work(session.connection), 1, keep=False)

    async def write(self, work: Callable[[Session], T], *, answers: int) -> T:
        """Run `work`, which waits for so many answers, on a connection that nobody else uses, logged in.

        A server that turns out to be read-only is left for the next one. Raises like `alone`.
        """
        last: ReadOnly | None = None
        for _ in self.servers:
            session = await self._rested() or await self._connect(logged_in=True, writing=True)
            if last is not None and self._known.is_read_only(session.server):
                break  # no other can be reached
            try:
                result = await self._run(session, functools.partial(work, session), answers, keep=True)
            except ReadOnly as error:
                self._known.mark_read_only(session.server.uri)
                log.warning("directory server is read-only", domain=self._name, uri=session.server.uri)
                last = error
            else:
                self._put_to_rest(session)
                return result
        raise last or DirectoryUnavailable(self._name)

    def another(self, server: Server) -> Any:
        """A further connection to this server, not logged in. Blocks. Raises Trouble."""
        return connect(server, self._trust, self.seconds)

    async def try_server(self, server: Server, work: Callable[[Session], T], *, answers: int = 1) -> T:
        """Connect to this server, log in, and run `work`, which waits for so many answers. Raises Trouble."""

        def whole() -> T:
            session = self._connect_and_log_in(server, self.seconds, logged_in=True)
            try:
                return work(session)
            finally:
                close(session.connection)

        try:
            return await self._threads.run(whole, (1 + answers) * self.seconds + GRACE_SECONDS)
        except TimeoutError:
            raise Trouble(Kind.TIMEOUT) from None
        except TooManyGivenUp:
            raise Trouble(Kind.STUCK) from None

    async def on_one(self, work: Callable[[Session], T]) -> T:
        """Run `work`, which waits for many answers, on a new connection, logged in, to the first server that can be used.

        Raises like `alone`.
        """
        session = await self._connect(logged_in=True)
        return await self._run(session, functools.partial(work, session), MANY_ANSWERS, keep=False)

    async def close(self) -> None:
        """Close all connections; what is under way fails."""
        self._closed = True
        for task in list(self._opening.values()):
            task.cancel()
        for connection in self._shared:
            if connection is not None:
                connection.close()
        while self._resting:
            close(self._resting.pop()[0].connection)

    async def _run(self, session: Session, work: Callable[[], T], answers: int, *, keep: bool) -> T:
        """In a thread of its own. The connection stays open only with `keep`, and if all went well."""

        def whole() -> T:
            # Closed by the thread that used it: a second thread on the same connection would abort the process.
            try:
                result = work()
            except BaseException:
                close(session.connection)
                raise
            if not keep:
                close(session.connection)
            return result

        def discard(_result: T) -> None:
            if keep:
                close(session.connection)

        try:
            return await self._threads.run(whole, answers * self.seconds + GRACE_SECONDS, discard)
        except TooManyGivenUp:
            raise DirectoryUnavailable(self._name) from None

    def _put_to_rest(self, session: Session) -> None:
        if self._closed or len(self._resting) >= len(self._shared):
            close(session.connection)
        else:
            self._resting.append((session, time.monotonic()))

    async def _rested(self) -> Session | None:
        """A connection used before, if there is one that still answers. Writes are never repeated, so it is asked."""
        while self._resting:
            session, since = self._resting.pop()
            server = session.server
            if (
                time.monotonic() - since > REST_SECONDS
                or self._known.is_read_only(server)
                or self._known.is_bad(server)
            ):
                close(session.connection)
                continue
            ask = functools.partial(read_root, session.connection, self._patience)
            try:
                return replace(session, root=await self._run(session, ask, 1, keep=True))
            except (ldap.TIMEOUT, TimeoutError):
                self._known.mark_bad(server.uri, Kind.TIMEOUT)
            except (ldap.LDAPError, DirectoryUnavailable):
                continue
        return None

    def _open_one(self) -> SharedConnection | None:
        """An open shared connection, in turn; those that are not open are opened meanwhile. Raises Overloaded."""
        connections = [connection for connection in self._shared if connection is not None]
        if not connections:
            return None
        if len(connections) < len(self._shared):
            self._start_opening(self._shared.index(None))
        self._turn += 1
        connection = connections[self._turn % len(connections)]
        if connection.full:
            raise Overloaded
        return connection

    async def _opened(self) -> SharedConnection:
        """Wait for a shared connection. All callers wait for the same attempt."""
        # A caller that goes away must not take the attempt with it.
        return await asyncio.shield(self._start_opening(self._shared.index(None)))

    def _start_opening(self, index: int) -> asyncio.Task[SharedConnection]:
        task = self._opening.get(index)
        if task is None:
            task = self._opening[index] = asyncio.create_task(self._open(index))
            task.add_done_callback(functools.partial(self._opening_is_over, index))
        return task

    def _opening_is_over(self, index: int, task: asyncio.Task[SharedConnection]) -> None:
        self._opening.pop(index, None)
        if not task.cancelled():
            task.exception()  # seen: who waits for it gets it too

    async def _open(self, index: int) -> SharedConnection:
        session = await self._connect(logged_in=True)
        shared = SharedConnection(
            session.connection,
            session.server.uri,
            session.root,
            self._patience,
            functools.partial(self._forget, index, session.server.uri),
        )
        if self._closed:
            shared.close()
            raise DirectoryUnavailable(self._name)
        self._shared[index] = shared
        return shared

    def _forget(self, index: int, uri: str, *, timed_out: bool) -> None:
        self._shared[index] = None
        if not timed_out:
            return
        self._known.mark_bad(uri, Kind.TIMEOUT)
        if len(self.servers) > 1:
            # What waits on the others to the same server need not wait as long: it is asked elsewhere.
            for other in self._shared:
                if other is not None and other.uri == uri:
                    other.close()

    async def _connect(self, *, logged_in: bool, writing: bool = False) -> Session:
        """A connection to the first server that can be used, within the deadline in all."""
        self._refuse_while_quiet()
        trouble = Trouble(Kind.TIMEOUT)
        for server in self._known.in_order(writing=writing):
            try:
                work = functools.partial(self._connect_twice, server, self._patience, logged_in=logged_in)
                session = await self._threads.run(work, self._patience + GRACE_SECONDS, _discard)
            except TimeoutError:
                trouble = Trouble(Kind.TIMEOUT)
            except TooManyGivenUp:
                trouble = Trouble(Kind.STUCK)
            except Trouble as error:
                trouble = error
            else:
                self._known.mark_good(server.uri, session.root if logged_in else None)
                self._last_failure = None
                return session
            self._known.mark_bad(server.uri, trouble.kind)
        self._last_failure = time.monotonic(), trouble
        raise self._failure(trouble)

    def _connect_twice(self, server: Server, seconds: float, *, logged_in: bool) -> Session:
        """A connection cut while it is made says nothing of the server yet, so it is made once more, in the same time."""
        until = time.monotonic() + seconds
        try:
            return self._connect_and_log_in(server, seconds, logged_in=logged_in)
        except Trouble as trouble:
            if trouble.kind is not Kind.CUT:
                raise
        return self._connect_and_log_in(server, max(0.1, until - time.monotonic()), logged_in=logged_in)

    def _connect_and_log_in(self, server: Server, seconds: float, *, logged_in: bool) -> Session:
        until = time.monotonic() + seconds
        connection = connect(server, self._trust, seconds)
        root = RootDse()
        if logged_in:
            try:
                log_in(connection, self._bind_dn, self._bind_password, max(0.1, until - time.monotonic()))
                root = read_root(connection, max(0.1, until - time.monotonic()))
            except Trouble:
                close(connection)
                raise
            except ldap.LDAPError as error:
                close(connection)
                raise Trouble(Kind.TIMEOUT if isinstance(error, ldap.TIMEOUT) else Kind.CUT) from error
        return Session(server, connection, root)

    def _refuse_while_quiet(self) -> None:
        if self._last_failure is not None:
            when, trouble = self._last_failure
            if time.monotonic() - when < QUIET_SECONDS:
                raise self._failure(trouble)

    def _failure(self, trouble: Trouble) -> DirectoryUnavailable | DirectoryMisconfigured:
        if trouble.kind in OPERATORS_KINDS:
            return DirectoryMisconfigured(self._name, trouble.words)
        return DirectoryUnavailable(self._name)


def _discard(session: Session) -> None:
    close(session.connection)
