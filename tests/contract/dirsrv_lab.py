"""What the directory contract runs on: a real 389 Directory Server, prepared in the contract's words."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from pwreset.directory.ldap import LdapDirectory
from pwreset.reset.ports import Directory
from pwreset.secret import Secret
from pwreset.settings.sections import Domain
from tests.servers import dirsrv_plan as lab
from tests.servers.dirsrv import LabDirsrv
from tests.servers.dirsrv_plan import password_of, policy_dn

WAIT_SECONDS = 20.0


class DirsrvLab:
    """389 Directory Server 2.3."""

    holds_resets_to_history = True
    ends_old_passwords = True

    def __init__(self, server: LabDirsrv, *, start_tls: bool = False) -> None:
        self._server = server
        self._uri = server.uri if start_tls else server.ldaps_uri
        self._made: list[LdapDirectory] = []

    def directory(self, **settings: Any) -> Directory:
        values: dict[str, Any] = {
            "uris": (self._uri,),
            "base_dn": lab.PEOPLE,
            "bind_dn": lab.SERVICE_DN,
            "ca_file": str(self._server.ca_file),
            "login_attributes": ("uid", "cn", "mail"),
            "timeout_seconds": 30.0,
        }
        values |= settings
        # A person may serve as the service account.
        uid = values["bind_dn"].split(",", 1)[0].partition("=")[2].lower()
        password = lab.SERVICE_PASSWORD if values["bind_dn"] == lab.SERVICE_DN else password_of(uid)
        directory = LdapDirectory("EXAMPLE", Domain(**values), Secret(password))
        self._made.append(directory)
        return directory

    def add_person(
        self, *, name: str | None = None, mail: tuple[str, ...] = (), policy: str = "default", writable: bool = True
    ) -> str:
        changed: dict[str, Any] = {} if policy == "default" else {"pwdPolicySubentry": policy_dn(policy)}
        if policy == "strict":
            # Set by a change only, and not when somebody is added.
            changed["passwordAllowChangeTime"] = f"{datetime.now(UTC) + timedelta(hours=1):%Y%m%d%H%M%SZ}"
        if name is not None:
            changed["cn"] = name
        if mail:
            changed["mail"] = mail
        return self._server.add_person(prefix="p" if writable else "noaccess", **changed)

    def dn(self, uid: str) -> str:
        return lab.dn_of(uid)

    def add_group(self, *members: str) -> str:
        return self._server.add_group(members)

    def add_to_group(self, group: str, member: str) -> None:
        self._server.add_members(group, member)

    def lock_by_failures(self, uid: str) -> None:
        self._server.fail_to_log_in(self.dn(uid), 5)

    def lock_by_administrator(self, uid: str) -> None:
        self._server.change(self.dn(uid), nsAccountLock="true")

    def demand_change(self, uid: str) -> None:
        """As an administrator does it: by setting a password, under a policy that says so."""
        self._server.change(self.dn(uid), pwdPolicySubentry=policy_dn("mustchange"))
        self._server.change(self.dn(uid), userPassword=password_of(uid))
        self._wait(lambda: self.must_change(uid))

    def must_change(self, uid: str) -> bool:
        return self._server.read(self.dn(uid)).get("passwordExpirationTime") == ["19700101000000Z"]

    def expire(self, uid: str) -> None:
        self._server.change(
            self.dn(uid), pwdPolicySubentry=policy_dn("expiring"), passwordExpirationTime="20200101000000Z"
        )

    def change_password_elsewhere(self, uid: str, password: str) -> None:
        self._server.set_password(self.dn(uid), password)

    def remove(self, uid: str) -> None:
        self._server.delete(self.dn(uid))

    def accepts(self, uid: str, password: str) -> bool:
        return self._server.accepts(self.dn(uid), password)

    async def close(self) -> None:
        for directory in self._made:
            await directory.close()

    @staticmethod
    def _wait(done: Callable[[], bool]) -> None:
        """The server writes what follows from a change only after it has answered."""
        until = time.monotonic() + WAIT_SECONDS
        while not done():
            assert time.monotonic() < until, "it never came"
            time.sleep(0.02)
