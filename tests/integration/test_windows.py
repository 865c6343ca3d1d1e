"""What Windows' Active Directory does and Samba 4.17 does not, by Microsoft's documents; no real one was at hand.

It tells large groups in parts of 1,500 members, where Samba does so only when asked. It knows the policy hints control,
which holds resets to the history and the minimum age.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from pwreset.directory.ldap import LdapDirectory
from pwreset.errors import PasswordRefused
from pwreset.reset.policy import Rule, RuleCode
from pwreset.secret import Secret
from pwreset.settings.domains import Domain
from tests.servers.scripted import Answer, Attributes, Client, ScriptedDirectory

pytestmark = pytest.mark.servers

TOP = "DC=example,DC=org"
SERVICE = f"CN=pwreset,{TOP}"
GROUP = f"CN=managers,{TOP}"
MOST_AT_ONCE = 1500  # MaxValRange of Windows Server 2003 and newer ([MS-ADTS] 3.1.1.3.4.6)
RANGE = "member;range="
JDOE = f"CN=Jane Doe,{TOP}"
HINTS, FORMER_HINTS = "1.2.840.113556.1.4.2239", "1.2.840.113556.1.4.2066"
NEW = Secret("Seven quiet lanterns, at 9")
FORMER = "Six quiet lanterns, at 9"


class LikeWindows(ScriptedDirectory):
    """One group of so many people, told in parts as [MS-ADTS] 3.1.1.3.1.3.3 says; and jdoe, who had a password before."""

    def __init__(self, people: int = 1, *controls: str) -> None:
        self.people = [f"CN=p{number:04d},{TOP}" for number in range(people)]
        super().__init__(
            {
                "": {
                    "supportedCapabilities": ["1.2.840.113556.1.4.800"],
                    "defaultNamingContext": [TOP],
                    "supportedControl": list(controls),
                },
                TOP: {"minPwdLength": ["8"], "pwdProperties": ["1"], "pwdHistoryLength": ["24"]},
                JDOE: {
                    "objectClass": ["user"],
                    "sAMAccountName": ["jdoe"],
                    "objectGUID": ["0123456789abcdef"],
                    "userAccountControl": ["512"],
                    "pwdLastSet": ["133500000000000000"],
                },
                SERVICE: {"userPassword": ["service-secret"]},
                GROUP: {"objectClass": ["group"], "member": self.people},
                **{dn: {"objectClass": ["user"]} for dn in self.people},
            }
        )

    def bind(self, client: Client, dn: str, password: str) -> Answer:  # noqa: ARG002
        return Answer() if self.entries.get(dn, {}).get("userPassword") == [password] else Answer(49)

    def modify(self, client: Client, dn: str, changes: list[tuple[int, str, list[str]]]) -> Answer:
        """[MS-ADTS] 3.1.1.3.4.1.27: a reset is held to the history where the control says so."""
        [(_, name, [value])] = changes
        assert (dn, name) == (JDOE, "unicodePwd")
        self.log += client.controls
        if value == written(FORMER) and {HINTS, FORMER_HINTS} & set(client.controls):
            return Answer(19, text="0000052D: AtrErr: DSID-03191083, #1:")
        self.log.append("written")
        return Answer()

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


def written(password: str) -> str:
    return f'"{password}"'.encode("utf-16-le").decode()


@pytest.fixture
def windows(request: pytest.FixtureRequest) -> Iterator[LikeWindows]:
    with LikeWindows(*request.param) as server:
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


@pytest.mark.parametrize("windows", [(1500,), (1501,), (3000,), (3001,)], indirect=True)
async def test_all_members_that_are_told_in_parts_count(windows: LikeWindows, directory: LdapDirectory) -> None:
    assert await directory.group_sizes() == {GROUP: len(windows.people)}
    assert await directory.is_manager(windows.people[-1])


@pytest.mark.parametrize(
    ("windows", "sent"),
    [((1, FORMER_HINTS, HINTS), [HINTS]), ((1, FORMER_HINTS), [FORMER_HINTS]), ((1,), [])],
    indirect=["windows"],
)
async def test_the_policy_hints_control_goes_with_a_password_where_it_is_known(
    windows: LikeWindows, directory: LdapDirectory, sent: list[str]
) -> None:
    await directory.set_password(await directory.find("jdoe"), NEW)
    assert windows.log == [*sent, "written"]


@pytest.mark.parametrize("windows", [(1, HINTS)], indirect=True)
async def test_a_former_password_is_refused_although_no_code_says_why(
    windows: LikeWindows, directory: LdapDirectory
) -> None:
    with pytest.raises(PasswordRefused) as caught:
        await directory.set_password(await directory.find("jdoe"), Secret(FORMER))
    assert caught.value.rules == (Rule(RuleCode.QUALITY),)
    assert windows.log == [HINTS]
