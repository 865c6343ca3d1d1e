"""How a directory is set up for us, found out without changing anything.

examine           everything, in words
servers           each address: connection, kind, clock
sample            somebody to try things on, where nobody is named
trying            what can be tried without a change: deleting a value that is not there
behera            OpenLDAP and servers that we do not know
dirsrv            389 Directory Server and FreeIPA
active_directory  Active Directory and Samba
index_lists       OpenLDAP's configuration of indexes
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pwreset.directory.pool import Session
from pwreset.reset.findings import State


@dataclass(frozen=True, slots=True)
class Wants:
    """What the settings ask of the directory and of our service account. Durations in seconds."""

    base_dn: str
    bind_dn: str
    unlock: bool
    keep_must_change: bool
    logins: tuple[str, ...]
    addresses: tuple[str, ...]  # the attributes that links are sent to
    seconds: float


@dataclass(frozen=True, slots=True)
class Power:
    """Whether our service account is more than an ordinary one, in words; each empty where it is not."""

    bypass: str = ""  # why no password policy holds it
    excess: str = ""  # what it could do beside
    unsure: str = ""  # what cannot be told


@dataclass(frozen=True, slots=True)
class Rights:
    """What our service account may do with one person's entry."""

    password: bool
    missing: tuple[str, ...] = ()  # attributes that the settings ask it to write, and that it may not
    beyond: tuple[str, ...] = ()  # attributes that it may write, and need not
    reads_hashes: bool = False
    source: str = ""  # how it was found out


@dataclass(frozen=True, slots=True)
class Enforcement:
    """Whether our writes are held to the directory's password policy, in words."""

    state: State
    detail: str
    advice: str = ""


class Inspector(Protocol):
    """How one kind of directory is asked. All methods block, change nothing, and raise ldap.LDAPError."""

    people: str  # a filter that only people match; empty where the login attributes say enough
    identity: str  # the attribute that links are bound to

    def clock(self, session: Session, wants: Wants) -> datetime | None:
        """The server's time, in whole seconds; None where it does not tell."""
        ...

    def power(self, session: Session, wants: Wants) -> Power:
        """How powerful the account is that is logged in."""
        ...

    def rights(self, session: Session, dn: str, wants: Wants) -> Rights:
        """What it may do with the entry of this DN."""
        ...

    def enforcement(self, session: Session, wants: Wants) -> Enforcement:
        """Whether its writes are held to the password policy."""
        ...

    def unindexed(self, session: Session, wants: Wants) -> tuple[str, ...] | None:
        """Which of the login attributes and the identity have no equality index; None where that does not show."""
        ...
