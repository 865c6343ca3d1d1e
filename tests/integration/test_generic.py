"""Servers that are none of those we know: lldap by its documents, and what holds everywhere on a real OpenLDAP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from pwreset.directory.ldap import LdapDirectory
from pwreset.errors import DirectoryMisconfigured, PasswordRefused, WriteDenied
from pwreset.reset.findings import Part, State
from pwreset.reset.model import AccountState
from pwreset.reset.policy import Rule, RuleCode
from pwreset.reset.ports import BindOutcome
from pwreset.secret import Secret
from pwreset.settings.domains import Domain
from tests.servers import slapd as lab
from tests.servers.scripted import Answer, Client, CutOff, ScriptedDirectory
from tests.servers.slapd import LabSlapd, dn_of, password_of

pytestmark = pytest.mark.servers

NEW = Secret("Seven quiet lanterns, at 9")
PEOPLE = "ou=people,dc=lldap,dc=example"
JDOE = f"uid=jdoe,{PEOPLE}"
SERVICE = f"uid=pwreset,{PEOPLE}"


class LikeLldap(ScriptedDirectory):
    """As lldap's documents say: RFC 3062 or a replace, no control known, no deletion of a value."""

    def __init__(self) -> None:
        super().__init__(
            {
                "": {
                    "objectClass": ["top"],
                    "vendorName": ["LLDAP"],
                    "vendorVersion": ["lldap_0.6.2"],
                    "supportedExtension": ["1.3.6.1.4.1.4203.1.11.1"],
                },
                PEOPLE: {"ou": ["people"]},
                SERVICE: {"uid": ["pwreset"], "userPassword": ["service-secret"]},
                JDOE: {
                    "uid": ["jdoe"],
                    "cn": ["Jane Doe"],
                    "mail": ["jane.doe@example.org"],
                    "entryUUID": ["ae48a3f9-9e3f-3b3a-a6f1-1a2c8b4d5e6f"],
                    "userPassword": ["Passw0rd-jdoe"],
                },
            }
        )

    def bind(self, client: Client, dn: str, password: str) -> Answer:
        self._want_no_control(client)
        return Answer() if self.entries.get(dn, {}).get("userPassword") == [password] else Answer(49)

    def set_password(self, client: Client, dn: str, old: str | None, new: str) -> Answer:  # noqa: ARG002
        self._want_no_control(client)
        self.log.append("RFC 3062")
        if client.dn != SERVICE:
            return Answer(50)
        self.entries[dn]["userPassword"] = [new]
        return Answer()

    def modify(self, client: Client, dn: str, changes: list[tuple[int, str, list[str]]]) -> Answer:
        self._want_no_control(client)
        [(kind, name, values)] = changes
        if kind != 2 or name != "userPassword":
            return Answer(53)
        self.log.append("replace")
        self.entries[dn]["userPassword"] = values
        return Answer()

    def _want_no_control(self, client: Client) -> None:
        if client.controls:
            raise CutOff


@pytest.fixture
def lldap() -> Iterator[LikeLldap]:
    with LikeLldap() as server:
        yield server


@pytest.fixture
async def directory(lldap: LikeLldap) -> AsyncIterator[LdapDirectory]:
    settings = Domain(
        uris=(lldap.uri,), start_tls=False, allow_plain_ldap=True, base_dn=PEOPLE, bind_dn=SERVICE, timeout_seconds=30.0
    )
    made = LdapDirectory("EXAMPLE", settings, Secret("service-secret"))
    yield made
    await made.close()


@pytest.fixture
async def on_slapd(slapd: LabSlapd) -> AsyncIterator[LdapDirectory]:
    made = make_on_slapd(slapd)
    yield made
    await made.close()


def make_on_slapd(slapd: LabSlapd, **settings: Any) -> LdapDirectory:
    values: dict[str, Any] = {
        "uris": (slapd.ldaps_uri,),
        "ca_file": str(slapd.ca_file),
        "base_dn": lab.PEOPLE,
        "bind_dn": lab.SERVICE_DN,
        "dialect": "generic",
        "timeout_seconds": 30.0,
    }
    return LdapDirectory("EXAMPLE", Domain(**(values | settings)), Secret(lab.SERVICE_PASSWORD))


async def test_lldap_sets_the_password_by_rfc_3062(lldap: LikeLldap, directory: LdapDirectory) -> None:
    await directory.set_password(await directory.find("jdoe"), NEW)
    assert lldap.log == ["RFC 3062"]
    assert await directory.bind(JDOE, NEW) is BindOutcome.RIGHT


async def test_where_rfc_3062_is_not_advertised_the_value_is_replaced(
    lldap: LikeLldap, directory: LdapDirectory
) -> None:
    lldap.entries[""]["supportedExtension"] = ["1.3.6.1.4.1.4203.1.11.3"]
    await directory.set_password(await directory.find("jdoe"), NEW)
    assert lldap.log == ["replace"]


async def test_a_person_of_lldap_is_found_again_by_id(directory: LdapDirectory) -> None:
    user = await directory.find("jdoe")
    assert (await directory.find_by_id(user.id)).dn == JDOE


async def test_everybody_is_active_and_no_rule_is_told(directory: LdapDirectory) -> None:
    user = await directory.find("jdoe")
    assert (user.state, user.must_change, user.password_mark, await directory.rules(user)) == (
        AccountState.ACTIVE,
        False,
        "",
        (),
    )


async def test_a_wrong_password_is_wrong(directory: LdapDirectory) -> None:
    assert await directory.bind(JDOE, Secret("wrong")) is BindOutcome.WRONG


async def test_a_right_that_lldap_cannot_tell_is_not_told_as_missing(directory: LdapDirectory) -> None:
    findings = await directory.examine([await directory.find("jdoe")])
    assert [one.state for one in findings if one.part is Part.RIGHTS] == [State.OK]


async def test_an_identity_that_is_hidden_is_told_as_the_operators_business(
    lldap: LikeLldap, directory: LdapDirectory
) -> None:
    del lldap.entries[JDOE]["entryUUID"]
    with pytest.raises(DirectoryMisconfigured):
        await directory.find("jdoe")


async def test_a_password_is_set_on_a_real_server(slapd: LabSlapd, on_slapd: LdapDirectory) -> None:
    uid = slapd.add_person()
    await on_slapd.set_password(await on_slapd.find(uid), NEW)
    assert slapd.accepts(dn_of(uid), NEW.reveal())


async def test_a_refusal_is_told_where_the_server_has_the_control(slapd: LabSlapd, on_slapd: LdapDirectory) -> None:
    uid = slapd.add_person()
    with pytest.raises(PasswordRefused) as caught:
        await on_slapd.set_password(await on_slapd.find(uid), Secret(password_of(uid)))
    assert caught.value.rules == (Rule(RuleCode.HISTORY),)


async def test_a_missing_right_is_told(slapd: LabSlapd, on_slapd: LdapDirectory) -> None:
    uid = slapd.add_person(prefix="noaccess")
    with pytest.raises(WriteDenied):
        await on_slapd.set_password(await on_slapd.find(uid), NEW)
    findings = await on_slapd.examine([await on_slapd.find(uid)])
    assert [one.state for one in findings if one.part is Part.RIGHTS] == [State.FAILED]
