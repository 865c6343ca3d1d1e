"""Use case: send a reset request.

Read the ask, find the person, mint the link, write it down with its messages in one transaction, hand the messages
over, answer. Whatever fails before the answer leaves nothing alive: the person's older links die only once the answer
is a link.
"""

from __future__ import annotations

import unicodedata
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pwreset import logs
from pwreset.errors import (
    AskRefused,
    CommentsInvalid,
    ExpiresOutOfRange,
    MessageRefused,
    MethodUnknown,
    MfaNotSupported,
    NoneNotAllowed,
    NotManagerOfDomain,
    Overloaded,
    PwresetError,
    SentAlready,
    StoreUnavailable,
    TooManyRequests,
    Unavailable,
    UserDisabled,
    UserLocked,
    UsernameInvalid,
    UserProtected,
)
from pwreset.reset import audit, budget
from pwreset.reset.demands import demand_for, may_be_asked, recipient_on
from pwreset.reset.dispatch import Outcome, lease_until, outcomes
from pwreset.reset.model import (
    AccountState,
    Asker,
    AuditEvent,
    Channel,
    Content,
    Delivery,
    DeliveryMode,
    Demand,
    MessageName,
    Recipient,
    ResetRequest,
    SendRequest,
    SentLink,
    User,
)
from pwreset.reset.notices import link_issued_notices, sealed
from pwreset.reset.ports import Limit, MessageFacts
from pwreset.reset.tokens import new_id, new_token
from pwreset.secret import Secret

if TYPE_CHECKING:
    from pwreset.reset.services import Services

LONGEST_USERNAME = 256
LONGEST_COMMENTS = 1000
LONGEST_LIFETIME = 720
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)

log = logs.get("send")


@dataclass(frozen=True, slots=True)
class Plan:
    """The ask, read: what is to be made for whom."""

    domain: str
    username: str
    mode: DeliveryMode
    lifetime: timedelta
    comments: str
    asker: Asker
    mfa: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """Whom the link is for and where it goes; `failures` are those that another channel makes up for.

    `demand` is what is shown beside the link, if anything.
    """

    user: User
    recipients: tuple[Recipient, ...]
    failures: tuple[str, ...]
    demand: Demand | None = None


async def send(ask: SendRequest, services: Services) -> SentLink:
    """A link for the person asked for, sent as asked.

    Raises AskRefused (nothing is alive or sent, older links are as they were), NotManagerOfDomain, Unavailable; and
    SentAlready for an ask with the key of another; MfaNotSupported.
    """
    if ask.once and (request_id := await services.store.sent_once(ask.once)) is not None:
        raise SentAlready(request_id)
    try:
        plan = read(ask, services)
        await _limit_before_the_look_up(plan, services)
        user = await services.directories[plan.domain].find(plan.username)
        refuse_if_not_resettable(user, services)
        target = recipients_of(plan, user, services)
        await _limit_by_user_and_destination(target, services)
        sent = await _issue(plan, target, ask, services)
    except (AskRefused, NotManagerOfDomain, Unavailable) as error:
        services.metrics.asked(ask.asker.origin.value, _known_domain(ask, services), error.reason)
        await _record_refusal(ask, error, services)
        raise
    services.metrics.asked(ask.asker.origin.value, plan.domain)
    return sent


async def look(ask: SendRequest, services: Services) -> User:
    """Whom the ask would send a link, without sending it. Limits are not looked at. Raises what `send` raises."""
    plan = read(ask, services)
    user = await services.directories[plan.domain].find(plan.username)
    refuse_if_not_resettable(user, services)
    recipients_of(plan, user, services)
    return user


def read(ask: SendRequest, services: Services) -> Plan:
    """The ask against the settings. Raises what is wrong with it."""
    domain = services.domain_name(ask.domain)
    if ask.scope is not None and domain not in ask.scope:
        raise NotManagerOfDomain(domain)
    username = ask.username.strip()
    if not 1 <= len(username) <= LONGEST_USERNAME:
        raise UsernameInvalid
    if ask.mfa and not may_be_asked(domain, services):
        raise MfaNotSupported
    mode = _mode(ask, services)
    return Plan(
        domain=domain,
        username=username,
        mode=mode,
        lifetime=_lifetime(ask, domain, mode, services),
        comments=_comments(ask.comments or ""),
        asker=ask.asker,
        mfa=ask.mfa,
    )


def _known_domain(ask: SendRequest, services: Services) -> str:
    """The domain asked for, if it is one of the settings; never a caller's own words."""
    try:
        return services.domain_name(ask.domain)
    except AskRefused:
        return ""


def _mode(ask: SendRequest, services: Services) -> DeliveryMode:
    links = services.settings.links
    try:
        mode = DeliveryMode((links.delivery_mode if ask.mode is None else ask.mode).upper())
    except ValueError:
        raise MethodUnknown from None
    if mode is DeliveryMode.NONE and not links.allow_none:
        raise NoneNotAllowed
    return mode


def _lifetime(ask: SendRequest, domain: str, mode: DeliveryMode, services: Services) -> timedelta:
    links, highest = services.settings.links, highest_lifetime(domain, mode, services)
    if ask.lifetime_hours is None:
        return timedelta(hours=min(links.lifetime_hours, highest))
    if not 1 <= ask.lifetime_hours <= highest:
        raise ExpiresOutOfRange(highest)
    return timedelta(hours=ask.lifetime_hours)


def highest_lifetime(domain: str, mode: DeliveryMode, services: Services) -> int:
    """The most hours that a link of this domain may live which goes out this way."""
    links = services.settings.links
    return min(
        LONGEST_LIFETIME,
        services.settings.domains[domain].max_lifetime_hours or links.max_lifetime_hours,
        *(hours for channel, hours in links.max_lifetime_hours_by_channel.items() if Channel(channel) in mode.channels),
    )


def _comments(comments: str) -> str:
    """The sender's note as plain text: line breaks and tabs stay, other control characters refuse it."""
    text = comments.replace("\r\n", "\n").replace("\r", "\n").strip()
    controls = any(unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t" for character in text)
    if len(text) > LONGEST_COMMENTS or controls:
        raise CommentsInvalid
    return text


async def _limit_before_the_look_up(plan: Plan, services: Services) -> None:
    limits, now = services.settings.limits, services.clock.now()
    for key, limit in (
        ("asks:all", Limit(limits.requests_per_minute, MINUTE)),
        (f"asks-by:{plan.asker.name}", Limit(limits.requests_per_manager_per_minute, MINUTE)),
    ):
        wait = await services.counters.take(key, limit, now)
        if wait is not None:
            raise Overloaded(wait)
    typed = f"asks-for-name:{plan.domain}:{plan.username.casefold()}"
    if await services.counters.take(typed, Limit(limits.links_per_user_per_hour, HOUR), now) is not None:
        raise TooManyRequests


def refuse_if_not_resettable(user: User, services: Services) -> None:
    """Raise UserProtected, UserDisabled, UserLocked."""
    if user.protected:
        raise UserProtected
    if user.state is AccountState.DISABLED:
        raise UserDisabled
    if user.state is AccountState.LOCKED and not services.settings.domains[user.domain].unlock:
        raise UserLocked


def recipients_of(plan: Plan, user: User, services: Services) -> Target:
    """One address per channel, and the failures that the other channel makes up for. Raises when no channel is left."""
    found: list[Recipient] = []
    errors: list[AskRefused] = []
    for channel in plan.mode.channels:
        try:
            found.append(recipient_on(channel, user, services))
        except AskRefused as error:
            errors.append(error)
    if errors and not found:
        raise errors[0]
    recipients, until = tuple(found), services.clock.now() + plan.lifetime
    demand = demand_for(user, recipients, services, asked=plan.mfa, until=until)
    return Target(user, recipients, tuple(error.reason for error in errors), demand)


async def _limit_by_user_and_destination(target: Target, services: Services) -> None:
    limits, now = services.settings.limits, services.clock.now()
    by_user = f"asks-for-user:{target.user.domain}:{target.user.id}"
    if await services.counters.take(by_user, Limit(limits.links_per_user_per_hour, HOUR), now) is not None:
        raise TooManyRequests
    for recipient in target.recipients:
        by_destination = f"messages-to:{recipient.address.casefold()}"
        if (
            await services.counters.take(by_destination, Limit(limits.messages_per_destination_per_hour, HOUR), now)
            is not None
        ):
            raise TooManyRequests
    await budget.spend(target.recipients, now, services)


async def _issue(plan: Plan, target: Target, ask: SendRequest, services: Services) -> SentLink:
    """Mint, write down, hand over; a link only if at least one message was not refused for good."""
    now = services.clock.now()
    token = new_token()
    link = Secret(f"{services.configuration.base_url(plan.domain)}/r/{token.reveal()}")
    request = new_request(plan, target, token, services)
    facts = MessageFacts(
        domain=plan.domain,
        user=target.user,
        at=now,
        expires_at=request.expires_at,
        link=link,
        comments=plan.comments,
    )
    at_once = ask.hand_over and services.outbox.has_room([recipient.channel for recipient in target.recipients])
    contents = _contents(facts, request, services)
    deliveries = _deliveries(contents, request, lease_until(now) if at_once else now, services)
    wait = ask.wait_until - services.clock.monotonic() if deliveries and at_once else 0.0
    notices = link_issued_notices(request, facts, services)
    await services.store.add(
        request, [*deliveries, *notices], [sent_event(plan, request)], supersede=wait <= 0, once=ask.once
    )
    if notices or not at_once:  # what is begun below is none of the worker's
        services.outbox.bell.set()
    if not at_once:
        return SentLink(link, request.id, target.failures)
    attempts = [
        services.outbox.start(delivery, services, content)
        for delivery, content in zip(deliveries, contents, strict=True)
    ]
    refused: tuple[str, ...] = ()
    if wait > 0:
        refused = await _answer_of(await outcomes(attempts, wait), request, plan, services)
    return SentLink(link, request.id, target.failures + refused)


async def _answer_of(
    ends: tuple[Outcome, ...], request: ResetRequest, plan: Plan, services: Services
) -> tuple[str, ...]:
    """The reasons of messages refused for good. Raises MessageRefused when all were: then the new link is dead."""
    now = services.clock.now()
    refused = ends.count(Outcome.REFUSED)
    if refused == len(ends):
        revoked = audit.by_asker(
            audit.Event.REQUEST_REVOKED,
            now,
            plan.asker,
            domain=request.domain,
            user=request.user_login,
            request_id=request.id,
            reason=MessageRefused.reason,
        )
        await services.store.revoke(request.id, now, MessageRefused.reason, [revoked])
        raise MessageRefused
    if Outcome.SENT not in ends:  # a message that was sent has superseded the older links already
        await services.store.supersede(request.id, now)
    return (MessageRefused.reason,) * refused


def new_request(plan: Plan, target: Target, token: Secret, services: Services) -> ResetRequest:
    """The record of a new link, bound to its fields."""
    now = services.clock.now()
    user = target.user
    return services.keys.bind(
        ResetRequest(
            id=new_id(),
            digest=services.keys.digests(token)[0],
            domain=plan.domain,
            user_id=user.id,
            user_login=user.login,
            user_name=user.name,
            mode=plan.mode,
            origin=plan.asker.origin,
            asked_by=plan.asker.name,
            asked_from=plan.asker.address,
            correlation=plan.asker.correlation,
            created_at=now,
            expires_at=now + plan.lifetime,
            password_mark=user.password_mark,
            sent_to=target.recipients,
            demand=target.demand,
        )
    )


def _contents(facts: MessageFacts, request: ResetRequest, services: Services) -> list[Content]:
    """What is told to each recipient."""
    render, language = services.messages.render, facts.user.language
    return [render(MessageName.RESET_LINK, recipient.channel, language, facts) for recipient in request.sent_to]


def _deliveries(contents: list[Content], request: ResetRequest, due_at: datetime, services: Services) -> list[Delivery]:
    """One sealed message per recipient. Its time is over when the link's is."""
    return [
        sealed(
            MessageName.RESET_LINK,
            request,
            recipient,
            content,
            services,
            at=request.created_at,
            not_after=request.expires_at,
            due_at=due_at,
        )
        for recipient, content in zip(request.sent_to, contents, strict=True)
    ]


def sent_event(plan: Plan, request: ResetRequest) -> AuditEvent:
    """What the audit trail says of a new link."""
    return audit.by_asker(
        audit.Event.REQUEST_SENT,
        request.created_at,
        plan.asker,
        domain=plan.domain,
        user=request.user_login,
        request_id=request.id,
        mode=plan.mode.value,
        expires_at=request.expires_at.isoformat(),
        **({"demand": request.demand.factor.value} if request.demand is not None else {}),
    )


async def _record_refusal(ask: SendRequest, error: PwresetError, services: Services) -> None:
    """Every ask is in the trail, the refused ones too; a store that is down must not hide why."""
    refused = audit.by_asker(
        audit.Event.REQUEST_REFUSED,
        services.clock.now(),
        ask.asker,
        domain=(ask.domain or services.settings.default_domain or "")[:LONGEST_USERNAME],
        user=ask.username[:LONGEST_USERNAME],
        reason=error.reason,
    )
    log.info("ask refused", reason=error.reason)
    with suppress(StoreUnavailable):
        await services.store.record([refused])
