"""What the labs of all real servers have in common."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pwreset.directory.ldap import LdapDirectory
from pwreset.reset.ports import Directory
from pwreset.secret import Secret
from pwreset.settings.domains import Domain
from tests.servers.slapd import password_of


class LabServer(Protocol):
    """A running server, as far as every lab uses it."""

    @property
    def uri(self) -> str: ...

    @property
    def ldaps_uri(self) -> str: ...

    @property
    def ca_file(self) -> Path: ...

    def add_group(self, members: Sequence[str]) -> str: ...

    def add_members(self, dn: str, *members: str) -> None: ...

    def remove_members(self, dn: str, *members: str) -> None: ...

    def set_password(self, dn: str, password: str) -> None: ...

    def fail_to_log_in(self, dn: str, times: int) -> None: ...

    def delete(self, dn: str) -> None: ...

    def rename(self, dn: str, rdn: str, parent: str | None = None) -> str: ...

    def large_group(self) -> str: ...

    def accepts(self, dn: str, password: str) -> bool: ...


S = TypeVar("S", bound=LabServer)


class LdapLab(Generic[S]):
    """A real server in the contract's words; what it does otherwise than other servers is said by the traits."""

    holds_resets_to_history: ClassVar[bool] = True
    tells_history: ClassVar[bool] = True
    ends_old_passwords: ClassVar[bool] = True
    is_real: ClassVar[bool] = True
    people: ClassVar[str]
    branches: ClassVar[tuple[str, str]]  # one within `people`, one outside
    service: ClassVar[tuple[str, str]]  # DN and password
    attributes: ClassVar[dict[str, Any]] = {"login_attributes": ("uid", "cn", "mail")}

    def __init__(self, server: S, *, start_tls: bool = False) -> None:
        self._server = server
        self._uri = server.uri if start_tls else server.ldaps_uri
        self._made: list[LdapDirectory] = []
        self._dns: dict[str, str] = {}  # of people who are not where they were

    def place(self) -> dict[str, Any]:
        """The settings that say where it is, and how to log in to it."""
        return {
            "uris": (self._uri,),
            "base_dn": self.people,
            "bind_dn": self.service[0],
            "ca_file": str(self._server.ca_file),
        }

    def directory(self, **settings: Any) -> Directory:
        # The deadline is generous: a busy machine must not fail a test.
        values = {**self.place(), **self.attributes, "timeout_seconds": 30.0, **settings}
        directory = LdapDirectory("EXAMPLE", Domain(**values), Secret(self._password_of(values["bind_dn"])))
        self._made.append(directory)
        return directory

    def _password_of(self, dn: str) -> str:
        """A person may serve as the service account."""
        own, password = self.service
        return password if dn == own else password_of(dn.split(",", 1)[0].partition("=")[2].lower())

    def dn(self, uid: str) -> str:
        return self._dns.get(uid) or self.first_dn(uid)

    def first_dn(self, uid: str) -> str:
        raise NotImplementedError

    def add_group(self, *members: str) -> str:
        return self._server.add_group(members)

    def add_to_group(self, group: str, member: str) -> None:
        self._server.add_members(group, member)

    def remove_from_group(self, group: str, member: str) -> None:
        self._server.remove_members(group, member)

    def remove_group(self, group: str) -> None:
        self._server.delete(group)

    def change_password_elsewhere(self, uid: str, password: str) -> None:
        self._server.set_password(self.dn(uid), password)

    def lock_by_failures(self, uid: str) -> None:
        self._server.fail_to_log_in(self.dn(uid), 5)

    def remove(self, uid: str) -> None:
        self._server.delete(self.dn(uid))

    def rename(self, uid: str) -> None:
        attribute = self.dn(uid).partition("=")[0]
        self._dns[uid] = self._server.rename(self.dn(uid), f"{attribute}=renamed-{uid}")

    def move(self, uid: str, *, out: bool = False) -> None:
        self._dns[uid] = self._server.rename(self.dn(uid), self.dn(uid).partition(",")[0], self.branches[out])

    def large_group(self, *members: str) -> str:
        group = self._server.large_group()
        if members:
            self._server.add_members(group, *members)
        return group

    def accepts(self, uid: str, password: str) -> bool:
        return self._server.accepts(self.dn(uid), password)

    async def close(self) -> None:
        for directory in self._made:
            await directory.close()
