"""The demo's directory: a small company with its help desk, and a service account that may do what it must and no more."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pwreset.demo.people import Entry, group, person, policy, service_account, suffix_entry, unit
from pwreset.demo.slapd import DirectoryPlan, PrivateSlapd

DEMO_DOMAIN = "EXAMPLE"
MANAGER_LOGIN = "helpdesk"
SUFFIX = "dc=example,dc=org"
PEOPLE = f"ou=people,{SUFFIX}"
GROUPS = f"ou=groups,{SUFFIX}"
SERVICES = f"ou=services,{SUFFIX}"
POLICIES = f"ou=policies,{SUFFIX}"
SERVICE_DN = f"cn=pwreset,{SERVICES}"


@dataclass(frozen=True, slots=True)
class DemoDirectory:
    """How the service reaches the demo's directory."""

    ldaps_uri: str
    ca_file: Path
    suffix: str
    service_dn: str
    service_password: str


@contextmanager
def demo_directory(folder: Path, manager_password: str) -> Iterator[DemoDirectory]:
    """The running directory; passwords but the manager's are made up on the spot. Raises SettingsError."""
    service_password = secrets.token_urlsafe(16)
    plan = DirectoryPlan(
        suffix=SUFFIX,
        entries=_entries(manager_password, service_password),
        access=ACCESS,
        default_policy=f"cn=default,{POLICIES}",
        root_password=secrets.token_urlsafe(16),
        config_password=secrets.token_urlsafe(16),
    )
    with PrivateSlapd(folder, plan) as slapd:
        yield DemoDirectory(slapd.ldaps_uri, slapd.ca_file, SUFFIX, SERVICE_DN, service_password)


# The same rules as in docs/how-to/openldap.md: `=w` lets the service account write a password and read none.
ACCESS = (
    f'to dn.subtree="{PEOPLE}" attrs=userPassword by dn.exact="{SERVICE_DN}" =w by self =xw by anonymous auth by * none',
    "to attrs=userPassword,pwdHistory by anonymous auth by * none",
    f'to dn.subtree="{PEOPLE}" attrs=pwdReset,pwdAccountLockedTime by dn.exact="{SERVICE_DN}" write by * read',
    f'to dn.subtree="{SUFFIX}" by dn.exact="{SERVICE_DN}" read by users read by * none',
)


def _entries(manager_password: str, service_password: str) -> list[Entry]:
    helpdesk, admin = f"uid={MANAGER_LOGIN},{PEOPLE}", f"uid=root-admin,{PEOPLE}"
    return [
        suffix_entry(SUFFIX, "Example Corp"),
        *(unit(name, SUFFIX) for name in ("people", "groups", "services", "policies")),
        policy("default", POLICIES),
        service_account("pwreset", SERVICES, service_password, "service account of pwreset"),
        _person("jdoe", "Jane", "Doe", "+33612345678", "en"),
        _person("jsmith", "John", "Smith", "+33612345679", "fr"),
        _person("zmueller", "Zoë", "Müller", "+4915112345678", "de"),
        person("noaddress", ("Nora", "Noaddress"), PEOPLE, secrets.token_urlsafe(16)),
        _person("root-admin", "Root", "Admin", "+33612345670", "en"),
        person(MANAGER_LOGIN, ("Help", "Desk"), PEOPLE, manager_password, mail="helpdesk@example.org"),
        group("pwreset-managers", GROUPS, [helpdesk]),
        group("directory-admins", GROUPS, [admin]),
    ]


def _person(uid: str, given: str, surname: str, mobile: str, language: str) -> Entry:
    """Nobody knows these people's passwords: that is what they need a link for."""
    return person(
        uid,
        (given, surname),
        PEOPLE,
        secrets.token_urlsafe(16),
        displayName=f"{given} {surname}",
        mail=f"{uid}@example.org" if uid != "jdoe" else "jane.doe@example.org",
        mobile=mobile,
        preferredLanguage=language,
    )
