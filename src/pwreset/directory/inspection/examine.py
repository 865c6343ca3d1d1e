"""Everything that is looked at in a directory, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import ldap

from pwreset.directory.connection import Kind, Server, Trouble
from pwreset.directory.dialects import Dialect
from pwreset.directory.inspection import Inspector, Power, Rights, Wants
from pwreset.directory.inspection.active_directory import ActiveDirectoryInspector
from pwreset.directory.inspection.behera import GenericInspector, OpenLdapInspector
from pwreset.directory.inspection.dirsrv import DirsrvInspector, FreeIpaInspector
from pwreset.directory.inspection.servers import look_at_all, tell
from pwreset.directory.pool import Pool, Session
from pwreset.reset.findings import Finding, Part, State
from pwreset.reset.model import AccountState, User

T = TypeVar("T")

INSPECTORS: dict[str, Inspector] = {
    "openldap": OpenLdapInspector(),
    "active-directory": ActiveDirectoryInspector(),
    "389-ds": DirsrvInspector(),
    "freeipa": FreeIpaInspector(),
    "generic": GenericInspector(),
}
ANSWERS = 20  # that one look waits for, at most
MOST_NAMED = 5
OLD_PASSWORDS = "a replaced password still logs in for an hour, by LDAP and NTLM; that is this directory's way, and no failed change"
OLD_PASSWORDS_ADVICE = (
    "The server sets how long: `old password allowed period` in Samba's smb.conf (minutes), `OldPasswordAllowedPeriod`"
    " in the registry of Windows."
)
LEAST = "Use an account of its own that may write passwords and nothing else; see the directory's how-to."
REASONS = {
    "lockouttime": "`unlock = true` needs it",
    "accountunlocktime": "`unlock = true` needs it",
    "passwordretrycount": "`unlock = true` needs it",
    "retrycountresettime": "`unlock = true` needs it",
    "krblastpwdchange": "a refusal would end the link",
}


@dataclass(frozen=True, slots=True)
class Examination:
    """One look at a directory. `configured` is the setting `dialect`."""

    pool: Pool
    configured: str
    wants: Wants
    dialect: Dialect | None

    async def findings(self, people: Sequence[User]) -> tuple[Finding, ...]:
        """All of them; rights are tried on these people. Never raises an expected failure."""
        seen = await look_at_all(self.pool, self.configured, INSPECTORS.__getitem__, self.wants)
        found = list(tell(seen, self.configured))
        usable = [one for one in seen if one.trouble is None]
        chosen = next((one for one in usable if one.writes), next(iter(usable), None))
        dialect = self.dialect
        if chosen is None or dialect is None:
            return (*found, Finding(Part.RIGHTS, State.UNTOLD, "no server can be used"))
        inspector = INSPECTORS[dialect.name]
        found += await self._of_account(chosen.server, inspector)
        for user in people:
            found += await self._of_person(chosen.server, inspector, user)
        if not dialect.ends_old_passwords:
            found.append(Finding(Part.OLD_PASSWORDS, State.OK, OLD_PASSWORDS, OLD_PASSWORDS_ADVICE))
        found += await self._of_index(chosen.server, inspector)
        return tuple(found)

    async def _of_account(self, server: Server, inspector: Inspector) -> Iterable[Finding]:
        if not self.wants.bind_dn:
            return [
                Finding(
                    Part.ACCOUNT,
                    State.FAILED,
                    "`bind_dn` is not set: we ask without a log-in, and nobody's password can be written",
                    "Set `bind_dn` and `bind_password_file`.",
                )
            ]
        power = await self._ask(server, Part.ACCOUNT, lambda session: inspector.power(session, self.wants))
        if isinstance(power, Finding):
            return [power]
        held = await self._ask(server, Part.POLICY, lambda session: inspector.enforcement(session, self.wants))
        if power.bypass:
            held = Finding(Part.POLICY, State.FAILED, "our writes are held to no policy: a link would set any password")
        elif not isinstance(held, Finding):
            held = Finding(Part.POLICY, held.state, held.detail, held.advice)
        return [_of_power(power, self.wants.bind_dn), held]

    async def _of_person(self, server: Server, inspector: Inspector, user: User) -> Iterable[Finding]:
        rights = await self._ask(
            server, Part.RIGHTS, lambda session: inspector.rights(session, user.dn, self.wants), user.login
        )
        told = [rights] if isinstance(rights, Finding) else _of_rights(rights, user, self.wants)
        return [*told, _of_changes(user)]

    async def _of_index(self, server: Server, inspector: Inspector) -> Iterable[Finding]:
        missing = await self._ask(server, Part.INDEX, lambda session: inspector.unindexed(session, self.wants))
        return [missing if isinstance(missing, Finding) else _of_missing(missing, inspector, self.wants)]

    async def _ask(self, server: Server, part: Part, look: Callable[[Session], T], subject: str = "") -> T | Finding:
        """What was seen; a finding where it cannot be."""
        try:
            return await self.pool.try_server(server, look, answers=ANSWERS)
        except Trouble as trouble:
            return Finding(part, State.UNTOLD, f"cannot be looked at: {trouble.words}", trouble.advice, subject)
        except ldap.LDAPError as error:
            words, advice = Kind.ANSWER.value
            return Finding(
                part, State.UNTOLD, f"cannot be looked at: {words} ({type(error).__name__})", advice, subject
            )


def _of_power(power: Power, bind_dn: str) -> Finding:
    if power.bypass:
        return Finding(Part.ACCOUNT, State.FAILED, power.bypass, LEAST, bind_dn)
    if power.excess:
        return Finding(Part.ACCOUNT, State.WARNING, f"more powerful than it need be: {power.excess}", LEAST, bind_dn)
    if power.unsure:
        return Finding(Part.ACCOUNT, State.UNTOLD, power.unsure, "Ask the directory's administrator.", bind_dn)
    return Finding(Part.ACCOUNT, State.OK, "an ordinary account", subject=bind_dn)


def _of_rights(rights: Rights, user: User, wants: Wants) -> list[Finding]:
    if not rights.password:
        return [
            Finding(
                Part.RIGHTS,
                State.FAILED,
                "the service account may not write this person's password",
                "Give it the right to set passwords below `base_dn`; see the directory's how-to."
                + (" (This person is protected: name another.)" if user.protected else ""),
                user.login,
            )
        ]
    found = list(_blemishes(rights, user, wants))
    return found or [Finding(Part.RIGHTS, State.OK, f"enough, and no more ({rights.source})", subject=user.login)]


def _blemishes(rights: Rights, user: User, wants: Wants) -> Iterator[Finding]:
    for name in rights.missing:
        reason = REASONS.get(name.lower(), '`must_change = "keep"` needs it')
        yield Finding(
            Part.RIGHTS,
            State.FAILED,
            f"may write the password, but not `{name}`: {reason}",
            "Give the service account this right too, or change the setting; see the directory's how-to.",
            user.login,
        )
    if rights.reads_hashes:
        yield Finding(
            Part.RIGHTS,
            State.WARNING,
            "the service account can read password hashes",
            "Give it write without read on userPassword (OpenLDAP: `=w` instead of `write`).",
            user.login,
        )
    if rights.beyond:
        yield _of_beyond(rights.beyond, user, wants)


def _of_beyond(beyond: Sequence[str], user: User, wants: Wants) -> Finding:
    addresses = [name for name in beyond if name.lower() in {one.lower() for one in wants.addresses}]
    named = [*addresses, *(name for name in beyond if name not in addresses)]
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    danger = "; whoever has its password could have links sent to himself" if addresses else ""
    return Finding(
        Part.RIGHTS,
        State.WARNING,
        f"the service account may also write {', '.join(named[:MOST_NAMED])}{more}{danger}",
        "Take these rights away: pwreset does not need them.",
        user.login,
    )


def _of_changes(user: User) -> Finding:
    if user.password_mark:
        return Finding(Part.CHANGES, State.OK, "a password changed elsewhere shows, and ends links", subject=user.login)
    return Finding(
        Part.CHANGES,
        State.WARNING,
        "the directory tells no time of this person's last password change: one made elsewhere ends no link",
        "Have the policy keep it, and let the service account read it; see the directory's how-to. A password that was"
        " never changed under the policy has none either.",
        user.login,
    )


def _of_missing(missing: tuple[str, ...] | None, inspector: Inspector, wants: Wants) -> Finding:
    names = ", ".join(dict.fromkeys((*wants.logins, inspector.identity)))
    if missing is None:
        return Finding(
            Part.INDEX,
            State.UNTOLD,
            f"whether {names} have an equality index does not show",
            "Ask the directory's administrator; the how-to says how to look, and how to let pwreset look.",
        )
    if missing:
        return Finding(
            Part.INDEX,
            State.WARNING,
            f"no equality index for {', '.join(missing)}: each call reads the whole directory",
            "Have it indexed, or take it out of `login_attributes`.",
        )
    return Finding(Part.INDEX, State.OK, f"{names} have an equality index")


def best_of(people: Iterable[User]) -> User | None:
    """The one on whom rights can be tried best: active, not protected, with a change time of the password."""
    order = sorted(
        people, key=lambda user: (user.protected, user.state is not AccountState.ACTIVE, not user.password_mark)
    )
    return next(iter(order), None)
