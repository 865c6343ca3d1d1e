"""The port `Directory` for one domain."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import ldap

from pwreset import logs
from pwreset.directory import diagnosis
from pwreset.directory.dialects import Dialect, Names, Policies
from pwreset.directory.dialects.choose import dialect_named, dialect_of
from pwreset.directory.entries import Entry, Reader
from pwreset.directory.groups import Groups
from pwreset.directory.inspection import Wants
from pwreset.directory.inspection.examine import INSPECTORS, Examination, best_of
from pwreset.directory.inspection.sample import some_people
from pwreset.directory.measured import Measure, MeasuredPool, keep_quiet
from pwreset.directory.names import is_below, read_dn
from pwreset.directory.shared import RawEntry
from pwreset.directory.writer import Writer
from pwreset.errors import (
    ChangeRefused,
    DirectoryMisconfigured,
    DirectoryUnavailable,
    FilterInvalid,
    PwresetError,
    UserAmbiguous,
    UserUnknown,
)
from pwreset.reset.findings import Finding
from pwreset.reset.model import AccountState, ServerHealth, User
from pwreset.reset.policy import Rule
from pwreset.reset.ports import BindOutcome
from pwreset.secret import Secret
from pwreset.settings.domains import Domain

SAMPLE = 25  # people, of whom one is chosen
EXACTLY_ONE = 2  # the size limit that tells one from more
# What groups are listed for, as the settings call it.
MANAGERS, PROTECTED, DEMANDING = "managers", "protected", "mfa.groups"

log = logs.get("directory")


@dataclass(frozen=True, slots=True)
class Kind:
    """What kind of directory it is, and what follows from that."""

    dialect: Dialect
    reader: Reader
    policies: Policies
    groups: Groups


class LdapDirectory:
    """One domain's directory over LDAP. Belongs to the event loop it is first used on."""

    def __init__(self, name: str, domain: Domain, bind_password: Secret | None, measure: Measure = keep_quiet) -> None:
        self._name = name
        self._settings = domain
        self._pool = MeasuredPool(name, domain, bind_password, measure)
        self._listed = {MANAGERS: domain.managers, PROTECTED: domain.protected, DEMANDING: domain.mfa.groups}
        protecting = (PROTECTED, MANAGERS) if domain.protect_managers else (PROTECTED,)
        self._protecting = {purpose for purpose in protecting if self._listed[purpose]}
        # What the groups say of a person: the same are asked for whatever they are listed for.
        self._asked = [purpose for purpose in (*protecting, DEMANDING) if self._listed[purpose]]
        dialect = dialect_named(domain.dialect)
        self._kind: Kind | None = None if dialect is None else self._kind_with(dialect)
        self._names: Names | None = None
        self._base = read_dn(domain.base_dn)
        self._managers_base = read_dn(domain.managers_base_dn or domain.base_dn)
        self._own = read_dn(domain.bind_dn or "")
        self._writer = Writer(name, domain, self._pool, self._as_now, self.rules)

    @property
    def domain(self) -> str:
        """The domain's configured name."""
        return self._name

    async def find(self, username: str, *, or_mail: bool = False) -> User:
        """See `Directory.find`."""
        kind = self._kind or await self._learn()
        wanted = kind.reader.among_users(await self._filter_of(kind, username, or_mail=or_mail))
        entry = await self._exactly_one(self._settings.base_dn, wanted, username, kind.reader.attributes)
        return await self._user(kind, entry, fresh=False)

    async def find_by_id(self, user_id: str) -> User:
        """See `Directory.find_by_id`."""
        kind = self._kind or await self._learn()
        return await self._user(kind, await self._entry_by_id(kind, user_id), fresh=True)

    async def people(self, wanted: str) -> AsyncIterator[str]:
        """See `Directory.people`."""
        kind = self._kind or await self._learn()
        logins = kind.reader.logins
        try:
            async for page in self._pool.pages(self._settings.base_dn, kind.reader.found_by(wanted), logins):
                for raw in page:
                    if login := Entry(raw).text(*logins):
                        yield login
        except ldap.FILTER_ERROR as error:
            raise FilterInvalid from error

    def contains(self, dn: str) -> bool:
        """See `Directory.contains`. Where managers are looked up belongs to the domain too."""
        name = read_dn(dn)
        return is_below(name, self._base) or is_below(name, self._managers_base)

    async def manager_dn(self, login: str) -> str:
        """See `Directory.manager_dn`."""
        if "=" in login and self.contains(login):
            return await self._existing(login)
        base = self._settings.managers_base_dn or self._settings.base_dn
        kind = self._kind or await self._learn()
        entry = await self._exactly_one(base, await self._filter_of(kind, login), login, ("1.1",))
        return entry.dn

    async def goes_by(self, name: str) -> bool:
        """See `Directory.goes_by`."""
        return (await self._own_names(self._kind or await self._learn())).hold(name)

    async def is_manager(self, dn: str) -> bool:
        """See `Directory.is_manager`. A DN of `managers` that cannot be read makes nobody a manager."""
        kind = self._kind or await self._learn()
        [closure] = await kind.groups.fresh((MANAGERS,), dn)
        if read_dn(dn) in {read_dn(missing) for missing in closure.unresolved}:
            return False
        return closure.holds(dn, await self._groups_of(kind, dn))

    async def bind(self, dn: str, password: Secret) -> BindOutcome:
        """See `Directory.bind`."""
        # A DN with an empty password is an anonymous bind, which "succeeds" (RFC 4513, 5.1.2); so does an empty DN.
        if not password or not read_dn(dn):
            return BindOutcome.WRONG

        kind = self._kind or await self._learn()

        def try_it(connection: Any) -> BindOutcome:
            return kind.dialect.log_in(connection, dn, password, self._pool.seconds).outcome

        try:
            return await self._pool.alone(try_it)
        except (ldap.CONFIDENTIALITY_REQUIRED, ldap.STRONG_AUTH_REQUIRED) as error:
            raise DirectoryMisconfigured(self._name, "it wants TLS for log-ins") from error
        except (ldap.LDAPError, TimeoutError) as error:
            raise DirectoryUnavailable(self._name) from error

    async def rules(self, user: User) -> tuple[Rule, ...]:
        """See `Directory.rules`. Nothing is told where the policy cannot be read or is not certain."""
        kind = self._kind or await self._learn()
        return await kind.policies.rules(user.dn)

    async def set_password(self, user: User, password: Secret) -> None:
        """See `Directory.set_password`; also raises UserDisabled, UserLocked (with `unlock = false`)."""
        kind = self._kind or await self._learn()
        await self._writer.write(kind.dialect, user, password)

    async def change_own_password(self, user: User, old: Secret, new: Secret) -> None:
        """See `Directory.change_own_password`."""
        if not old or not read_dn(user.dn):
            raise ChangeRefused
        kind = self._kind or await self._learn()
        await self._writer.write(kind.dialect, user, new, old=old)

    async def took(self, user: User, password: Secret) -> bool:
        """See `Directory.took`."""
        if await self.bind(user.dn, password) is BindOutcome.WRONG:
            return False
        kind = self._kind or await self._learn()
        # Where a former password still binds, that it does says nothing.
        return kind.dialect.ends_old_passwords or (await self.find_by_id(user.id)).password_mark != user.password_mark

    async def health(self) -> tuple[ServerHealth, ...]:
        """See `Directory.health`."""
        servers = self._pool.servers
        return tuple(
            await asyncio.gather(*(diagnosis.health(self._pool, server, self._settings.base_dn) for server in servers))
        )

    async def group_sizes(self) -> Mapping[str, int | None]:
        """See `Directory.group_sizes`."""
        kind = self._kind or await self._learn()
        dns = tuple(dict.fromkeys(dn for listed in self._listed.values() for dn in listed))
        groups = Groups(self._pool, self._name, kind.dialect, {dn: (dn,) for dn in dns})
        closures = await groups.fresh(dns)
        groups.close()
        return {dn: None if one.unresolved else one.people for dn, one in zip(dns, closures, strict=True)}

    async def sample(self) -> User | None:
        """See `Directory.sample`."""
        kind = self._kind or await self._learn()
        inspector, wants = INSPECTORS[kind.dialect.name], self._wants(kind)
        try:
            raw = await self._pool.on_one(
                lambda session: some_people(session, wants, inspector, kind.reader.attributes, SAMPLE)
            )
        except ldap.LDAPError:
            raise DirectoryUnavailable(self._name) from None
        return best_of([await self._user(kind, Entry(entry), fresh=False) for entry in raw])

    async def examine(self, people: Sequence[User]) -> tuple[Finding, ...]:
        """See `Directory.examine`."""
        with contextlib.suppress(PwresetError):
            self._kind = self._kind or await self._learn()
        kind = self._kind
        look = Examination(
            self._pool, self._settings.dialect, self._wants(kind), None if kind is None else kind.dialect
        )
        return tuple(replace(finding, domain=self._name) for finding in await look.findings(people))

    async def close(self) -> None:
        """See `Directory.close`."""
        if self._kind is not None:
            self._kind.groups.close()
        await self._pool.close()

    def _kind_with(self, dialect: Dialect) -> Kind:
        reader = Reader(self._name, self._settings, dialect)
        policies = dialect.policies(self._pool, self._settings.base_dn)
        return Kind(dialect, reader, policies, Groups(self._pool, self._name, dialect, self._listed))

    def _wants(self, kind: Kind | None) -> Wants:
        settings = self._settings
        return Wants(
            base_dn=settings.base_dn,
            bind_dn=settings.bind_dn or "",
            unlock=settings.unlock,
            keep_must_change=settings.must_change == "keep",
            logins=self._searched(kind),
            addresses=(*settings.mail_attributes, *settings.mobile_attributes),
            seconds=self._pool.seconds,
        )

    def _searched(self, kind: Kind | None) -> tuple[str, ...]:
        """The attributes that are searched for what people type: those of mail too, where people ask for themselves."""
        logins = kind.reader.logins if kind is not None else self._settings.login_attributes or ()
        return tuple(dict.fromkeys((*logins, *self._settings.mail_attributes))) if self._settings.public else logins

    async def _learn(self) -> Kind:
        """Ask the directory what it is, once. Raises Unavailable."""
        if self._kind is None:
            dialect = dialect_of(await self._pool.root())
            # Many may ask at once at first. What is known of the groups is to be known to all of them.
            if self._kind is None:
                log.info("directory found", domain=self._name, dialect=dialect.name)
                self._kind = self._kind_with(dialect)
        return self._kind

    async def _own_names(self, kind: Kind) -> Names:
        """What the directory calls the domain, asked once. Raises Unavailable."""
        if self._names is None:
            self._names = await kind.dialect.names(self._pool)
        return self._names

    async def _filter_of(self, kind: Kind, login: str, *, or_mail: bool = False) -> str:
        """For a name as people type it. Most have no sign in it that could make it mean more than it says."""
        plain = kind.reader.by_login(login, or_mail=or_mail)
        return (await self._own_names(kind)).filter_of(login, plain) if "\\" in login or "@" in login else plain

    async def _exactly_one(self, base: str, filter_text: str, username: str, attributes: tuple[str, ...]) -> Entry:
        try:
            found = await self._search(base, filter_text, attributes)
        except ldap.SIZELIMIT_EXCEEDED:
            raise UserAmbiguous(username, self._name) from None
        except UnicodeEncodeError:  # lone surrogates: no directory has such a name
            found = []
        if not found:
            raise UserUnknown(username, self._name)
        if len(found) > 1:
            raise UserAmbiguous(username, self._name)
        return Entry(found[0])

    async def _search(self, base: str, filter_text: str, attributes: tuple[str, ...]) -> list[RawEntry]:
        try:
            return await self._pool.search(base, ldap.SCOPE_SUBTREE, filter_text, attributes, EXACTLY_ONE)
        except (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX) as error:
            raise DirectoryMisconfigured(self._name, f"its base {base} does not exist or may not be read") from error

    async def _entry_by_id(self, kind: Kind, user_id: str) -> Entry:
        return await self._exactly_one(
            self._settings.base_dn, kind.reader.by_id(user_id), user_id, kind.reader.attributes
        )

    async def _as_now(self, user_id: str) -> User:
        kind = self._kind or await self._learn()
        return await self._user(kind, await self._entry_by_id(kind, user_id), fresh=False)

    async def _existing(self, dn: str) -> str:
        """The DN of an entry, as the directory spells it."""
        try:
            found = await self._pool.search(dn, ldap.SCOPE_BASE, "(objectClass=*)", ("1.1",))
        except (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX):
            found = []
        if not found:
            raise UserUnknown(dn, self._name)
        return found[0][0]

    async def _user(self, kind: Kind, entry: Entry, *, fresh: bool) -> User:
        guarded = self._settings.protect_admin_count and kind.dialect.is_protected(entry)
        is_own = self._own is not None and read_dn(entry.dn) == self._own
        holding = await self._holding(kind, entry, fresh=fresh)
        protected = guarded or is_own or not self._protecting.isdisjoint(holding)
        second_factor = DEMANDING in holding
        user = kind.reader.user(entry, protected=protected, second_factor=second_factor, whole=fresh)
        if not user.id:
            # Links are bound to it: without, all people would look like one, and each new link would end all others.
            raise DirectoryMisconfigured(self._name, "our service account may not read what identifies an entry")
        if user.state is AccountState.LOCKED and await kind.policies.lock_is_over(entry):
            return replace(user, state=AccountState.ACTIVE)
        return user

    async def _holding(self, kind: Kind, entry: Entry, *, fresh: bool) -> set[str]:
        """What the groups are listed for that hold the entry, or may hold it."""
        if not self._asked:
            return set()
        groups_of = await kind.dialect.groups_of(self._pool, entry)
        asked = kind.groups.fresh(self._asked, entry.dn) if fresh else kind.groups.closures(self._asked)
        # Who is behind a DN that cannot be read cannot be told: it may be anybody.
        return {
            purpose
            for purpose, closure in zip(self._asked, await asked, strict=True)
            if closure.unresolved or closure.holds(entry.dn, groups_of)
        }

    async def _groups_of(self, kind: Kind, dn: str) -> tuple[str, ...]:
        try:
            found = await self._pool.search(dn, ldap.SCOPE_BASE, "(objectClass=*)", ("memberOf",))
        except (ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX):
            return ()
        return await kind.dialect.groups_of(self._pool, Entry(found[0])) if found else ()
