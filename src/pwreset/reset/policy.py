"""Password rules: what they are called, and our own checks before the directory's.

The words for people are made from a rule's code and number where they are shown, in the person's language. By default our
rules follow NIST SP 800-63B-4, section 3.1.1.2: length, a list of common and breached passwords, context words; no
composition rules. Who must have those can set them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from zxcvbn_rs_py import zxcvbn

from pwreset.reset.breached import BreachedList
from pwreset.reset.model import User
from pwreset.secret import Secret
from pwreset.settings import Password


class RuleCode(Enum):
    """Every rule that can be told to a person, ours and the directories'."""

    MIN_LENGTH = "min-length"  # number: characters
    MAX_LENGTH = "max-length"  # number: characters
    TOO_COMMON = "too-common"  # guessed too easily; number: the least strength, 1 to 4, or None
    BREACHED = "breached"  # in a list of passwords that became known
    FORBIDDEN_WORD = "forbidden-word"  # words: which
    CONTEXT = "context"  # made of the person's own name, log-in, address
    HISTORY = "history"  # number: how many former passwords, or None
    NOT_CHANGED = "not-changed"  # the same as now
    TOO_YOUNG = "too-young"  # number: minimum age in minutes, or None
    QUALITY = "quality"  # the directory's quality check, without a nearer reason
    WEAK_OR_USED = "weak-or-used"  # one of QUALITY and HISTORY, and the directory does not say which
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
    """One rule with its number or words, if it has them. `below`: it holds for passwords shorter than that."""

    code: RuleCode
    number: int | None = None
    below: int | None = None
    words: tuple[str, ...] = ()


SHORTEST_CONTEXT_WORD = 4
# Beyond this the estimate takes milliseconds and says nothing new.
ESTIMATED_CHARACTERS = 100


@dataclass(frozen=True, slots=True)
class Policy:
    """Our rules, as a profile has them and the settings change them. The fields are those of the settings."""

    min_length: int
    max_length: int
    min_strength: int
    forbid_context: bool
    refuse_breached: bool
    least: Mapping[RuleCode, int] = field(default_factory=dict)  # of characters of a kind, and of kinds
    kinds_below_length: tuple[tuple[int, int], ...] = ()  # (length, kinds), the shortest length first
    forbidden_words: tuple[str, ...] = ()  # casefolded


PROFILES: Mapping[str, Policy] = {
    "nist": Policy(15, 256, 2, forbid_context=True, refuse_breached=True),
    "asvs": Policy(12, 128, 2, forbid_context=True, refuse_breached=True),
    "directory-only": Policy(1, 256, 0, forbid_context=False, refuse_breached=False),
}


def policy_of(settings: Password) -> Policy:
    """The policy of these settings."""
    names = ("min_length", "max_length", "min_strength", "forbid_context", "refuse_breached")
    changed = {name: value for name in names if (value := getattr(settings, name)) is not None}
    least = {
        RuleCode.MIN_DIGITS: settings.min_digits,
        RuleCode.MIN_CAPITALS: settings.min_capitals,
        RuleCode.MIN_SMALL_LETTERS: settings.min_small_letters,
        RuleCode.MIN_SIGNS: settings.min_signs,
        RuleCode.COMPLEXITY: settings.min_kinds,
    }
    return replace(
        PROFILES[settings.profile],
        **changed,
        least={code: number for code, number in least.items() if number},
        kinds_below_length=tuple(sorted((int(length), kinds) for length, kinds in settings.kinds_below_length.items())),
        forbidden_words=tuple(unicodedata.normalize("NFKC", word).casefold() for word in settings.forbidden_words),
    )


def our_rules(policy: Policy, theirs: Iterable[Rule] = ()) -> tuple[Rule, ...]:
    """What a new password must keep, told before the first try: ours, then the directory's that ask for more."""
    ours = [Rule(RuleCode.MIN_LENGTH, policy.min_length), Rule(RuleCode.MAX_LENGTH, policy.max_length)]
    ours += [Rule(code, number) for code, number in policy.least.items()]
    ours += [Rule(RuleCode.COMPLEXITY, kinds, below=length) for length, kinds in policy.kinds_below_length]
    if policy.min_strength:
        ours.append(Rule(RuleCode.TOO_COMMON, policy.min_strength))
    if policy.refuse_breached:
        ours.append(Rule(RuleCode.BREACHED))
    if policy.forbid_context:
        ours.append(Rule(RuleCode.CONTEXT))
    if policy.forbidden_words:
        ours.append(Rule(RuleCode.FORBIDDEN_WORD, words=policy.forbidden_words))
    return _strictest([*ours, *theirs])


def _strictest(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """One rule per code and length: the longest minimum, the shortest maximum. A minimum of 1 says nothing."""
    kept: dict[tuple[RuleCode, int | None], Rule] = {}
    for rule in rules:
        if rule == Rule(RuleCode.MIN_LENGTH, 1):
            continue
        known = kept.get((rule.code, rule.below))
        if (
            known is None
            or known.number is None
            or (rule.number is not None and _asks_for_more(rule.number, known.number, rule.code))
        ):
            kept[rule.code, rule.below] = rule
    return tuple(kept.values())


def _asks_for_more(number: int, than: int, code: RuleCode) -> bool:
    return number < than if code in (RuleCode.MAX_LENGTH, RuleCode.MAX_AGE) else number > than


def broken_rules(password: Secret, user: User | None, policy: Policy, breached: BreachedList) -> tuple[Rule, ...]:
    """Which of our rules this password breaks; empty when none. Without a user nothing of a person's is looked for.

    Checked on the NFKC form, so that look-alike spellings count as what they look like; the directory gets the password
    as it was typed.
    """
    typed = password.reveal()
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in typed):
        return (Rule(RuleCode.CHARACTERS),)
    if len(typed) > policy.max_length:
        return (Rule(RuleCode.MAX_LENGTH, policy.max_length),)
    text = unicodedata.normalize("NFKC", typed)
    broken = []
    if len(text) < policy.min_length:
        broken.append(Rule(RuleCode.MIN_LENGTH, policy.min_length))
    broken += [rule for rule in _countable(policy) if not keeps(text, rule)]
    if policy.forbid_context and _holds_context(text, user):
        broken.append(Rule(RuleCode.CONTEXT))
    if found := tuple(word for word in policy.forbidden_words if word in text.casefold()):
        broken.append(Rule(RuleCode.FORBIDDEN_WORD, words=found))
    if policy.refuse_breached and (breached.knows(typed) or breached.knows(text)):
        broken.append(Rule(RuleCode.BREACHED))
    elif policy.min_strength and _strength(text, user) < policy.min_strength:
        broken.append(Rule(RuleCode.TOO_COMMON))
    return tuple(broken)


def _countable(policy: Policy) -> Iterable[Rule]:
    """The rules that count characters; of those for short passwords the one for the shortest length decides."""
    yield from (Rule(code, number) for code, number in policy.least.items())
    yield from (Rule(RuleCode.COMPLEXITY, kinds, below=length) for length, kinds in policy.kinds_below_length)


def keeps(text: str, rule: Rule) -> bool:
    """Whether a password keeps a rule as far as counting can tell; a rule that it cannot tell of is kept."""
    if rule.number is None or (rule.below is not None and len(text) >= rule.below):
        return True
    if rule.code is RuleCode.MIN_LENGTH:
        return len(text) >= rule.number
    if rule.code is RuleCode.MAX_LENGTH:
        return len(text) <= rule.number
    count = _counts(text).get(rule.code)
    return count is None or count >= rule.number


def _counts(text: str) -> Mapping[RuleCode, int]:
    small = sum(character.islower() for character in text)
    capitals = sum(character.isupper() for character in text)
    letters = sum(character.isalpha() for character in text)
    digits = sum(character.isdecimal() for character in text)
    signs = len(text) - letters - digits
    return {
        RuleCode.MIN_SMALL_LETTERS: small,
        RuleCode.MIN_CAPITALS: capitals,
        RuleCode.MIN_LETTERS: letters,
        RuleCode.MIN_DIGITS: digits,
        RuleCode.MIN_SIGNS: signs,
        # Letters without case (most scripts have none) are a kind of their own, as "others".
        RuleCode.COMPLEXITY: sum(map(bool, (small, capitals, digits, signs + letters - small - capitals))),
    }


def context_of(user: User | None) -> frozenset[str]:
    """The person's own words, casefolded: names, log-in, parts of addresses; short ones would forbid too much."""
    if user is None:
        return frozenset()
    texts = (
        user.login,
        user.name,
        user.given_name,
        *user.context_words,
        *(mail.partition("@")[0] for mail in user.mails),
    )
    words = {word for text in texts for word in re.split(r"\W+|_", unicodedata.normalize("NFKC", text).casefold())}
    return frozenset(word for word in words if len(word) >= SHORTEST_CONTEXT_WORD)


def _holds_context(text: str, user: User | None) -> bool:
    folded = text.casefold()
    return any(word in folded for word in context_of(user))


def _strength(text: str, user: User | None) -> int:
    return int(zxcvbn(text[:ESTIMATED_CHARACTERS], sorted(context_of(user))).score)
