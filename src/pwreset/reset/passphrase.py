"""Suggests a passphrase that the rules allow: five words of 7,776, so 64 bits, of which people forget none."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from pwreset.reset.policy import Rule, RuleCode, keeps

WORDS = Path(__file__).parent / "lists" / "words.txt"
COUNT = 5
TRIES = 20


def suggest(rules: Sequence[Rule], is_fine: Callable[[str], bool]) -> str | None:
    """A passphrase that keeps these rules as far as counting can tell, and that `is_fine`; None when none was found.

    Its words are chosen first and never by what the rules like, so it is as random as it looks.
    """
    for _ in range(TRIES):
        text = _dressed([secrets.choice(words()) for _ in range(COUNT)], rules)
        if all(keeps(text, rule) for rule in rules) and is_fine(text):
            return text
    return None


def _dressed(chosen: list[str], rules: Sequence[Rule]) -> str:
    """Words with what rules of composition ask for: capitals at the beginnings, digits at the end, dashes between."""
    several_kinds = int(any(rule.code is RuleCode.COMPLEXITY and rule.number != 0 for rule in rules))
    for number in range(min(COUNT, max(several_kinds, _most(RuleCode.MIN_CAPITALS, rules)))):
        chosen[number] = chosen[number].capitalize()
    digits = max(several_kinds, _most(RuleCode.MIN_DIGITS, rules))
    return "-".join([*chosen, *(["".join(str(secrets.randbelow(10)) for _ in range(digits))] if digits else [])])


def _most(code: RuleCode, rules: Sequence[Rule]) -> int:
    return max((rule.number or 0 for rule in rules if rule.code is code), default=0)


@cache
def words() -> tuple[str, ...]:
    """The list of words."""
    return tuple(WORDS.read_text(encoding="ascii").split())
