"""Each server of a domain by itself: whether it can be used, what it says it is, and what its clock says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import ldap

from pwreset.directory.connection import Kind, Server, Trouble
from pwreset.directory.diagnosis import read_base
from pwreset.directory.dialects.choose import AUTO, dialect_of
from pwreset.directory.inspection import Inspector, Wants
from pwreset.directory.pool import Pool, Session
from pwreset.directory.rootdse import RootDse
from pwreset.directory.servers import PARTIAL_SECRETS
from pwreset.reset.findings import Finding, Part, State

CATALOG_PORTS = (3268, 3269)  # of the global catalog, [MS-ADTS] 3.1.1.3.1.10
OF_THE_CERTIFICATE = frozenset({Kind.UNTRUSTED, Kind.WRONG_NAME, Kind.OUT_OF_TIME})
TOLERATED = timedelta(seconds=5)
A_SECOND = timedelta(seconds=1)  # in which servers tell the time
ANSWERS = 3

InspectorOf = Callable[[str], Inspector]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one server said, or what was wrong with it. `offset`: how far its clock is ahead of ours."""

    server: Server
    trouble: Trouble | None = None
    root: RootDse = field(default_factory=RootDse)
    dialect: str = ""
    told_time: bool = False
    offset: timedelta = timedelta()

    @property
    def writes(self) -> bool:
        """Whether it can be used, and does not say that it takes no passwords."""
        is_catalog = self.server.port in CATALOG_PORTS
        return self.trouble is None and not is_catalog and not self.root.has("supportedCapabilities", PARTIAL_SECRETS)


async def look_at_all(pool: Pool, dialect: str, inspector_of: InspectorOf, wants: Wants) -> tuple[Seen, ...]:
    """All servers at once. Never raises."""
    return tuple(
        await asyncio.gather(*(_look_at(pool, server, dialect, inspector_of, wants) for server in pool.servers))
    )


def tell(seen: Sequence[Seen], configured: str) -> Iterator[Finding]:
    """What was seen, in words."""
    for one in seen:
        yield _of_server(one)
    yield from _of_dialects([one for one in seen if one.trouble is None], configured)
    for one in seen:
        if one.trouble is None:
            yield _of_clock(one)


async def _look_at(pool: Pool, server: Server, dialect: str, inspector_of: InspectorOf, wants: Wants) -> Seen:
    def look(session: Session) -> Seen:
        read_base(session.connection, wants.base_dn, wants.seconds)
        found = dialect_of(session.root).name
        inspector = inspector_of(found if dialect == AUTO else dialect)
        before = datetime.now(UTC)
        theirs = inspector.clock(session, wants)
        after = datetime.now(UTC)
        offset = timedelta() if theirs is None else offset_between(before, theirs, after)
        return Seen(server, None, session.root, found, theirs is not None, offset)

    try:
        return await pool.try_server(server, look, answers=ANSWERS)
    except Trouble as trouble:
        return Seen(server, trouble)
    except ldap.LDAPError:
        return Seen(server, Trouble(Kind.ANSWER))


def offset_between(before: datetime, theirs: datetime, after: datetime) -> timedelta:
    """How far a clock is surely ahead of ours, if it told whole seconds between these two moments; 0 when it may agree."""
    if theirs > after:
        return theirs - after
    if theirs + A_SECOND < before:
        return theirs + A_SECOND - before
    return timedelta()


def _of_server(seen: Seen) -> Finding:
    server, subject = seen.server, seen.server.uri
    if seen.trouble is not None:
        return Finding(
            Part.SERVER,
            State.FAILED,
            seen.trouble.words,
            _sentence(seen.trouble.advice),
            subject,
            by_certificate=seen.trouble.kind in OF_THE_CERTIFICATE,
        )
    if server.port in CATALOG_PORTS:
        return Finding(
            Part.SERVER,
            State.WARNING,
            "this is the port of the global catalog: it writes nothing, and does not know all of a person",
            "Name the domain controller's own ports: 636, or 389 with StartTLS.",
            subject,
        )
    if not seen.writes:
        return Finding(
            Part.SERVER,
            State.WARNING,
            "this is a read-only domain controller: passwords are written to another server of `uris`",
            "See that a writable one is among `uris`, or leave this one out.",
            subject,
        )
    if server.encrypted:
        return Finding(Part.SERVER, State.OK, "TLS, log-in and `base_dn` work", subject=subject)
    if server.loopback:
        return Finding(Part.SERVER, State.OK, "log-in and `base_dn` work, without TLS on this machine", subject=subject)
    return Finding(
        Part.SERVER,
        State.FAILED,
        "log-in and `base_dn` work, but without TLS: no password is ever written over it",
        "Use ldaps://, or StartTLS (`start_tls = true`).",
        subject,
    )


def _of_dialects(seen: Sequence[Seen], configured: str) -> Iterator[Finding]:
    kinds = sorted({one.dialect for one in seen})
    if len(kinds) > 1:
        told = "; ".join(f"{one.server.uri}: {one.dialect}" for one in seen)
        yield Finding(
            Part.DIALECT,
            State.FAILED,
            f"the servers are not of one kind: {told}",
            "A domain is one directory: give the others domains of their own.",
        )
    elif kinds:
        yield _of_dialect(seen[0], configured)


def _of_dialect(seen: Seen, configured: str) -> Finding:
    version = printable(seen.root.text("vendorVersion") or seen.root.text("vendorName"))
    says = f"{seen.dialect} ({version})" if version else seen.dialect
    if configured not in (AUTO, seen.dialect):
        return Finding(
            Part.DIALECT,
            State.WARNING,
            f"{configured}, as `dialect` says; the server looks like {says}",
            'Leave `dialect` out, or set it to "auto", unless you know better than the server.',
        )
    if seen.root.hidden:
        return Finding(
            Part.DIALECT,
            State.WARNING,
            f"taken for {seen.dialect}: the server says nothing of itself",
            "Let the service account read the rootDSE, or set `dialect`.",
        )
    return Finding(Part.DIALECT, State.OK, says)


def _of_clock(seen: Seen) -> Finding:
    if not seen.told_time:
        return Finding(
            Part.CLOCK,
            State.UNTOLD,
            "the server does not tell its time",
            "Compare by hand: `date -u` here and there.",
            seen.server.uri,
        )
    if abs(seen.offset) < TOLERATED:
        return Finding(Part.CLOCK, State.OK, "as this machine's", subject=seen.server.uri)
    seconds = round(abs(seen.offset).total_seconds())
    return Finding(
        Part.CLOCK,
        State.WARNING,
        f"{seconds} s {'ahead of' if seen.offset > timedelta() else 'behind'} this machine's",
        "Let both keep time by NTP: whether a lock or an account is over is judged by this machine's clock.",
        seen.server.uri,
    )


def printable(text: str) -> str:
    """A server's text, without what a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in text)[:200]


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}." if text else ""
