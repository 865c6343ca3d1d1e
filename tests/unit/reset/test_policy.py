from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.reset.breached import starter_list
from pwreset.reset.model import AccountState, User
from pwreset.reset.policy import Rule, RuleCode, broken_rules, our_rules, policy_of
from pwreset.secret import Secret
from pwreset.settings import Password

JANE = User(
    id="1",
    dn="uid=jdoe,dc=example",
    domain="EXAMPLE",
    login="jdoe",
    name="Jane Doe",
    mails=("jane.doe@example.org",),
    mobiles=(),
    language=None,
    state=AccountState.ACTIVE,
    protected=False,
    password_mark="",
    entry_mark="",
    context_words=("Müller-Łukasz",),
)


def codes(password: str, settings: Password | None = None) -> set[RuleCode]:
    return {
        rule.code for rule in broken_rules(Secret(password), JANE, policy_of(settings or Password()), starter_list())
    }


@pytest.mark.parametrize(
    "password",
    [
        "a sunny river walk",
        "correct horse battery staple",
        "Zwölf Boxkämpfer jagen",
        "水曜日の夕方に橋を渡る猫たちと魚",
    ],
)
def test_a_long_and_unusual_password_is_fine(password: str) -> None:
    assert codes(password) == set()


def test_fifteen_characters_are_enough_and_fourteen_are_not() -> None:
    assert codes("vqzxkwtrpmnbsdf") == set()
    assert codes("vqzxkwtrpmnbsd") == {RuleCode.MIN_LENGTH}


def test_up_to_256_characters_are_taken() -> None:
    assert codes("vqzx kwtr " * 25 + "pmnbsd") == set()
    assert codes("vqzx kwtr " * 25 + "pmnbsdf") == {RuleCode.MAX_LENGTH}


@pytest.mark.parametrize(
    "password", ["passwordpassword1", "aaaaaaaaaaaaaaaaaaaa", "qwertyuiopasdfghj", "1234567890123456"]
)
def test_a_common_password_is_refused(password: str) -> None:
    assert RuleCode.TOO_COMMON in codes(password)


@pytest.mark.parametrize(
    "password", ["Jane is my first name", "JDOE-kwtr-pmnb-sdf", "kwtr müller pmnb sdf", "xx jane.doe kwtr pmnb"]
)
def test_a_password_with_the_persons_own_words_is_refused(password: str) -> None:
    assert RuleCode.CONTEXT in codes(password)


def test_short_words_of_the_person_forbid_nothing() -> None:
    assert codes("doe a deer in kwtr pmnb") == set()


@pytest.mark.parametrize("character", ["\x00", "\n", "\r", "\x7f", "\udc80"])
def test_a_control_character_is_refused(character: str) -> None:
    assert codes(f"a sunny river{character} walk") == {RuleCode.CHARACTERS}


def test_look_alike_spellings_count_as_what_they_look_like() -> None:
    assert RuleCode.TOO_COMMON in codes("ｐａｓｓｗｏｒｄｐａｓｓｗｏｒｄ１")


def test_no_composition_rules_of_ours() -> None:
    assert {rule.code for rule in our_rules(policy_of(Password()))} == {
        RuleCode.MIN_LENGTH,
        RuleCode.MAX_LENGTH,
        RuleCode.TOO_COMMON,
        RuleCode.BREACHED,
        RuleCode.CONTEXT,
    }


def test_of_two_lengths_the_stricter_one_is_told() -> None:
    told = our_rules(policy_of(Password(min_length=15)), (Rule(RuleCode.MIN_LENGTH, 8), Rule(RuleCode.HISTORY, 5)))
    assert Rule(RuleCode.MIN_LENGTH, 15) in told
    assert Rule(RuleCode.HISTORY, 5) in told
    assert our_rules(policy_of(Password(min_length=8)), (Rule(RuleCode.MIN_LENGTH, 20),))[0].number == 20


@given(st.text(max_size=300))
def test_any_text_is_judged(password: str) -> None:
    broken_rules(Secret(password), JANE, policy_of(Password()), starter_list())


def test_a_breached_password_is_told_as_one_and_not_as_common_too() -> None:
    assert codes("1qaz2wsx3edc4rfv", Password(min_length=8)) == {RuleCode.BREACHED}


def test_the_directory_only_profile_adds_nothing() -> None:
    settings = Password(profile="directory-only")
    assert codes("a", settings) == set()
    assert [rule.code for rule in our_rules(policy_of(settings))] == [RuleCode.MAX_LENGTH]


def test_a_profile_gives_way_to_single_settings() -> None:
    assert policy_of(Password(profile="asvs")).min_length == 12
    assert policy_of(Password(profile="asvs", min_length=20, forbid_context=False)).min_length == 20
    assert not policy_of(Password(profile="asvs", forbid_context=False)).forbid_context


@pytest.mark.parametrize(
    ("setting", "code", "fine"),
    [
        ("min_digits", RuleCode.MIN_DIGITS, "vqzxkwtrpmnbsd12"),
        ("min_capitals", RuleCode.MIN_CAPITALS, "VQzxkwtrpmnbsdfg"),
        ("min_small_letters", RuleCode.MIN_SMALL_LETTERS, "VQ41KWTRPMNBSDgh"),
        ("min_signs", RuleCode.MIN_SIGNS, "vqzxkwtrpmnbsd-!"),
        ("min_kinds", RuleCode.COMPLEXITY, "vqzxkwtrpmnbsdf1"),
    ],
)
def test_composition_is_asked_for_where_somebody_must(setting: str, code: RuleCode, fine: str) -> None:
    plain = "vqzxkwtrpmnbsdfg" if setting != "min_small_letters" else "VQZXKWTRPMNBSDFG"
    settings = msgspec.convert({setting: 2}, Password)
    assert codes(plain, settings) == {code}
    assert codes(fine, settings) == set()
    assert Rule(code, 2) in our_rules(policy_of(settings))


def test_long_passwords_may_be_simple() -> None:
    settings = Password(min_length=8, kinds_below_length={"12": 3, "20": 2})
    assert codes("vqzxkwtr4", settings) == {RuleCode.COMPLEXITY}
    assert codes("vqzxkwtrT4", settings) == set()
    assert codes("vqzxkwtrpmnbs", settings) == {RuleCode.COMPLEXITY}
    assert codes("vqzxkwtrpmnb4", settings) == set()
    assert codes("vqzxkwtrpmnbsdfghjkl", settings) == set()


def test_forbidden_words_are_found_in_any_letter_case_and_named() -> None:
    settings = Password(forbidden_words=("Contoso", "summer"))
    broken = broken_rules(Secret("vqzx CONTOSO kwtr"), JANE, policy_of(settings), starter_list())
    assert broken == (Rule(RuleCode.FORBIDDEN_WORD, words=("contoso",)),)
