from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.reset.model import AccountState, User
from pwreset.reset.policy import Rule, RuleCode, broken_rules, our_rules
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
    return {rule.code for rule in broken_rules(Secret(password), JANE, settings or Password())}


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
    assert {rule.code for rule in our_rules(Password())} == {
        RuleCode.MIN_LENGTH,
        RuleCode.MAX_LENGTH,
        RuleCode.TOO_COMMON,
        RuleCode.CONTEXT,
    }


def test_of_two_lengths_the_stricter_one_is_told() -> None:
    told = our_rules(Password(min_length=15), (Rule(RuleCode.MIN_LENGTH, 8), Rule(RuleCode.HISTORY, 5)))
    assert Rule(RuleCode.MIN_LENGTH, 15) in told
    assert Rule(RuleCode.HISTORY, 5) in told
    assert our_rules(Password(min_length=8), (Rule(RuleCode.MIN_LENGTH, 20),))[0].number == 20


@given(st.text(max_size=300))
def test_any_text_is_judged(password: str) -> None:
    broken_rules(Secret(password), JANE, Password())
