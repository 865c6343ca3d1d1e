"""Groups that Active Directory tells in parts of 1,500 members: Windows does so by itself, Samba 4.17 only when asked."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from pwreset.directory.ldap import LdapDirectory
from pwreset.secret import Secret
from pwreset.settings.sections import Domain
from tests.servers.scripted import Answer, Attributes, Client, ScriptedDirectory

pytestmark = pytest.mark.servers

TOP = "DC=example,DC=org"
SERVICE = f"CN=pwreset,{TOP}"
GROUP = f"CN=managers,{TOP}"
MOST_AT_ONCE = 1500  # MaxValRange of Windows Server 2003 and newer ([MS-ADTS] 3.1.1.3.4.6)
RANGE = "member;range="


class LikeWindows(ScriptedDirectory):
    """One group of so many people, told in parts as [MS-ADTS] 3.1.1.3.1.3.3 says."""

    def __init__(self, people: int) -> None:
        self.people = [f"CN=p{number:04d},{TOP}" for number in range(people)]
        super().__init__(
            {
                "": {"supportedCapabilities": ["1.2.840.113556.1.4.800"], "defaultNamingContext": [TOP]},
                SERVICE: {"userPassword": ["service-secret"]},
                GROUP: {"objectClass": ["group"], "member": self.people},
                **{dn: {"objectClass": ["user"]} for dn in self.people},
            }
        )

    def bind(self, client: Client, dn: str, password: str) -> Answer:  # noqa: ARG002
        return Answer() if self.entries.get(dn, {}).get("userPassword") == [password] else Answer(49)

    def shown(self, entry: Attributes, names: set[str]) -> Attributes:
        told = super().shown(entry, names)
        members = entry.get("member", [])
        asked = next((name.removeprefix(RANGE) for name in names if name.startswith(RANGE)), None)
        if asked is None and (("member" not in told) or len(members) <= MOST_AT_ONCE):
            return told
        told.pop("member", None)
        first = int(asked.partition("-")[0]) if asked else 0
        part = members[first : first + MOST_AT_ONCE]
        last = "*" if first + len(part) == len(members) else str(first + len(part) - 1)
        return told | {f"{RANGE}{first}-{last}": part}


@pytest.fixture
def windows(request: pytest.FixtureRequest) -> Iterator[LikeWindows]:
    with LikeWindows(request.param) as server:
        yield server


@pytest.fixture
async def directory(windows: LikeWindows) -> AsyncIterator[LdapDirectory]:
    settings = Domain(
        uris=(windows.uri,),
        start_tls=False,
        allow_plain_ldap=True,
        base_dn=TOP,
        bind_dn=SERVICE,
        managers=(GROUP,),
        timeout_seconds=120.0,
    )
    made = LdapDirectory("EXAMPLE", settings, Secret("service-secret"))
    yield made
    await made.close()


@pytest.mark.parametrize("windows", [1500, 1501, 3000, 3001], indirect=True)
async def test_all_members_that_are_told_in_parts_count(windows: LikeWindows, directory: LdapDirectory) -> None:
    assert await directory.group_sizes() == {GROUP: len(windows.people)}
    assert await directory.is_manager(windows.people[-1])
