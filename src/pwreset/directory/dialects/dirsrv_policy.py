"""389 Directory Server's password rules: a local policy's entry, else the global policy in cn=config.

A local policy inherits nothing: what it does not say is as 389 presets it, whatever the global policy says. The service
account sees cn=config only where an access rule lets it; then nothing is told, and a refusal can be explained only as
far as its code goes. Source: Red Hat Directory Server 12, "Configuration and schema reference", cn=config.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pwreset.directory.entries import Entry
from pwreset.directory.pool import Pool
from pwreset.directory.reading import read, read_now
from pwreset.reset.policy import Rule, RuleCode

CONFIG = "cn=config"
LOCAL = "nsslapd-pwpolicy-local"
# What a policy entry means that does not say otherwise.
PRESET = {
    "passwordChange": "on",
    "passwordCheckSyntax": "off",
    "passwordMinLength": "8",
    "passwordMinCategories": "3",
    "passwordMinDigits": "0",
    "passwordMinAlphas": "0",
    "passwordMinUppers": "0",
    "passwordMinLowers": "0",
    "passwordMinSpecials": "0",
    "passwordMaxRepeats": "0",
    "passwordMinTokenLength": "3",
    "passwordPalindrome": "off",
    "passwordMaxSequence": "0",
    "passwordMaxSeqSets": "0",
    "passwordMaxClassChars": "0",
    "passwordDictCheck": "off",
    "passwordHistory": "off",
    "passwordInHistory": "6",
    "passwordMinAge": "0",
    "passwordExp": "off",
    "passwordMaxAge": "8640000",
    "passwordLockout": "off",
    "passwordMaxFailure": "3",
    "passwordUnlock": "on",
}
WORDS = ("passwordBadWords", "passwordUserAttributes")
ATTRIBUTES = (*PRESET, *WORDS, LOCAL)
POLICY_OF_PERSON = "pwdPolicySubentry"
FOREVER = "19700101000000Z"  # as accountUnlockTime: until somebody lifts the lock
# Of which no part may be in the password; passwordUserAttributes adds to them.
PERSONAL = ("uid", "cn", "sn", "givenName", "ou", "mail")

COUNTED = (
    ("passwordMinDigits", RuleCode.MIN_DIGITS),
    ("passwordMinAlphas", RuleCode.MIN_LETTERS),
    ("passwordMinUppers", RuleCode.MIN_CAPITALS),
    ("passwordMinLowers", RuleCode.MIN_SMALL_LETTERS),
    ("passwordMinSpecials", RuleCode.MIN_SIGNS),
)
PATTERNS = ("passwordMaxSequence", "passwordMaxSeqSets", "passwordMaxClassChars")


@dataclass(frozen=True, slots=True)
class DirsrvPolicy:
    """One policy, global or local."""

    entry: Entry

    @property
    def allows_own_change(self) -> bool:
        """Whether people may change their own passwords."""
        return self._on("passwordChange")

    def rules(self) -> tuple[Rule, ...]:
        """In the words of the rules."""
        rules = list(self._syntax()) if self._on("passwordCheckSyntax") else []
        if self._on("passwordHistory"):
            rules.append(Rule(RuleCode.HISTORY, self._number("passwordInHistory")))
        if seconds := self._number("passwordMinAge"):
            rules.append(Rule(RuleCode.TOO_YOUNG, -(-seconds // 60)))
        if self._on("passwordExp") and (days := self._number("passwordMaxAge") // 86_400):
            rules.append(Rule(RuleCode.MAX_AGE, days))
        return tuple(rules)

    def broken_by(self, password: str, person: Entry) -> RuleCode:
        """Which rule of the syntax check a refused password has broken, in the server's order; QUALITY if none is sure."""
        folded = password.lower()
        if self._on("passwordPalindrome") and folded == folded[::-1]:
            return RuleCode.PATTERN
        if any(word.lower() in folded for word in self._listed("passwordBadWords")):
            return RuleCode.TOO_COMMON
        kinds = Kinds.of(password)
        for rule in self._syntax():
            if self._breaks(rule, password, kinds, person):
                return rule.code
        if any(self._number(name) for name in PATTERNS):
            return RuleCode.PATTERN
        return RuleCode.TOO_COMMON if self._on("passwordDictCheck") else RuleCode.QUALITY

    def locks(self, failures: int, until: str) -> bool:
        """Whether an account with this many failed log-ins and this accountUnlockTime is locked."""
        if not self._on("passwordLockout") or failures < self._number("passwordMaxFailure"):
            return False
        return until != FOREVER or not self._on("passwordUnlock")

    def personal(self) -> tuple[str, ...]:
        """The attributes of a person that are looked for in the password."""
        return (*PERSONAL, *self._listed("passwordUserAttributes"))

    def _syntax(self) -> Iterable[Rule]:
        yield Rule(RuleCode.MIN_LENGTH, self._number("passwordMinLength"))
        for name, code in COUNTED:
            if number := self._number(name):
                yield Rule(code, number)
        if repeats := self._number("passwordMaxRepeats"):
            yield Rule(RuleCode.MAX_REPEATS, repeats)
        if categories := self._number("passwordMinCategories"):
            yield Rule(RuleCode.COMPLEXITY, categories)
        yield Rule(RuleCode.CONTEXT)

    def _breaks(self, rule: Rule, password: str, kinds: Kinds, person: Entry) -> bool:
        number = rule.number or 0
        if rule.code is RuleCode.CONTEXT:
            return self._shares(password.lower(), person)
        if rule.code is RuleCode.MAX_REPEATS:
            return kinds.longest_run > number
        return kinds.count(rule.code) < number

    def _shares(self, folded: str, person: Entry) -> bool:
        """Whether so many characters in a row stand in a value of the person's entry too."""
        token = max(1, self._number("passwordMinTokenLength"))
        values = [value.lower() for name in self.personal() for value in person.texts(name)]
        return any(
            value[start : start + token] in folded for value in values for start in range(len(value) - token + 1)
        )

    def _listed(self, name: str) -> list[str]:
        """The words of a list; where it was emptied one empty value is left."""
        return " ".join(self.entry.texts(name)).replace(",", " ").split()

    def _on(self, name: str) -> bool:
        return (self.entry.text(name) or PRESET[name]).lower() == "on"

    def _number(self, name: str) -> int:
        text = self.entry.text(name) or PRESET.get(name, "0")
        return int(text) if text.isdecimal() else 0


@dataclass(frozen=True, slots=True)
class Kinds:
    """What kinds of characters a password is made of, as 389 counts: letters and digits are ASCII, the rest of it signs."""

    characters: int
    digits: int
    capitals: int
    small_letters: int
    beyond_ascii: int
    longest_run: int

    @classmethod
    def of(cls, password: str) -> Kinds:
        """Count."""
        ascii_only = [character for character in password if character.isascii()]
        run = longest = 0
        for index, character in enumerate(password):
            run = run + 1 if index and character == password[index - 1] else 1
            longest = max(longest, run)
        return cls(
            characters=len(password),
            digits=sum(character.isdigit() for character in ascii_only),
            capitals=sum(character.isupper() for character in ascii_only),
            small_letters=sum(character.islower() for character in ascii_only),
            beyond_ascii=len(password) - len(ascii_only),
            longest_run=longest,
        )

    def count(self, code: RuleCode) -> int:
        """How many there are of what this rule asks for."""
        letters = self.capitals + self.small_letters
        signs = self.characters - self.beyond_ascii - letters - self.digits
        kinds = (self.digits, self.capitals, self.small_letters, signs, self.beyond_ascii)
        return {
            RuleCode.MIN_LENGTH: self.characters,
            RuleCode.MIN_DIGITS: self.digits,
            RuleCode.MIN_LETTERS: letters,
            RuleCode.MIN_CAPITALS: self.capitals,
            RuleCode.MIN_SMALL_LETTERS: self.small_letters,
            RuleCode.MIN_SIGNS: signs,
            RuleCode.COMPLEXITY: sum(map(bool, kinds)),
        }[code]


class DirsrvPolicies:
    """Reads the policy that holds for a person; see `dialects.Policies`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def rules(self, dn: str) -> tuple[Rule, ...]:
        """See `dialects.Policies.rules`."""
        policy = await self._policy_of(dn)
        return () if policy is None else policy.rules()

    async def lock_is_over(self, entry: Entry) -> bool:
        """What a lock has left behind stays in the entry; the policy tells whether it still holds."""
        failures = entry.text("passwordRetryCount")
        policy = await self._policy_of(entry.dn)
        if policy is None or not failures.isdecimal():
            return False
        return not policy.locks(int(failures), entry.text("accountUnlockTime"))

    async def _policy_of(self, dn: str) -> DirsrvPolicy | None:
        """The policy that holds for this DN, as far as it can be read. Raises Unavailable."""
        whole = await read(self._pool, CONFIG, ATTRIBUTES)
        person = await read(self._pool, dn, (POLICY_OF_PERSON,))
        local = local_policy_of(person, whole)
        return policy_in(await read(self._pool, local, ATTRIBUTES) if local else whole)


def read_for_judging(connection: Any, dn: str, seconds: float) -> tuple[DirsrvPolicy | None, Entry]:
    """The policy of a person, and what of the person's entry it looks at. Blocks. Raises ldap.LDAPError."""
    whole = read_now(connection, CONFIG, ATTRIBUTES, seconds)
    person = read_now(connection, dn, (POLICY_OF_PERSON,), seconds)
    local = local_policy_of(person, whole)
    policy = policy_in(read_now(connection, local, ATTRIBUTES, seconds) if local else whole)
    if policy is None:
        return None, Entry((dn, {}))
    return policy, read_now(connection, dn, policy.personal(), seconds) or Entry((dn, {}))


def local_policy_of(person: Entry | None, whole: Entry | None) -> str:
    """The DN of the person's local policy; nothing where there is none, or local policies are switched off."""
    off = whole is not None and whole.text(LOCAL).lower() == "off"
    return "" if person is None or off else person.text(POLICY_OF_PERSON)


def policy_in(entry: Entry | None) -> DirsrvPolicy | None:
    """The policy in an entry; None where it may not be read."""
    if entry is None or not any(entry.text(name) for name in PRESET):
        return None
    return DirsrvPolicy(entry)
