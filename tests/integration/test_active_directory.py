"""What is particular to Active Directory, on a real Samba domain controller: states, refusals, names, groups, marks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import ldap
import pytest

from pwreset.directory.dialects.active_directory import GROUPS_AT_ONCE, ActiveDirectory
from pwreset.directory.entries import Entry
from pwreset.directory.group_entries import read_ranges
from pwreset.directory.ldap import LdapDirectory
from pwreset.directory.pool import Pool
from pwreset.errors import PasswordRefused, UserDisabled, UserUnknown, WriteDenied
from pwreset.reset.model import AccountState
from pwreset.reset.policy import Rule, RuleCode
from pwreset.reset.ports import BindOutcome
from pwreset.secret import Secret
from pwreset.settings.domains import Domain
from pwreset.web.rules import refusals_in_words
from tests.servers import samba as lab
from tests.servers.samba import LabSamba, ad_time, policy_group
from tests.servers.slapd import password_of

pytestmark = pytest.mark.servers

NEW = Secret("Seven quiet lanterns, at 9")
A_DAY = 86_400.0
Make = Callable[..., LdapDirectory]


@pytest.fixture
async def make(samba: LabSamba) -> AsyncIterator[Make]:
    made: list[LdapDirectory] = []

    def directory(**settings: Any) -> LdapDirectory:
        values: dict[str, Any] = {
            "uris": (samba.ldaps_uri,),
            "base_dn": lab.BASE,
            "bind_dn": lab.SERVICE_DN,
            "ca_file": str(samba.ca_file),
            "timeout_seconds": 30.0,
        }
        made.append(LdapDirectory("EXAMPLE", Domain(**(values | settings)), Secret(lab.SERVICE_PASSWORD)))
        return made[-1]

    yield directory
    for one in made:
        await one.close()


async def words_of_refusal(directory: LdapDirectory, login: str, password: str) -> tuple[str, ...]:
    """What the person reads when this password is refused."""
    with pytest.raises(PasswordRefused) as caught:
        await directory.set_password(await directory.find(login), Secret(password))
    return refusals_in_words(caught.value.rules, "en")


# --- names ---


@pytest.mark.parametrize("spelled", ["{0}", "{0}@example.org", "{0}@EXAMPLE.ORG"])
async def test_a_person_is_found_by_the_names_that_people_log_in_with(
    samba: LabSamba, make: Make, spelled: str
) -> None:
    dn = samba.add_person()
    assert (await make().find(spelled.format(samba.login_of(dn)))).dn == dn


@pytest.mark.parametrize(
    "spelled", ["CORP\\{0}", "corp\\{0}", "{0}@example.org", "{0}@EXAMPLE.ORG", "pat.{0}@corp.example"]
)
async def test_a_person_with_a_principal_name_of_another_kind_is_found_as_the_directory_itself_reads_names(
    samba: LabSamba, make: Make, spelled: str
) -> None:
    dn = samba.add_person()
    login = samba.login_of(dn)
    samba.change(dn, userPrincipalName=f"pat.{login}@corp.example")
    assert samba.accepts(spelled.format(login), password_of(login))
    assert (await make().find(spelled.format(login))).dn == dn


@pytest.mark.parametrize("spelled", ["EXAMPLE\\{0}", "CORP\\", "\\{0}", "{0}@corp.example", "@example.org", "CORP\\*"])
async def test_a_name_of_another_domain_is_nobody_s_here(samba: LabSamba, make: Make, spelled: str) -> None:
    login = samba.login_of(samba.add_person())
    with pytest.raises(UserUnknown):
        await make().find(spelled.format(login))


async def test_before_a_backslash_nothing_but_an_account_counts(samba: LabSamba, make: Make) -> None:
    login = samba.login_of(samba.add_person(mail="jane@example.org"))
    directory = make(login_attributes=("sAMAccountName", "mail"))
    assert (await directory.find("jane@example.org")).login == login
    with pytest.raises(UserUnknown):
        await directory.find("CORP\\jane@example.org")


async def test_the_names_of_the_domain_are_those_of_its_directory(make: Make) -> None:
    directory = make()
    named = [
        name for name in ("CORP", "example.org", "Example.Org", "EXAMPLE", "org", "") if await directory.goes_by(name)
    ]
    assert named == ["CORP", "example.org", "Example.Org"]


async def test_nobody_is_looked_for_by_an_attribute_that_the_directory_has_no_index_for(
    samba: LabSamba, make: Make
) -> None:
    dn = samba.add_person()
    samba.change(dn, uid=f"unix-{samba.login_of(dn)}")
    with pytest.raises(UserUnknown):
        await make().find(f"unix-{samba.login_of(dn)}")
    assert (await make(login_attributes=("uid",)).find(f"unix-{samba.login_of(dn)}")).dn == dn


async def test_the_whole_domain_can_be_searched_although_it_refers_to_its_other_parts(
    samba: LabSamba, make: Make
) -> None:
    with pytest.raises(UserUnknown):
        await make(base_dn=lab.BASE).find("nobody-has-this-name")


# --- who somebody is ---


async def test_a_person_with_a_new_log_in_is_the_same(samba: LabSamba, make: Make) -> None:
    directory, dn = make(), samba.add_person()
    user = await directory.find(samba.login_of(dn))
    samba.change(dn, sAMAccountName=f"{user.login}x")
    assert (await directory.find_by_id(user.id)).login == f"{user.login}x"


async def test_a_name_made_of_signs_is_written_to(samba: LabSamba, make: Make) -> None:
    directory = make()
    dn = samba.add_person(name="O'Brien, Pat (ext) * #1")
    await directory.set_password(await directory.find(samba.login_of(dn)), NEW)
    assert samba.accepts(dn, NEW.reveal())


# --- account states ---


async def test_a_disabled_account_shows_and_is_not_written_to(samba: LabSamba, make: Make) -> None:
    directory, dn = make(), samba.add_person()
    user = await directory.find(samba.login_of(dn))
    samba.disable(dn)
    assert (await directory.find_by_id(user.id)).state is AccountState.DISABLED
    with pytest.raises(UserDisabled):
        await directory.set_password(user, NEW)


async def test_an_account_that_has_expired_shows_as_disabled(samba: LabSamba, make: Make) -> None:
    dn = samba.add_person(accountExpires=ad_time(-A_DAY))
    assert (await make().find(samba.login_of(dn))).state is AccountState.DISABLED


async def test_an_account_that_will_expire_is_active(samba: LabSamba, make: Make) -> None:
    dn = samba.add_person(accountExpires=ad_time(A_DAY))
    assert (await make().find(samba.login_of(dn))).state is AccountState.ACTIVE


async def test_a_new_password_unlocks_in_the_same_step(samba: LabSamba, make: Make) -> None:
    directory, dn = make(), samba.add_person()
    samba.fail_to_log_in(dn, 5)
    user = await directory.find(samba.login_of(dn))
    assert user.state is AccountState.LOCKED
    await directory.set_password(user, NEW)
    assert samba.read(dn)["lockoutTime"] == ["0"]
    assert samba.accepts(dn, NEW.reveal())


async def test_a_lock_that_is_over_does_not_show(samba: LabSamba, make: Make) -> None:
    dn = samba.add_person(groups=[policy_group("shortlock")])
    samba.fail_to_log_in(dn, 5)
    while samba.read(dn, "msDS-User-Account-Control-Computed") != {"msDS-User-Account-Control-Computed": ["0"]}:
        pass
    assert samba.read(dn)["lockoutTime"] != ["0"]
    assert (await make().find(samba.login_of(dn))).state is AccountState.ACTIVE


async def test_a_password_that_has_expired_is_replaced_by_one_that_has_not(samba: LabSamba, make: Make) -> None:
    directory, dn = make(), samba.add_person()
    samba.expire(dn)
    await directory.set_password(await directory.find(samba.login_of(dn)), NEW)
    assert samba.accepts(dn, NEW.reveal())


async def test_must_change_shows(samba: LabSamba, make: Make) -> None:
    dn = samba.add_person(pwdLastSet="0")
    assert (await make().find(samba.login_of(dn))).must_change


async def test_the_first_password_of_an_account_without_one_can_be_set(samba: LabSamba, make: Make) -> None:
    directory = make()
    dn = samba.add_person(password=None)
    samba.change(dn, userAccountControl="544")  # enabled, and no password required
    await directory.set_password(await directory.find(samba.login_of(dn)), NEW)
    assert samba.accepts(dn, NEW.reveal())


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({"pwdLastSet": "0"}, BindOutcome.EXPIRED),
        ({"userAccountControl": "514"}, BindOutcome.WRONG),
        ({"accountExpires": "1"}, BindOutcome.WRONG),
    ],
)
async def test_the_code_of_a_log_in_tells_what_the_right_password_is_worth(
    samba: LabSamba, make: Make, change: dict[str, str], outcome: BindOutcome
) -> None:
    dn = samba.add_person()
    samba.change(dn, **change)
    assert await make().bind(dn, Secret(password_of(samba.login_of(dn)))) is outcome


async def test_an_expired_password_is_right_and_expired(samba: LabSamba, make: Make) -> None:
    dn = samba.add_person()
    samba.expire(dn)
    assert await make().bind(dn, Secret(password_of(samba.login_of(dn)))) is BindOutcome.EXPIRED


# --- refusals, in words ---


async def test_too_short_a_password_is_told_with_the_length_of_the_domain(samba: LabSamba, make: Make) -> None:
    dn = samba.add_person()
    [words] = await words_of_refusal(make(), samba.login_of(dn), "Sh0rt,")
    assert "8 characters" in words


async def test_too_short_a_password_is_told_with_the_length_of_the_persons_own_policy(
    samba: LabSamba, make: Make
) -> None:
    dn = samba.add_person(groups=[policy_group("strict")])
    [words] = await words_of_refusal(make(), samba.login_of(dn), "Sh0rt, but 13")
    assert "14 characters" in words


async def test_too_few_kinds_of_characters_are_told(samba: LabSamba, make: Make) -> None:
    directory, dn = make(), samba.add_person()
    with pytest.raises(PasswordRefused) as caught:
        await directory.set_password(await directory.find(samba.login_of(dn)), Secret("seven quiet lanterns"))
    assert caught.value.rules == (Rule(RuleCode.COMPLEXITY, 3),)
    [words] = refusals_in_words(caught.value.rules, "en")
    assert "3" in words


async def test_a_policy_without_complexity_takes_few_kinds_of_characters(samba: LabSamba, make: Make) -> None:
    directory, dn = make(), samba.add_person(groups=[policy_group("simple")])
    await directory.set_password(await directory.find(samba.login_of(dn)), Secret("seven quiet lanterns"))
    assert samba.accepts(dn, "seven quiet lanterns")


async def test_where_the_persons_policy_may_not_be_read_no_rule_is_guessed(samba: LabSamba, make: Make) -> None:
    dn = samba.add_person(groups=[policy_group("strict")])
    hidden = f"CN=strict,CN=Password Settings Container,CN=System,{lab.BASE}"
    directory = make(bind_dn=lab.READONLY_DN)
    directory._pool._bind_password = Secret(lab.READONLY_PASSWORD)
    assert samba.read(dn, "msDS-ResultantPSO") == {"msDS-ResultantPSO": [hidden]}
    assert await directory.rules(await directory.find(samba.login_of(dn))) == ()


async def test_the_rules_of_the_persons_own_policy_are_told(samba: LabSamba, make: Make) -> None:
    directory, dn = make(), samba.add_person(groups=[policy_group("strict")])
    assert set(await directory.rules(await directory.find(samba.login_of(dn)))) == {
        Rule(RuleCode.MIN_LENGTH, 14),
        Rule(RuleCode.COMPLEXITY, 3),
        Rule(RuleCode.HISTORY, 24),
        Rule(RuleCode.TOO_YOUNG, 60),
        Rule(RuleCode.MAX_AGE, 60),
    }


async def test_the_rules_of_the_domain_are_told_to_everybody_else(samba: LabSamba, make: Make) -> None:
    directory, dn = make(), samba.add_person()
    assert set(await directory.rules(await directory.find(samba.login_of(dn)))) == {
        Rule(RuleCode.MIN_LENGTH, 8),
        Rule(RuleCode.COMPLEXITY, 3),
        Rule(RuleCode.HISTORY, 5),
        Rule(RuleCode.MAX_AGE, 365),
    }


async def test_an_administrator_whom_the_directory_guards_cannot_be_written(samba: LabSamba, make: Make) -> None:
    directory = make()
    with pytest.raises(WriteDenied):
        await directory.set_password(await directory.find("root-admin"), NEW)


# --- who is protected, who is a manager ---


async def test_all_groups_of_a_person_in_very_many_are_found(samba: LabSamba) -> None:
    dn = samba.add_person()
    groups = {samba.add_group([dn]) for _ in range(GROUPS_AT_ONCE + 5)}
    settings = Domain(
        uris=(samba.ldaps_uri,),
        base_dn=lab.BASE,
        bind_dn=lab.SERVICE_DN,
        ca_file=str(samba.ca_file),
        timeout_seconds=30.0,
    )
    pool = Pool("EXAMPLE", settings, Secret(lab.SERVICE_PASSWORD))
    found = await ActiveDirectory().groups_of(pool, Entry((dn, {})))
    await pool.close()
    assert groups <= set(found)


async def test_the_mark_of_administrators_can_be_disregarded(make: Make) -> None:
    assert not (await make(protect_admin_count=False).find("root-admin")).protected


async def test_an_administrator_whom_the_directory_guards_is_protected(make: Make) -> None:
    assert (await make().find("root-admin")).protected


async def test_members_by_their_primary_group_are_protected(samba: LabSamba, make: Make) -> None:
    dn = samba.add_person()
    everybody = f"CN=Domain Users,CN=Users,{lab.BASE}"
    assert dn not in samba.read(everybody).get("member", [])
    assert (await make(protected=(everybody,)).find(samba.login_of(dn))).protected


async def test_members_by_a_nested_primary_group_are_managers(samba: LabSamba, make: Make) -> None:
    dn = samba.add_person()
    outer = samba.add_group([f"CN=Domain Users,CN=Users,{lab.BASE}"], groupType="-2147483644")
    assert await make(managers=(outer,)).is_manager(dn)


async def test_the_members_that_a_large_group_tells_in_parts_are_all_read(samba: LabSamba, make: Make) -> None:
    group = samba.large_group()
    pool = make()._pool
    [first] = await pool.search(group, ldap.SCOPE_BASE, "(objectClass=*)", ("member;range=0-1499",))
    [(name, values)] = first[1].items()
    assert (name, len(values)) == ("member;range=0-1499", 1500)
    assert {one.decode() for one in await read_ranges(pool, first)} == set(samba.read(group)["member"])


# --- changes elsewhere, old passwords, other servers ---


async def test_a_password_set_by_the_help_desk_shows_in_the_mark(samba: LabSamba, make: Make) -> None:
    directory, dn = make(), samba.add_person()
    before = await directory.find(samba.login_of(dn))
    samba.set_password(dn, "Changed at the help desk, 1")
    assert (await directory.find_by_id(before.id)).password_mark != before.password_mark


async def test_a_temporary_password_after_another_shows_in_the_mark(samba: LabSamba, make: Make) -> None:
    """Both must be changed, so that neither has a time."""
    directory, dn = make(), samba.add_person()
    samba.change(dn, pwdLastSet="0")
    before = await directory.find(samba.login_of(dn))
    samba.set_password(dn, "Changed at the help desk, 1")
    samba.change(dn, pwdLastSet="0")
    after = await directory.find_by_id(before.id)
    assert (before.must_change, after.must_change) == (True, True)
    assert before.password_mark != after.password_mark


async def test_a_password_set_under_must_change_that_is_kept_shows_to_have_been_written(
    samba: LabSamba, make: Make
) -> None:
    directory, dn = make(must_change="keep"), samba.add_person(pwdLastSet="0")
    before = await directory.find(samba.login_of(dn))
    await directory.set_password(before, NEW)
    assert samba.read(dn)["pwdLastSet"] == ["0"]
    assert await directory.took(before, NEW)


async def test_the_old_password_binds_on_for_a_while_and_the_new_one_at_once(samba: LabSamba, make: Make) -> None:
    directory, dn = make(), samba.add_person()
    user = await directory.find(samba.login_of(dn))
    await directory.set_password(user, NEW)
    assert samba.accepts(dn, password_of(user.login))
    assert await directory.bind(dn, NEW) is BindOutcome.RIGHT


async def test_the_second_of_two_servers_is_written_to_where_the_first_writes_nothing(
    samba: LabSamba, make: Make
) -> None:
    directory = make(uris=(samba.catalog_uri, samba.ldaps_uri))
    dn = samba.add_person()
    await directory.set_password(await directory.find(samba.login_of(dn)), NEW)
    assert samba.accepts(dn, NEW.reveal())
