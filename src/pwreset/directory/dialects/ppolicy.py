"""The directory's own password rules, read from its ppolicy entries where our service account may see them.

Which policy is the default is said in the server's configuration only (olcPPolicyDefault), which a service account
does not see. So a person without a policy of his own is told the rules of the only policy entry there is, or of the one
named `cn=default`; where neither fits, nothing is told. What is told helps people to type; the directory decides.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import ldap

from pwreset.directory.entries import Entry, read_time
from pwreset.directory.names import is_below, read_dn
from pwreset.directory.pool import Pool
from pwreset.directory.reading import read
from pwreset.reset.policy import Rule, RuleCode

ATTRIBUTES = (
    "cn",
    "pwdMinLength",
    "pwdMaxLength",
    "pwdInHistory",
    "pwdMinAge",
    "pwdMaxAge",
    "pwdCheckQuality",
    "pwdLockoutDuration",
)
MOST_POLICIES = 50
DEFAULT_NAME = "default"


class PpolicyPolicies:
    """Reads the policy that holds for a person; see `dialects.Policies`."""

    def __init__(self, pool: Pool, base_dn: str) -> None:
        self._pool = pool
        self._base_dn = base_dn
        self._top: str | None = None

    async def rules(self, dn: str) -> tuple[Rule, ...]:
        """See `dialects.Policies.rules`."""
        policy = await self._policy_of(dn)
        return () if policy is None else rules_of(policy)

    async def lock_is_over(self, entry: Entry) -> bool:
        """A lock after failed log-ins may end by itself; the attribute stays until the next log-in."""
        since = read_time(entry.text("pwdAccountLockedTime"))
        policy = await self._policy_of(entry.dn)
        lasts = None if policy is None else lockout_duration(policy)
        return since is not None and lasts is not None and since + lasts <= datetime.now(UTC)

    async def _policy_of(self, dn: str) -> Entry | None:
        """The policy entry that holds for this DN, as far as it can be read and told. Raises DirectoryUnavailable."""
        own = await read(self._pool, dn, ("pwdPolicySubentry",))
        named = own.text("pwdPolicySubentry") if own is not None else ""
        return await read(self._pool, named, ATTRIBUTES) if named else await self._default()

    async def _default(self) -> Entry | None:
        try:
            found = await self._pool.search(
                await self._naming_context(), ldap.SCOPE_SUBTREE, "(objectClass=pwdPolicy)", ATTRIBUTES, MOST_POLICIES
            )
        except ldap.LDAPError:
            return None
        entries = [Entry(raw) for raw in found]
        if len(entries) == 1:
            return entries[0]
        defaults = [entry for entry in entries if DEFAULT_NAME in {name.casefold() for name in entry.texts("cn")}]
        return defaults[0] if len(defaults) == 1 else None

    async def _naming_context(self) -> str:
        """The top of the tree that the base lies in."""
        if self._top is None:
            root = await read(self._pool, "", ("namingContexts",))
            base = read_dn(self._base_dn)
            tops = [top for top in (root.texts("namingContexts") if root else ()) if is_below(base, read_dn(top))]
            self._top = tops[0] if tops else self._base_dn
        return self._top


def rules_of(policy: Entry) -> tuple[Rule, ...]:
    """What a policy asks of a new password (slapo-ppolicy(5))."""
    rules = []
    if length := _number(policy, "pwdMinLength"):
        rules.append(Rule(RuleCode.MIN_LENGTH, length))
    if length := _number(policy, "pwdMaxLength"):
        rules.append(Rule(RuleCode.MAX_LENGTH, length))
    if former := _number(policy, "pwdInHistory"):
        rules.append(Rule(RuleCode.HISTORY, former))
    if seconds := _number(policy, "pwdMinAge"):
        rules.append(Rule(RuleCode.TOO_YOUNG, -(-seconds // 60)))
    if days := timedelta(seconds=_number(policy, "pwdMaxAge")).days:
        rules.append(Rule(RuleCode.MAX_AGE, days))
    return tuple(rules)


def lockout_duration(policy: Entry) -> timedelta | None:
    """How long a lock after failed log-ins lasts; None when only an administrator or a new password lifts it."""
    seconds = _number(policy, "pwdLockoutDuration")
    return timedelta(seconds=seconds) if seconds else None


def _number(policy: Entry, attribute: str) -> int:
    text = policy.text(attribute)
    return int(text) if text.isdecimal() else 0
