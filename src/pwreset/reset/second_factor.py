"""Use cases: the second factor of a link: look, have a code sent, tell the code, tell a one-time password.

Every try is counted before it is looked at, in one conditional statement in the store, so that no number of endpoints,
tabs or nodes gets more tries than there are. Five of them end a code, fifteen the link. Looking changes nothing and sends
nothing.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING

from pwreset import logs
from pwreset.errors import (
    CodeOver,
    CodeTooSoon,
    CodeWrong,
    FactorUnavailable,
    LinkLocked,
    SecondFactorNeeded,
    TooManyFailures,
)
from pwreset.reset import audit, budget, proofs
from pwreset.reset.dispatch import lease_until
from pwreset.reset.gates import alone
from pwreset.reset.model import AuditEvent, Challenge, Demand, Factor, MessageName, Recipient, ResetRequest, User
from pwreset.reset.notices import sealed
from pwreset.reset.ports import Limit, MessageFacts, OtpAnswer, Verdict
from pwreset.reset.redeem import good_link
from pwreset.reset.tokens import new_code
from pwreset.secret import Secret

if TYPE_CHECKING:
    from pwreset.reset.services import Services

CODE_LIFETIME = timedelta(minutes=10)
BETWEEN_CODES = timedelta(minutes=1)
TRIES_PER_CODE = 5
TRIES_PER_LINK = 15
LONGEST_CODE = 64
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
NO_CODE = b""  # the mark where the factor is none of ours

log = logs.get("second-factor")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a link asks for before its form is shown, and how far that is."""

    request: ResetRequest
    user: User
    demand: Demand
    challenge: Challenge | None
    now: datetime

    @property
    def waits(self) -> bool:
        """Whether a code is in force that can be told."""
        known = self.challenge
        return (
            known is not None
            and known.mark != NO_CODE
            and known.expires_at > self.now
            and known.tries < TRIES_PER_CODE
            and not known.spent_by
        )


async def look(token: Secret, services: Services) -> Asked:
    """What the link asks for; changes nothing. Raises what `open_link` raises, SecondFactorNeeded when it asks nothing."""
    request, user = await good_link(token, services)
    now = services.clock.now()
    demand = proofs.demanded(request, now)
    if demand is None:
        raise SecondFactorNeeded  # there is nothing to show: the form is open
    return Asked(request, user, demand, await services.store.challenge(request.id), now)


async def send_code(token: Secret, address: str, services: Services) -> None:
    """Send a fresh code to where the link's demand says; older ones are over.

    Raises what `look` raises, CodeTooSoon, TooManyFailures (too many messages to that address), SmsBudgetSpent.
    """
    asked = await look(token, services)
    if asked.demand.factor is not Factor.CODE:
        raise CodeOver
    most = services.settings.domains[asked.request.domain].mfa.codes_per_link
    # One by one: of many asks at once those that are refused must not have spent the day's SMS.
    async with alone(f"code:{asked.request.id}", services):
        asked = replace(asked, challenge=await services.store.challenge(asked.request.id))
        _refuse_too_soon(asked, most)
        await _limit_by_destination(asked.demand.code_to, asked.now, services)
        await _issue(asked, most, address, services)


async def try_code(token: Secret, code: str, form: str, address: str, services: Services) -> Secret:
    """The proof for who tells the code that was sent. `form` is a value of the form's own: the same form may come twice.

    Raises what `look` raises, CodeWrong, CodeOver, LinkLocked, TooManyFailures.
    """
    asked = await look(token, services)
    if asked.demand.factor is not Factor.CODE:
        raise CodeOver
    counted = await _take_try(asked, address, services)
    told = Secret(_digits(code[:LONGEST_CODE]))
    if counted.mark == NO_CODE or not services.keys.is_code(asked.request, told, counted.mark):
        await _was_wrong(asked, counted, address, services)
    by = sha256(form.encode(errors="surrogatepass")).digest()
    if not await services.store.spend_code(asked.request.id, counted.mark, by, [_proved(asked, address)]):
        raise CodeOver
    return await _prove(asked, services)


async def try_one_time_password(
    token: Secret, password: Secret, state: bytes, address: str, services: Services
) -> Secret | OtpAnswer:
    """The proof for who tells what the domain's server of one-time passwords wants, or the server's further question.

    `state` belongs to the answer to such a question; there is one for each log-in. Raises what `look` raises, CodeWrong,
    CodeOver, LinkLocked, TooManyFailures, FactorUnavailable (the link is kept).
    """
    asked = await look(token, services)
    server = services.one_time_passwords.get(asked.request.domain)
    if asked.demand.factor is not Factor.RADIUS:
        raise CodeOver
    if server is None or not asked.user.factor_name:
        log.warning("a second factor is demanded that there is none of", request=asked.request.id)
        raise FactorUnavailable(asked.request.domain)
    await _begin_period(asked, services)
    counted = await _take_try(asked, address, services)
    try:
        answer = await server.try_password(asked.user.factor_name, password, state)
    except FactorUnavailable:
        # Nobody has judged it: a server that is down must not cost the person the link.
        await services.store.return_try(asked.request.id)
        _count(asked, "unavailable", services)
        raise
    if answer.verdict is Verdict.MORE and not state:
        await services.store.return_try(asked.request.id)  # the answer to its question is what counts
        return answer
    if answer.verdict is not Verdict.RIGHT:
        await _was_wrong(asked, counted, address, services)
    await services.store.record([_proved(asked, address)])
    return await _prove(asked, services)


def _digits(typed: str) -> str:
    """A code as people type it: with blanks and dashes, in their own digits."""
    return "".join(
        str(unicodedata.decimal(sign, sign))
        for sign in typed
        if not sign.isspace() and sign not in "-\u2010\u2011\u2013"
    )


def _refuse_too_soon(asked: Asked, most: int) -> None:
    """Raise CodeTooSoon, before anything is counted elsewhere; the store looks again."""
    last = asked.challenge
    if last is None:
        return
    if last.codes >= most:
        raise CodeTooSoon(max(asked.request.expires_at - asked.now, BETWEEN_CODES))
    if last.sent_at + BETWEEN_CODES > asked.now:
        raise CodeTooSoon(last.sent_at + BETWEEN_CODES - asked.now)


async def _limit_by_destination(to: tuple[Recipient, ...], now: datetime, services: Services) -> None:
    limit = Limit(services.settings.limits.messages_per_destination_per_hour, HOUR)
    for recipient in to:
        wait = await services.counters.take(f"messages-to:{recipient.address.casefold()}", limit, now)
        if wait is not None:
            raise TooManyFailures(wait)
    await budget.spend(to, now, services)


async def _issue(asked: Asked, most: int, address: str, services: Services) -> None:
    """Mint, write down with its messages, hand over."""
    request, now = asked.request, asked.now
    code = new_code(services.settings.domains[request.domain].mfa.code_digits)
    challenge = Challenge(
        request.id, services.keys.code_mark(request, code), now, min(now + CODE_LIFETIME, request.expires_at)
    )
    facts = MessageFacts(domain=request.domain, user=asked.user, at=now, expires_at=challenge.expires_at, code=code)
    to = asked.demand.code_to
    at_once = services.outbox.has_room([recipient.channel for recipient in to])
    contents = [
        services.messages.render(MessageName.RESET_CODE, recipient.channel, asked.user.language, facts)
        for recipient in to
    ]
    deliveries = [
        sealed(
            MessageName.RESET_CODE,
            request,
            recipient,
            content,
            services,
            at=now,
            not_after=challenge.expires_at,
            due_at=lease_until(now) if at_once else now,
        )
        for recipient, content in zip(to, contents, strict=True)
    ]
    number = 1 if asked.challenge is None else asked.challenge.codes + 1
    channels = " ".join(recipient.channel.value for recipient in to)
    event = audit.by_user(
        audit.Event.CODE_SENT, now, request, address, logs.correlation.get(), channels=channels, number=number
    )
    before = now - BETWEEN_CODES
    if not await services.store.renew_challenge(challenge, deliveries, [event], before=before, most=most):
        raise CodeTooSoon(BETWEEN_CODES)  # another tab was faster
    if not at_once:
        services.outbox.bell.set()
        return
    for delivery, content in zip(deliveries, contents, strict=True):
        services.outbox.start(delivery, services, content)


async def _begin_period(asked: Asked, services: Services) -> None:
    """Of a factor that is none of ours: five tries in ten minutes, counted like those of a code."""
    known, now = asked.challenge, services.clock.now()
    if known is None or known.expires_at <= now:
        period = Challenge(asked.request.id, NO_CODE, now, now + CODE_LIFETIME)
        await services.store.renew_challenge(period, [], [], before=now - CODE_LIFETIME, most=1 << 30)


async def _take_try(asked: Asked, address: str, services: Services) -> Challenge:
    """Count a try before anybody knows whether it is right. Raises CodeOver, LinkLocked, TooManyFailures."""
    request, now = asked.request, services.clock.now()
    limit = Limit(services.settings.limits.second_factor_tries_per_user_per_day, DAY)
    wait = await services.counters.take(_by_user(asked), limit, now)
    if wait is not None:
        raise TooManyFailures(wait)
    counted = await services.store.take_try(request.id, now, TRIES_PER_CODE, TRIES_PER_LINK)
    if counted is not None:
        return counted
    known = await services.store.challenge(request.id)
    if known is not None and known.total >= TRIES_PER_LINK:
        await _lock(asked, address, services)
    if known is not None and known.mark == NO_CODE and known.expires_at > now:
        raise TooManyFailures(known.expires_at - now)
    raise CodeOver


async def _was_wrong(asked: Asked, counted: Challenge, address: str, services: Services) -> None:
    """Write the try down. Raises CodeWrong; LinkLocked after the link's last one."""
    event = audit.by_user(
        audit.Event.FACTOR_REFUSED,
        services.clock.now(),
        asked.request,
        address,
        logs.correlation.get(),
        factor=asked.demand.factor.value,
        total=counted.total,
    )
    await services.store.record([event])
    if counted.total >= TRIES_PER_LINK:
        _count(asked, "locked", services)
        await _lock(asked, address, services)
    _count(asked, "wrong", services)
    raise CodeWrong(TRIES_PER_CODE - counted.tries)


async def _lock(asked: Asked, address: str, services: Services) -> None:
    """Revoke the link for good. Raises LinkLocked."""
    request, now = asked.request, services.clock.now()
    event = audit.by_user(audit.Event.LINK_LOCKED, now, request, address, logs.correlation.get())
    await services.store.revoke(request.id, now, LinkLocked.reason, [event])
    log.warning("link locked after too many tries at its second factor", request=request.id)
    raise LinkLocked


def _proved(asked: Asked, address: str) -> AuditEvent:
    return audit.by_user(
        audit.Event.FACTOR_PROVED,
        asked.now,
        asked.request,
        address,
        logs.correlation.get(),
        factor=asked.demand.factor.value,
    )


async def _prove(asked: Asked, services: Services) -> Secret:
    _count(asked, "proved", services)
    await services.counters.forget(_by_user(asked))
    return proofs.new_proof(asked.request, services)


def _count(asked: Asked, outcome: str, services: Services) -> None:
    services.metrics.factor_tried(asked.request.domain, asked.demand.factor.value, outcome)


def _by_user(asked: Asked) -> str:
    return f"second-factor:{asked.request.domain}:{asked.request.user_id}"
