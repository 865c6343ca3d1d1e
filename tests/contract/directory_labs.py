"""What the directory contract runs on: the fake and a real slapd, prepared in the same words."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Protocol
from uuid import uuid4

from pwreset.reset.model import AccountState, User
from pwreset.reset.ports import Directory
from pwreset.settings.domains import Domain
from tests.contract.ldap_lab import LdapLab
from tests.fakes.directory import FakeDirectory, FakePolicy, FakeTree
from tests.servers import slapd as lab
from tests.servers.crowd import CROWD
from tests.servers.slapd import ADMINISTRATIVE_LOCK, LabSlapd, password_of, policy_dn

LOGIN_ATTRIBUTES = ("uid", "cn", "mail")


class DirectoryLab(Protocol):
    """A directory and the hands of its administrator."""

    # What this kind of server does; what others do instead has tests of its own.
    holds_resets_to_history: ClassVar[bool]  # and to the minimum age
    tells_history: ClassVar[bool]  # apart from the quality check
    ends_old_passwords: ClassVar[bool]
    is_real: ClassVar[bool]

    def directory(self, **settings: Any) -> Directory:
        """The adapter under test, with these settings of the domain."""
        ...

    def add_person(
        self, *, name: str | None = None, mail: tuple[str, ...] = (), policy: str = "default", writable: bool = True
    ) -> str:
        """A new person; the uid. The password is `password_of(uid)`."""
        ...

    def dn(self, uid: str) -> str: ...

    def add_group(self, *members: str) -> str: ...

    def add_to_group(self, group: str, member: str) -> None: ...

    def remove_from_group(self, group: str, member: str) -> None: ...

    def remove_group(self, group: str) -> None: ...

    def lock_by_failures(self, uid: str) -> None: ...

    def lock_by_administrator(self, uid: str) -> None: ...

    def demand_change(self, uid: str) -> None: ...

    def must_change(self, uid: str) -> bool: ...

    def expire(self, uid: str) -> None: ...

    def change_password_elsewhere(self, uid: str, password: str) -> None: ...

    def remove(self, uid: str) -> None: ...

    def rename(self, uid: str) -> None:
        """Give the person's entry another name; `dn` tells it."""
        ...

    def move(self, uid: str, *, out: bool = False) -> None:
        """Move the person to another branch of the domain, or out of it; `dn` tells where to."""
        ...

    def replace_by_namesake(self, uid: str) -> None:
        """Remove the person, and add another one of the same name, log-in, DN and first password."""
        ...

    def large_group(self, *members: str) -> str:
        """The one group of more people than Active Directory tells at once (1,500), after these were added to it."""
        ...

    def accepts(self, uid: str, password: str) -> bool: ...

    async def close(self) -> None: ...


class SlapdLab(LdapLab[LabSlapd]):
    """The real one."""

    people = lab.PEOPLE
    branches = lab.BRANCH, lab.LOAD
    service = lab.SERVICE_DN, lab.SERVICE_PASSWORD

    def add_person(
        self, *, name: str | None = None, mail: tuple[str, ...] = (), policy: str = "default", writable: bool = True
    ) -> str:
        changed: dict[str, Any] = {} if policy == "default" else {"pwdPolicySubentry": policy_dn(policy)}
        if name is not None:
            changed["cn"] = name
        if mail:
            changed["mail"] = mail
        return self._server.add_person(prefix="p" if writable else "noaccess", **changed)

    def first_dn(self, uid: str) -> str:
        return lab.dn_of(uid)

    def replace_by_namesake(self, uid: str) -> None:
        self.remove(uid)
        self._server.add_person(uid=uid)

    def lock_by_administrator(self, uid: str) -> None:
        self._server.change(self.dn(uid), pwdAccountLockedTime=ADMINISTRATIVE_LOCK)

    def demand_change(self, uid: str) -> None:
        # The policy must say so too: without pwdMustChange slapd lets people log in all the same.
        self._server.change(self.dn(uid), pwdReset="TRUE", pwdPolicySubentry=policy_dn("mustchange"))

    def must_change(self, uid: str) -> bool:
        return self._server.read(self.dn(uid)).get("pwdReset") == ["TRUE"]

    def expire(self, uid: str) -> None:
        self._server.change(self.dn(uid), pwdPolicySubentry=policy_dn("expiring"), pwdChangedTime="20200101000000Z")


class FakeLab:
    """The one in memory."""

    holds_resets_to_history: ClassVar[bool] = True
    tells_history: ClassVar[bool] = True
    ends_old_passwords: ClassVar[bool] = True
    is_real: ClassVar[bool] = False

    def __init__(self) -> None:
        self._tree = FakeTree()
        self._hands = FakeDirectory(tree=self._tree)

    def directory(self, **settings: Any) -> Directory:
        values: dict[str, Any] = {
            "uris": ("ldaps://127.0.0.1",),
            "base_dn": lab.PEOPLE,
            "bind_dn": lab.SERVICE_DN,
            "login_attributes": LOGIN_ATTRIBUTES,
        }
        return FakeDirectory("EXAMPLE", Domain(**(values | settings)), self._tree)

    def add_person(
        self, *, name: str | None = None, mail: tuple[str, ...] = (), policy: str = "default", writable: bool = True
    ) -> str:
        uid = f"p{self._tree.next_number():05d}"
        user = User(
            id=str(uuid4()),
            dn=self.dn(uid),
            domain="EXAMPLE",
            login=uid,
            name=name or f"Pat Person{uid}",
            mails=mail or (f"{uid}@example.org",),
            mobiles=("+33600000000",),
            language=None,
            state=AccountState.ACTIVE,
            protected=False,
            password_mark="",
            entry_mark=f"entry-{uid}",
        )
        self._hands.add(user, password_of(uid), FAKE_POLICIES[policy])
        person = self._tree.people[user.id]
        person.writable = writable
        if FAKE_POLICIES[policy].min_age:
            self._hands.change_password(user.id, password_of(uid))
        return uid

    def dn(self, uid: str) -> str:
        return next((one.user.dn for one in self._tree.people.values() if one.user.login == uid), lab.dn_of(uid))

    def add_group(self, *members: str) -> str:
        dn = f"cn=g{self._tree.next_number():05d},{lab.GROUPS}"
        self._tree.groups[dn] = list(members)
        return dn

    def add_to_group(self, group: str, member: str) -> None:
        self._tree.groups[group].append(member)

    def remove_from_group(self, group: str, member: str) -> None:
        self._tree.groups[group].remove(member)

    def remove_group(self, group: str) -> None:
        del self._tree.groups[group]

    def lock_by_failures(self, uid: str) -> None:
        self._hands.change(self._id(uid), state=AccountState.LOCKED)

    def lock_by_administrator(self, uid: str) -> None:
        self._hands.change(self._id(uid), state=AccountState.DISABLED)

    def demand_change(self, uid: str) -> None:
        self._tree.people[self._id(uid)].must_change = True

    def must_change(self, uid: str) -> bool:
        return self._tree.people[self._id(uid)].must_change

    def expire(self, uid: str) -> None:
        self._tree.people[self._id(uid)].expired = True

    def change_password_elsewhere(self, uid: str, password: str) -> None:
        self._hands.change_password(self._id(uid), password)

    def remove(self, uid: str) -> None:
        self._hands.remove(self._id(uid))

    def rename(self, uid: str) -> None:
        self._give_dn(uid, f"uid=renamed-{uid},{lab.PEOPLE}")

    def move(self, uid: str, *, out: bool = False) -> None:
        self._give_dn(uid, f"uid={uid},{lab.LOAD if out else lab.BRANCH}")

    def replace_by_namesake(self, uid: str) -> None:
        person = self._tree.people[self._id(uid)]
        self.remove(uid)
        self._hands.add(replace(person.user, id=str(uuid4())), password_of(uid), person.policy)

    def large_group(self, *members: str) -> str:
        return self.add_group(*(f"uid=crowd{number:04d},{lab.PEOPLE}" for number in range(CROWD)), *members)

    def accepts(self, uid: str, password: str) -> bool:
        person = self._tree.people[self._id(uid)]
        return person.password == password and person.user.state is AccountState.ACTIVE

    async def close(self) -> None:
        return

    def _give_dn(self, uid: str, dn: str) -> None:
        before = self.dn(uid)
        self._hands.change(self._id(uid), dn=dn)
        for members in self._tree.groups.values():
            members[:] = [dn if member == before else member for member in members]

    def _id(self, uid: str) -> str:
        return next(key for key, person in self._tree.people.items() if person.user.login == uid)


AN_HOUR = timedelta(hours=1)

FAKE_POLICIES = {
    "default": FakePolicy(),
    "strict": FakePolicy(min_length=14, history=24, min_age=AN_HOUR, max_failures=3),
}
