"""The how-to for OpenLDAP, done on a real slapd: its LDIF is loaded, and its account tried."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ldap
import pytest
from ldap.ldapobject import LDAPObject
from ldif import LDIFRecordList  # type: ignore[import-untyped]

from pwreset.demo.people import person, policy, ssha, suffix_entry, unit
from pwreset.demo.slapd import CONFIG_DN, DirectoryPlan, PrivateSlapd
from pwreset.directory.inspection.index_lists import indexed_of
from tests.docs.markdown import ROOT, blocks

pytestmark = pytest.mark.servers

SUFFIX = "dc=example,dc=org"
PEOPLE = f"ou=people,{SUFFIX}"
JANE = f"uid=jdoe,{PEOPLE}"
ADMIN = f"uid=admin,ou=admins,{SUFFIX}"
SERVICE = f"cn=pwreset,ou=services,{SUFFIX}"
PASSWORD = "the password of the how-to"
# The rules of somebody who has never heard of pwreset; the how-to's go before them.
THEIR_ACCESS = (
    "to attrs=userPassword by self =xw by anonymous auth by * none",
    f'to dn.subtree="{SUFFIX}" by users read by * none',
)


@contextmanager
def bound(slapd: PrivateSlapd, dn: str, password: str) -> Iterator[Any]:
    connection = ldap.initialize(slapd.uri)
    connection.timeout = 20.0
    try:
        connection.simple_bind_s(dn, password)
        yield connection
    finally:
        connection.unbind_s()


def logs_in(slapd: PrivateSlapd, dn: str, password: str) -> bool:
    try:
        with bound(slapd, dn, password):
            return True
    except ldap.INVALID_CREDENTIALS:
        return False


@pytest.fixture(scope="module")
def slapd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrivateSlapd]:
    names = ("people", "admins", "services", "policies")
    plan = DirectoryPlan(
        suffix=SUFFIX,
        entries=[
            suffix_entry(SUFFIX, "Example Corp"),
            *(unit(name, SUFFIX) for name in names),
            policy("default", f"ou=policies,{SUFFIX}"),
            person("jdoe", ("Jane", "Doe"), PEOPLE, "Passw0rd-jdoe", mail="jane.doe@example.org"),
            person("admin", ("Ada", "Admin"), f"ou=admins,{SUFFIX}", "Passw0rd-admin"),
        ],
        access=THEIR_ACCESS,
        default_policy=f"cn=default,ou=policies,{SUFFIX}",
        root_password="root-secret",
        config_password="config-secret",
    )
    told = blocks(ROOT / "docs" / "how-to" / "openldap.md")
    with PrivateSlapd(tmp_path_factory.mktemp("howto") / "slapd", plan) as server:
        with bound(server, plan.root_dn, "root-secret") as connection:
            add(connection, told["openldap-account"].text.replace("{SSHA}put-the-hash-here", ssha(PASSWORD)))
        with bound(server, CONFIG_DN, "config-secret") as connection:
            modify(connection, told["openldap-access"].text)
        yield server


def add(connection: LDAPObject, text: str) -> None:
    records = LDIFRecordList(io.StringIO(text))
    records.parse()
    for dn, attributes in reversed(records.all_records):
        connection.add_s(dn, list(attributes.items()))


def modify(connection: LDAPObject, text: str) -> None:
    records = LDIFRecordList(io.StringIO(text))
    records.parse_change_records()
    for dn, changes, _controls in records.all_modify_changes:
        connection.modify_s(dn, changes)


@pytest.fixture
def service(slapd: PrivateSlapd) -> Iterator[Any]:
    with bound(slapd, SERVICE, PASSWORD) as connection:
        yield connection


def test_the_account_sets_a_password(service: Any, slapd: PrivateSlapd) -> None:
    service.passwd_s(JANE, None, "a sunny river walk")
    assert logs_in(slapd, JANE, "a sunny river walk")


def test_the_directorys_policy_holds_for_the_account(service: Any) -> None:
    with pytest.raises(ldap.CONSTRAINT_VIOLATION):
        service.passwd_s(JANE, None, "short")


def test_the_account_finds_people_with_their_addresses(service: Any) -> None:
    [(_dn, found)] = service.search_s(SUFFIX, ldap.SCOPE_SUBTREE, "(uid=jdoe)", ["mail", "entryUUID", "pwdChangedTime"])
    assert found["mail"] == [b"jane.doe@example.org"]


@pytest.mark.parametrize("dn", [JANE, ADMIN, SERVICE])
def test_the_account_reads_no_hash(service: Any, dn: str) -> None:
    [(_dn, found)] = service.search_s(dn, ldap.SCOPE_BASE, "(objectClass=*)", ["userPassword", "pwdHistory", "cn"])
    assert {"userPassword", "pwdHistory"}.isdisjoint(found)


def test_the_account_compares_no_password(service: Any) -> None:
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        service.compare_s(JANE, "userPassword", b"Passw0rd-jdoe")


def test_the_account_sets_no_password_outside_the_people(service: Any) -> None:
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        service.passwd_s(ADMIN, None, "a sunny river walk")


def test_the_account_changes_no_address(service: Any) -> None:
    with pytest.raises(ldap.INSUFFICIENT_ACCESS):
        service.modify_s(JANE, [(ldap.MOD_REPLACE, "mail", [b"else@example.org"])])


def test_the_account_keeps_must_change(service: Any) -> None:
    service.modify_s(JANE, [(ldap.MOD_REPLACE, "pwdReset", [b"TRUE"])])
    service.modify_s(JANE, [(ldap.MOD_DELETE, "pwdReset", None)])


def test_wrong_guesses_do_not_lock_the_account_out(slapd: PrivateSlapd) -> None:
    assert not any(logs_in(slapd, SERVICE, "a wrong guess") for _ in range(10))
    assert logs_in(slapd, SERVICE, PASSWORD)


def test_other_peoples_rights_stay(slapd: PrivateSlapd) -> None:
    with bound(slapd, ADMIN, "Passw0rd-admin") as admin:
        assert admin.search_s(SUFFIX, ldap.SCOPE_SUBTREE, "(uid=jdoe)", ["mail"])
        with pytest.raises(ldap.INSUFFICIENT_ACCESS):
            admin.passwd_s(JANE, None, "another sunny river walk")


def test_the_account_is_named_in_the_settings_of_the_how_to() -> None:
    assert f'bind_dn = "{SERVICE}"' in (Path(ROOT) / "docs" / "how-to" / "openldap.md").read_text(encoding="utf-8")


def test_the_account_reads_the_lines_on_indexes_and_nothing_else_of_the_configuration(
    slapd: PrivateSlapd, service: Any
) -> None:
    told = blocks(ROOT / "docs" / "how-to" / "openldap.md")
    with bound(slapd, CONFIG_DN, "config-secret") as connection:
        modify(connection, told["openldap-indexes"].text)
    found = dict(service.search_s("cn=config", ldap.SCOPE_SUBTREE))
    assert set().union(*found.values()) == {"objectClass", "olcSuffix", "olcDbIndex"}
    assert indexed_of(service, PEOPLE, 20.0) == indexed_of(service, SUFFIX, 20.0)
    assert "uid" in (indexed_of(service, PEOPLE, 20.0) or ())
