"""The how-to for Active Directory, with the commands as they stand there, on a real Samba domain controller."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from pwreset.directory.ldap import LdapDirectory
from pwreset.errors import WriteDenied
from pwreset.reset.policy import Rule, RuleCode
from pwreset.secret import Secret
from pwreset.settings.domains import Domain
from tests.docs.markdown import ROOT, blocks
from tests.servers import samba as lab
from tests.servers.samba import LabSamba, policy_group

pytestmark = pytest.mark.servers

PAGE = ROOT / "docs" / "how-to" / "active-directory.md"
PASSWORD = "Long-and-rand0m-enough-it-is"
ACCOUNT = f"CN=svc-pwreset,{lab.SERVICES}"
NEW = Secret("Seven quiet lanterns, at 9")


@pytest.fixture(scope="module")
def delegated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabSamba]:
    """A domain controller of its own, on which the page's commands were run."""
    with LabSamba(tmp_path_factory.mktemp("howto") / "directory") as server:
        server.shell(blocks(PAGE)["samba-account"].text, given=f"{PASSWORD}\n{PASSWORD}\n")
        yield server


@pytest.fixture
async def directory(delegated: LabSamba) -> AsyncIterator[LdapDirectory]:
    settings = Domain(
        uris=(delegated.ldaps_uri,),
        base_dn=lab.BASE,
        bind_dn=ACCOUNT,
        ca_file=str(delegated.ca_file),
        timeout_seconds=30.0,
    )
    made = LdapDirectory("EXAMPLE", settings, Secret(PASSWORD))
    yield made
    await made.close()


async def test_the_account_sets_passwords_and_unlocks(delegated: LabSamba, directory: LdapDirectory) -> None:
    dn = delegated.add_person()
    delegated.fail_to_log_in(dn, 5)
    await directory.set_password(await directory.find(delegated.login_of(dn)), NEW)
    assert delegated.accepts(dn, NEW.reveal())


async def test_the_account_writes_nobody_outside_the_container(delegated: LabSamba, directory: LdapDirectory) -> None:
    dn = delegated.add_person(where=lab.OTHER)
    with pytest.raises(WriteDenied):
        await directory.set_password(await directory.find(delegated.login_of(dn)), NEW)


async def test_the_account_may_read_the_fine_grained_policies(delegated: LabSamba, directory: LdapDirectory) -> None:
    dn = delegated.add_person(groups=[policy_group("strict")])
    told = await directory.rules(await directory.find(delegated.login_of(dn)))
    assert Rule(RuleCode.MIN_LENGTH, 14) in told


def test_nobody_locks_the_account_by_wrong_guesses(delegated: LabSamba) -> None:
    delegated.fail_to_log_in(ACCOUNT, 8)
    assert delegated.accepts(ACCOUNT, PASSWORD)
