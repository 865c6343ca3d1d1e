"""The contract of the port `Directory`: one suite for the fake and for real servers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from pwreset.errors import (
    ChangeRefused,
    FilterInvalid,
    PasswordRefused,
    UserAmbiguous,
    UserDisabled,
    UserLocked,
    UserUnknown,
    WriteDenied,
)
from pwreset.reset.findings import Finding, Part, State
from pwreset.reset.model import AccountState, User
from pwreset.reset.policy import Rule, RuleCode
from pwreset.reset.ports import BindOutcome, Directory
from pwreset.secret import Secret
from pwreset.settings import Mfa, Radius
from tests.contract.directory_labs import DirectoryLab, FakeLab, SlapdLab
from tests.contract.dirsrv_lab import DirsrvLab
from tests.contract.record import PROPERTY
from tests.contract.samba_lab import SambaLab
from tests.servers.crowd import CROWD
from tests.servers.slapd import MANAGERS_DN, PEOPLE, SERVICE_DN, SERVICES, password_of

NEW = Secret("Seven quiet lanterns, at 9")  # complex enough for every server
NEXT = Secret("Eight louder fanfares, at 10")
HOSTILE_NAMES = (
    "*",
    "p*",
    ")(uid=*",
    "*)(objectClass=*",
    "\\2a",
    "a\0b",
    "\0",
    "(",
    "\ud800",
    "x" * 10_000,
    "uid=*",
    "' or 1=1 --",
)


KINDS: dict[str, type[DirectoryLab]] = {
    "fake": FakeLab,
    "ldaps": SlapdLab,
    "starttls": SlapdLab,
    "samba": SambaLab,
    "samba-starttls": SambaLab,
    "389-ds": DirsrvLab,
    "389-ds-starttls": DirsrvLab,
}


def labs(**wanted: bool) -> list[Any]:
    """The kinds of directory that are so."""
    return [
        pytest.param(name, marks=() if kind is FakeLab else pytest.mark.servers)
        for name, kind in KINDS.items()
        if all(getattr(kind, trait) is value for trait, value in wanted.items())
    ]


def only(**wanted: bool) -> pytest.MarkDecorator:
    """Run a test on those kinds only."""
    return pytest.mark.parametrize("lab", labs(**wanted), indirect=True)


@pytest.fixture(params=labs())
async def lab(request: pytest.FixtureRequest) -> AsyncIterator[DirectoryLab]:
    made: DirectoryLab
    request.node.user_properties.append((PROPERTY, request.param))
    start_tls = request.param.endswith("starttls")
    if request.param == "fake":
        made = FakeLab()
    elif KINDS[request.param] is SambaLab:
        made = SambaLab(request.getfixturevalue("samba"), start_tls=start_tls)
    elif KINDS[request.param] is DirsrvLab:
        made = DirsrvLab(request.getfixturevalue("dirsrv"), start_tls=start_tls)
    else:
        made = SlapdLab(request.getfixturevalue("slapd"), start_tls=start_tls)
    yield made
    await made.close()


async def refusal_of(directory: Directory, user: User, password: str) -> tuple[object, ...]:
    with pytest.raises(PasswordRefused) as caught:
        await directory.set_password(user, Secret(password))
    return caught.value.rules


async def found_on(directory: Directory, uid: str, part: Part) -> Finding:
    """The one finding of this part about this person."""
    findings = await directory.examine([await directory.find(uid)])
    [finding] = [one for one in findings if one.part is part]
    return finding


# --- finding exactly one ---


async def test_a_person_is_found_by_login_without_regard_to_letter_case(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    assert (await lab.directory().find(uid.upper())).dn == lab.dn(uid)


async def test_a_person_is_found_by_full_name_with_its_spaces(lab: DirectoryLab) -> None:
    name = f"Ida O'Neil, (ext) * Ümlaut\\ {uuid4()}"
    uid = lab.add_person(name=name)
    assert (await lab.directory().find(name)).login == uid


async def test_a_person_is_found_by_mail_address_only_where_that_is_asked_for(lab: DirectoryLab) -> None:
    directory, address = lab.directory(login_attributes=("cn",)), f"{uuid4()}@example.org"
    uid = lab.add_person(mail=(address,))
    assert (await directory.find(address.upper(), or_mail=True)).dn == lab.dn(uid)
    with pytest.raises(UserUnknown):
        await directory.find(address)


async def test_a_mail_address_that_two_people_have_is_ambiguous(lab: DirectoryLab) -> None:
    directory, address = lab.directory(login_attributes=("cn",)), f"{uuid4()}@example.org"
    for _ in range(2):
        lab.add_person(mail=(address,))
    with pytest.raises(UserAmbiguous):
        await directory.find(address, or_mail=True)


async def test_people_are_found_by_a_filter_with_their_login_names(lab: DirectoryLab) -> None:
    directory, name = lab.directory(), f"Filter {uuid4()}"
    wanted = {lab.add_person(name=f"{name} {number}") for number in range(3)}
    lab.add_person()
    assert {login async for login in directory.people(f"(cn={name}*)")} == wanted
    assert [login async for login in directory.people(f"(cn={name}, nobody)")] == []


@pytest.mark.parametrize("wanted", ["((cn=", "(cn", "cn=a)(", ""])
async def test_what_is_no_filter_finds_nobody(lab: DirectoryLab, wanted: str) -> None:
    with pytest.raises(FilterInvalid):
        [login async for login in lab.directory().people(wanted)]


async def test_the_user_is_as_the_entry_says(lab: DirectoryLab) -> None:
    uid = lab.add_person(mail=("first@example.org", "second@example.org"))
    user = await lab.directory().find(uid)
    assert (user.login, user.domain, user.mails, user.mobiles, user.state, user.protected) == (
        uid,
        "EXAMPLE",
        ("first@example.org", "second@example.org"),
        ("+33600000000",),
        AccountState.ACTIVE,
        False,
    )


async def test_an_unknown_name_is_unknown(lab: DirectoryLab) -> None:
    with pytest.raises(UserUnknown):
        await lab.directory().find("nobody-has-this-name")


async def test_a_name_that_two_people_share_is_ambiguous(lab: DirectoryLab) -> None:
    first = lab.add_person()
    lab.add_person(mail=(f"{first}@example.org",))
    with pytest.raises(UserAmbiguous):
        await lab.directory().find(f"{first}@example.org")


async def test_a_name_that_three_people_share_is_ambiguous(lab: DirectoryLab) -> None:
    first = lab.add_person()
    for _ in range(2):
        lab.add_person(mail=(f"{first}@example.org",))
    with pytest.raises(UserAmbiguous):
        await lab.directory().find(f"{first}@example.org")


@pytest.mark.parametrize("name", HOSTILE_NAMES, ids=lambda name: ascii(name)[:20])
async def test_a_hostile_name_is_data_and_unknown(lab: DirectoryLab, name: str) -> None:
    lab.add_person()
    with pytest.raises(UserUnknown):
        await lab.directory().find(name)


async def test_a_person_is_found_again_by_id(lab: DirectoryLab) -> None:
    directory = lab.directory()
    user = await directory.find(lab.add_person())
    assert replace(await directory.find_by_id(user.id), context_words=user.context_words) == user


async def test_a_hostile_id_is_unknown(lab: DirectoryLab) -> None:
    with pytest.raises(UserUnknown):
        await lab.directory().find_by_id("*)(uid=*")


async def test_a_removed_person_is_unknown_by_id(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    user = await directory.find(uid)
    lab.remove(uid)
    with pytest.raises(UserUnknown):
        await directory.find_by_id(user.id)


async def test_many_people_can_be_looked_up_at_once(lab: DirectoryLab) -> None:
    directory = lab.directory()
    uids = [lab.add_person() for _ in range(10)]
    found = await asyncio.gather(*(directory.find(uid) for uid in uids * 20))
    assert [user.login for user in found] == uids * 20


async def test_a_look_up_that_is_given_up_harms_no_other(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    await directory.find(uid)
    given_up = asyncio.create_task(directory.find(uid))
    await asyncio.sleep(0)
    given_up.cancel()
    assert (await directory.find(uid)).login == uid


# --- the person behind an entry that changes ---


@pytest.mark.parametrize("change", ["rename", "move"])
async def test_the_password_goes_to_the_person_wherever_the_entry_is_by_now(lab: DirectoryLab, change: str) -> None:
    directory, uid = lab.directory(), lab.add_person()
    user = await directory.find(uid)
    getattr(lab, change)(uid)
    await directory.set_password(user, NEW)
    assert lab.accepts(uid, NEW.reveal())


@pytest.mark.parametrize("change", ["rename", "move"])
async def test_a_person_in_another_place_is_the_same(lab: DirectoryLab, change: str) -> None:
    directory, uid = lab.directory(), lab.add_person()
    user = await directory.find(uid)
    getattr(lab, change)(uid)
    now = await directory.find_by_id(user.id)
    assert (now.dn, now.password_mark) == (lab.dn(uid), user.password_mark)


@pytest.mark.parametrize("change", ["rename", "move"])
async def test_nobody_leaves_a_protected_group_by_getting_another_place(lab: DirectoryLab, change: str) -> None:
    uid = lab.add_person()
    directory = lab.directory(protected=(lab.add_group(lab.dn(uid)),))
    user = await directory.find(uid)
    getattr(lab, change)(uid)
    assert (await directory.find_by_id(user.id)).protected


@pytest.mark.parametrize("change", ["rename", "move"])
async def test_nobody_leaves_a_protected_group_by_getting_another_place_between_two_looks(
    lab: DirectoryLab, change: str
) -> None:
    uid = lab.add_person()
    directory = lab.directory(protected=(lab.add_group(lab.dn(uid)),))
    user = await directory.find_by_id((await directory.find(uid)).id)
    getattr(lab, change)(uid)
    assert (await directory.find_by_id(user.id)).protected


async def test_a_person_moved_out_of_the_domain_is_unknown_and_not_written_to(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    user = await directory.find(uid)
    lab.move(uid, out=True)
    with pytest.raises(UserUnknown):
        await directory.find_by_id(user.id)
    with pytest.raises(UserUnknown):
        await directory.set_password(user, NEW)
    assert lab.accepts(uid, password_of(uid))


async def test_a_namesake_in_the_place_of_a_person_is_somebody_else_and_not_written_to(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    user = await directory.find(uid)
    lab.replace_by_namesake(uid)
    assert (await directory.find(uid)).id != user.id
    with pytest.raises(UserUnknown):
        await directory.find_by_id(user.id)
    with pytest.raises(UserUnknown):
        await directory.set_password(user, NEW)
    assert lab.accepts(uid, password_of(uid))


# --- protected people ---


async def test_a_person_listed_by_dn_is_protected(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    assert (await lab.directory(protected=(lab.dn(uid),)).find(uid)).protected


async def test_the_spelling_of_a_configured_dn_does_not_matter(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    spelled = lab.dn(uid).upper().replace(",", " , ")
    assert (await lab.directory(protected=(spelled,)).find(uid)).protected


async def test_a_member_of_a_protected_group_is_protected(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    assert (await lab.directory(protected=(lab.add_group(lab.dn(uid)),)).find(uid)).protected


async def test_a_member_of_a_group_in_a_protected_group_is_protected(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    inner = lab.add_group(lab.dn(uid))
    outer = lab.add_group(lab.add_group(inner))
    assert (await lab.directory(protected=(outer,)).find(uid)).protected


async def test_groups_that_hold_each_other_are_no_trap(lab: DirectoryLab) -> None:
    uid, other = lab.add_person(), lab.add_person()
    first = lab.add_group(lab.dn(uid))
    lab.add_to_group(first, lab.add_group(first))
    assert not (await lab.directory(protected=(first,)).find(other)).protected


async def test_a_member_ten_groups_deep_is_protected(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    group = lab.add_group(lab.dn(uid))
    for _ in range(10):
        group = lab.add_group(group)
    assert (await lab.directory(protected=(group,)).find(uid)).protected


async def test_a_member_of_a_very_large_group_is_protected(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    assert (await lab.directory(protected=(lab.large_group(lab.dn(uid)),)).find(uid)).protected


async def test_somebody_outside_a_very_large_group_is_not_protected(lab: DirectoryLab) -> None:
    directory = lab.directory(protected=(lab.large_group(),))
    assert not (await directory.find(lab.add_person())).protected


async def test_somebody_outside_the_protected_groups_is_not_protected(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    group = lab.add_group(lab.dn(lab.add_person()))
    assert not (await lab.directory(protected=(group,)).find(uid)).protected


async def test_a_manager_is_protected(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    assert (await lab.directory(managers=(lab.add_group(lab.dn(uid)),)).find(uid)).protected


async def test_a_manager_is_not_protected_where_the_domain_says_so(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    directory = lab.directory(managers=(lab.add_group(lab.dn(uid)),), protect_managers=False)
    assert not (await directory.find(uid)).protected


async def test_the_service_account_is_protected(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    assert (await lab.directory(bind_dn=lab.dn(uid).upper()).find(uid)).protected


async def test_a_protected_dn_that_cannot_be_resolved_protects_everybody(lab: DirectoryLab) -> None:
    directory = lab.directory(protected=("cn=gone,ou=groups,dc=example,dc=org",))
    assert (await directory.find(lab.add_person())).protected


async def test_a_protected_dn_that_is_none_protects_everybody(lab: DirectoryLab) -> None:
    directory = lab.directory(protected=("Domain Admins",))
    assert (await directory.find(lab.add_person())).protected


async def test_a_managers_dn_that_cannot_be_resolved_protects_everybody(lab: DirectoryLab) -> None:
    group = lab.add_group(lab.dn(lab.add_person()))
    directory = lab.directory(managers=(group, "cn=renamed,ou=groups,dc=example,dc=org"))
    assert (await directory.find(lab.add_person())).protected


async def test_a_managers_dn_that_cannot_be_resolved_protects_nobody_where_managers_are_not_protected(
    lab: DirectoryLab,
) -> None:
    directory = lab.directory(managers=("cn=renamed,ou=groups,dc=example,dc=org",), protect_managers=False)
    assert not (await directory.find(lab.add_person())).protected


async def test_a_look_by_id_sees_a_new_protection_at_once(lab: DirectoryLab) -> None:
    outer, uid = lab.add_group(lab.dn(lab.add_person())), lab.add_person()
    inner = lab.add_group(lab.dn(uid))
    directory = lab.directory(protected=(outer,))
    user = await directory.find(uid)
    lab.add_to_group(outer, inner)
    assert (await directory.find_by_id(user.id)).protected


async def test_a_look_by_id_sees_at_once_that_a_protection_has_ended(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    group = lab.add_group(lab.dn(uid), lab.dn(lab.add_person()))
    directory = lab.directory(protected=(lab.add_group(group),))
    user = await directory.find_by_id((await directory.find(uid)).id)
    lab.remove_from_group(group, lab.dn(uid))
    assert (user.protected, (await directory.find_by_id(user.id)).protected) == (True, False)


# --- people of whom a second factor is always demanded ---


async def test_a_second_factor_is_demanded_of_members_nested_ones_too_and_of_nobody_else(lab: DirectoryLab) -> None:
    uid, other = lab.add_person(), lab.add_person()
    outer = lab.add_group(lab.add_group(lab.dn(uid)))
    directory = lab.directory(mfa=Mfa(factors=("code",), groups=(outer,)))
    assert [(await directory.find(one)).second_factor for one in (uid, other)] == [True, False]
    user = await directory.find(other)
    lab.add_to_group(outer, lab.dn(other))
    assert (await directory.find_by_id(user.id)).second_factor


async def test_of_whom_it_cannot_be_told_a_second_factor_is_demanded(lab: DirectoryLab) -> None:
    directory = lab.directory(mfa=Mfa(factors=("code",), groups=("cn=gone,ou=groups,dc=example,dc=org",)))
    user = await directory.find(lab.add_person())
    assert (user.second_factor, user.protected) == (True, False)


async def test_without_such_groups_none_is_demanded(lab: DirectoryLab) -> None:
    assert not (await lab.directory().find(lab.add_person())).second_factor


async def test_a_person_is_known_to_one_time_passwords_by_the_attribute_that_is_configured(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    plain = await lab.directory().find(uid)
    assert plain.factor_name == plain.login
    by_mail = Mfa(factors=("radius",), radius=Radius(username_attribute="mail"))
    assert (await lab.directory(mfa=by_mail).find(uid)).factor_name == plain.mails[0]


# --- managers ---


async def test_a_member_of_the_managers_group_is_a_manager(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    assert await lab.directory(managers=(lab.add_group(lab.dn(uid)),)).is_manager(lab.dn(uid))


async def test_a_member_of_a_nested_group_is_a_manager(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    outer = lab.add_group(lab.add_group(lab.dn(uid)))
    assert await lab.directory(managers=(outer,)).is_manager(lab.dn(uid))


async def test_a_member_ten_groups_deep_is_a_manager(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    group = lab.add_group(lab.dn(uid))
    for _ in range(10):
        group = lab.add_group(group)
    assert await lab.directory(managers=(group,)).is_manager(lab.dn(uid))


async def test_a_member_of_a_very_large_group_is_a_manager(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    assert await lab.directory(managers=(lab.large_group(lab.dn(uid)),)).is_manager(lab.dn(uid))


async def test_a_listed_person_is_a_manager(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    assert await lab.directory(managers=(lab.dn(uid),)).is_manager(lab.dn(uid).upper())


async def test_nobody_else_is_a_manager(lab: DirectoryLab) -> None:
    group = lab.add_group(lab.dn(lab.add_person()))
    assert not await lab.directory(managers=(group,)).is_manager(lab.dn(lab.add_person()))


async def test_without_configured_managers_nobody_is_one(lab: DirectoryLab) -> None:
    assert not await lab.directory(managers=()).is_manager(lab.dn(lab.add_person()))


async def test_a_managers_dn_that_cannot_be_resolved_makes_nobody_a_manager(lab: DirectoryLab) -> None:
    gone = "uid=gone,ou=people,dc=example,dc=org"
    assert not await lab.directory(managers=(gone,)).is_manager(gone)


async def test_a_new_membership_counts_at_once(lab: DirectoryLab) -> None:
    outer, uid = lab.add_group(lab.dn(lab.add_person())), lab.add_person()
    inner = lab.add_group(lab.dn(uid))
    directory = lab.directory(managers=(outer,))
    assert not await directory.is_manager(lab.dn(uid))
    lab.add_to_group(outer, inner)
    assert await directory.is_manager(lab.dn(uid))


def tower(lab: DirectoryLab, *members: str) -> list[str]:
    """Ten groups, each in the next one; the lowest, which has these members, first."""
    groups = [lab.add_group(*members)]
    for _ in range(9):
        groups.append(lab.add_group(groups[-1], lab.dn(lab.add_person())))
    return groups


async def test_a_new_member_ten_groups_deep_is_a_manager_at_once(lab: DirectoryLab) -> None:
    uid, other = lab.add_person(), lab.add_person()
    groups = tower(lab, lab.dn(other))
    directory = lab.directory(managers=(groups[-1],))
    assert not await directory.is_manager(lab.dn(uid))
    lab.add_to_group(groups[0], lab.dn(uid))
    assert await directory.is_manager(lab.dn(uid))


async def test_a_member_taken_out_ten_groups_deep_is_no_manager_any_more(lab: DirectoryLab) -> None:
    uid, other = lab.add_person(), lab.add_person()
    groups = tower(lab, lab.dn(uid), lab.dn(other))
    directory = lab.directory(managers=(groups[-1],))
    assert await directory.is_manager(lab.dn(uid))
    lab.remove_from_group(groups[0], lab.dn(uid))
    assert not await directory.is_manager(lab.dn(uid))


async def test_a_group_put_into_one_five_groups_deep_makes_managers_at_once(lab: DirectoryLab) -> None:
    uid, other = lab.add_person(), lab.add_person()
    groups, inner = tower(lab, lab.dn(other)), lab.add_group(lab.dn(uid))
    directory = lab.directory(managers=(groups[-1],))
    assert not await directory.is_manager(lab.dn(uid))
    lab.add_to_group(groups[4], inner)
    assert await directory.is_manager(lab.dn(uid))


async def test_a_group_taken_out_of_one_five_groups_deep_makes_no_managers_any_more(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    groups = tower(lab, lab.dn(uid))
    directory = lab.directory(managers=(groups[-1],))
    assert await directory.is_manager(lab.dn(uid))
    lab.remove_from_group(groups[5], groups[4])
    assert not await directory.is_manager(lab.dn(uid))


async def test_a_group_that_is_gone_makes_no_managers_any_more(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    groups = tower(lab, lab.dn(uid))
    directory = lab.directory(managers=(groups[-1],))
    assert await directory.is_manager(lab.dn(uid))
    lab.remove_group(groups[4])
    assert not await directory.is_manager(lab.dn(uid))


async def test_a_group_among_many_people_is_not_taken_for_one_of_them(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    people = [lab.dn(lab.add_person()) for _ in range(20)]
    group = lab.add_group(*people[:10], lab.add_group(lab.dn(uid)), *people[10:])
    directory = lab.directory(managers=(group,))
    assert await directory.is_manager(lab.dn(uid))
    assert await directory.group_sizes() == {group: 21}


async def test_a_manager_is_found_by_login(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    assert await lab.directory().manager_dn(uid) == lab.dn(uid)


async def test_a_manager_is_found_by_dn(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    assert await lab.directory().manager_dn(lab.dn(uid).upper()) == lab.dn(uid)


@pytest.mark.parametrize("login", ["nobody", "uid=nobody,ou=people,dc=example,dc=org", SERVICE_DN, "*", ""])
async def test_an_unknown_manager_is_unknown(lab: DirectoryLab, login: str) -> None:
    with pytest.raises(UserUnknown):
        await lab.directory().manager_dn(login)


@pytest.mark.parametrize(
    ("dn", "inside"),
    [
        (f"uid=somebody,{PEOPLE}", True),
        (f"UID=Somebody , {PEOPLE.upper()}", True),
        (PEOPLE, True),
        (SERVICE_DN, False),
        (f"uid=x,ou=other{PEOPLE}", False),
        ("jdoe", False),
        ("uid=\0", False),
        ("", False),
        (",,,=", False),
    ],
)
async def test_a_dn_belongs_to_the_domain_whose_base_contains_it(lab: DirectoryLab, dn: str, inside: bool) -> None:
    assert lab.directory().contains(dn) is inside


async def test_where_managers_are_looked_up_belongs_to_the_domain(lab: DirectoryLab) -> None:
    directory = lab.directory(managers_base_dn=SERVICES)
    assert (directory.contains(SERVICE_DN), directory.contains(f"uid=somebody,{PEOPLE}")) == (True, True)


# --- log-ins ---


async def test_the_right_password_is_right(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    assert await lab.directory().bind(lab.dn(uid), Secret(password_of(uid))) is BindOutcome.RIGHT


async def test_a_wrong_password_is_wrong(lab: DirectoryLab) -> None:
    assert await lab.directory().bind(lab.dn(lab.add_person()), Secret("wrong")) is BindOutcome.WRONG


@pytest.mark.parametrize("password", ["", "\0", "\ud800"])
async def test_a_password_that_is_none_is_wrong(lab: DirectoryLab, password: str) -> None:
    assert await lab.directory().bind(lab.dn(lab.add_person()), Secret(password)) is BindOutcome.WRONG


async def test_an_empty_password_is_never_sent(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    directory = lab.directory()
    for _ in range(8):
        await directory.bind(lab.dn(uid), Secret(""))
    assert (await directory.find(uid)).state is AccountState.ACTIVE


@pytest.mark.parametrize("dn", ["", "nonsense", "uid=nobody,ou=people,dc=example,dc=org"])
async def test_a_dn_that_is_nobody_has_no_right_password(lab: DirectoryLab, dn: str) -> None:
    assert await lab.directory().bind(dn, Secret("whatever it is")) is BindOutcome.WRONG


async def test_the_right_password_of_an_account_that_must_change_it_is_told_apart(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    lab.demand_change(uid)
    assert await lab.directory().bind(lab.dn(uid), Secret(password_of(uid))) is BindOutcome.EXPIRED


async def test_the_right_password_that_has_expired_is_told_apart(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    lab.expire(uid)
    assert await lab.directory().bind(lab.dn(uid), Secret(password_of(uid))) is BindOutcome.EXPIRED


async def test_a_wrong_password_is_wrong_although_it_has_expired(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    lab.expire(uid)
    assert await lab.directory().bind(lab.dn(uid), Secret("wrong")) is BindOutcome.WRONG


async def test_the_right_password_of_a_locked_account_is_not_told(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    lab.lock_by_failures(uid)
    assert await lab.directory().bind(lab.dn(uid), Secret(password_of(uid))) is BindOutcome.WRONG


# --- setting the password ---


async def test_the_person_logs_in_with_the_new_password(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    await directory.set_password(await directory.find(uid), NEW)
    assert lab.accepts(uid, NEW.reveal())


@only(ends_old_passwords=True)
async def test_the_old_password_is_over(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    await directory.set_password(await directory.find(uid), NEW)
    assert not lab.accepts(uid, password_of(uid))


async def test_a_password_may_hold_all_of_unicode_and_256_characters(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    password = ("Naïve パスワード 🦊 " * 20)[:256]
    await directory.set_password(await directory.find(uid), Secret(password))
    assert await directory.bind(lab.dn(uid), Secret(password)) is BindOutcome.RIGHT


async def test_both_marks_change_with_the_password(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    before = await directory.find(uid)
    await directory.set_password(before, NEW)
    after = await directory.find_by_id(before.id)
    assert before.entry_mark != after.entry_mark


async def test_a_change_elsewhere_shows_in_the_password_mark(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    await directory.set_password(await directory.find(uid), NEW)
    before = await directory.find(uid)
    await asyncio.sleep(1.1)  # OpenLDAP's pwdChangedTime counts in seconds
    lab.change_password_elsewhere(uid, "Changed at the help desk, 1")
    assert (await directory.find_by_id(before.id)).password_mark != before.password_mark


async def test_too_short_a_password_is_refused_with_the_number(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    assert await refusal_of(directory, await directory.find(uid), "short") == (Rule(RuleCode.MIN_LENGTH, 8),)


async def test_a_refused_password_changes_nothing(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    before = await directory.find(uid)
    await refusal_of(directory, before, "short")
    assert lab.accepts(uid, password_of(uid))
    assert (await directory.find_by_id(before.id)).password_mark == before.password_mark


@only(holds_resets_to_history=True)
async def test_the_present_password_is_refused(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    assert await refusal_of(directory, await directory.find(uid), password_of(uid)) == (Rule(RuleCode.HISTORY, 5),)


@only(holds_resets_to_history=True)
async def test_a_former_password_is_refused(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    user = await directory.find(uid)
    await directory.set_password(user, NEW)
    assert await refusal_of(directory, user, password_of(uid)) == (Rule(RuleCode.HISTORY, 5),)


@only(holds_resets_to_history=True)
async def test_a_change_soon_after_another_is_refused_where_the_policy_says_so(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person(policy="strict")
    refused = await refusal_of(directory, await directory.find(uid), NEW.reveal())
    assert refused == (Rule(RuleCode.TOO_YOUNG, 60),)


@only(holds_resets_to_history=False)
async def test_a_former_password_is_taken_where_resets_are_not_held_to_the_history(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    user = await directory.find(uid)
    await directory.set_password(user, NEW)
    await directory.set_password(user, Secret(password_of(uid)))
    assert lab.accepts(uid, password_of(uid))


@only(holds_resets_to_history=False)
async def test_a_change_soon_after_another_is_taken_where_resets_are_not_held_to_the_age(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person(policy="strict")
    await directory.set_password(await directory.find(uid), NEW)
    assert lab.accepts(uid, NEW.reveal())


async def test_a_write_shows_to_have_happened_although_its_answer_was_lost(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    before = await directory.find(uid)
    assert not await directory.took(before, NEW)
    lab.change_password_elsewhere(uid, NEW.reveal())
    assert await directory.took(before, NEW)


async def test_a_former_password_is_not_taken_for_one_just_written(lab: DirectoryLab) -> None:
    """Where it still binds, too: the person wants it back within the hour, and the write never came there."""
    directory, uid = lab.directory(), lab.add_person()
    await directory.set_password(await directory.find(uid), NEW)
    assert not await directory.took(await directory.find(uid), Secret(password_of(uid)))


@only(ends_old_passwords=False)
async def test_an_old_password_that_still_binds_is_no_failed_change(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    await directory.set_password(await directory.find(uid), NEW)
    assert (lab.accepts(uid, password_of(uid)), lab.accepts(uid, NEW.reveal())) == (True, True)


async def test_a_stricter_policy_asks_for_more_characters(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person(policy="strict")
    assert Rule(RuleCode.MIN_LENGTH, 14) in await directory.rules(await directory.find(uid))


async def test_the_rules_are_told_before_the_first_try(lab: DirectoryLab) -> None:
    directory = lab.directory()
    told = await directory.rules(await directory.find(lab.add_person()))
    assert {Rule(RuleCode.MIN_LENGTH, 8), Rule(RuleCode.HISTORY, 5)} <= set(told)


async def test_a_password_we_may_not_write_is_told_as_our_fault(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person(writable=False)
    with pytest.raises(WriteDenied):
        await directory.set_password(await directory.find(uid), NEW)
    assert lab.accepts(uid, password_of(uid))


async def test_the_password_of_a_person_who_is_gone_cannot_be_set(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    user = await directory.find(uid)
    lab.remove(uid)
    with pytest.raises(UserUnknown):
        await directory.set_password(user, NEW)


async def test_a_lock_after_failed_log_ins_shows(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    lab.lock_by_failures(uid)
    assert (await lab.directory().find(uid)).state is AccountState.LOCKED


async def test_a_new_password_lifts_a_lock_after_failed_log_ins(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    lab.lock_by_failures(uid)
    await directory.set_password(await directory.find(uid), NEW)
    assert lab.accepts(uid, NEW.reveal())


async def test_a_locked_account_stays_locked_where_the_domain_says_so(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(unlock=False), lab.add_person()
    lab.lock_by_failures(uid)
    with pytest.raises(UserLocked):
        await directory.set_password(await directory.find(uid), NEW)
    assert (await directory.find(uid)).state is AccountState.LOCKED


async def test_an_administrators_lock_shows_as_disabled(lab: DirectoryLab) -> None:
    uid = lab.add_person()
    lab.lock_by_administrator(uid)
    assert (await lab.directory().find(uid)).state is AccountState.DISABLED


async def test_an_administrators_lock_is_never_lifted(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    user = await directory.find(uid)
    lab.lock_by_administrator(uid)
    with pytest.raises(UserDisabled):
        await directory.set_password(user, NEW)
    assert (await directory.find(uid)).state is AccountState.DISABLED


async def test_a_pending_must_change_is_cleared(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    lab.demand_change(uid)
    await directory.set_password(await directory.find(uid), NEW)
    assert not lab.must_change(uid)


async def test_a_pending_must_change_is_kept_where_the_domain_says_so(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(must_change="keep"), lab.add_person()
    lab.demand_change(uid)
    await directory.set_password(await directory.find(uid), NEW)
    assert lab.must_change(uid)


async def test_many_changes_of_one_person_at_once_all_end_well(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    user = await directory.find(uid)
    passwords = [Secret(f"one of many passwords, number {number}") for number in range(10)]
    await asyncio.gather(*(directory.set_password(user, password) for password in passwords))
    assert not lab.accepts(uid, password_of(uid))


# --- changing the password as the person ---


async def refusal_of_change(directory: Directory, uid: str, old: str, new: str) -> tuple[object, ...]:
    user = await directory.find(uid)
    with pytest.raises(PasswordRefused) as caught:
        await directory.change_own_password(user, Secret(old), Secret(new))
    return caught.value.rules


async def test_whoever_knows_the_old_password_changes_it(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    await directory.change_own_password(await directory.find(uid), Secret(password_of(uid)), NEW)
    assert lab.accepts(uid, NEW.reveal())


@only(ends_old_passwords=True)
async def test_after_a_change_the_old_password_is_over(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    await directory.change_own_password(await directory.find(uid), Secret(password_of(uid)), NEW)
    assert not lab.accepts(uid, password_of(uid))


async def test_a_change_goes_with_all_of_unicode_and_256_characters(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    first, second = (Secret((f"Naïve パスワード {sign} " * 20)[:256]) for sign in "🦊🦉")
    user = await directory.find(uid)
    await directory.change_own_password(user, Secret(password_of(uid)), first)
    await directory.change_own_password(user, first, second)
    assert await directory.bind(lab.dn(uid), second) is BindOutcome.RIGHT


async def test_a_change_needs_no_right_of_the_service_account_to_write(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person(writable=False)
    await directory.change_own_password(await directory.find(uid), Secret(password_of(uid)), NEW)
    assert lab.accepts(uid, NEW.reveal())


@pytest.mark.parametrize("old", ["wrong", "", "\0", "\ud800"], ids=ascii)
async def test_whoever_does_not_know_the_old_password_changes_nothing(lab: DirectoryLab, old: str) -> None:
    directory, uid = lab.directory(), lab.add_person()
    with pytest.raises(ChangeRefused):
        await directory.change_own_password(await directory.find(uid), Secret(old), NEW)
    assert lab.accepts(uid, password_of(uid))


async def test_a_password_that_was_replaced_changes_nothing_although_it_may_still_bind(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    user = await directory.find(uid)
    await directory.change_own_password(user, Secret(password_of(uid)), NEW)
    with pytest.raises(ChangeRefused):
        await directory.change_own_password(user, Secret(password_of(uid)), NEXT)
    assert lab.accepts(uid, NEW.reveal())


async def test_a_change_is_held_to_the_length(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    assert await refusal_of_change(directory, uid, password_of(uid), "short") == (Rule(RuleCode.MIN_LENGTH, 8),)
    assert lab.accepts(uid, password_of(uid))


@only(tells_history=True)
async def test_a_change_is_held_to_the_history(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    await directory.change_own_password(await directory.find(uid), Secret(password_of(uid)), NEW)
    refused = await refusal_of_change(directory, uid, NEW.reveal(), password_of(uid))
    assert refused == (Rule(RuleCode.HISTORY, 5),)
    assert lab.accepts(uid, NEW.reveal())


@only(tells_history=False)
async def test_a_change_is_held_to_the_history_although_the_directory_does_not_tell_it_from_its_quality_check(
    lab: DirectoryLab,
) -> None:
    directory, uid = lab.directory(), lab.add_person()
    user = await directory.find(uid)
    await directory.change_own_password(user, Secret(password_of(uid)), NEW)
    await directory.change_own_password(user, NEW, NEXT)
    refused = await refusal_of_change(directory, uid, NEXT.reveal(), NEW.reveal())
    assert refused == (Rule(RuleCode.WEAK_OR_USED),)
    assert lab.accepts(uid, NEXT.reveal())


async def test_a_change_is_held_to_the_minimum_age(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person(policy="strict")
    refused = await refusal_of_change(directory, uid, password_of(uid), NEW.reveal())
    assert refused == (Rule(RuleCode.TOO_YOUNG, 60),)


@pytest.mark.parametrize("must_change", ["clear", "keep"])
async def test_whoever_must_change_the_password_does_and_need_not_again(lab: DirectoryLab, must_change: str) -> None:
    directory, uid = lab.directory(must_change=must_change), lab.add_person()
    lab.demand_change(uid)
    await directory.change_own_password(await directory.find(uid), Secret(password_of(uid)), NEW)
    assert await directory.bind(lab.dn(uid), NEW) is BindOutcome.RIGHT


async def test_whose_password_has_expired_changes_it_and_it_is_good_again(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    lab.expire(uid)
    await directory.change_own_password(await directory.find(uid), Secret(password_of(uid)), NEW)
    assert await directory.bind(lab.dn(uid), NEW) is BindOutcome.RIGHT


async def test_an_expired_password_that_is_wrong_changes_nothing(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    lab.expire(uid)
    with pytest.raises(ChangeRefused):
        await directory.change_own_password(await directory.find(uid), Secret("wrong"), NEW)
    assert await directory.bind(lab.dn(uid), Secret(password_of(uid))) is BindOutcome.EXPIRED


async def test_an_expired_password_is_not_changed_to_one_too_short(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    lab.expire(uid)
    assert await refusal_of_change(directory, uid, password_of(uid), "short") == (Rule(RuleCode.MIN_LENGTH, 8),)


async def test_a_locked_account_stays_locked_whatever_password_is_given(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    lab.lock_by_failures(uid)
    user = await directory.find(uid)
    with pytest.raises(UserLocked):
        await directory.change_own_password(user, Secret(password_of(uid)), NEW)
    assert (await directory.find(uid)).state is AccountState.LOCKED


async def test_a_disabled_account_s_password_is_not_changed(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    lab.lock_by_administrator(uid)
    with pytest.raises(UserDisabled):
        await directory.change_own_password(await directory.find(uid), Secret(password_of(uid)), NEW)


async def test_a_change_shows_in_the_marks(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    before = await directory.find(uid)
    await directory.change_own_password(before, Secret(password_of(uid)), NEW)
    after = await directory.find_by_id(before.id)
    assert before.entry_mark != after.entry_mark
    assert await directory.took(before, NEW)


# --- health ---


async def test_a_directory_that_answers_is_well(lab: DirectoryLab) -> None:
    [server] = await lab.directory().health()
    assert server.ok


async def test_the_people_a_group_stands_for_are_counted(lab: DirectoryLab) -> None:
    inner = lab.add_group(lab.dn(lab.add_person()), lab.dn(lab.add_person()))
    outer = lab.add_group(inner, lab.dn(lab.add_person()))
    assert await lab.directory(managers=(outer,), protected=(inner,)).group_sizes() == {outer: 3, inner: 2}


@only(is_real=True)
async def test_the_people_of_a_very_large_group_are_all_counted(lab: DirectoryLab) -> None:
    group = lab.large_group()
    directory = lab.directory(managers=(group,))
    before = (await directory.group_sizes())[group] or 0
    lab.large_group(lab.dn(lab.add_person()))
    assert before >= CROWD
    assert await directory.group_sizes() == {group: before + 1}


async def test_a_group_that_is_not_there_has_no_size(lab: DirectoryLab) -> None:
    gone = "cn=gone,ou=groups,dc=example,dc=org"
    assert await lab.directory(managers=(gone,)).group_sizes() == {gone: None}


async def test_the_right_to_write_shows_without_a_change(lab: DirectoryLab) -> None:
    directory, uid = lab.directory(), lab.add_person()
    before = await directory.find_by_id((await directory.find(uid)).id)
    assert (await found_on(directory, uid, Part.RIGHTS)).state is State.OK
    assert await directory.find_by_id(before.id) == before


async def test_a_missing_right_to_write_shows(lab: DirectoryLab) -> None:
    directory = lab.directory()
    finding = await found_on(directory, lab.add_person(writable=False), Part.RIGHTS)
    assert finding.state is State.FAILED


async def test_rights_are_tried_on_somebody_where_nobody_is_named(lab: DirectoryLab) -> None:
    directory = lab.directory(protected=(lab.add_group(lab.dn(lab.add_person())),))
    lab.add_person()
    somebody = await directory.sample()
    assert somebody is not None
    assert (somebody.protected, somebody.state) == (False, AccountState.ACTIVE)


async def test_every_finding_tells_its_domain_and_the_state_of_each_server(lab: DirectoryLab) -> None:
    findings = await lab.directory().examine(())
    assert {finding.domain for finding in findings} == {"EXAMPLE"}
    assert [finding.state for finding in findings if finding.part is Part.SERVER] == [State.OK]


async def test_a_directory_that_was_asked_nothing_can_be_closed(lab: DirectoryLab) -> None:
    await lab.directory(managers=(MANAGERS_DN,)).close()
