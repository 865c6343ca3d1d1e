"""What the directory contract runs on: a real Samba domain controller, prepared in the contract's words."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.contract.ldap_lab import LdapLab
from tests.servers import samba as lab
from tests.servers.samba import LabSamba
from tests.servers.slapd import password_of


class SambaLab(LdapLab[LabSamba]):
    """Samba 4.17; what it does otherwise than other servers is said by these."""

    # A reset by a service account is held to length and complexity only; and the old password binds for an hour more.
    holds_resets_to_history = False
    tells_history = False
    ends_old_passwords = False
    people = lab.PEOPLE
    branches = lab.BRANCH, lab.OTHER
    service = lab.SERVICE_DN, lab.SERVICE_PASSWORD
    attributes: ClassVar[dict[str, Any]] = {
        "login_attributes": ("sAMAccountName", "cn", "mail"),
        "mail_attributes": ("mail", "otherMailbox"),
    }

    def add_person(
        self, *, name: str | None = None, mail: tuple[str, ...] = (), policy: str = "default", writable: bool = True
    ) -> str:
        changed: dict[str, Any] = {"mail": mail[0], "otherMailbox": mail[1:]} if mail else {}
        dn = self._server.add_person(
            name=name,
            where=lab.PEOPLE if writable else lab.RESTRICTED,
            groups=() if policy == "default" else (lab.policy_group(policy),),
            **{key: value for key, value in changed.items() if value},
        )
        login = self._server.login_of(dn)
        self._dns[login] = dn
        return login

    def first_dn(self, uid: str) -> str:
        raise KeyError(uid)

    def replace_by_namesake(self, uid: str) -> None:
        dn = self.dn(uid)
        self.remove(uid)
        self._server.add_person(
            name=dn.partition(",")[0].partition("=")[2], sAMAccountName=uid, password=password_of(uid)
        )

    def lock_by_administrator(self, uid: str) -> None:
        self._server.disable(self.dn(uid))

    def demand_change(self, uid: str) -> None:
        self._server.change(self.dn(uid), pwdLastSet="0")

    def must_change(self, uid: str) -> bool:
        return self._server.read(self.dn(uid))["pwdLastSet"] == ["0"]

    def expire(self, uid: str) -> None:
        self._server.expire(self.dn(uid))
