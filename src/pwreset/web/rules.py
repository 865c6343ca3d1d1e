"""Password rules in words: what to keep before a password is typed, and what was broken when it was refused."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pwreset.languages import catalogue, digits, tell_duration
from pwreset.reset.policy import Rule, RuleCode

# A password this long is typed by nobody; whoever pastes a longer one is told when it is refused.
LONG_ENOUGH_NOT_TO_MENTION = 128

_MINUTES_PER_DAY = 24 * 60


@dataclass(frozen=True, slots=True)
class RuleWords:
    """One rule as a page shows it; code, numbers and what is forbidden let the page's script judge it while one types."""

    code: str
    number: int | None
    words: str
    below: int | None = None
    forbidden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Phrases:
    """The messages for one code: without a number, with one as singular and plural, with one as a duration."""

    plain: str = ""
    counted: tuple[str, str] = ("", "")
    timed: str = ""
    minutes: int = 1  # of which the number of a timed phrase counts so many

    def told(self, number: int | None, language: str) -> str:
        """The phrase in this language; empty where the code has none of that kind."""
        translations = catalogue(language)
        if number and self.timed:
            return translations.gettext(self.timed) % {"duration": tell_duration(number * self.minutes, language)}
        if number and self.counted[0]:
            return translations.ngettext(*self.counted, number) % {"number": digits(str(number), language)}
        return translations.gettext(self.plain) if self.plain else ""


# The three names below are what marks a message for the catalogues.
def plain(words: str) -> _Phrases:
    """A phrase that needs no number."""
    return _Phrases(plain=words)


def counted(one: str, many: str, otherwise: _Phrases | None = None) -> _Phrases:
    """A phrase with %(number)s; `otherwise` when the directory does not tell the number."""
    return _Phrases(plain=(otherwise or _Phrases()).plain, counted=(one, many))


def timed(words: str, otherwise: _Phrases | None = None, minutes: int = 1) -> _Phrases:
    """A phrase with %(duration)s; `otherwise` when the directory does not tell how long."""
    return _Phrases(plain=(otherwise or _Phrases()).plain, timed=words, minutes=minutes)


# Rules that no choice of password can keep (NOT_ALLOWED) or break by typing (CHARACTERS), and what is known only from a
# refusal (WEAK_OR_USED), are told when they matter.
_TO_KEEP: Mapping[RuleCode, _Phrases] = {
    RuleCode.MIN_LENGTH: counted("At least %(number)s character", "At least %(number)s characters"),
    RuleCode.MAX_LENGTH: counted("At most %(number)s character", "At most %(number)s characters"),
    RuleCode.TOO_COMMON: plain("Not a common password, and not easily guessed"),
    RuleCode.BREACHED: plain("Not a password that has become known in a data breach"),
    RuleCode.CONTEXT: plain("Without your own name, user name or address"),
    RuleCode.HISTORY: counted(
        "Not your last password",
        "Not one of your last %(number)s passwords",
        plain("Not a password you have used before"),
    ),
    RuleCode.NOT_CHANGED: plain("Not your present password"),
    RuleCode.TOO_YOUNG: timed("Time since the last change: at least %(duration)s"),
    RuleCode.QUALITY: plain("Strong enough for the directory's own check"),
    RuleCode.COMPLEXITY: counted(
        "At least %(number)s kind of characters out of: small letters, capital letters, digits, others",
        "At least %(number)s kinds of characters out of: small letters, capital letters, digits, others",
        plain("Several kinds of characters: small letters, capital letters, digits, others"),
    ),
    RuleCode.MIN_DIGITS: counted("At least %(number)s digit", "At least %(number)s digits"),
    RuleCode.MIN_LETTERS: counted("At least %(number)s letter", "At least %(number)s letters"),
    RuleCode.MIN_CAPITALS: counted("At least %(number)s capital letter", "At least %(number)s capital letters"),
    RuleCode.MIN_SMALL_LETTERS: counted("At least %(number)s small letter", "At least %(number)s small letters"),
    RuleCode.MIN_SIGNS: counted(
        "At least %(number)s sign that is no letter and no digit",
        "At least %(number)s signs that are no letters and no digits",
    ),
    RuleCode.MAX_REPEATS: counted(
        "No character more than once in a row",
        "No character more than %(number)s times in a row",
    ),
    RuleCode.MAX_AGE: timed("Good for %(duration)s; then you will be asked for a new one", minutes=_MINUTES_PER_DAY),
}

_BROKEN: Mapping[RuleCode, _Phrases] = {
    RuleCode.MIN_LENGTH: counted(
        "The password is too short: it needs at least %(number)s character.",
        "The password is too short: it needs at least %(number)s characters.",
        plain("The password is too short."),
    ),
    RuleCode.MAX_LENGTH: counted(
        "The password is too long: it may have at most %(number)s character.",
        "The password is too long: it may have at most %(number)s characters.",
        plain("The password is too long."),
    ),
    RuleCode.TOO_COMMON: plain("The password is too common or too easily guessed. Try a few unrelated words."),
    RuleCode.BREACHED: plain(
        "The password has become known in a data breach: attackers try it first. Choose another one."
    ),
    RuleCode.CONTEXT: plain("The password contains your own name, user name or address."),
    RuleCode.HISTORY: counted(
        "You have used this password before: it must not be your last one.",
        "You have used this password before: it must not be one of your last %(number)s.",
        plain("You have used this password before. Choose another one."),
    ),
    RuleCode.NOT_CHANGED: plain("This is the password you have now. Choose another one."),
    RuleCode.TOO_YOUNG: timed(
        "Your password was changed only recently. Time to wait after a change: %(duration)s.",
        plain("Your password was changed only recently. Try again later."),
    ),
    RuleCode.QUALITY: plain(
        "The directory finds the password too weak. Make it longer, or mix words, digits and signs."
    ),
    RuleCode.WEAK_OR_USED: plain(
        "The directory refused this password: it is too weak, or you have used it before. Choose another one."
    ),
    RuleCode.COMPLEXITY: counted(
        "The password needs at least %(number)s kind of characters out of: small letters, capital letters, digits, others.",
        "The password needs at least %(number)s kinds of characters out of: small letters, capital letters, digits, others.",
        plain("The password needs several kinds of characters: small letters, capital letters, digits, others."),
    ),
    RuleCode.MIN_DIGITS: counted(
        "The password needs at least %(number)s digit.",
        "The password needs at least %(number)s digits.",
        plain("The password needs several kinds of characters: small letters, capital letters, digits, others."),
    ),
    RuleCode.MIN_LETTERS: counted(
        "The password needs at least %(number)s letter.",
        "The password needs at least %(number)s letters.",
        plain("The password needs several kinds of characters: small letters, capital letters, digits, others."),
    ),
    RuleCode.MIN_CAPITALS: counted(
        "The password needs at least %(number)s capital letter.",
        "The password needs at least %(number)s capital letters.",
        plain("The password needs several kinds of characters: small letters, capital letters, digits, others."),
    ),
    RuleCode.MIN_SMALL_LETTERS: counted(
        "The password needs at least %(number)s small letter.",
        "The password needs at least %(number)s small letters.",
        plain("The password needs several kinds of characters: small letters, capital letters, digits, others."),
    ),
    RuleCode.MIN_SIGNS: counted(
        "The password needs at least %(number)s sign that is no letter and no digit.",
        "The password needs at least %(number)s signs that are no letters and no digits.",
        plain("The password needs several kinds of characters: small letters, capital letters, digits, others."),
    ),
    RuleCode.MAX_REPEATS: counted(
        "The password repeats a character: none may stand more than once in a row.",
        "The password repeats a character too often: none may stand more than %(number)s times in a row.",
        plain("The password repeats a character too often."),
    ),
    RuleCode.PATTERN: plain(
        "The password follows a pattern: a sequence, a repetition, or the same read backwards. Try a few unrelated words."
    ),
    RuleCode.NOT_ALLOWED: plain("The directory does not allow this account's password to be changed."),
    RuleCode.CHARACTERS: plain(
        "The password has characters that cannot be used, such as control characters. Type it by hand."
    ),
    RuleCode.MAX_AGE: plain("The directory did not accept the password. Choose another one."),
}


# For rules of which the number is not all: told around the phrase for the number.
_IF_SHORTER = plain("Length below %(below)s: %(rule)s")
_OR_LONGER = plain("%(rule)s Or choose a longer one, of length %(below)s or more.")
_FORBIDDEN = plain("Without: %(words)s")
_FORBIDDEN_BROKEN = plain("The password contains what is not allowed in it: %(words)s.")


def rules_in_words(rules: Iterable[Rule], language: str) -> tuple[RuleWords, ...]:
    """What a new password must keep, in the rules' own order."""
    return tuple(
        RuleWords(rule.code.value, rule.number, words, rule.below, rule.words)
        for rule in rules
        if _is_worth_telling(rule) and (words := _told(rule, _TO_KEEP, _IF_SHORTER, _FORBIDDEN, language))
    )


def refusals_in_words(rules: Iterable[object], language: str) -> tuple[str, ...]:
    """What was wrong with a password; never empty, since a refusal without a reason helps nobody."""
    known = [rule for rule in map(_as_rule, rules) if rule is not None] or [Rule(RuleCode.QUALITY)]
    return tuple(dict.fromkeys(_told(rule, _BROKEN, _OR_LONGER, _FORBIDDEN_BROKEN, language) for rule in known))


def _told(
    rule: Rule, phrases: Mapping[RuleCode, _Phrases], of_length: _Phrases, forbidden: _Phrases, language: str
) -> str:
    if rule.code is RuleCode.FORBIDDEN_WORD:
        return catalogue(language).gettext(forbidden.plain) % {"words": ", ".join(rule.words)}
    words = phrases.get(rule.code, _Phrases()).told(rule.number, language)
    if rule.below is None or not words:
        return words
    return catalogue(language).gettext(of_length.plain) % {"rule": words, "below": rule.below}


def _is_worth_telling(rule: Rule) -> bool:
    if rule.code is RuleCode.MAX_LENGTH:
        return rule.number is not None and rule.number < LONG_ENOUGH_NOT_TO_MENTION
    return True


def _as_rule(broken: object) -> Rule | None:
    if isinstance(broken, Rule):
        return broken
    return Rule(broken) if isinstance(broken, RuleCode) else None
