"""How OpenLDAP is asked, and a server that we do not know."""

from __future__ import annotations

from datetime import datetime

import ldap
from ldap.controls.ppolicy import PasswordPolicyControl
from ldap.filter import escape_filter_chars

from pwreset.directory.entries import read_time
from pwreset.directory.inspection import Enforcement, Power, Rights, Wants
from pwreset.directory.inspection.index_lists import indexed_of
from pwreset.directory.inspection.trying import (
    is_known,
    is_there,
    may_delete,
    may_set_flag,
    may_write_password,
    sees_hashes,
)
from pwreset.directory.pool import Session
from pwreset.directory.reading import read_now
from pwreset.reset.findings import State

SOURCE = "tried: deleting a value that is not there"
CLOCK = "cn=Current,cn=Time"  # below the monitor's own DN
ABOVE_ALL = (
    "it may write `base_dn`'s own entry: it is the directory's administrator, whom no password policy holds, or may do"
    " nearly as much"
)
NO_ONE = "00000000-0000-0000-0000-000000000000"


class OpenLdapInspector:
    """OpenLDAP, with and without the ppolicy overlay."""

    people = ""
    identity = "entryUUID"
    administrator = "the rootdn"

    def clock(self, session: Session, wants: Wants) -> datetime | None:
        """Told by the monitor only (slapd-monitor(5)), which is rarely there and more rarely shown."""
        where = session.root.text("monitorContext")
        if not where:
            return None
        entry = read_now(session.connection, f"{CLOCK},{where}", ("monitorTimestamp",), wants.seconds)
        return None if entry is None else read_time(entry.text("monitorTimestamp"))

    def power(self, session: Session, wants: Wants) -> Power:
        """An administrator is held by no access rule: it may write what no service account should be let write."""
        above = may_delete(session.connection, wants.base_dn, "description", wants.seconds)
        if above is None:
            return Power(unsure="whether it is an administrator cannot be told")
        if not above:
            return Power()
        if is_there(session.connection, wants.bind_dn, wants.seconds):
            return Power(excess=ABOVE_ALL)
        return Power(bypass=f"it is {self.administrator}: no password policy holds it")

    def rights(self, session: Session, dn: str, wants: Wants) -> Rights:
        """Ppolicy lifts a lock by itself; of what we write beside a password only pwdReset is ours."""
        connection, seconds = session.connection, wants.seconds
        if not may_write_password(connection, dn, seconds):
            return Rights(password=False, source=SOURCE)
        flag = self._flag_wanted(wants)
        refused = flag and may_set_flag(connection, dn, flag, seconds) is False
        return Rights(
            password=True,
            missing=(flag,) if refused else (),
            beyond=tuple(name for name in wants.addresses if may_delete(connection, dn, name, seconds)),
            reads_hashes=sees_hashes(connection, dn, seconds),
            source=SOURCE,
        )

    def enforcement(self, session: Session, wants: Wants) -> Enforcement:  # noqa: ARG002 - by the rootDSE alone
        """A delegated account is held to ppolicy as everybody is."""
        if session.root.hidden:
            return Enforcement(
                State.UNTOLD,
                "the server says nothing of itself, so whether it has a password policy cannot be told",
                "let the service account read the rootDSE",
            )
        if session.root.has("supportedControl", PasswordPolicyControl.controlType):
            return Enforcement(State.OK, "our writes are held to the server's password policy, where one is set")
        return Enforcement(
            State.WARNING,
            "the server knows no password policy: only pwreset's own rules hold",
            "switch on the ppolicy overlay if it is to keep history, ages and locks",
        )

    def unindexed(self, session: Session, wants: Wants) -> tuple[str, ...] | None:
        """By its configuration where we may read it; else only a limit on searches without an index gives them away."""
        connection, seconds = session.connection, wants.seconds
        names = [name for name in (*wants.logins, self.identity) if is_known(connection, wants.base_dn, name, seconds)]
        indexed = indexed_of(connection, wants.base_dn, seconds)
        if indexed is not None:
            return tuple(name for name in names if name.lower() not in indexed)
        return tuple(name for name in names if self._is_limited(session, name, wants)) or None

    def _flag_wanted(self, wants: Wants) -> str:
        return "pwdReset" if wants.keep_must_change else ""

    def _is_limited(self, session: Session, name: str, wants: Wants) -> bool:
        """`size.unchecked` of slapd.conf(5): so many entries, and no more, may be looked at without an index."""
        value = NO_ONE if name == self.identity else "pwreset-no-such-value"
        wanted = f"({name}={escape_filter_chars(value)})"
        message = session.connection.search_ext(wants.base_dn, ldap.SCOPE_SUBTREE, wanted, ["1.1"], sizelimit=1)
        try:
            session.connection.result3(message, timeout=wants.seconds)
        except ldap.ADMINLIMIT_EXCEEDED:
            return True
        except (ldap.SIZELIMIT_EXCEEDED, ldap.NO_SUCH_OBJECT):
            return False
        return False


class GenericInspector(OpenLdapInspector):
    """A server that we do not know: nothing assumed beyond LDAP itself."""

    administrator = "an administrator"

    def unindexed(self, session: Session, wants: Wants) -> tuple[str, ...] | None:
        """Only a limit gives them away."""
        return tuple(name for name in wants.logins if self._is_limited(session, name, wants)) or None

    def _flag_wanted(self, wants: Wants) -> str:  # noqa: ARG002 - the dialect writes the password alone
        return ""
