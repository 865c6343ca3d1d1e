"""How 389 Directory Server and FreeIPA are asked: by the rights that the server itself says we have."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import ldap
from ldap.controls import RequestControl
from ldap.controls.libldap import SimplePagedResultsControl
from ldap.filter import escape_filter_chars

from pwreset.directory.dialects.dirsrv import LOCK
from pwreset.directory.dialects.freeipa import CHANGED
from pwreset.directory.entries import Entry, read_time
from pwreset.directory.inspection import Enforcement, Power, Rights, Wants
from pwreset.directory.inspection.behera import ABOVE_ALL, SOURCE
from pwreset.directory.inspection.sample import some_people
from pwreset.directory.inspection.trying import is_there, may_delete, may_write_password, sees_hashes
from pwreset.directory.names import read_dn
from pwreset.directory.pool import Session
from pwreset.directory.reading import ANYTHING, read_now
from pwreset.reset.findings import State

EFFECTIVE_RIGHTS = "1.3.6.1.4.1.42.2.27.9.5.2"  # draft-ietf-ldapext-acl-model-08, 4.2
NOT_TOLD = (ldap.UNAVAILABLE_CRITICAL_EXTENSION, ldap.INSUFFICIENT_ACCESS, ldap.UNWILLING_TO_PERFORM)
CONFIG, MONITOR = "cn=config", "cn=monitor"
PASSWORD = "userPassword"  # noqa: S105 - the attribute
PASSWORD_ADMINISTRATORS = "passwordAdminDN"  # noqa: S105 - those whom no policy holds
IPA_ADMINS = "cn=admins,cn=groups,cn=accounts,"


class DirsrvInspector:
    """389 Directory Server, and Red Hat's."""

    people = ""
    identity = "nsUniqueId"

    def clock(self, session: Session, wants: Wants) -> datetime | None:
        """Its monitor tells everybody."""
        entry = read_now(session.connection, MONITOR, ("currentTime",), wants.seconds)
        return None if entry is None else read_time(entry.text("currentTime"))

    def power(self, session: Session, wants: Wants) -> Power:
        """Directory Manager has no entry and is held by no rule; password administrators are held by no policy."""
        above = may_delete(session.connection, wants.base_dn, "description", wants.seconds)
        if above and not is_there(session.connection, wants.bind_dn, wants.seconds):
            return Power(bypass="it is Directory Manager: no password policy holds it")
        if self._is_password_administrator(session, wants):
            return Power(bypass=f"`{PASSWORD_ADMINISTRATORS}` in {CONFIG} names it: no password policy holds it")
        return Power(excess=ABOVE_ALL) if above else Power()

    def rights(self, session: Session, dn: str, wants: Wants) -> Rights:
        """As the server says; where it does not, by trying."""
        connection, needed = session.connection, self.needed(wants)
        told = effective_rights(connection, dn, ("*", PASSWORD, *needed), wants.seconds)
        if told is None:
            password = may_write_password(connection, dn, wants.seconds)
            missing = [name for name in needed if may_delete(connection, dn, name, wants.seconds, b"1") is False]
            return Rights(password=password, missing=tuple(missing), source=SOURCE)
        known = {PASSWORD.lower(), *(name.lower() for name in self.may_need())}
        return Rights(
            password="w" in told.get(PASSWORD.lower(), ""),
            missing=tuple(name for name in needed if "w" not in told.get(name.lower(), "")),
            beyond=tuple(name for name, letters in told.items() if "w" in letters and name not in known),
            reads_hashes=sees_hashes(connection, dn, wants.seconds),
            source="told by the server: effective rights",
        )

    def enforcement(self, session: Session, wants: Wants) -> Enforcement:
        """Everybody is held to it but Directory Manager and password administrators."""
        told = effective_rights(session.connection, CONFIG, (PASSWORD_ADMINISTRATORS,), wants.seconds) or {}
        if "r" in told.get(PASSWORD_ADMINISTRATORS.lower(), ""):
            return Enforcement(State.OK, "our writes are held to the server's password policy")
        return Enforcement(
            State.UNTOLD,
            f"our writes are held to the server's password policy, unless `{PASSWORD_ADMINISTRATORS}` frees our account"
            " from it, which it may not read",
            f"let it read `{PASSWORD_ADMINISTRATORS}` in {CONFIG}; see the how-to",
        )

    def unindexed(self, session: Session, wants: Wants) -> tuple[str, ...] | None:
        """By the server's estimate of a paged search (RFC 2696): how many entries it would have to look at.

        Two people are asked for by name, and beside them somebody whom there is not by the attribute in question: two
        entries to look at where it has an index, all of them where it has none.
        """
        dns = [dn for dn, _ in some_people(session, wants, self, ("1.1",), 2)]
        marks = [mark for dn in dns if (mark := self._mark(session, dn, wants))]
        everybody = _estimate(session, ANYTHING, wants)
        if len(marks) != 2 or everybody is None or everybody <= len(marks) + 1:  # noqa: PLR2004 - two people
            return None
        two = "".join(f"({self.identity}={escape_filter_chars(mark)})" for mark in marks)
        estimates = {
            name: _estimate(session, f"(|({name}=pwreset-no-such-value){two})", wants) for name in wants.logins
        }
        if None in estimates.values():
            return None
        return tuple(name for name, estimate in estimates.items() if estimate is not None and estimate > len(marks))

    def needed(self, wants: Wants) -> tuple[str, ...]:
        """What the settings make us write beside the password."""
        return (*(LOCK if wants.unlock else ()), *(("passwordExpirationTime",) if wants.keep_must_change else ()))

    def may_need(self) -> tuple[str, ...]:
        """What any settings could make us write."""
        return (*LOCK, "passwordExpirationTime")

    def _mark(self, session: Session, dn: str, wants: Wants) -> str:
        entry = read_now(session.connection, dn, (self.identity,), wants.seconds)
        return "" if entry is None else entry.text(self.identity)

    def _is_password_administrator(self, session: Session, wants: Wants) -> bool:
        entry = read_now(session.connection, CONFIG, (PASSWORD_ADMINISTRATORS,), wants.seconds)
        named = entry.text(PASSWORD_ADMINISTRATORS) if entry is not None else ""
        if not named:
            return False
        group = read_now(session.connection, named, ("member", "uniqueMember"), wants.seconds)
        members = [] if group is None else [*group.texts("member"), *group.texts("uniqueMember")]
        return read_dn(wants.bind_dn) in {read_dn(one) for one in (named, *members)}


class FreeIpaInspector(DirsrvInspector):
    """FreeIPA: its own times beside the password, and a second step by the person, whom its policy holds."""

    identity = "ipaUniqueID"

    def power(self, session: Session, wants: Wants) -> Power:
        """Who may write `base_dn`, or is in `admins`."""
        own = read_now(session.connection, wants.bind_dn, ("memberOf",), wants.seconds)
        if own is not None and any(group.lower().startswith(IPA_ADMINS) for group in own.texts("memberOf")):
            return Power(excess="it is a member of `admins`, who may do everything")
        return super().power(session, wants)

    def enforcement(self, session: Session, wants: Wants) -> Enforcement:  # noqa: ARG002
        """The person's own change is held to it, whoever made the first step."""
        return Enforcement(
            State.OK, "the password is set in two steps, the second as the person, whom the policy holds"
        )

    def needed(self, wants: Wants) -> tuple[str, ...]:
        """The time that a link is bound to is set back after a refusal."""
        return (CHANGED, *(("krbPasswordExpiration",) if wants.keep_must_change else ()))

    def may_need(self) -> tuple[str, ...]:
        """What any settings could make us write."""
        return (CHANGED, "krbPasswordExpiration")


def effective_rights(connection: Any, dn: str, names: tuple[str, ...], seconds: float) -> Mapping[str, str] | None:
    """The letters of our rights by attribute in lower case, `w` for write; None where the server does not tell."""
    try:
        control = RequestControl(EFFECTIVE_RIGHTS, True, str(connection.whoami_s()).encode())  # noqa: FBT003 - its own signature
        message = connection.search_ext(dn, ldap.SCOPE_BASE, ANYTHING, list(names), 0, [control])
        _, found, _, _ = connection.result3(message, timeout=seconds)
    except (*NOT_TOLD, ldap.PROTOCOL_ERROR, ldap.NO_SUCH_OBJECT):
        return None
    lines = [Entry(raw).text("attributeLevelRights") for raw in found if raw[0] is not None]
    if not any(lines):
        return None
    parts = [part.partition(":") for line in lines for part in line.split(",")]
    return {name.strip().lower(): letters.strip() for name, _, letters in parts if letters.strip() != "none"}


def _estimate(session: Session, wanted: str, wants: Wants) -> int | None:
    """How many entries the server says it would look at; None where it does not say."""
    control = SimplePagedResultsControl(True, size=1, cookie="")  # noqa: FBT003 - its own signature
    message = session.connection.search_ext(wants.base_dn, ldap.SCOPE_SUBTREE, wanted, ["1.1"], serverctrls=[control])
    try:
        _, _, _, controls = session.connection.result3(message, timeout=wants.seconds)
    except (*NOT_TOLD, ldap.ADMINLIMIT_EXCEEDED):
        return None
    told = [control.size for control in controls if control.controlType == SimplePagedResultsControl.controlType]
    return int(told[0]) if told and told[0] else None
