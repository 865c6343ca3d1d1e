"""A directory in memory: people, groups, policies and what a service account may do with them.

It passes the same contract suite as the real ones (tests/contract/test_directory.py).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from itertools import count

from pwreset.directory.entries import LOGIN_ATTRIBUTES
from pwreset.directory.names import is_below, read_dn
from pwreset.errors import (
    ChangeRefused,
    DirectoryMisconfigured,
    DirectoryUnavailable,
    FilterInvalid,
    OutcomeUnclear,
    PasswordRefused,
    UserAmbiguous,
    UserDisabled,
    UserLocked,
    UserUnknown,
    WriteDenied,
)
from pwreset.reset.findings import Finding, Part, State
from pwreset.reset.model import AccountState, ServerHealth, User
from pwreset.reset.policy import Rule, RuleCode
from pwreset.reset.ports import BindOutcome
from pwreset.secret import Secret
from pwreset.settings.domains import Domain

BASE = "ou=people,dc=example,dc=org"
GROUPS = "ou=groups,dc=example,dc=org"
SERVICE_DN = "cn=pwreset,ou=services,dc=example,dc=org"


@dataclass(frozen=True, slots=True)
class FakePolicy:
    """What the directory asks of a password."""

    min_length: int = 8
    history: int = 5
    min_age: timedelta = timedelta(0)
    max_failures: int = 5


class Weather(Enum):
    """How the directory behaves."""

    FINE = "fine"
    DOWN = "down"  # nothing is answered
    ANSWERS_LOST = "answers-lost"  # a password is written, and the answer does not come back
    CUT_BEFORE_WRITING = "cut-before-writing"  # the connection breaks before the password is written
    NO_RIGHTS = "no-rights"  # the service account cannot log in


@dataclass(slots=True)
class FakePerson:
    """A person's entry."""

    user: User
    password: str
    policy: FakePolicy = field(default_factory=FakePolicy)
    former: list[str] = field(default_factory=list)
    changed_at: datetime | None = None
    must_change: bool = False
    expired: bool = False
    failures: int = 0
    writable: bool = True


class FakeTree:
    """What one directory server holds; several domains may look at it."""

    def __init__(self) -> None:
        self.people: dict[str, FakePerson] = {}
        self.groups: dict[str, list[str]] = {}
        self.weather = Weather.FINE
        self._numbers = count(1)

    def next_number(self) -> int:
        return next(self._numbers)

    def person_at(self, dn: str) -> FakePerson | None:
        name = read_dn(dn)
        return next((one for one in self.people.values() if name and read_dn(one.user.dn) == name), None)

    def members(self, dn: str) -> list[str] | None:
        """The members of the group at this DN; None when there is no entry at all."""
        name = read_dn(dn)
        for group, members in self.groups.items():
            if read_dn(group) == name:
                return members
        return [] if self.person_at(dn) is not None else None


class FakeDirectory:
    """`Directory` on a FakeTree."""

    def __init__(self, domain: str = "EXAMPLE", settings: Domain | None = None, tree: FakeTree | None = None) -> None:
        self._domain = domain
        self._settings = settings or Domain(uris=("ldap://127.0.0.1",), base_dn=BASE, bind_dn=SERVICE_DN)
        self.tree = tree or FakeTree()
        self.own_names: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        return self._domain

    # --- what tests do to it ---

    def add(self, user: User, password: str, policy: FakePolicy | None = None) -> None:
        """Add a person. `user.protected` is not believed: the directory says who is protected."""
        self.tree.people[user.id] = FakePerson(user, password, policy or FakePolicy())

    def change(self, user_id: str, **changed: object) -> None:
        """Change a person's entry, as an administrator does."""
        person = self.tree.people[user_id]
        changed.setdefault("entry_mark", f"entry-{self.tree.next_number()}")
        person.user = replace(person.user, **changed)  # type: ignore[arg-type]

    def change_password(self, user_id: str, password: str) -> None:
        """Change a password in another way than ours."""
        self._store(self.tree.people[user_id], password)

    def remove(self, user_id: str) -> None:
        del self.tree.people[user_id]

    def password_of(self, user_id: str) -> str:
        """The password the directory has now."""
        return self.tree.people[user_id].password

    # --- the port ---

    async def find(self, username: str, *, or_mail: bool = False) -> User:
        self._answer()
        return self._user(self._exactly_one(username, or_mail=or_mail))

    async def find_by_id(self, user_id: str) -> User:
        self._answer()
        return self._user(self._person(user_id))

    async def people(self, wanted: str) -> AsyncIterator[str]:
        self._answer()
        found = re.fullmatch(r"\((\w+)=([^*()]*)(\*?)\)", wanted)
        if found is None:
            raise FilterInvalid
        for person in list(self.tree.people.values()):
            known = {"uid": (person.user.login,), "cn": (person.user.name,), "mail": person.user.mails}
            values = known.get(found[1], ())
            if self.contains(person.user.dn) and any(
                value.startswith(found[2]) if found[3] else value == found[2] for value in values
            ):
                yield person.user.login

    def contains(self, dn: str) -> bool:
        name = read_dn(dn)
        bases = (self._settings.base_dn, self._settings.managers_base_dn or self._settings.base_dn)
        return any(is_below(name, read_dn(base)) for base in bases)

    async def manager_dn(self, login: str) -> str:
        self._answer()
        if "=" in login and self.contains(login):
            person = self.tree.person_at(login)
            if person is None:
                raise UserUnknown(login, self._domain)
            return person.user.dn
        return self._exactly_one(login).user.dn

    async def goes_by(self, name: str) -> bool:
        self._answer()
        return name.casefold() in {own.casefold() for own in self.own_names}

    async def is_manager(self, dn: str) -> bool:
        self._answer()
        resolved = [one for one in self._settings.managers if self.tree.members(one) is not None]
        return read_dn(dn) in self._closure(resolved)

    async def bind(self, dn: str, password: Secret) -> BindOutcome:
        self._answer()
        person = self.tree.person_at(dn)
        if person is None or not password:
            return BindOutcome.WRONG
        if person.user.state is not AccountState.ACTIVE or person.password != password.reveal():
            self._count_failure(person)
            return BindOutcome.WRONG
        return BindOutcome.EXPIRED if person.expired or person.must_change else BindOutcome.RIGHT

    async def rules(self, user: User) -> tuple[Rule, ...]:
        self._answer()
        policy = self._person(user.id).policy
        rules = [Rule(RuleCode.MIN_LENGTH, policy.min_length), Rule(RuleCode.HISTORY, policy.history)]
        if policy.min_age:
            rules.append(Rule(RuleCode.TOO_YOUNG, int(policy.min_age.total_seconds() // 60)))
        return tuple(rules)

    async def set_password(self, user: User, password: Secret) -> None:
        self._answer()
        person = self._person(user.id)
        if person.user.state is AccountState.DISABLED:
            raise UserDisabled
        if person.user.state is AccountState.LOCKED and not self._settings.unlock:
            raise UserLocked
        if not person.writable:
            raise WriteDenied
        if broken := self._broken(person, password.reveal()):
            raise PasswordRefused(broken)
        if self.tree.weather is Weather.CUT_BEFORE_WRITING:
            raise OutcomeUnclear
        person.must_change = person.must_change and self._settings.must_change == "keep"
        self._store(person, password.reveal())
        if self.tree.weather is Weather.ANSWERS_LOST:
            raise OutcomeUnclear

    async def change_own_password(self, user: User, old: Secret, new: Secret) -> None:
        person = self._person(user.id)
        if person.user.state is AccountState.DISABLED:
            raise UserDisabled
        if person.user.state is AccountState.LOCKED:
            raise UserLocked
        if await self.bind(person.user.dn, old) is BindOutcome.WRONG:
            raise ChangeRefused
        if broken := self._broken(person, new.reveal()):
            raise PasswordRefused(broken)
        if self.tree.weather is Weather.CUT_BEFORE_WRITING:
            raise OutcomeUnclear
        person.must_change = False
        self._store(person, new.reveal())
        if self.tree.weather is Weather.ANSWERS_LOST:
            raise OutcomeUnclear

    async def took(self, user: User, password: Secret) -> bool:
        return await self.bind(user.dn, password) is not BindOutcome.WRONG

    async def group_sizes(self) -> Mapping[str, int | None]:
        self._answer()
        return {
            dn: None if self.tree.members(dn) is None else self._people_in(dn)
            for dn in (*self._settings.managers, *self._settings.protected, *self._settings.mfa.groups)
        }

    async def sample(self) -> User | None:
        self._answer()
        people = [self._user(person) for person in self.tree.people.values() if self.contains(person.user.dn)]
        return next((user for user in people if not user.protected), next(iter(people), None))

    async def examine(self, people: Sequence[User]) -> tuple[Finding, ...]:
        servers = [
            Finding(Part.SERVER, State.OK if one.ok else State.FAILED, one.detail, one.advice, one.name, self._domain)
            for one in await self.health()
        ]
        if self.tree.weather is not Weather.FINE:
            return (*servers, Finding(Part.RIGHTS, State.UNTOLD, "no server can be used", domain=self._domain))
        return (*servers, *(self._rights(user) for user in people))

    def _rights(self, user: User) -> Finding:
        if self._person(user.id).writable:
            return Finding(Part.RIGHTS, State.OK, "enough", subject=user.login, domain=self._domain)
        words = "the service account may not write this person's password"
        return Finding(Part.RIGHTS, State.FAILED, words, subject=user.login, domain=self._domain)

    async def health(self) -> tuple[ServerHealth, ...]:
        fine = self.tree.weather is not Weather.DOWN
        words = ("", "") if fine else ("nothing listens there", "check that the server runs")
        return tuple(ServerHealth(uri, fine, *words) for uri in self._settings.uris)

    async def close(self) -> None:
        return

    # --- how it works ---

    def _answer(self) -> None:
        if self.tree.weather is Weather.DOWN:
            raise DirectoryUnavailable(self._domain)
        if self.tree.weather is Weather.NO_RIGHTS:
            raise DirectoryMisconfigured(self._domain, "it does not accept our service account")

    def _person(self, user_id: str) -> FakePerson:
        person = self.tree.people.get(user_id)
        if person is None or not self.contains(person.user.dn):
            raise UserUnknown(user_id, self._domain)
        return person

    def _exactly_one(self, username: str, *, or_mail: bool = False) -> FakePerson:
        wanted = _folded(self._without_own_name(username))
        found = [
            person
            for person in self.tree.people.values()
            if self.contains(person.user.dn)
            and wanted in {_folded(name) for name in self._logins(person.user, or_mail=or_mail)}
        ]
        if not found:
            raise UserUnknown(username, self._domain)
        if len(found) > 1:
            raise UserAmbiguous(username, self._domain)
        return found[0]

    def _without_own_name(self, username: str) -> str:
        before, backslash, user = username.partition("\\")
        if backslash and before.casefold() in {name.casefold() for name in self.own_names}:
            return user
        user, at, suffix = username.rpartition("@")
        return user if at and suffix.casefold() in {name.casefold() for name in self.own_names} else username

    def _logins(self, user: User, *, or_mail: bool = False) -> Iterable[str]:
        known = {"uid": (user.login,), "cn": (user.name,), "mail": user.mails}
        return [
            value
            for attribute in self._settings.login_attributes or LOGIN_ATTRIBUTES
            for value in known.get(attribute, ())
        ] + [*(user.mails if or_mail else ())]

    def _user(self, person: FakePerson) -> User:
        user, groups = person.user, self._settings.mfa.groups
        demanded = any(self.tree.members(one) is None for one in groups) or read_dn(user.dn) in self._closure(groups)
        known = {"uid": user.login, "cn": user.name, "mail": next(iter(user.mails), "")}
        return replace(
            user,
            domain=self._domain,
            protected=self._is_protected(user.dn),
            second_factor=demanded,
            factor_name=known.get(self._settings.mfa.radius.username_attribute or "uid", ""),
        )

    def _is_protected(self, dn: str) -> bool:
        settings = self._settings
        if settings.bind_dn is not None and read_dn(settings.bind_dn) == read_dn(dn):
            return True
        listed = (*settings.protected, *(settings.managers if settings.protect_managers else ()))
        if any(self.tree.members(one) is None for one in listed):
            return True
        return read_dn(dn) in self._closure(listed)

    def _closure(self, dns: Iterable[str]) -> set[object]:
        seen: set[object] = set()
        pending = list(dns)
        while pending:
            dn = pending.pop()
            if (name := read_dn(dn)) not in seen:
                seen.add(name)
                pending += self.tree.members(dn) or []
        return seen

    def _people_in(self, dn: str) -> int:
        closure = self._closure([dn])
        return sum(read_dn(person.user.dn) in closure for person in self.tree.people.values())

    def _broken(self, person: FakePerson, password: str) -> tuple[Rule, ...]:
        policy = person.policy
        if len(password) < policy.min_length:
            return (Rule(RuleCode.MIN_LENGTH, policy.min_length),)
        if person.changed_at is not None and datetime.now(UTC) - person.changed_at < policy.min_age:
            return (Rule(RuleCode.TOO_YOUNG, int(policy.min_age.total_seconds() // 60)),)
        if password in (person.password, *person.former[-policy.history :]):
            return (Rule(RuleCode.HISTORY, policy.history),)
        return ()

    def _store(self, person: FakePerson, password: str) -> None:
        """A new password lifts a lock after failed log-ins, as ppolicy does."""
        number = self.tree.next_number()
        person.former.append(person.password)
        person.password = password
        person.failures = 0
        person.expired = False
        person.changed_at = datetime.now(UTC)
        state = AccountState.ACTIVE if person.user.state is AccountState.LOCKED else person.user.state
        person.user = replace(
            person.user, state=state, password_mark=f"password-{number}", entry_mark=f"entry-{number}"
        )

    def _count_failure(self, person: FakePerson) -> None:
        person.failures += 1
        if person.failures >= person.policy.max_failures and person.user.state is AccountState.ACTIVE:
            person.user = replace(person.user, state=AccountState.LOCKED)


def _folded(text: str) -> str:
    return " ".join(text.split()).casefold()
