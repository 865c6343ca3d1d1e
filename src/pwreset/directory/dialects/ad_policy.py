"""Active Directory's password rules: the resultant fine-grained policy (PSO) of a person, else the domain's own.

By default only Domain Admins may read what is in a PSO. Where it holds and cannot be read nothing is told: the domain's
rules would be the wrong ones. Sources: [MS-ADTS] 3.1.1.4.5.36 (msDS-ResultantPSO), [MS-SAMR] 3.1.1.7.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pwreset.directory.dialects.ad_values import read_duration, read_ticks
from pwreset.directory.entries import Entry
from pwreset.directory.pool import Pool
from pwreset.directory.reading import read, read_now
from pwreset.reset.policy import Rule, RuleCode

KINDS = 3  # of five kinds of characters that a complex password must have
SPECIAL = frozenset("~!@#$%^&*_-+=`|\\(){}[]:;\"'<>,.?/")
SHORTEST_NAME = 3
NAME_DELIMITERS = str.maketrans(dict.fromkeys(",.-_#\t", " "))
COMPLEX = 1  # DOMAIN_PASSWORD_COMPLEX in pwdProperties

DOMAIN_ATTRIBUTES = ("minPwdLength", "pwdProperties", "pwdHistoryLength", "minPwdAge", "maxPwdAge", "lockoutDuration")
PSO_ATTRIBUTES = (
    "msDS-MinimumPasswordLength",
    "msDS-PasswordComplexityEnabled",
    "msDS-PasswordHistoryLength",
    "msDS-MinimumPasswordAge",
    "msDS-MaximumPasswordAge",
    "msDS-LockoutDuration",
)
PERSON_ATTRIBUTES = ("msDS-ResultantPSO", "sAMAccountName", "displayName", "pwdLastSet")


@dataclass(frozen=True, slots=True)
class AdPolicy:
    """What a policy asks of a new password. Durations are None where there is none."""

    min_length: int
    complexity: bool
    history: int
    min_age: timedelta | None
    max_age: timedelta | None
    lockout: timedelta | None

    def rules(self) -> tuple[Rule, ...]:
        """In the words of the rules."""
        rules = []
        if self.min_length:
            rules.append(Rule(RuleCode.MIN_LENGTH, self.min_length))
        if self.complexity:
            rules.append(Rule(RuleCode.COMPLEXITY, KINDS))
        if self.history:
            rules.append(Rule(RuleCode.HISTORY, self.history))
        if self.min_age:
            rules.append(Rule(RuleCode.TOO_YOUNG, -(-int(self.min_age.total_seconds()) // 60)))
        if self.max_age and self.max_age.days:
            rules.append(Rule(RuleCode.MAX_AGE, self.max_age.days))
        return tuple(rules)

    def broken_by(self, password: str, person: Entry, *, held_to_age: bool, is_change: bool = False) -> RuleCode:
        """Which rule a refused password has broken, as far as that is certain; QUALITY when it is not.

        History cannot be told from a password filter of the domain's own: both leave the same error. A change is held
        to the history, so there either may be the reason, and both are told.
        """
        if len(password.encode("utf-16-le")) // 2 < self.min_length:
            return RuleCode.MIN_LENGTH
        if self.complexity and kinds_of_characters(password) < KINDS:
            return RuleCode.COMPLEXITY
        if self.complexity and _holds_a_name(password, person):
            return RuleCode.CONTEXT
        since = read_ticks(person.text("pwdLastSet"))
        if held_to_age and self.min_age and since and datetime.now(UTC) < since + self.min_age:
            return RuleCode.TOO_YOUNG
        return RuleCode.WEAK_OR_USED if is_change and self.history else RuleCode.QUALITY


class AdPolicies:
    """Reads the policy that holds for a person; see `dialects.Policies`."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def rules(self, dn: str) -> tuple[Rule, ...]:
        """See `dialects.Policies.rules`."""
        policy = await self._policy_of(dn)
        return () if policy is None else policy.rules()

    async def lock_is_over(self, entry: Entry) -> bool:
        """Where the domain controller computes the state itself, its word holds."""
        if entry.text("msDS-User-Account-Control-Computed"):
            return False
        since = read_ticks(entry.text("lockoutTime"))
        policy = await self._policy_of(entry.dn)
        lasts = None if policy is None else policy.lockout
        return since is not None and lasts is not None and since + lasts <= datetime.now(UTC)

    async def _policy_of(self, dn: str) -> AdPolicy | None:
        person = await read(self._pool, dn, PERSON_ATTRIBUTES)
        if person is None:
            return None
        if own := person.text("msDS-ResultantPSO"):
            pso = await read(self._pool, own, PSO_ATTRIBUTES)
            return None if pso is None else policy_of_pso(pso)
        domain = await read(self._pool, (await self._pool.root()).text("defaultNamingContext"), DOMAIN_ATTRIBUTES)
        return None if domain is None else policy_of_domain(domain)


def read_for_judging(connection: Any, dn: str, naming_context: str, seconds: float) -> tuple[AdPolicy | None, Entry]:
    """The policy of a person, and what of the person's entry it looks at. Blocks. Raises ldap.LDAPError."""
    person = read_now(connection, dn, PERSON_ATTRIBUTES, seconds) or Entry((dn, {}))
    if own := person.text("msDS-ResultantPSO"):
        pso = read_now(connection, own, PSO_ATTRIBUTES, seconds)
        return None if pso is None else policy_of_pso(pso), person
    domain = read_now(connection, naming_context, DOMAIN_ATTRIBUTES, seconds)
    return None if domain is None else policy_of_domain(domain), person


def policy_of_domain(entry: Entry) -> AdPolicy | None:
    """The policy in the domain's own entry; None where it may not be read."""
    if not entry.text("minPwdLength"):
        return None
    return AdPolicy(
        min_length=_number(entry, "minPwdLength"),
        complexity=bool(_number(entry, "pwdProperties") & COMPLEX),
        history=_number(entry, "pwdHistoryLength"),
        min_age=read_duration(entry.text("minPwdAge")),
        max_age=read_duration(entry.text("maxPwdAge")),
        lockout=read_duration(entry.text("lockoutDuration")),
    )


def policy_of_pso(entry: Entry) -> AdPolicy | None:
    """The policy in a PSO; None where it may not be read."""
    if not entry.text("msDS-MinimumPasswordLength"):
        return None
    return AdPolicy(
        min_length=_number(entry, "msDS-MinimumPasswordLength"),
        complexity=entry.text("msDS-PasswordComplexityEnabled") == "TRUE",
        history=_number(entry, "msDS-PasswordHistoryLength"),
        min_age=read_duration(entry.text("msDS-MinimumPasswordAge")),
        max_age=read_duration(entry.text("msDS-MaximumPasswordAge")),
        lockout=read_duration(entry.text("msDS-LockoutDuration")),
    )


def kinds_of_characters(password: str) -> int:
    """How many of the five kinds are there: upper, lower, digits, these signs (no space), letters without case."""
    kinds = set()
    for character in password:
        category = unicodedata.category(character)
        if category in ("Lu", "Lt"):
            kinds.add("upper")
        elif category == "Ll":
            kinds.add("lower")
        elif character in "0123456789":
            kinds.add("digit")
        elif character in SPECIAL:
            kinds.add("special")
        elif category in ("Lo", "Lm"):
            kinds.add("letter")
    return len(kinds)


def _holds_a_name(password: str, person: Entry) -> bool:
    folded = password.casefold()
    names = [person.text("sAMAccountName"), *person.text("displayName").translate(NAME_DELIMITERS).split()]
    return any(len(name) >= SHORTEST_NAME and name.casefold() in folded for name in names)


def _number(entry: Entry, attribute: str) -> int:
    text = entry.text(attribute)
    return int(text) if text.lstrip("-").isdecimal() else 0
