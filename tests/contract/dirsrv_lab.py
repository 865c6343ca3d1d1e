"""What the directory contract runs on: a real 389 Directory Server, prepared in the contract's words."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.contract.ldap_lab import LdapLab
from tests.servers import dirsrv_plan as lab
from tests.servers.dirsrv import LabDirsrv
from tests.servers.dirsrv_plan import policy_dn
from tests.servers.slapd import password_of

WAIT_SECONDS = 20.0


class DirsrvLab(LdapLab[LabDirsrv]):
    """389 Directory Server 2.3."""

    people = lab.PEOPLE
    branches = lab.OTHER_PEOPLE, lab.OTHER
    service = lab.SERVICE_DN, lab.SERVICE_PASSWORD

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

    def first_dn(self, uid: str) -> str:
        return lab.dn_of(uid)

    def replace_by_namesake(self, uid: str) -> None:
        self.remove(uid)
        self._server.add_person(uid=uid)

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

    @staticmethod
    def _wait(done: Callable[[], bool]) -> None:
        """The server writes what follows from a change only after it has answered."""
        until = time.monotonic() + WAIT_SECONDS
        while not done():
            assert time.monotonic() < until, "it never came"
            time.sleep(0.02)
