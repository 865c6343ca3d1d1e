"""Password rules: what they are called, and our own checks before the directory's.

The words for people are made from a rule's code and number where they are shown, in the person's language. Our rules
follow NIST SP 800-63B-4, section 3.1.1.2: length, a list of common passwords, context words; no composition rules.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from zxcvbn_rs_py import zxcvbn

from pwreset.reset.model import User
from pwreset.secret import Secret
from pwreset.settings import Password


class RuleCode(Enum):
    """Every rule that can be told to a person, ours and the directories'."""

    MIN_LENGTH = "min-length"  # number: characters
    MAX_LENGTH = "max-length"  # number: characters
    TOO_COMMON = "too-common"  # found in a list, or guessed too easily
    CONTEXT = "context"  # made of the person's own name, log-in, address
    HISTORY = "history"  # number: how many former passwords, or None
    NOT_CHANGED = "not-changed"  # the same as now
    TOO_YOUNG = "too-young"  # number: minimum age in minutes, or None
    QUALITY = "quality"  # the directory's quality check, without a nearer reason
    COMPLEXITY = "complexity"  # number: how many kinds of characters, or None
    MIN_DIGITS = "min-digits"  # number: of these and of what follows, so many
    MIN_LETTERS = "min-letters"
    MIN_CAPITALS = "min-capitals"
    MIN_SMALL_LETTERS = "min-small-letters"
    MIN_SIGNS = "min-signs"  # neither letters nor digits
    MAX_REPEATS = "max-repeats"  # number: how often the same character may follow itself
    PATTERN = "pattern"  # a sequence, a repetition, the same backwards
    NOT_ALLOWED = "not-allowed"  # the directory does not allow this account's password to be changed
    CHARACTERS = "characters"  # control characters, NUL
    MAX_AGE = "max-age"  # number: days until it must be changed; told before, never a refusal


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule with its number, if it has one."""

    code: RuleCode
    number: int | None = None


SHORTEST_CONTEXT_WORD = 4
# Beyond this the estimate takes milliseconds and says nothing new.
ESTIMATED_CHARACTERS = 100


def our_rules(settings: Password, theirs: Iterable[Rule] = ()) -> tuple[Rule, ...]:
    """What a new password must keep, told before the first try: ours, then the directory's that ask for more."""
    ours = [Rule(RuleCode.MIN_LENGTH, settings.min_length), Rule(RuleCode.MAX_LENGTH, settings.max_length)]
    if settings.min_strength:
        ours.append(Rule(RuleCode.TOO_COMMON))
    if settings.forbid_context:
        ours.append(Rule(RuleCode.CONTEXT))
    return _strictest([*ours, *theirs])


def _strictest(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """One rule per code: the longest minimum, the shortest maximum."""
    kept: dict[RuleCode, Rule] = {}
    for rule in rules:
        known = kept.get(rule.code)
        if (
            known is None
            or known.number is None
            or (rule.number is not None and _asks_for_more(rule.number, known.number, rule.code))
        ):
            kept[rule.code] = rule
    return tuple(kept.values())


def _asks_for_more(number: int, than: int, code: RuleCode) -> bool:
    return number < than if code in (RuleCode.MAX_LENGTH, RuleCode.MAX_AGE) else number > than


def broken_rules(password: Secret, user: User, settings: Password) -> tuple[Rule, ...]:
    """Which of our rules this password breaks; empty when none.

    Checked on the NFKC form, so that look-alike spellings count as what they look like; the directory gets the password
    as it was typed.
    """
    typed = password.reveal()
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in typed):
        return (Rule(RuleCode.CHARACTERS),)
    if len(typed) > settings.max_length:
        return (Rule(RuleCode.MAX_LENGTH, settings.max_length),)
    text = unicodedata.normalize("NFKC", typed)
    broken = []
    if len(text) < settings.min_length:
        broken.append(Rule(RuleCode.MIN_LENGTH, settings.min_length))
    if settings.forbid_context and _holds_context(text, user):
        broken.append(Rule(RuleCode.CONTEXT))
    if settings.min_strength and _strength(text, user) < settings.min_strength:
        broken.append(Rule(RuleCode.TOO_COMMON))
    return tuple(broken)


def context_of(user: User) -> frozenset[str]:
    """The person's own words, casefolded: names, log-in, parts of addresses; short ones would forbid too much."""
    texts = (
        user.login,
        user.name,
        user.given_name,
        *user.context_words,
        *(mail.partition("@")[0] for mail in user.mails),
    )
    words = {word for text in texts for word in re.split(r"\W+|_", unicodedata.normalize("NFKC", text).casefold())}
    return frozenset(word for word in words if len(word) >= SHORTEST_CONTEXT_WORD)


def _holds_context(text: str, user: User) -> bool:
    folded = text.casefold()
    return any(word in folded for word in context_of(user))


def _strength(text: str, user: User) -> int:
    return int(zxcvbn(text[:ESTIMATED_CHARACTERS], sorted(context_of(user))).score)
