"""The how-to for 389 Directory Server, done on a real one: its LDIF is loaded, and its account tried."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import ldap
import pytest

from pwreset.directory.dialects.dirsrv_policy import ATTRIBUTES
from pwreset.directory.ldap import LdapDirectory
from pwreset.errors import PasswordRefused, WriteDenied
from pwreset.reset.findings import State
from pwreset.reset.policy import Rule, RuleCode
from pwreset.secret import Secret
from pwreset.settings.domains import Domain
from tests.docs.markdown import ROOT, blocks
from tests.servers import dirsrv_plan as lab
from tests.servers.dirsrv import LabDirsrv
from tests.servers.dirsrv_plan import dn_of, policy_dn
from tests.servers.slapd import password_of

pytestmark = pytest.mark.servers

PAGE = ROOT / "docs" / "how-to" / "389-directory-server.md"
PASSWORD = "the password of the how-to"
NEW = Secret("Seven quiet lanterns, at 9")


@pytest.fixture(scope="module")
def delegated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabDirsrv]:
    """A server whose administrator has never heard of pwreset, on which the page's LDIF was loaded."""
    folder = tmp_path_factory.mktemp("howto")
    with LabDirsrv(folder / "directory") as server:
        server.delete(lab.SERVICE_DN)
        for dn in (lab.BASE, lab.PEOPLE, "cn=config"):
            server.change(dn, aci=None)
        server.change("cn=config", **{"nsslapd-pwpolicy-local": "off", "passwordTrackUpdateTime": "off"})
        load(server, folder, "dirsrv-account", "-a", given=("put-the-password-here", PASSWORD))
        load(server, folder, "dirsrv-access")
        yield server


def load(server: LabDirsrv, folder: Path, block: str, *options: str, given: tuple[str, str] = ("", "")) -> None:
    (folder / "admin").write_text(lab.ADMIN_PASSWORD)
    (folder / "ldif").write_text(blocks(PAGE)[block].text.replace(*given))
    command = f'ldapmodify {" ".join(options)} -x -H {server.ldaps_uri} -D "{lab.ADMIN_DN}" -y {folder}/admin'
    server.shell(f"{command} -f {folder}/ldif")


@pytest.fixture
async def directory(delegated: LabDirsrv) -> AsyncIterator[LdapDirectory]:
    settings = Domain(
        uris=(delegated.ldaps_uri,),
        base_dn=lab.BASE,
        bind_dn=lab.SERVICE_DN,
        ca_file=str(delegated.ca_file),
        timeout_seconds=30.0,
    )
    made = LdapDirectory("EXAMPLE", settings, Secret(PASSWORD))
    yield made
    await made.close()


async def test_the_account_sets_passwords_and_unlocks(delegated: LabDirsrv, directory: LdapDirectory) -> None:
    uid = delegated.add_person()
    delegated.fail_to_log_in(dn_of(uid), 5)
    await directory.set_password(await directory.find(uid), NEW)
    assert delegated.accepts(dn_of(uid), NEW.reveal())


async def test_the_account_may_do_it_and_reads_no_password(delegated: LabDirsrv, directory: LdapDirectory) -> None:
    uid = delegated.add_person()
    delegated.set_password(dn_of(uid), "Changed at the help desk, 1")
    findings = await directory.examine([await directory.find(uid)])
    assert {one.part.word: one.state for one in findings if one.state is not State.OK} == {}


async def test_the_account_writes_nobody_outside_the_branch(delegated: LabDirsrv, directory: LdapDirectory) -> None:
    uid = delegated.add_person(where=lab.OTHER)
    with pytest.raises(WriteDenied):
        await directory.set_password(await directory.find(uid), NEW)


async def test_the_policy_holds_the_account(delegated: LabDirsrv, directory: LdapDirectory) -> None:
    with pytest.raises(PasswordRefused):
        await directory.set_password(await directory.find(delegated.add_person()), Secret("x"))


async def test_the_account_reads_global_and_local_policies(delegated: LabDirsrv, directory: LdapDirectory) -> None:
    anybody = await directory.rules(await directory.find(delegated.add_person()))
    strict = await directory.rules(await directory.find(delegated.add_person(pwdPolicySubentry=policy_dn("strict"))))
    assert {Rule(RuleCode.MIN_LENGTH, 8), Rule(RuleCode.HISTORY, 5)} <= set(anybody)
    assert {Rule(RuleCode.MIN_LENGTH, 14), Rule(RuleCode.HISTORY, 24)} <= set(strict)


def test_the_account_reads_nothing_of_the_configuration_but_the_policy_that_not_everybody_may(
    delegated: LabDirsrv,
) -> None:
    uid = delegated.add_person()
    with delegated.admin(dn_of(uid), password_of(uid)) as connection:
        public = {dn for dn, _ in connection.search_s("cn=config", ldap.SCOPE_SUBTREE)}
    with delegated.admin(lab.SERVICE_DN, PASSWORD) as connection:
        found = dict(connection.search_s("cn=config", ldap.SCOPE_SUBTREE))
    assert set(found) - public == {"cn=config"}
    assert {name.lower() for name in found["cn=config"]} <= {
        name.lower() for name in ("cn", "objectClass", "passwordAdminDN", *ATTRIBUTES)
    }


async def test_a_change_elsewhere_shows(delegated: LabDirsrv, directory: LdapDirectory) -> None:
    uid = delegated.add_person()
    before = await directory.find(uid)
    delegated.set_password(dn_of(uid), "Changed at the help desk, 1")
    assert (await directory.find(uid)).password_mark != before.password_mark


def test_nobody_locks_the_account_by_wrong_guesses(delegated: LabDirsrv) -> None:
    delegated.fail_to_log_in(lab.SERVICE_DN, 8)
    assert delegated.accepts(lab.SERVICE_DN, PASSWORD)
