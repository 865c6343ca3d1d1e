"""What the directory contract runs on: a real Samba domain controller, prepared in the contract's words."""

from __future__ import annotations

from typing import Any

from pwreset.directory.ldap import LdapDirectory
from pwreset.reset.ports import Directory
from pwreset.secret import Secret
from pwreset.settings.sections import Domain
from tests.servers import samba as lab
from tests.servers.samba import LabSamba, password_of


class SambaLab:
    """Samba 4.17; what it does otherwise than other servers is said by these."""

    # A reset by a service account is held to length and complexity only; and the old password binds for an hour more.
    holds_resets_to_history = False
    ends_old_passwords = False

    def __init__(self, server: LabSamba, *, start_tls: bool = False) -> None:
        self._server = server
        self._uri = server.uri if start_tls else server.ldaps_uri
        self._made: list[LdapDirectory] = []
        self._dns: dict[str, str] = {}

    def directory(self, **settings: Any) -> Directory:
        values: dict[str, Any] = {
            "uris": (self._uri,),
            "base_dn": lab.PEOPLE,
            "bind_dn": lab.SERVICE_DN,
            "ca_file": str(self._server.ca_file),
            "login_attributes": ("sAMAccountName", "cn", "mail"),
            "mail_attributes": ("mail", "otherMailbox"),
            "timeout_seconds": 30.0,
        }
        values |= settings
        # A person may serve as the service account.
        login = values["bind_dn"].split(",", 1)[0].partition("=")[2].lower()
        password = lab.SERVICE_PASSWORD if values["bind_dn"] == lab.SERVICE_DN else password_of(login)
        directory = LdapDirectory("EXAMPLE", Domain(**values), Secret(password))
        self._made.append(directory)
        return directory

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

    def dn(self, uid: str) -> str:
        return self._dns[uid]

    def add_group(self, *members: str) -> str:
        return self._server.add_group(members)

    def add_to_group(self, group: str, member: str) -> None:
        self._server.add_members(group, member)

    def lock_by_failures(self, uid: str) -> None:
        self._server.fail_to_log_in(self.dn(uid), 5)

    def lock_by_administrator(self, uid: str) -> None:
        self._server.disable(self.dn(uid))

    def demand_change(self, uid: str) -> None:
        self._server.change(self.dn(uid), pwdLastSet="0")

    def must_change(self, uid: str) -> bool:
        return self._server.read(self.dn(uid))["pwdLastSet"] == ["0"]

    def expire(self, uid: str) -> None:
        self._server.expire(self.dn(uid))

    def change_password_elsewhere(self, uid: str, password: str) -> None:
        self._server.set_password(self.dn(uid), password)

    def remove(self, uid: str) -> None:
        self._server.delete(self.dn(uid))

    def accepts(self, uid: str, password: str) -> bool:
        return self._server.accepts(self.dn(uid), password)

    async def close(self) -> None:
        for directory in self._made:
            await directory.close()
