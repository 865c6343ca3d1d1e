"""Password rules: what they are called, and our own checks before the directory's.

The words for people are made from a rule's code and number by `pwreset.languages`, in the person's language.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


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
    NOT_ALLOWED = "not-allowed"  # the directory does not allow this account's password to be changed
    CHARACTERS = "characters"  # control characters, NUL
    MAX_AGE = "max-age"  # number: days until it must be changed; told before, never a refusal


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule with its number, if it has one."""

    code: RuleCode
    number: int | None = None
