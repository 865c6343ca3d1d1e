"""FreeIPA by its documents: a server of our own that treats passwords as FreeIPA says it does. No real one was at hand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from pwreset.directory.ldap import LdapDirectory
from pwreset.errors import DirectoryMisconfigured, OutcomeUnclear, PasswordRefused, UserDisabled, WriteDenied
from pwreset.reset.model import AccountState
from pwreset.reset.policy import Rule, RuleCode
from pwreset.reset.ports import BindOutcome
from pwreset.secret import Secret
from pwreset.settings.domains import Domain
from tests.servers.freeipa import (
    GLOBAL_POLICY,
    PEOPLE,
    SERVICE_DN,
    SERVICE_PASSWORD,
    SUFFIX,
    LikeFreeIpa,
    person_dn,
    stamp,
)
from tests.servers.scripted import Answer

pytestmark = pytest.mark.servers

NEW = Secret("Seven quiet lanterns, at 9")
UNWILLING, INSUFFICIENT_ACCESS = 53, 50


@pytest.fixture
def ipa() -> Iterator[LikeFreeIpa]:
    with LikeFreeIpa() as server:
        yield server


@pytest.fixture
async def directory(ipa: LikeFreeIpa) -> AsyncIterator[LdapDirectory]:
    made = adapter(ipa)
    yield made
    await made.close()


def adapter(ipa: LikeFreeIpa, **settings: Any) -> LdapDirectory:
    values: dict[str, Any] = {
        "uris": (ipa.uri,),
        "start_tls": False,
        "allow_plain_ldap": True,
        "base_dn": PEOPLE,
        "bind_dn": SERVICE_DN,
        "login_attributes": ("uid",),
        "timeout_seconds": 30.0,
    }
    return LdapDirectory("EXAMPLE", Domain(**(values | settings)), Secret(SERVICE_PASSWORD))


async def refusal_of(directory: LdapDirectory, password: str) -> tuple[object, ...]:
    with pytest.raises(PasswordRefused) as caught:
        await directory.set_password(await directory.find("jdoe"), Secret(password))
    return caught.value.rules


async def test_it_is_recognized_by_its_own_operations(ipa: LikeFreeIpa, directory: LdapDirectory) -> None:
    assert (await directory.find("jdoe")).id == ipa.jdoe["ipaUniqueID"][0]


async def test_the_person_sets_the_password_after_a_stopgap(ipa: LikeFreeIpa, directory: LdapDirectory) -> None:
    await directory.set_password(await directory.find("jdoe"), NEW)
    assert ipa.log == ["by another", "by the person"]
    assert ipa.jdoe["userPassword"] == [NEW.reveal()]


async def test_the_new_password_has_not_expired(ipa: LikeFreeIpa, directory: LdapDirectory) -> None:
    await directory.set_password(await directory.find("jdoe"), NEW)
    assert not ipa.expired
    assert await directory.bind(person_dn("jdoe"), NEW) is BindOutcome.RIGHT


async def test_what_surely_breaks_the_policy_is_refused_before_anything_is_written(
    ipa: LikeFreeIpa, directory: LdapDirectory
) -> None:
    assert await refusal_of(directory, "short") == (Rule(RuleCode.MIN_LENGTH, 8),)
    assert await refusal_of(directory, "onlysmallletters") == (Rule(RuleCode.COMPLEXITY, 2),)
    assert ipa.log == []


async def test_a_former_password_is_refused_by_the_second_step(ipa: LikeFreeIpa, directory: LdapDirectory) -> None:
    assert await refusal_of(directory, "Passw0rd-jdoe") == (Rule(RuleCode.HISTORY, 3),)


async def test_a_refusal_in_the_second_step_leaves_the_link_alive(ipa: LikeFreeIpa, directory: LdapDirectory) -> None:
    before = await directory.find("jdoe")
    assert await refusal_of(directory, "A dictionary word, 1") == (Rule(RuleCode.QUALITY),)
    assert (await directory.find("jdoe")).password_mark == before.password_mark
    await directory.set_password(before, NEW)
    assert ipa.jdoe["userPassword"] == [NEW.reveal()]


async def test_no_password_is_known_after_a_refusal_in_the_second_step(
    ipa: LikeFreeIpa, directory: LdapDirectory
) -> None:
    await refusal_of(directory, "A dictionary word, 1")
    [stopgap] = ipa.jdoe["userPassword"]
    assert stopgap not in {"Passw0rd-jdoe", "A dictionary word, 1"}
    assert len(stopgap) >= 32


async def test_a_connection_lost_between_the_steps_leaves_the_outcome_unclear(
    ipa: LikeFreeIpa, directory: LdapDirectory
) -> None:
    before = await directory.find("jdoe")
    ipa.cut_before_the_second_step = True
    with pytest.raises(OutcomeUnclear):
        await directory.set_password(before, NEW)
    assert (await directory.find("jdoe")).password_mark != before.password_mark


async def test_people_who_need_more_than_a_password_are_the_operators_business(
    ipa: LikeFreeIpa, directory: LdapDirectory
) -> None:
    ipa.lets_people_log_in = False
    with pytest.raises(DirectoryMisconfigured):
        await directory.set_password(await directory.find("jdoe"), NEW)


async def test_an_account_that_may_not_log_in_with_it_keeps_its_link(
    ipa: LikeFreeIpa, directory: LdapDirectory
) -> None:
    before = await directory.find("jdoe")
    ipa.lets_people_log_in = False
    with pytest.raises(DirectoryMisconfigured):
        await directory.set_password(before, NEW)
    assert (await directory.find("jdoe")).password_mark == before.password_mark


@pytest.mark.parametrize("code", [UNWILLING, INSUFFICIENT_ACCESS])
async def test_a_second_step_that_is_forbidden_leaves_the_link_alive(
    ipa: LikeFreeIpa, directory: LdapDirectory, code: int
) -> None:
    before = await directory.find("jdoe")
    ipa.answer_to_the_second_step = Answer(code)
    with pytest.raises((DirectoryMisconfigured, WriteDenied)):
        await directory.set_password(before, NEW)
    assert (await directory.find("jdoe")).password_mark == before.password_mark


async def test_a_second_step_that_is_forbidden_is_not_tried_on_another_server(ipa: LikeFreeIpa) -> None:
    ipa.answer_to_the_second_step = Answer(UNWILLING)
    directory = adapter(ipa, uris=(ipa.uri, ipa.uri.replace("127.0.0.1", "localhost")))
    with pytest.raises(DirectoryMisconfigured):
        await directory.set_password(await directory.find("jdoe"), NEW)
    await directory.close()
    assert ipa.log.count("by another") == 1


async def test_a_password_set_by_another_must_be_changed(ipa: LikeFreeIpa, directory: LdapDirectory) -> None:
    ipa.jdoe["krbPasswordExpiration"] = ipa.jdoe["krbLastPwdChange"]
    assert (await directory.find("jdoe")).must_change
    assert await directory.bind(person_dn("jdoe"), Secret("Passw0rd-jdoe")) is BindOutcome.EXPIRED


async def test_must_change_is_over_after_a_new_password(ipa: LikeFreeIpa, directory: LdapDirectory) -> None:
    ipa.jdoe["krbPasswordExpiration"] = ipa.jdoe["krbLastPwdChange"]
    await directory.set_password(await directory.find("jdoe"), NEW)
    assert not (await directory.find("jdoe")).must_change


async def test_must_change_is_kept_where_the_domain_says_so(ipa: LikeFreeIpa) -> None:
    ipa.jdoe["krbPasswordExpiration"] = ipa.jdoe["krbLastPwdChange"]
    directory = adapter(ipa, must_change="keep")
    await directory.set_password(await directory.find("jdoe"), NEW)
    assert ipa.expired
    await directory.close()


async def test_the_policy_is_told(directory: LdapDirectory) -> None:
    assert await directory.rules(await directory.find("jdoe")) == (
        Rule(RuleCode.MIN_LENGTH, 8),
        Rule(RuleCode.COMPLEXITY, 2),
        Rule(RuleCode.HISTORY, 3),
        Rule(RuleCode.MAX_AGE, 90),
    )


async def test_the_policy_of_a_group_is_told_instead(ipa: LikeFreeIpa, directory: LdapDirectory) -> None:
    named = f"cn=strict,cn=IPA.EXAMPLE,cn=kerberos,{SUFFIX}"
    ipa.entries[named] = {"objectClass": ["krbPwdPolicy"], "krbPwdMinLength": ["20"]}
    ipa.jdoe["krbPwdPolicyReference"] = [named]
    assert await directory.rules(await directory.find("jdoe")) == (Rule(RuleCode.MIN_LENGTH, 20),)


@pytest.mark.parametrize(
    ("failures", "minutes_ago", "state"),
    [(5, 1, AccountState.ACTIVE), (6, 1, AccountState.LOCKED), (6, 11, AccountState.ACTIVE)],
)
async def test_too_many_failures_lock_for_as_long_as_the_policy_says(
    ipa: LikeFreeIpa, directory: LdapDirectory, failures: int, minutes_ago: int, state: AccountState
) -> None:
    ipa.jdoe["krbLoginFailedCount"] = [str(failures)]
    ipa.jdoe["krbLastFailedAuth"] = [stamp(datetime.now(UTC) - timedelta(minutes=minutes_ago))]
    assert (await directory.find("jdoe")).state is state


async def test_an_unlocked_account_is_active_again(ipa: LikeFreeIpa, directory: LdapDirectory) -> None:
    ipa.jdoe["krbLoginFailedCount"] = ["6"]
    ipa.jdoe["krbLastFailedAuth"] = [stamp(datetime.now(UTC) - timedelta(minutes=2))]
    ipa.jdoe["krbLastAdminUnlock"] = [stamp(datetime.now(UTC) - timedelta(minutes=1))]
    assert (await directory.find("jdoe")).state is AccountState.ACTIVE


@pytest.mark.parametrize("how", [{"nsAccountLock": ["TRUE"]}, {"krbPrincipalExpiration": ["20200101000000Z"]}])
async def test_a_disabled_account_is_not_written_to(
    ipa: LikeFreeIpa, directory: LdapDirectory, how: dict[str, list[str]]
) -> None:
    user = await directory.find("jdoe")
    ipa.jdoe.update(how)
    with pytest.raises(UserDisabled):
        await directory.set_password(user, NEW)
    assert ipa.log == []


async def test_without_the_policy_the_second_step_tells(ipa: LikeFreeIpa, directory: LdapDirectory) -> None:
    del ipa.entries[GLOBAL_POLICY]
    assert await refusal_of(directory, "short") == (Rule(RuleCode.MIN_LENGTH),)
