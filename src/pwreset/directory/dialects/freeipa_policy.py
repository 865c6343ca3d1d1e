"""FreeIPA's password policy: the entry that a person's `krbPwdPolicyReference` names, else the global one.

Source: the comments in FreeIPA's 60kerberos.ldif and 60ipaconfig.ldif, and its documentation of `ipa pwpolicy`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pwreset.directory.dialects.dirsrv_policy import Kinds
from pwreset.directory.entries import Entry, read_time
from pwreset.directory.names import is_below, read_dn
from pwreset.directory.rootdse import RootDse
from pwreset.reset.policy import Rule, RuleCode

ATTRIBUTES = (
    "krbPwdMinLength",
    "krbPwdMinDiffChars",
    "krbPwdHistoryLength",
    "krbMaxPwdLife",
    "krbPwdMaxFailure",
    "krbPwdLockoutDuration",
    "ipaPwdMaxRepeat",
    "ipaPwdMaxSequence",
    "ipaPwdDictCheck",
    "ipaPwdUserCheck",
)
POLICY_OF_PERSON = "krbPwdPolicyReference"
GLOBAL_POLICY = "(&(objectClass=krbPwdPolicy)(cn=global_policy))"
PRESET_MAX_FAILURES = 6


@dataclass(frozen=True, slots=True)
class IpaPolicy:
    """What a policy asks of a new password; a minimum age does not hold for a password that another one has set."""

    entry: Entry

    def rules(self) -> tuple[Rule, ...]:
        """In the words of the rules."""
        rules = [Rule(code, number) for code, number in self._countable() if number]
        if self._number("ipaPwdMaxSequence"):
            rules.append(Rule(RuleCode.PATTERN))
        if self._on("ipaPwdDictCheck"):
            rules.append(Rule(RuleCode.TOO_COMMON))
        if self._on("ipaPwdUserCheck"):
            rules.append(Rule(RuleCode.CONTEXT))
        if former := self._number("krbPwdHistoryLength"):
            rules.append(Rule(RuleCode.HISTORY, former))
        if days := self._number("krbMaxPwdLife") // 86_400:
            rules.append(Rule(RuleCode.MAX_AGE, days))
        return tuple(rules)

    def surely_broken(self, password: str) -> RuleCode | None:
        """A rule that this password breaks without doubt."""
        kinds = Kinds.of(password)
        for code, number in self._countable():
            if number and (kinds.longest_run > number if code is RuleCode.MAX_REPEATS else kinds.count(code) < number):
                return code
        return None

    def lock_is_over(self, entry: Entry, now: datetime) -> bool:
        """Whether failed log-ins are too few for a lock, or it has ended by itself. No duration: it never does."""
        most = self._number("krbPwdMaxFailure") if self.entry.text("krbPwdMaxFailure") else PRESET_MAX_FAILURES
        if not most or _failures(entry) < most:
            return True
        since, lasts = read_time(entry.text("krbLastFailedAuth")), self._number("krbPwdLockoutDuration")
        return bool(lasts) and since is not None and since + timedelta(seconds=lasts) <= now

    def _countable(self) -> tuple[tuple[RuleCode, int], ...]:
        return (
            (RuleCode.MIN_LENGTH, self._number("krbPwdMinLength")),
            (RuleCode.COMPLEXITY, self._number("krbPwdMinDiffChars")),
            (RuleCode.MAX_REPEATS, self._number("ipaPwdMaxRepeat")),
        )

    def _on(self, name: str) -> bool:
        return self.entry.text(name).upper() == "TRUE"

    def _number(self, name: str) -> int:
        text = self.entry.text(name)
        return int(text) if text.isdecimal() else 0


def may_be_locked(entry: Entry) -> bool:
    """Whether there were failed log-ins since an administrator unlocked the account last; how many, the policy says."""
    failed, unlocked = read_time(entry.text("krbLastFailedAuth")), read_time(entry.text("krbLastAdminUnlock"))
    return _failures(entry) > 0 and (failed is None or unlocked is None or failed > unlocked)


def has_ended(time: str) -> bool:
    """Whether this generalized time has come."""
    when = read_time(time)
    return when is not None and when <= datetime.now(UTC)


def kerberos_container(root: RootDse, dn: str) -> str:
    """Where the realm of the tree that a DN lies in keeps its global policy."""
    name = read_dn(dn)
    top = next((one for one in root.texts("namingContexts") if is_below(name, read_dn(one))), "")
    return f"cn=kerberos,{top}"


def _failures(entry: Entry) -> int:
    text = entry.text("krbLoginFailedCount")
    return int(text) if text.isdecimal() else 0
