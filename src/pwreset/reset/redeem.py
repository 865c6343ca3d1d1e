"""Use cases: open a link, set the password.

A link is good while its row is pending, unexpired and ours, and while the person behind it is as it was: the same
entry, enabled, unprotected, with the same password and the same addresses (SECURITY, rule 4). All of it is looked at
again when the password is set, after the claim.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from pwreset import logs
from pwreset.errors import (
    LinkBusy,
    LinkExpired,
    LinkLocked,
    LinkUnknown,
    LinkUsed,
    OutcomeUnclear,
    PasswordRefused,
    PwresetError,
    StoreUnavailable,
    TooManyTries,
    Unavailable,
    UserDisabled,
    UserLocked,
    UserUnknown,
)
from pwreset.reset import audit, proofs
from pwreset.reset.model import AccountState, Channel, RequestState, ResetRequest, User
from pwreset.reset.notices import password_changed_notices
from pwreset.reset.passphrase import suggest
from pwreset.reset.policy import Rule, broken_rules, our_rules
from pwreset.reset.ports import Limit
from pwreset.reset.recipients import usable_mails, usable_mobiles
from pwreset.reset.recover import recover
from pwreset.secret import Secret

if TYPE_CHECKING:
    from pwreset.reset.services import Services

HOUR = timedelta(hours=1)
PASSING_CAUSES = frozenset({"user-locked", "second-factor-demanded"})
T = TypeVar("T")

log = logs.get("redeem")


@dataclass(frozen=True, slots=True)
class OpenLink:
    """A link that is good: whose it is, which rules (ours, then the directory's) a new password must keep, and one that does."""

    request: ResetRequest
    user: User
    rules: tuple[Rule, ...]
    suggestion: str | None = None


async def open_link(token: Secret, services: Services, proof: Secret | None = None) -> OpenLink:
    """Look at a link; changes nothing. `proof` is what shows that its second factor was shown in this browser.

    Raises LinkUnknown (also: revoked, changed elsewhere, user gone or disabled), LinkUsed, LinkExpired, LinkBusy,
    LinkLocked, SecondFactorNeeded, Unavailable (the link is kept).
    """
    request, user = await good_link(token, services)
    proofs.refuse_without(proof, request, services)
    rules = await _rules(user, services)
    return OpenLink(request, user, rules, suggestion_for(user, rules, services))


async def good_link(token: Secret, services: Services) -> tuple[ResetRequest, User]:
    """A link that is good, and whose it is; what it demands is not looked at. Raises what `open_link` raises."""
    request = await _find(token, services)
    return request, await _user(request, services)


async def set_password(
    token: Secret, password: Secret, address: str, services: Services, proof: Secret | None = None
) -> User:
    """Set the password of the link's user, once, and settle the link.

    Raises what `open_link` raises, PasswordRefused and WriteDenied (the link stays good), TooManyTries,
    OutcomeUnclear.
    """
    await _recover_if_abandoned(token, services)
    request = await _find(token, services)
    proofs.refuse_without(proof, request, services)
    try:
        user = await _set(token, password, address, request, services)
    except PwresetError as error:
        services.metrics.password(request.domain, OUTCOMES.get(type(error), "failed"), error.reason)
        raise
    services.metrics.password(request.domain, "set")
    return user


OUTCOMES: Mapping[type[PwresetError], str] = {PasswordRefused: "refused", OutcomeUnclear: "unclear"}


async def _set(token: Secret, password: Secret, address: str, request: ResetRequest, services: Services) -> User:
    await _limit_tries(request, services)
    try:
        user = await _user(request, services)
    except LinkUnknown as death:
        await _bury(request, address, death, services)
        raise
    broken = broken_rules(password, user, services.policy, services.breached)
    if broken:
        raise PasswordRefused(broken)
    now = services.clock.now()
    until = now + lease_of(user, services)
    if not await services.store.claim(request.id, now, until, user.entry_mark):
        await _find(token, services)  # says why, if it can be told
        raise LinkBusy
    claimed = replace(request, claimed_until=until)
    return await to_the_end(_set_claimed(claimed, password, address, services))


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """A claimed link is seen through even if the browser hangs up or the server is told to stop."""
    return await asyncio.shield(asyncio.create_task(work))


async def _find(token: Secret, services: Services) -> ResetRequest:
    """The good request of this token, as far as the store knows. Raises LinkDead."""
    request = await services.store.find(services.keys.digests(token))
    if request is None:
        raise LinkUnknown
    if not services.keys.is_bound(request) or request.domain not in services.directories:
        log.warning("a row of the store is not as we wrote it, or its domain is gone", request=request.id)
        raise LinkUnknown
    now = services.clock.now()
    if request.state is RequestState.CLAIMED:
        raise LinkBusy
    if request.state is RequestState.USED:
        raise LinkUsed
    if request.state is RequestState.REVOKED:
        raise LinkLocked if request.settled_why == LinkLocked.reason else LinkUnknown
    if request.expires_at <= now:
        raise LinkExpired
    return request


async def _recover_if_abandoned(token: Secret, services: Services) -> None:
    """Clear up a claim whose process died, without waiting for the worker. Never on GET, which changes nothing."""
    request = await services.store.find(services.keys.digests(token))
    if request is not None and request.claimed_until is not None and request.claimed_until <= services.clock.now():
        await recover(request, services)


async def _user(request: ResetRequest, services: Services) -> User:
    """The link's user, as he must be for the link to be good. Raises LinkUnknown; its cause is a note of its own."""
    try:
        user = await services.directories[request.domain].find_by_id(request.user_id)
    except UserUnknown:
        cause = "user-gone"
    else:
        cause = _cause_of_death(request, user, services)
        if not cause:
            return user
    log.info("link is dead", request=request.id, cause=cause)
    raise LinkUnknown(cause)


def _cause_of_death(request: ResetRequest, user: User, services: Services) -> str:
    domain = services.settings.domains[request.domain]
    if user.protected:
        return "user-protected"
    if user.state is AccountState.DISABLED:
        return "user-disabled"
    if user.state is AccountState.LOCKED and not domain.unlock:
        return "user-locked"
    return _what_has_changed(request, user, domain.country)


def _what_has_changed(request: ResetRequest, user: User, country: str | None) -> str:
    if user.password_mark != request.password_mark:
        return "changed-elsewhere"
    if user.second_factor and not _demands_factor(request):
        return "second-factor-demanded"
    current = {
        Channel.MAIL: {recipient.address.casefold() for recipient in usable_mails(user)},
        Channel.SMS: {recipient.address for recipient in usable_mobiles(user, country)},
    }
    told = (*request.sent_to, *(request.demand.code_to if request.demand else ()))
    if any(recipient.address.casefold() not in current[recipient.channel] for recipient in told):
        return "address-left"
    return ""


def _demands_factor(request: ResetRequest) -> bool:
    """Whether the link demands a second factor from its beginning; a second stage is a code over the same channel."""
    return request.demand is not None and request.demand.since is None


async def _rules(user: User, services: Services) -> tuple[Rule, ...]:
    """Ours, then the directory's, as far as it tells them."""
    try:
        theirs = await services.directories[user.domain].rules(user)
    except Unavailable:
        theirs = ()
    return our_rules(services.policy, theirs)


def suggestion_for(user: User | None, rules: tuple[Rule, ...], services: Services) -> str | None:
    """A password that keeps the rules, if the settings have one offered; None too when none is found."""
    if not services.settings.password.suggest:
        return None
    policy = replace(services.policy, min_strength=0)  # its words are random, which no estimate knows better
    return suggest(rules, lambda text: not broken_rules(Secret(text), user, policy, services.breached))


async def _limit_tries(request: ResetRequest, services: Services) -> None:
    limit = Limit(services.settings.limits.password_tries_per_link_per_hour, HOUR)
    wait = await services.counters.take(f"password-tries:{request.id}", limit, services.clock.now())
    if wait is not None:
        raise TooManyTries(wait)


def lease_of(user: User, services: Services) -> timedelta:
    """How long a claim holds: longer than all the directory may take: connecting, looking, writing, looking again."""
    return timedelta(seconds=10 * services.settings.domains[user.domain].timeout_seconds + 10)


async def _set_claimed(request: ResetRequest, password: Secret, address: str, services: Services) -> User:
    """Write the password of a claimed link; then settle it, or release it when nothing was changed."""
    try:
        user = await _user(request, services)
        await _write(user, password, services)
    except OutcomeUnclear:
        event = audit.by_user(
            audit.Event.PASSWORD_UNCLEAR, services.clock.now(), request, address, logs.correlation.get()
        )
        await services.store.record([event])
        raise
    except (LinkUnknown, UserUnknown, UserDisabled, UserLocked) as death:
        await _bury(request, address, death, services)
        raise LinkUnknown from None
    except PwresetError as error:
        await _release(request, address, error, services)
        raise
    await _settle(request, user, address, services)
    return user


async def _write(user: User, password: Secret, services: Services) -> None:
    """Write the password; when the answer is lost, try it before claiming success.

    When that does not tell, the claim is left to `recover`: a write that is still under way must not meet a link that
    is good again. Raises OutcomeUnclear.
    """
    directory = services.directories[user.domain]
    try:
        await directory.set_password(user, password)
    except OutcomeUnclear:
        try:
            took = await directory.took(user, password)
        except (Unavailable, UserUnknown):
            took = False
        if not took:
            raise


async def _release(request: ResetRequest, address: str, error: PwresetError, services: Services) -> None:
    """Nothing was changed: the link is good for another try."""
    now = services.clock.now()
    event = audit.by_user(
        audit.Event.PASSWORD_REFUSED,
        now,
        request,
        address,
        logs.correlation.get(),
        reason=error.reason,
        rules=refused_rules(error),
    )
    await services.store.release(request.id, now, [event], lease=request.claimed_until)


def refused_rules(error: PwresetError) -> str:
    """The codes of the rules that a refused password has broken, for the audit trail."""
    rules = error.rules if isinstance(error, PasswordRefused) else ()
    return " ".join(rule.code.value for rule in rules if isinstance(rule, Rule))


async def _bury(request: ResetRequest, address: str, death: PwresetError, services: Services) -> None:
    """The person is no longer as he was: the link is revoked, unless the cause may pass."""
    now = services.clock.now()
    cause = death.cause if isinstance(death, LinkUnknown) else death.reason
    event = audit.by_user(audit.Event.LINK_DIED, now, request, address, logs.correlation.get(), reason=cause)
    # A lock passes, and a stranger who guesses passwords can cause one: it must not cost the person the link. Nor must a
    # group that cannot be read for a while, which demands a second factor of everybody.
    if cause not in PASSING_CAUSES:
        await services.store.revoke(request.id, now, cause, [event])
    await services.store.release(request.id, now, [], lease=request.claimed_until)  # where it was claimed


async def _settle(request: ResetRequest, user: User, address: str, services: Services) -> None:
    now = services.clock.now()
    notices = password_changed_notices(request, user, now, services)
    correlation = logs.correlation.get()
    events = [audit.by_user(audit.Event.PASSWORD_SET, now, request, address, correlation, notices=len(notices))]
    if not notices:
        events.append(audit.by_user(audit.Event.NOTICE_IMPOSSIBLE, now, request, address, correlation))
    try:
        await services.store.settle(request.id, now, notices, events, lease=request.claimed_until)
    except StoreUnavailable:
        # The password is set and the person must know. The directory's change time keeps the link dead, and the claim
        # is settled with its notice once its lease is over.
        log.warning("password set, but the link could not be settled yet", request=request.id)
    services.outbox.bell.set()
