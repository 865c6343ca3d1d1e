"""Use case: somebody who knows the present password changes it.

The page is public, so whoever opens it may name anybody: it must not become a place to guess passwords at, to lock people
out of their directory, or to learn who has an account. Hence: tries are counted before the directory is asked, below
its own lock-out, by the name as typed and by the entry; whoever is protected, a manager as a rule, is never tried; and one
and the same answer, not before a fixed time, for all that may be wrong. Nobody is logged in.

The change itself has a record like a link's, which nobody holds a token for: so that two changes of one person never meet,
and a process that dies in the middle leaves behind what `recover` clears up, with its notice.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from pwreset import logs
from pwreset.errors import (
    ChangeRefused,
    LinkBusy,
    OutcomeUnclear,
    PasswordRefused,
    PwresetError,
    StoreUnavailable,
    TooManyFailures,
    Unavailable,
    UserAmbiguous,
    UserDisabled,
    UserLocked,
    UserUnknown,
)
from pwreset.reset import audit
from pwreset.reset.gates import alone
from pwreset.reset.limits import Network, alike, by_network
from pwreset.reset.managers import ACCOUNT_WINDOW, DAY, account_limits
from pwreset.reset.model import AccountState, AuditEvent, DeliveryMode, Origin, ResetRequest, User
from pwreset.reset.notices import password_changed_notices
from pwreset.reset.policy import Rule, RuleCode, broken_rules, our_rules
from pwreset.reset.ports import BindOutcome, Limit
from pwreset.reset.redeem import OUTCOMES, lease_of, refused_rules, suggestion_for, to_the_end
from pwreset.reset.tokens import new_id, new_token
from pwreset.secret import Secret

if TYPE_CHECKING:
    from pwreset.reset.services import Services

HOUR = timedelta(hours=1)
LONGEST_USERNAME = 256

log = logs.get("change")


@dataclass(frozen=True, slots=True)
class Change:
    """What was typed, and from where. `domain` is a configured name, `network` what failures from there are counted for."""

    domain: str
    username: str
    old: Secret
    new: Secret
    address: str
    networks: tuple[Network, ...]


class _Refused(Exception):
    """Why, for the audit trail alone."""

    def __init__(self, why: str, user: User | None = None) -> None:
        self.why = why
        self.user = user
        super().__init__(why)


@dataclass(frozen=True, slots=True)
class Told:
    """What everybody is told before the first try: the directory's own rules are a person's, and for no stranger."""

    rules: tuple[Rule, ...]
    suggestion: str | None


def told_to_all(services: Services) -> Told:
    """Our rules, and a password that keeps them."""
    rules = our_rules(services.policy, [Rule(RuleCode.NOT_CHANGED)])
    # What the directory will ask for is not known: many ask for several kinds of characters.
    return Told(rules, suggestion_for(None, (*rules, Rule(RuleCode.COMPLEXITY)), services))


async def change_password(ask: Change, services: Services) -> User:
    """Change the password, once.

    Raises ChangeRefused (one answer for all that may be wrong with name and old password), TooManyFailures,
    PasswordRefused, LinkBusy (another change or link of the same person is under way), OutcomeUnclear, Unavailable.
    """
    try:
        user = await _change_password(ask, services)
    except PwresetError as error:
        services.metrics.password(ask.domain, OUTCOMES.get(type(error), "failed"), error.reason)
        raise
    services.metrics.password(ask.domain, "set")
    return user


async def _change_password(ask: Change, services: Services) -> User:
    answer_at = services.clock.monotonic() + services.settings.limits.failed_change_seconds
    try:
        async with contextlib.AsyncExitStack() as gates:
            for window in _by_network(ask, services):
                await gates.enter_async_context(services.log_ins.gates.through(*window, services))
            user = await _proven(ask, services)
            _refuse_unfit(ask, user, services)
            await to_the_end(_change(ask, user, services))
    except ChangeRefused:
        # Of what took less the time shall not tell what it was.
        await asyncio.sleep(max(0.0, answer_at - services.clock.monotonic()))
        raise
    for key, _ in (*_by_name(ask, services), *account_limits(user.dn, services)):
        await services.counters.forget(key)
    return user


def _refuse_unfit(ask: Change, user: User, services: Services) -> None:
    """Our own rules, told to nobody but the person. Raises PasswordRefused."""
    broken = broken_rules(ask.new, user, services.policy, services.breached)
    if ask.new == ask.old:
        broken = (Rule(RuleCode.NOT_CHANGED), *broken)
    if broken:
        raise PasswordRefused(broken)


# --- who it is ---------------------------------------------------------------------------------------------------


async def _proven(ask: Change, services: Services) -> User:
    """The person, who knows the present password. Raises ChangeRefused, TooManyFailures, Unavailable."""
    by_name = _by_name(ask, services)
    async with alone(by_name[0][0], services):
        now = services.clock.now()
        for window in by_name:
            if (wait := await services.counters.peek(*window, now)) is not None:
                raise TooManyFailures(wait)
        try:
            user = await _who_knows(ask, services)
        except _Refused as refusal:
            await _failed(ask, refusal, services)
            raise ChangeRefused from None
        return user


async def _failed(ask: Change, refusal: _Refused, services: Services) -> None:
    now = services.clock.now()
    for window in (*_by_name(ask, services), *_by_network(ask, services)):
        await services.counters.take(*window, now)
    await services.store.record([_refusal(ask, refusal, services)])
    log.info("change refused", domain=ask.domain, why=refusal.why)


async def _who_knows(ask: Change, services: Services) -> User:
    """Raises _Refused. Whoever may not be tried costs as much: a log-in of nobody."""
    if not ask.old:
        raise _Refused("empty-password")  # an anonymous bind "succeeds" (RFC 4513, 5.1.2)
    directory = services.directories[ask.domain]
    try:
        user = await _changeable(ask, services)
    except _Refused:
        await _bind_nobody(ask, services)
        raise
    async with services.log_ins.entry_lock(user.dn), services.counters.alone(f"login:{user.dn.casefold()}"):
        now = services.clock.now()
        limits = account_limits(user.dn, services)
        if any([await services.counters.peek(*window, now) is not None for window in limits]):
            await _bind_nobody(ask, services)
            raise _Refused("too-many-failures", user)
        if await directory.bind(user.dn, ask.old) is BindOutcome.WRONG:
            for window in limits:
                await services.counters.take(*window, now)
            raise _Refused("wrong-password", user)
    return user


async def _bind_nobody(ask: Change, services: Services) -> None:
    nobody = f"cn={new_id()},{services.settings.domains[ask.domain].base_dn}"
    await services.directories[ask.domain].bind(nobody, ask.old)


async def _changeable(ask: Change, services: Services) -> User:
    """The one person of this name, if his password may be tried here. Raises _Refused."""
    username = ask.username.strip()
    if not 1 <= len(username) <= LONGEST_USERNAME:
        raise _Refused("username-invalid")
    directory = services.directories[ask.domain]
    try:
        user = await directory.find_by_id((await directory.find(username)).id)
    except (UserUnknown, UserAmbiguous) as error:
        raise _Refused(error.reason) from None
    if user.protected:
        raise _Refused("user-protected", user)
    if user.state is not AccountState.ACTIVE:
        raise _Refused(f"user-{user.state.value}", user)
    return user


def _by_name(ask: Change, services: Services) -> tuple[tuple[str, Limit], ...]:
    """Counted for the name as typed, whether it is somebody's or not; by its mark, for people type passwords there too."""
    mark = services.keys.name_mark(ask.domain, alike(ask.username))
    limits = services.settings.limits
    return (
        (f"change-name:{mark}", Limit(limits.failed_logins_per_account, ACCOUNT_WINDOW)),
        (f"change-name-day:{mark}", Limit(limits.failed_logins_per_account_per_day, DAY)),
    )


def _by_network(ask: Change, services: Services) -> tuple[tuple[str, Limit], ...]:
    count = services.settings.limits.failed_changes_per_network_per_hour
    return by_network("change-network", ask.networks, count, HOUR)


def _refusal(ask: Change, refusal: _Refused, services: Services) -> AuditEvent:
    """Never what was typed: a name that is nobody's may be a password."""
    login = "" if refusal.user is None else refusal.user.login
    return AuditEvent(
        name=audit.Event.CHANGE_REFUSED.event_name,
        at=services.clock.now(),
        actor="visitor",
        domain=ask.domain,
        user=login,
        address=ask.address,
        correlation=logs.correlation.get(),
        facts={"reason": refusal.why},
    )


# --- the change --------------------------------------------------------------------------------------------------


async def _change(ask: Change, user: User, services: Services) -> None:
    """Claim a record of the change, write, and settle it; or end it, when nothing was changed."""
    request = await _claimed(ask, user, services)
    try:
        await _write(ask, user, services)
    except OutcomeUnclear:
        await services.store.record([_event(audit.Event.PASSWORD_UNCLEAR, request, ask, services)])
        raise
    except PwresetError as error:
        rules = refused_rules(error)
        event = _event(audit.Event.PASSWORD_REFUSED, request, ask, services, reason=error.reason, rules=rules)
        await _end(request, error.reason, [event], services)
        if isinstance(error, (ChangeRefused, UserUnknown, UserDisabled, UserLocked)):
            await _failed(ask, _Refused(error.reason, user), services)
            raise ChangeRefused from None
        raise
    await _settle(request, ask, user, services)


async def _claimed(ask: Change, user: User, services: Services) -> ResetRequest:
    """Raises LinkBusy."""
    now = services.clock.now()
    until = now + lease_of(user, services)
    request = services.keys.bind(
        ResetRequest(
            id=new_id(),
            digest=services.keys.digests(new_token())[0],
            domain=user.domain,
            user_id=user.id,
            user_login=user.login,
            user_name=user.name,
            mode=DeliveryMode.NONE,
            origin=Origin.PERSON,
            asked_by=user.login,
            asked_from=ask.address,
            correlation=logs.correlation.get(),
            created_at=now,
            expires_at=until,
            password_mark=user.password_mark,
            sent_to=(),
        )
    )
    await services.store.add(request, [], [], supersede=False)
    if not await services.store.claim(request.id, now, until, user.entry_mark):
        await services.store.revoke(request.id, now, LinkBusy.reason, [])
        raise LinkBusy
    return replace(request, claimed_until=until)


async def _write(ask: Change, user: User, services: Services) -> None:
    """As the person; when the answer is lost, the new password is tried before success is claimed."""
    directory = services.directories[user.domain]
    try:
        await directory.change_own_password(user, ask.old, ask.new)
    except OutcomeUnclear:
        try:
            took = await directory.took(user, ask.new)
        except (Unavailable, UserUnknown):
            took = False
        if not took:
            raise


async def _end(request: ResetRequest, why: str, events: list[AuditEvent], services: Services) -> None:
    now = services.clock.now()
    await services.store.revoke(request.id, now, why, events)
    await services.store.release(request.id, now, [], lease=request.claimed_until)


async def _settle(request: ResetRequest, ask: Change, user: User, services: Services) -> None:
    """With the notices; the person's links end with it."""
    now = services.clock.now()
    notices = password_changed_notices(request, user, now, services)
    events = [_event(audit.Event.PASSWORD_CHANGED, request, ask, services, notices=len(notices))]
    if not notices:
        events.append(_event(audit.Event.NOTICE_IMPOSSIBLE, request, ask, services))
    try:
        await services.store.settle(request.id, now, notices, events, lease=request.claimed_until)
    except StoreUnavailable:
        # The password is changed and the person must know: the record is cleared up, with its notice, once its lease
        # is over.
        log.warning("password changed, but the record could not be settled yet", request=request.id)
    services.outbox.bell.set()


def _event(
    event: audit.Event, request: ResetRequest, ask: Change, services: Services, **facts: str | int | bool
) -> AuditEvent:
    return audit.by_user(event, services.clock.now(), request, ask.address, logs.correlation.get(), **facts)
