"""The directory of the tests: a private slapd with known people, groups, policies and service accounts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import ldap
import ldap.modlist

from pwreset.demo.authority import Authority
from pwreset.demo.people import Entry, group, person, policy, service_account, ssha, suffix_entry, unit
from pwreset.demo.slapd import CONFIG_DN, DirectoryPlan, PrivateSlapd
from tests.servers.crowd import add_crowd

BASE = "dc=example,dc=org"
PEOPLE = f"ou=people,{BASE}"
LOAD = f"ou=load,{BASE}"
BRANCH = f"ou=branch,{PEOPLE}"
GROUPS = f"ou=groups,{BASE}"
SERVICES = f"ou=services,{BASE}"
POLICIES = f"ou=policies,{BASE}"

SERVICE_DN = f"cn=pwreset,{SERVICES}"
SERVICE_PASSWORD = "service-secret"
READONLY_DN = f"cn=readonly,{SERVICES}"
READONLY_PASSWORD = "readonly-secret"
ADMIN_DN = f"cn=admin,{BASE}"
ADMIN_PASSWORD = "admin-secret"
CONFIG_PASSWORD = "config-secret"

MANAGERS_DN = f"cn=pwreset-managers,{GROUPS}"
PROTECTED_DN = f"cn=protected,{GROUPS}"

ADMINISTRATIVE_LOCK = "000001010000Z"
RELAX = "1.3.6.1.4.1.4203.666.5.12"  # draft-zeilenga-ldap-relax
WRONG_NAME_ADDRESS = "127.0.0.2"


def password_of(uid: str) -> str:
    """What each person's password is at first."""
    return f"Passw0rd-{uid}"


def dn_of(uid: str) -> str:
    """A person's DN."""
    return f"uid={uid},{PEOPLE}"


class LabSlapd(PrivateSlapd):
    """The private slapd, with what tests need on top: more addresses, another CA, changes as administrator."""

    def __init__(
        self, folder: Path, load_people: int = 0, *, use_lockout: bool = False, require_tls: bool = False
    ) -> None:
        authority = Authority("Test directory CA")
        # The certificate is not good for WRONG_NAME_ADDRESS, where ldaps:// listens too.
        tls = authority.issue(folder / "tls", names=("localhost", "ldap.example.org"), addresses=("127.0.0.1",))
        super().__init__(
            folder,
            lab_plan(load_people, use_lockout=use_lockout, require_tls=require_tls),
            tls,
            more_addresses=(WRONG_NAME_ADDRESS,),
        )
        self.authority = authority
        self.other_ca_file = Authority("A CA that signed nothing here").write(folder / "tls" / "other-ca.crt")
        self._numbers = count(1)
        self._large_group = ""

    @property
    def wrong_name_uri(self) -> str:
        return f"ldaps://{WRONG_NAME_ADDRESS}:{self.ports[1]}"

    @contextmanager
    def admin(self, dn: str = ADMIN_DN, password: str = ADMIN_PASSWORD) -> Iterator[Any]:
        """A connection of the directory's administrator (rootdn)."""
        connection = ldap.initialize(self.uri)
        connection.timeout = 20.0
        connection.simple_bind_s(dn, password)
        try:
            yield connection
        finally:
            connection.unbind_s()

    @contextmanager
    def config(self) -> Iterator[Any]:
        """A connection that may change the running server's configuration."""
        with self.admin(CONFIG_DN, CONFIG_PASSWORD) as connection:
            yield connection

    def add(self, entry: Entry) -> None:
        """Add an entry, as administrator."""
        attributes = {"objectClass": [name.encode() for name in entry.classes]}
        attributes |= {name: [value.encode() for value in values] for name, values in entry.attributes.items()}
        with self.admin() as connection:
            # Operational attributes are written with the relax control only (draft-zeilenga-ldap-relax).
            relax = ldap.controls.RequestControl(RELAX, criticality=True)
            connection.add_ext_s(entry.dn, ldap.modlist.addModlist(attributes), serverctrls=[relax])

    def add_person(self, *, prefix: str = "p", **attributes: str | Sequence[str] | None) -> str:
        """Add a person nobody else uses, and return the uid; the password is `password_of(uid)`.

        With the prefix "noaccess" the service account may not write the password.
        """
        uid = str(attributes.pop("uid", None) or f"{prefix}{next(self._numbers):05d}")
        values: dict[str, str | Sequence[str] | None] = {"mail": f"{uid}@example.org", "mobile": "+33600000000"}
        self.add(person(uid, ("Pat", f"Person{uid}"), PEOPLE, password_of(uid), **(values | attributes)))
        return uid

    def add_group(self, members: Sequence[str]) -> str:
        """Add a group of these DNs, and return its DN."""
        entry = group(f"g{next(self._numbers):05d}", GROUPS, members)
        self.add(entry)
        return entry.dn

    def add_members(self, dn: str, *members: str) -> None:
        with self.admin() as connection:
            connection.modify_s(dn, [(ldap.MOD_ADD, "member", [member.encode() for member in members])])

    def remove_members(self, dn: str, *members: str) -> None:
        with self.admin() as connection:
            connection.modify_s(dn, [(ldap.MOD_DELETE, "member", [member.encode() for member in members])])

    def set_password(self, dn: str, password: str) -> None:
        """As a help desk does."""
        with self.admin() as connection:
            connection.passwd_s(dn, None, password)

    def change(self, dn: str, **attributes: str | Sequence[str] | None) -> None:
        """Replace attributes, as administrator; None deletes one."""
        changes = [
            (
                ldap.MOD_REPLACE,
                name,
                None if value is None else [one.encode() for one in ([value] if isinstance(value, str) else value)],
            )
            for name, value in attributes.items()
        ]
        with self.admin() as connection:
            relax = ldap.controls.RequestControl(RELAX, criticality=True)
            connection.modify_ext_s(dn, changes, serverctrls=[relax])

    def change_raw(self, dn: str, attribute: str, value: bytes) -> None:
        """Replace an attribute by a value that need not be text."""
        with self.admin() as connection:
            connection.modify_s(dn, [(ldap.MOD_REPLACE, attribute, [value])])

    def configure(self, dn: str, **attributes: str) -> None:
        """Change the running server's configuration (slapd-config(5))."""
        with self.config() as connection:
            connection.modify_s(dn, [(ldap.MOD_REPLACE, name, [value.encode()]) for name, value in attributes.items()])

    def hide(self, dn: str) -> None:
        """Let nobody read below this DN any more."""
        self._forbid(f'dn.subtree="{dn}"')

    def hide_attribute(self, attribute: str) -> None:
        """Let nobody read this attribute any more."""
        self._forbid(f"attrs={attribute}")

    def _forbid(self, what: str) -> None:
        rule = f"{{0}}to {what} by * none"
        with self.config() as connection:
            connection.modify_s("olcDatabase={1}mdb,cn=config", [(ldap.MOD_ADD, "olcAccess", [rule.encode()])])

    def read(self, dn: str) -> dict[str, list[str]]:
        """An entry with its operational attributes."""
        with self.admin() as connection:
            [(_, attributes)] = connection.search_s(dn, ldap.SCOPE_BASE, "(objectClass=*)", ["*", "+"])
        return {name: [value.decode(errors="replace") for value in values] for name, values in attributes.items()}

    def rename(self, dn: str, rdn: str, parent: str | None = None) -> str:
        """Rename or move an entry, and return its new DN."""
        with self.admin() as connection:
            connection.rename_s(dn, rdn, parent)
        return f"{rdn},{parent or dn.partition(',')[2]}"

    def large_group(self) -> str:
        """The DN of a group of very many people, added when it is first asked for."""
        if not self._large_group:
            with self.admin() as connection:
                self._large_group = self.add_group(add_crowd(connection, "uid", LOAD, "account"))
        return self._large_group

    def delete(self, dn: str) -> None:
        with self.admin() as connection:
            connection.delete_s(dn)

    def accepts(self, dn: str, password: str) -> bool:
        """Whether a bind with this password succeeds."""
        try:
            with self.admin(dn, password):
                return True
        except ldap.INVALID_CREDENTIALS:
            return False

    def fail_to_log_in(self, dn: str, times: int) -> None:
        """Log in with a wrong password so many times."""
        for _ in range(times):
            self.accepts(dn, "wrong-password")

    def dn(self, uid: str) -> str:
        return dn_of(uid)


def lab_plan(load_people: int = 0, *, use_lockout: bool = False, require_tls: bool = False) -> DirectoryPlan:
    """The lab's directory."""
    return DirectoryPlan(
        suffix=BASE,
        entries=[*_tree(), *_policies(), *_services(), *_people(), *_groups(), *_load(load_people)],
        access=ACCESS,
        limits=[f'dn.exact="{SERVICE_DN}" size.soft=500 size.hard=unlimited size.pr=unlimited'],
        default_policy=f"cn=default,{POLICIES}",
        root_password=ADMIN_PASSWORD,
        config_password=CONFIG_PASSWORD,
        use_lockout=use_lockout,
        durable=False,
        require_tls=require_tls,
    )


_OURS = rf'dn.regex="^(.+,)?ou=(people|load),{BASE}$"'
_SERVICE = f'by dn.exact="{SERVICE_DN}"'
# The service account may write passwords and cannot read them; `noaccess...` are out of its reach.
ACCESS = (
    f'to dn.regex="^uid=noaccess[^,]*,{PEOPLE}$" attrs=userPassword by self =xw by anonymous auth by * none',
    f"to {_OURS} attrs=userPassword {_SERVICE} =w by self =xw by anonymous auth by * none",
    "to attrs=userPassword,pwdHistory by anonymous auth by * none",
    f"to {_OURS} attrs=pwdReset,pwdAccountLockedTime,pwdFailureTime,shadowLastChange {_SERVICE} write by * read",
    f'to dn.subtree="{BASE}" {_SERVICE} read by users read by * none',
)


def _tree() -> list[Entry]:
    return [
        suffix_entry(BASE, "Example"),
        *(unit(name, BASE) for name in ("people", "groups", "services", "policies", "load")),
        unit("branch", PEOPLE),
    ]


def _policies() -> list[Entry]:
    return [
        policy("default", POLICIES),
        policy("strict", POLICIES, pwdMinLength="14", pwdInHistory="24", pwdMaxFailure="3", pwdMinAge="3600"),
        policy("expiring", POLICIES, pwdMaxAge="86400", pwdExpireWarning="3600"),
        policy("mustchange", POLICIES, pwdMustChange="TRUE"),
        policy("shortlock", POLICIES, pwdLockoutDuration="1"),
    ]


def policy_dn(name: str) -> str:
    return f"cn={name},{POLICIES}"


def _services() -> list[Entry]:
    return [
        service_account("pwreset", SERVICES, SERVICE_PASSWORD, "service account of the password-reset service"),
        service_account("readonly", SERVICES, READONLY_PASSWORD, "may read people, may not write anything"),
    ]


def _groups() -> list[Entry]:
    return [
        group("pwreset-managers", GROUPS, [dn_of("manager"), dn_of("jsmith")]),
        group("protected", GROUPS, [dn_of("root-admin")]),
        group("staff", GROUPS, [dn_of(uid) for uid in ("jdoe", "jsmith", "zoe", "manager")]),
    ]


def _person(uid: str, given: str, surname: str, **attributes: str | Sequence[str] | None) -> Entry:
    values: dict[str, str | Sequence[str] | None] = {
        "mail": f"{uid}@example.org",
        "mobile": "+33600000000",
        "preferredLanguage": "en",
    }
    password = None if uid == "nopassword" else password_of(uid)
    return person(uid, (given, surname), PEOPLE, password, **(values | attributes))


def _people() -> list[Entry]:
    return [
        _person("jdoe", "Jane", "Doe", mail="jane.doe@example.org", mobile="+33612345678"),
        _person(
            "jsmith",
            "John",
            "Smith",
            mail=["john.smith@example.org", "jsmith@home.example.net"],
            mobile=["+33600000001", "+33600000002"],
            preferredLanguage="fr",
        ),
        _person("zoe", "Zoë", "Müller-Łukasz", preferredLanguage="de-CH, de;q=0.9, en;q=0.5"),
        _person("taro", "太郎", "山田", cn="山田 太郎", preferredLanguage="ja"),
        _person(
            "pobrien",
            "Pat",
            "O'Brien",
            cn="O'Brien, Pat (ext) *",
            mail="pat.o'brien+ext@example.org",
            dn=f"cn=O'Brien\\, Pat (ext) *,{PEOPLE}",
        ),
        _person("manager", "Mary", "Manager"),
        _person("root-admin", "Root", "Admin"),
        _person("noaccess", "No", "Access"),
        _person("nomail", "No", "Mail", mail=None),
        _person("nomobile", "No", "Mobile", mobile=None),
        _person("nocontact", "No", "Contact", mail=None, mobile=None, preferredLanguage=None),
        _person("twin1", "Sam", "Twin", mail="shared@example.org"),
        _person("twin2", "Sam", "Twin", mail="shared@example.org"),
        _person("nopassword", "No", "Password"),
        _person("locked", "Lars", "Locked", pwdAccountLockedTime=ADMINISTRATIVE_LOCK),
        _person("mustchange", "Max", "Mustchange", pwdReset="TRUE", pwdPolicySubentry=policy_dn("mustchange")),
        _person("expired", "Ed", "Expired", pwdChangedTime="20200101000000Z", pwdPolicySubentry=policy_dn("expiring")),
        _person("strict", "Stella", "Strict", pwdPolicySubentry=policy_dn("strict")),
    ]


def _load(number: int) -> list[Entry]:
    languages = ("en", "fr", "de", "es", "it", "ja")
    # One hash for all of them: hashing a hundred thousand passwords takes longer than the rest.
    shared = ssha("Passw0rd-load")
    return [
        person(
            f"u{index:07d}",
            ("Load", f"User{index}"),
            LOAD,
            None,
            userPassword=shared,
            mail=f"u{index:07d}@load.example.org",
            mobile=f"+336{index:08d}",
            preferredLanguage=languages[index % len(languages)],
        )
        for index in range(1, number + 1)
    ]


@dataclass(frozen=True, slots=True)
class LoadNames:
    """The uids of the load people."""

    number: int

    def __getitem__(self, index: int) -> str:
        return f"u{index % self.number + 1:07d}"
