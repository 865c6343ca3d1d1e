"""What is particular to 389 Directory Server, on a real one: states, refusals, local policies, marks, rights."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from itertools import count
from typing import Any

import ldap
import pytest

from pwreset.demo.people import entry
from pwreset.directory.ldap import LdapDirectory
from pwreset.errors import DirectoryMisconfigured, PasswordRefused, UserDisabled
from pwreset.reset.findings import Part, State
from pwreset.reset.model import AccountState
from pwreset.reset.policy import Rule, RuleCode
from pwreset.reset.ports import BindOutcome
from pwreset.secret import Secret
from pwreset.settings.domains import Domain
from pwreset.web.rules import refusals_in_words
from tests.servers import dirsrv_plan as lab
from tests.servers.dirsrv import LabDirsrv
from tests.servers.dirsrv_plan import dn_of, policy_dn
from tests.servers.slapd import password_of

pytestmark = pytest.mark.servers

NEW = Secret("Seven quiet lanterns, at 9")
DATABASE = "cn=userroot,cn=ldbm database,cn=plugins,cn=config"
Make = Callable[..., LdapDirectory]


@pytest.fixture
async def make(dirsrv: LabDirsrv) -> AsyncIterator[Make]:
    made: list[LdapDirectory] = []

    def directory(*, password: str = lab.SERVICE_PASSWORD, **settings: Any) -> LdapDirectory:
        values: dict[str, Any] = {
            "uris": (dirsrv.ldaps_uri,),
            "base_dn": lab.PEOPLE,
            "bind_dn": lab.SERVICE_DN,
            "ca_file": str(dirsrv.ca_file),
            "timeout_seconds": 30.0,
        }
        made.append(LdapDirectory("EXAMPLE", Domain(**(values | settings)), Secret(password)))
        return made[-1]

    yield directory
    for one in made:
        await one.close()


async def words_of_refusal(directory: LdapDirectory, login: str, password: str) -> tuple[str, ...]:
    """What the person reads when this password is refused."""
    with pytest.raises(PasswordRefused) as caught:
        await directory.set_password(await directory.find(login), Secret(password))
    return refusals_in_words(caught.value.rules, "en")


def wait_for(dirsrv: LabDirsrv, dn: str, attribute: str) -> None:
    """The server writes what follows from a change only after it has answered."""
    until = time.monotonic() + 60.0
    while attribute.lower() not in map(str.lower, dirsrv.read(dn, attribute)):
        assert time.monotonic() < until
        time.sleep(0.02)


def wait_for_class_of_service(dirsrv: LabDirsrv, dn: str, attribute: str, definition: str) -> None:
    """What a class of service says of an entry is in a cache that forgets a change made while it is being built.

    The next change is noticed again, so one is made now and then.
    """
    until = time.monotonic() + 60.0
    for number in count():
        dirsrv.change(definition, description=str(number))
        for _ in range(50):
            if attribute.lower() in map(str.lower, dirsrv.read(dn, attribute)):
                return
            time.sleep(0.02)
        assert time.monotonic() < until


# --- refusals, each provoked ---


A_PATTERN = (
    "The password follows a pattern: a sequence, a repetition, or the same read backwards. Try a few unrelated words."
)
REFUSALS: list[tuple[dict[str, str], str, str]] = [
    ({}, "Sh0rt!", "The password is too short: it needs at least 8 characters."),
    (
        {},
        "only small letters",
        "The password needs at least 3 kinds of characters out of: small letters, capital letters, digits, others.",
    ),
    ({}, "My Person is 9 years", "The password contains your own name, user name or address."),
    ({"passwordMinDigits": "3"}, NEW.reveal(), "The password needs at least 3 digits."),
    ({"passwordMinAlphas": "5"}, "a1!1234567$%&/", "The password needs at least 5 letters."),
    ({"passwordMinUppers": "3"}, NEW.reveal(), "The password needs at least 3 capital letters."),
    ({"passwordMinLowers": "5"}, "SEVEN QUIET LANTERNS at 9", "The password needs at least 5 small letters."),
    (
        {"passwordMinSpecials": "3"},
        "Sevenquietlanternsat9",
        "The password needs at least 3 signs that are no letters and no digits.",
    ),
    (
        {"passwordMaxRepeats": "2"},
        "Seeeven quiet lanterns, at 9",
        "The password repeats a character too often: none may stand more than 2 times in a row.",
    ),
    *(
        (setting, password, A_PATTERN)
        for setting, password in (
            ({"passwordPalindrome": "on"}, "Abcd1-X-1dcbA"),
            ({"passwordMaxSequence": "3"}, "Seven abcdef lanterns, at 9"),
            ({"passwordMaxSeqSets": "2"}, "Seven aabc aabc, at 9 aabc"),
            ({"passwordMaxClassChars": "3"}, "Sevenquietlanterns, at 9"),
        )
    ),
    *(
        (
            setting,
            NEW.reveal(),
            "The password is too common or too easily guessed. Try a few unrelated words.",
        )
        for setting in (
            {"passwordBadWords": "lanterns"},
            # Without a word list on the machine (Debian: cracklib-runtime) it refuses every password.
            {"passwordDictCheck": "on"},
        )
    ),
    (
        {"passwordMin8Bit": "1"},
        NEW.reveal(),
        "The directory finds the password too weak. Make it longer, or mix words, digits and signs.",
    ),
]


@pytest.mark.parametrize(("setting", "password", "words"), REFUSALS, ids=lambda value: str(value)[:30])
async def test_a_refusal_is_told_in_words(
    dirsrv: LabDirsrv, make: Make, setting: dict[str, str], password: str, words: str
) -> None:
    uid = dirsrv.add_person()
    with dirsrv.configured(**setting):
        assert await words_of_refusal(make(), uid, password) == (words,)


@pytest.mark.parametrize("dictated", ["+33612345678", "3361"])
async def test_further_personal_attributes_are_looked_for_where_the_policy_names_them(
    dirsrv: LabDirsrv, make: Make, dictated: str
) -> None:
    uid = dirsrv.add_person(mobile="+33612345678")
    with dirsrv.configured(passwordUserAttributes="mobile", passwordMinTokenLength="4"):
        words = await words_of_refusal(make(), uid, f"Number {dictated}, please")
    assert words == ("The password contains your own name, user name or address.",)


async def test_by_default_any_three_characters_of_the_name_are_too_many(dirsrv: LabDirsrv, make: Make) -> None:
    uid = dirsrv.add_person(cn="Pat Winter", sn="Winter", mail=None)
    with dirsrv.configured(passwordMinTokenLength="3"):
        words = await words_of_refusal(make(), uid, "Seven red banTErs, 9")
    assert words == ("The password contains your own name, user name or address.",)


async def test_the_present_password_is_one_of_the_former_although_no_code_says_so(
    dirsrv: LabDirsrv, make: Make
) -> None:
    directory, uid = make(), dirsrv.add_person()
    await directory.set_password(await directory.find(uid), NEW)
    words = await words_of_refusal(directory, uid, NEW.reveal())
    assert words == ("You have used this password before: it must not be one of your last 5.",)


async def test_a_second_change_within_the_minimum_age_is_refused_with_the_time(dirsrv: LabDirsrv, make: Make) -> None:
    directory, uid = make(), dirsrv.add_person()
    with dirsrv.configured(passwordMinAge="7200"):
        await directory.set_password(await directory.find(uid), NEW)
        wait_for(dirsrv, dn_of(uid), "passwordAllowChangeTime")
        words = await words_of_refusal(directory, uid, "Eight quiet lanterns, at 9")
    assert words == ("Your password was changed only recently. Time to wait after a change: 2 hours.",)


async def test_where_the_policy_cannot_be_read_a_refusal_is_told_as_far_as_its_code_goes(
    dirsrv: LabDirsrv, make: Make
) -> None:
    directory = make(bind_dn=lab.HELP_DESK_DN, password=lab.HELP_DESK_PASSWORD)
    words = await words_of_refusal(directory, dirsrv.add_person(), "Sh0rt!")
    assert words == ("The directory finds the password too weak. Make it longer, or mix words, digits and signs.",)


# --- policies ---


async def test_the_global_policy_is_told(dirsrv: LabDirsrv, make: Make) -> None:
    directory = make()
    assert await directory.rules(await directory.find(dirsrv.add_person())) == (
        Rule(RuleCode.MIN_LENGTH, 8),
        Rule(RuleCode.COMPLEXITY, 3),
        Rule(RuleCode.CONTEXT),
        Rule(RuleCode.HISTORY, 5),
    )


async def test_a_persons_local_policy_is_told_instead(dirsrv: LabDirsrv, make: Make) -> None:
    directory = make()
    assert await directory.rules(await directory.find(dirsrv.add_person(pwdPolicySubentry=policy_dn("strict")))) == (
        Rule(RuleCode.MIN_LENGTH, 14),
        Rule(RuleCode.COMPLEXITY, 3),
        Rule(RuleCode.CONTEXT),
        Rule(RuleCode.HISTORY, 24),
        Rule(RuleCode.TOO_YOUNG, 60),
    )


async def test_the_syntax_rules_are_not_told_where_they_are_not_checked(dirsrv: LabDirsrv, make: Make) -> None:
    directory = make()
    uid = dirsrv.add_person(pwdPolicySubentry=policy_dn("unchecked"))
    assert await directory.rules(await directory.find(uid)) == (Rule(RuleCode.MAX_AGE, 1),)


async def test_switched_off_local_policies_are_not_told(dirsrv: LabDirsrv, make: Make) -> None:
    directory = make()
    user = await directory.find(dirsrv.add_person(pwdPolicySubentry=policy_dn("strict")))
    with dirsrv.configured(**{"nsslapd-pwpolicy-local": "off"}):
        assert Rule(RuleCode.MIN_LENGTH, 8) in await directory.rules(user)


async def test_the_policy_of_a_subtree_is_told_and_holds(dirsrv: LabDirsrv, make: Make) -> None:
    where = lab.STRICT_PEOPLE
    container = f"cn=nsPwPolicyContainer,{where}"
    policy = f'cn="cn=nsPwPolicyEntry,{where}",{container}'
    template = f'cn="cn=nsPwTemplateEntry,{where}",{container}'
    for one in (
        entry(container, ["nsContainer"], cn="nsPwPolicyContainer"),
        entry(
            policy,
            ["ldapSubEntry", "passwordPolicy"],
            cn=f"cn=nsPwPolicyEntry,{where}",
            passwordCheckSyntax="on",
            passwordMinLength="20",
        ),
        entry(
            template,
            ["extensibleObject", "costemplate", "ldapsubentry"],
            cn=f"cn=nsPwTemplateEntry,{where}",
            cosPriority="1",
            pwdPolicySubentry=policy,
        ),
        entry(
            f"cn=nsPwPolicy_CoS,{where}",
            ["LDAPsubentry", "cosSuperDefinition", "cosPointerDefinition"],
            cn="nsPwPolicy_CoS",
            cosTemplateDn=template,
            cosAttribute="pwdpolicysubentry default operational-default",
        ),
    ):
        dirsrv.add(one)
    directory = make()
    uid = dirsrv.add_person(where=where)
    wait_for_class_of_service(dirsrv, f"uid={uid},{where}", "pwdPolicySubentry", f"cn=nsPwPolicy_CoS,{where}")
    assert Rule(RuleCode.MIN_LENGTH, 20) in await directory.rules(await directory.find(uid))
    words = await words_of_refusal(directory, uid, "Nineteen long, ok 9")
    assert words == ("The password is too short: it needs at least 20 characters.",)


async def test_nothing_is_told_where_the_policy_cannot_be_read(dirsrv: LabDirsrv, make: Make) -> None:
    directory = make(bind_dn=lab.HELP_DESK_DN, password=lab.HELP_DESK_PASSWORD)
    assert await directory.rules(await directory.find(dirsrv.add_person())) == ()


# --- states ---


async def test_a_lock_that_has_ended_by_itself_is_over(dirsrv: LabDirsrv, make: Make) -> None:
    uid = dirsrv.add_person(accountUnlockTime="20200101000000Z", passwordRetryCount="5")
    assert (await make().find(uid)).state is AccountState.ACTIVE


async def test_a_lock_that_ends_later_still_holds(dirsrv: LabDirsrv, make: Make) -> None:
    uid = dirsrv.add_person(accountUnlockTime="20990101000000Z", passwordRetryCount="5")
    assert (await make().find(uid)).state is AccountState.LOCKED


@pytest.mark.parametrize(
    ("setting", "state"),
    [
        ({}, AccountState.LOCKED),
        ({"passwordMaxFailure": "10"}, AccountState.ACTIVE),
        ({"passwordLockout": "off"}, AccountState.ACTIVE),
        ({"passwordUnlock": "on"}, AccountState.ACTIVE),
    ],
    ids=str,
)
async def test_a_lock_holds_only_as_long_as_the_policy_says(
    dirsrv: LabDirsrv, make: Make, setting: dict[str, str], state: AccountState
) -> None:
    uid = dirsrv.add_person()
    dirsrv.fail_to_log_in(dn_of(uid), 5)
    with dirsrv.configured(**setting):
        assert (await make().find(uid)).state is state
        assert dirsrv.accepts(dn_of(uid), password_of(uid)) is (state is AccountState.ACTIVE)


async def test_what_is_left_of_a_lock_after_a_change_elsewhere_is_none(dirsrv: LabDirsrv, make: Make) -> None:
    uid = dirsrv.add_person()
    dirsrv.fail_to_log_in(dn_of(uid), 5)
    with dirsrv.admin(lab.HELP_DESK_DN, lab.HELP_DESK_PASSWORD) as connection:
        connection.modify_s(dn_of(uid), [(ldap.MOD_REPLACE, "userPassword", [b"Changed at the help desk, 1"])])
    wait_for(dirsrv, dn_of(uid), "pwdUpdateTime")
    assert "accountUnlockTime" in dirsrv.read(dn_of(uid))
    assert (await make().find(uid)).state is AccountState.ACTIVE


async def test_our_change_lifts_a_lock_at_once_and_leaves_nothing_of_it(dirsrv: LabDirsrv, make: Make) -> None:
    directory, uid = make(), dirsrv.add_person()
    dirsrv.fail_to_log_in(dn_of(uid), 5)
    await directory.set_password(await directory.find(uid), NEW)
    assert "accountUnlockTime" not in dirsrv.read(dn_of(uid))


async def test_an_account_that_a_role_makes_inactive_is_disabled(dirsrv: LabDirsrv, make: Make) -> None:
    managed, container = f"cn=nsManagedDisabledRole,{lab.BASE}", f"cn=nsAccountInactivationTmp,{lab.BASE}"
    nested = f"cn=nsDisabledRole,{lab.BASE}"
    role = ["LDAPsubentry", "nsRoleDefinition"]
    for one in (
        entry(managed, [*role, "nsSimpleRoleDefinition", "nsManagedRoleDefinition"], cn="nsManagedDisabledRole"),
        entry(
            nested, [*role, "nsComplexRoleDefinition", "nsNestedRoleDefinition"], cn="nsDisabledRole", nsRoleDN=managed
        ),
        entry(container, ["nsContainer"], cn="nsAccountInactivationTmp"),
        entry(
            f'cn="{nested}",{container}',
            ["extensibleObject", "costemplate", "ldapsubentry"],
            nsAccountLock="true",
            cosPriority="0",
        ),
        entry(
            f"cn=nsAccountInactivation_cos,{lab.BASE}",
            ["LDAPsubentry", "cosSuperDefinition", "cosClassicDefinition"],
            cn="nsAccountInactivation_cos",
            cosTemplateDn=container,
            cosSpecifier="nsRole",
            cosAttribute="nsAccountLock operational",
        ),
    ):
        dirsrv.add(one)
    directory, uid = make(), dirsrv.add_person()
    user = await directory.find(uid)
    dirsrv.change(dn_of(uid), nsRoleDN=managed)
    wait_for_class_of_service(dirsrv, dn_of(uid), "nsAccountLock", f"cn=nsAccountInactivation_cos,{lab.BASE}")
    assert (await directory.find(uid)).state is AccountState.DISABLED
    with pytest.raises(UserDisabled):
        await directory.set_password(user, NEW)


async def test_a_log_in_with_a_grace_is_right(dirsrv: LabDirsrv, make: Make) -> None:
    uid = dirsrv.add_person(passwordExpirationTime="20200101000000Z")
    with dirsrv.configured(passwordExp="on", passwordGraceLimit="3"):
        assert await make().bind(dn_of(uid), Secret(password_of(uid))) is BindOutcome.RIGHT


async def test_a_kept_must_change_is_asked_for_at_the_next_log_in(dirsrv: LabDirsrv, make: Make) -> None:
    directory = make(must_change="keep")
    uid = dirsrv.add_person(pwdPolicySubentry=policy_dn("mustchange"))
    dirsrv.change(dn_of(uid), userPassword="Set by an administrator, 1")
    wait_for(dirsrv, dn_of(uid), "pwdReset")
    await directory.set_password(await directory.find(uid), NEW)
    assert await directory.bind(dn_of(uid), NEW) is BindOutcome.EXPIRED


# --- who somebody is, and marks ---


async def test_a_name_made_of_signs_is_written_to(dirsrv: LabDirsrv, make: Make) -> None:
    directory = make()
    uid = dirsrv.add_person(uid="o'brien, p (ext) * #1")
    await directory.set_password(await directory.find(uid), NEW)
    assert dirsrv.accepts(dn_of(uid), NEW.reveal())


async def test_a_change_by_directory_manager_shows_in_the_mark(dirsrv: LabDirsrv, make: Make) -> None:
    directory, uid = make(), dirsrv.add_person()
    before = await directory.find(uid)
    dirsrv.change(dn_of(uid), userPassword="Set by an administrator, 1")
    wait_for(dirsrv, dn_of(uid), "pwdUpdateTime")
    assert (await directory.find(uid)).password_mark != before.password_mark


async def test_no_mark_is_kept_where_the_policy_does_not_track_changes(dirsrv: LabDirsrv, make: Make) -> None:
    directory = make()
    dirsrv.add(lab.local_policy("untracked", passwordTrackUpdateTime="off"))
    uid = dirsrv.add_person(pwdPolicySubentry=policy_dn("untracked"))
    await directory.set_password(await directory.find(uid), NEW)
    wait_for(dirsrv, dn_of(uid), "passwordGraceUserTime")
    assert not (await directory.find(uid)).password_mark


# --- rights, and servers that do not write ---


async def test_directory_manager_is_told_as_too_powerful(make: Make, dirsrv: LabDirsrv) -> None:
    directory = make(bind_dn=lab.ADMIN_DN, password=lab.ADMIN_PASSWORD)
    findings = await directory.examine([await directory.find(dirsrv.add_person())])
    told = {one.part: one for one in findings}
    assert (told[Part.ACCOUNT].state, told[Part.POLICY].state) == (State.FAILED, State.FAILED)
    assert "Directory Manager" in told[Part.ACCOUNT].detail


async def test_a_database_that_is_read_only_is_told_as_the_operators_business(dirsrv: LabDirsrv, make: Make) -> None:
    directory, uid = make(), dirsrv.add_person()
    user = await directory.find(uid)
    with dirsrv.configured(DATABASE, **{"nsslapd-readonly": "on"}), pytest.raises(DirectoryMisconfigured):
        await directory.set_password(user, NEW)


async def test_a_hash_is_no_password(dirsrv: LabDirsrv, make: Make) -> None:
    words = await words_of_refusal(make(), dirsrv.add_person(), "{SSHA}YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXo=")
    assert words == ("The directory finds the password too weak. Make it longer, or mix words, digits and signs.",)
