"""The suggested passphrase keeps the rules it was made for, and is as random as it looks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.reset.passphrase import suggest, words
from pwreset.reset.policy import Rule, RuleCode, keeps


def anything(_text: str) -> bool:
    return True


def test_five_of_7776_words() -> None:
    assert len(set(words())) == 7776
    text = suggest([], anything)
    assert text is not None
    assert text.count("-") >= 4


@given(
    st.lists(
        st.builds(
            Rule,
            st.sampled_from([RuleCode.MIN_DIGITS, RuleCode.MIN_CAPITALS, RuleCode.MIN_LETTERS, RuleCode.COMPLEXITY]),
            st.integers(0, 4),
        ),
        max_size=4,
    )
)
def test_it_keeps_what_is_asked_of_it(rules: list[Rule]) -> None:
    text = suggest(rules, anything)
    assert text is not None
    assert all(keeps(text, rule) for rule in rules)


def test_none_is_better_than_one_that_will_be_refused() -> None:
    assert suggest([Rule(RuleCode.MAX_LENGTH, 12)], anything) is None
    assert suggest([], lambda _text: False) is None


def test_two_are_not_the_same() -> None:
    assert len({suggest([], anything) for _ in range(20)}) == 20


@pytest.mark.parametrize("below", [12, 40])
def test_rules_for_short_passwords_are_kept_too(below: int) -> None:
    rule = Rule(RuleCode.COMPLEXITY, 4, below=below)
    text = suggest([rule], anything)
    assert text is not None
    assert keeps(text, rule)
