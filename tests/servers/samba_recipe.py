"""Fills a provisioned Samba domain with the tests' policies, service accounts, people and groups.

Run as a program by Debian's own /usr/bin/python3, which has Samba's modules: `samba_recipe.py SMB_CONF SAM_LDB`, with
the passwords of the accounts as JSON on standard input. Behind these, what no LDAP client can do: `expire DN` lets that
person's password expire; `read-only` makes the domain controller so, while it is not running. It writes into the database
itself.
"""

import json
import sys
import time
from typing import Any

import ldb  # type: ignore[import-not-found]
from samba.auth import system_session  # type: ignore[import-not-found]
from samba.dcerpc import security  # type: ignore[import-not-found]
from samba.ndr import ndr_pack, ndr_unpack  # type: ignore[import-not-found]
from samba.param import LoadParm  # type: ignore[import-not-found]
from samba.samdb import SamDB  # type: ignore[import-not-found]
from samba.sd_utils import SDUtils  # type: ignore[import-not-found]

USER_CLASS = "bf967aba-0de6-11d0-a285-00aa003049e2"
RESET_PASSWORD = "00299570-246d-11d0-a768-00aa006e0529"
PWD_LAST_SET = "bf967a0a-0de6-11d0-a285-00aa003049e2"
LOCKOUT_TIME = "28630ebf-41d5-11d1-a9c1-0000f80367c1"

SECOND = 10_000_000  # in the units of 100 ns that AD counts in; durations are negative
DAY = 86_400 * SECOND
EPOCH = 11_644_473_600 * SECOND  # between 1601 and 1970
BYPASS = "local_oid:1.3.6.1.4.1.7165.4.3.12:0"  # a control of Samba's own: write what its password module guards
UNTIL_UNLOCKED = -(2**63)

PSO: dict[str, Any] = {
    "objectClass": "msDS-PasswordSettings",
    "msDS-PasswordReversibleEncryptionEnabled": "FALSE",
    "msDS-PasswordHistoryLength": "5",
    "msDS-PasswordComplexityEnabled": "TRUE",
    "msDS-MinimumPasswordLength": "8",
    "msDS-MinimumPasswordAge": "0",
    "msDS-MaximumPasswordAge": str(-365 * DAY),
    "msDS-LockoutThreshold": "5",
    "msDS-LockoutObservationWindow": str(-1800 * SECOND),
    "msDS-LockoutDuration": str(-1800 * SECOND),
}
# By group: what differs from the PSO above.
PSOS: dict[str, dict[str, str]] = {
    "strict": {
        "msDS-PasswordHistoryLength": "24",
        "msDS-MinimumPasswordLength": "14",
        "msDS-MinimumPasswordAge": str(-3600 * SECOND),
        "msDS-MaximumPasswordAge": str(-60 * DAY),
        "msDS-LockoutThreshold": "3",
    },
    "simple": {"msDS-PasswordComplexityEnabled": "FALSE", "msDS-PasswordHistoryLength": "0"},
    "shortlock": {
        "msDS-LockoutObservationWindow": str(-1 * SECOND),
        "msDS-LockoutDuration": str(-1 * SECOND),
    },
}


class Recipe:
    """The domain as the tests find it."""

    def __init__(self, conf: str, sam: str, passwords: dict[str, str]) -> None:
        lp = LoadParm()
        lp.load(conf)
        self.db = SamDB(url=sam, session_info=system_session(), lp=lp)
        self.base = self.db.domain_dn()
        self.passwords = passwords

    def build(self) -> None:
        for unit in ("people", "services", "groups", "other"):
            self.db.create_ou(f"OU={unit},{self.base}")
        for unit in ("restricted", "branch"):
            self.db.create_ou(f"OU={unit},OU=people,{self.base}")
        self.policies()
        self.services()
        self.administrator()

    def policies(self) -> None:
        self.modify(
            self.base,
            minPwdLength="8",
            pwdHistoryLength="5",
            minPwdAge="0",
            maxPwdAge=str(-365 * DAY),
            lockoutThreshold="5",
            lockoutDuration=str(UNTIL_UNLOCKED),
            lockOutObservationWindow=str(-1800 * SECOND),
        )
        for number, (name, differences) in enumerate(PSOS.items(), start=1):
            self.db.newgroup(f"{name}-policy", groupou="OU=groups")
            self.db.add(
                {
                    "dn": f"CN={name},CN=Password Settings Container,CN=System,{self.base}",
                    **PSO,
                    **differences,
                    "msDS-PasswordSettingsPrecedence": str(number * 10),
                    "msDS-PSOAppliesTo": self.dn_of(f"{name}-policy"),
                }
            )

    def services(self) -> None:
        for name in ("pwreset", "readonly"):
            self.db.newuser(name, self.passwords[name], userou="OU=services")
            self.modify(self.dn_of(name), userAccountControl="66048")  # its password does not expire
        sid = self.sid_of("pwreset")
        rights = (
            f"(OA;CIIO;CR;{RESET_PASSWORD};{USER_CLASS};{sid})"
            f"(OA;CIIO;RPWP;{PWD_LAST_SET};{USER_CLASS};{sid})"
            f"(OA;CIIO;RPWP;{LOCKOUT_TIME};{USER_CLASS};{sid})"
        )
        tools = SDUtils(self.db)
        # Where rights are not inherited: nobody but the domain's administrators may write here.
        tools.modify_sd_on_dn(
            f"OU=restricted,OU=people,{self.base}", "D:PAI(A;CI;GA;;;DA)(A;CI;GA;;;SY)(A;CI;RPLCLORC;;;AU)"
        )
        tools.dacl_add_ace(f"OU=people,{self.base}", rights)
        # To tell people the rules that hold for them; by default only Domain Admins can read these.
        tools.dacl_add_ace(f"CN=Password Settings Container,CN=System,{self.base}", f"(A;CI;RPLCLORC;;;{sid})")

    def administrator(self) -> None:
        """Somebody whom AdminSDHolder guards. Samba 4.17 has no SDProp, so what AD does hourly is done once here."""
        self.db.newuser("root-admin", self.passwords["root-admin"], userou="OU=people")
        self.db.add_remove_group_members("Domain Admins", ["root-admin"], add_members_operation=True)
        where = f"CN=AdminSDHolder,CN=System,{self.base}"
        found = self.db.search(where, ldb.SCOPE_BASE, attrs=["nTSecurityDescriptor"])
        guarded = ndr_unpack(security.descriptor, found[0]["nTSecurityDescriptor"][0])
        guarded.type |= security.SEC_DESC_DACL_PROTECTED
        for name in ("Administrator", "krbtgt", "root-admin"):
            self.modify(
                self.dn_of(name), controls=["sd_flags:1:4"], nTSecurityDescriptor=ndr_pack(guarded), adminCount="1"
            )

    def expire(self, dn: str) -> None:
        self.modify(dn, controls=[BYPASS], pwdLastSet=str(int(time.time()) * SECOND + EPOCH - 400 * DAY))

    def be_read_only(self) -> None:
        """What a domain controller is, it reads from the category of its own settings."""
        found = self.db.search(self.db.get_config_basedn(), ldb.SCOPE_SUBTREE, "(objectClass=nTDSDSA)", attrs=["1.1"])
        category = f"CN=NTDS-DSA-RO,{self.db.get_schema_basedn()}"
        self.modify(str(found[0].dn), controls=["relax:0"], objectCategory=category)

    def modify(self, dn: str, controls: list[str] | None = None, **attributes: Any) -> None:
        message = ldb.Message(ldb.Dn(self.db, dn))
        for name, value in attributes.items():
            message[name] = ldb.MessageElement(value, ldb.FLAG_MOD_REPLACE, name)
        self.db.modify(message, controls=controls or [])

    def dn_of(self, name: str) -> str:
        found = self.db.search(self.base, ldb.SCOPE_SUBTREE, f"(sAMAccountName={name})", attrs=["1.1"])
        return str(found[0].dn)

    def sid_of(self, name: str) -> str:
        found = self.db.search(self.base, ldb.SCOPE_SUBTREE, f"(sAMAccountName={name})", attrs=["objectSid"])
        return str(ndr_unpack(security.dom_sid, found[0]["objectSid"][0]))


if __name__ == "__main__":
    conf, sam, *words = sys.argv[1:]
    if not words:
        Recipe(conf, sam, json.load(sys.stdin)).build()
    elif words[0] == "expire":
        Recipe(conf, sam, {}).expire(words[1])
    else:
        Recipe(conf, sam, {}).be_read_only()
