"""Password rules in words."""

from __future__ import annotations

import pytest

from pwreset.languages import available
from pwreset.reset.policy import Rule, RuleCode
from pwreset.web.rules import refusals_in_words, rules_in_words


def _told(rule: Rule, language: str = "en") -> list[str]:
    return [words.words for words in rules_in_words([rule], language)]


@pytest.mark.parametrize("language", available())
def test_every_refusal_has_a_sentence(language: str) -> None:
    for code in RuleCode:
        for number in (None, 1, 2, 90):
            (sentence,) = refusals_in_words([Rule(code, number)], language)
            assert sentence.endswith((".", "。"))
            assert "%(" not in sentence


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (Rule(RuleCode.MIN_LENGTH, 15), "At least 15 characters"),
        (Rule(RuleCode.MIN_LENGTH, 1), "At least 1 character"),
        (Rule(RuleCode.HISTORY, 1), "Not your last password"),
        (Rule(RuleCode.HISTORY, 5), "Not one of your last 5 passwords"),
        (Rule(RuleCode.HISTORY), "Not a password you have used before"),
        (Rule(RuleCode.TOO_YOUNG, 90), "Time since the last change: at least 90 minutes"),
        (Rule(RuleCode.TOO_YOUNG, 120), "Time since the last change: at least 2 hours"),
        (Rule(RuleCode.TOO_YOUNG, 1440), "Time since the last change: at least 1 day"),
        (Rule(RuleCode.MAX_AGE, 90), "Good for 90 days; then you will be asked for a new one"),
    ],
)
def test_a_rule_is_told_with_its_number(rule: Rule, words: str) -> None:
    assert _told(rule) == [words]


def test_a_rule_is_told_in_the_reader_s_language() -> None:
    assert _told(Rule(RuleCode.MIN_LENGTH, 15), "de") == ["Mindestens 15 Zeichen"]


def test_french_counts_its_own_way() -> None:
    assert _told(Rule(RuleCode.MIN_LENGTH, 1), "fr") == ["Au moins 1 caractère"]


def test_a_limit_that_nobody_reaches_by_typing_is_not_told() -> None:
    assert _told(Rule(RuleCode.MAX_LENGTH, 256)) == []


def test_a_limit_that_one_can_reach_is_told() -> None:
    assert _told(Rule(RuleCode.MAX_LENGTH, 20)) == ["At most 20 characters"]


def test_what_no_choice_of_password_can_keep_is_not_told_before() -> None:
    assert _told(Rule(RuleCode.NOT_ALLOWED)) == []


def test_a_refusal_without_a_reason_still_says_what_to_do() -> None:
    assert refusals_in_words([], "en") == refusals_in_words([Rule(RuleCode.QUALITY)], "en")


def test_a_refusal_by_code_alone_is_told_like_a_rule() -> None:
    assert refusals_in_words([RuleCode.TOO_COMMON], "en") == refusals_in_words([Rule(RuleCode.TOO_COMMON)], "en")


def test_two_refusals_of_one_kind_are_told_once() -> None:
    assert len(refusals_in_words([Rule(RuleCode.QUALITY), Rule(RuleCode.QUALITY)], "en")) == 1
