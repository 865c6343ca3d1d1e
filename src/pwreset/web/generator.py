"""What a password manager's generator is told, so that what it makes is taken at once.

The attribute `passwordrules` (Apple, "Customizing Password AutoFill Rules") is read by Safari, 1Password and others and
ignored by the rest. It can only help: the rules are decided by us and the directory when the form is sent.
"""

from __future__ import annotations

from collections.abc import Iterable

from pwreset.reset.policy import Rule, RuleCode

_NUMBERS = {
    RuleCode.MIN_LENGTH: "minlength",
    RuleCode.MAX_LENGTH: "maxlength",
    RuleCode.MAX_REPEATS: "max-consecutive",
}
_REQUIRED = {
    RuleCode.MIN_LETTERS: ("lower, upper",),
    RuleCode.MIN_SMALL_LETTERS: ("lower",),
    RuleCode.MIN_CAPITALS: ("upper",),
    RuleCode.MIN_DIGITS: ("digit",),
    RuleCode.MIN_SIGNS: ("special",),
    RuleCode.COMPLEXITY: ("lower", "upper", "digit", "special"),
}


def for_generators(rules: Iterable[Rule]) -> str:
    """The rules as far as generators know such, the strictest of each: `minlength: 15; required: digit`. Empty without any."""
    told: dict[str, int] = {}
    required: list[str] = []
    for rule in rules:
        required += _REQUIRED.get(rule.code, ())
        if rule.code in _NUMBERS and rule.number is not None:
            name = _NUMBERS[rule.code]
            strictest = max if rule.code is RuleCode.MIN_LENGTH else min
            told[name] = strictest(told.get(name, rule.number), rule.number)
    parts = [f"{name}: {number}" for name, number in told.items()]
    return "; ".join(dict.fromkeys([*parts, *(f"required: {kind}" for kind in required)]))
