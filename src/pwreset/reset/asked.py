"""Use case: somebody asks for a link on the public page, by a name or for a new one in place of an expired one.

Who asks is nobody we know and is told nothing: he has had his answer before any of this begins (`pwreset.reset.queue`).
What an ask can do is bounded here: it ends no link, locks nobody, and reaches the person at the entry's own addresses,
so many times an hour. Everything else is a line in the audit trail.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pwreset import logs
from pwreset.errors import (
    AskRefused,
    DomainUnknown,
    LinkUnknown,
    Overloaded,
    PwresetError,
    SmsBudgetSpent,
    StoreUnavailable,
    TooManyFromNetwork,
    TooManyRequests,
    UserAmbiguous,
    UserProtected,
    UserUnknown,
)
from pwreset.reset import audit, budget
from pwreset.reset.demands import demand_for, may_be_texted
from pwreset.reset.limits import Network, alike, by_network
from pwreset.reset.model import (
    Asker,
    Channel,
    Delivery,
    DeliveryMode,
    MessageName,
    Recipient,
    RequestState,
    ResetRequest,
    User,
)
from pwreset.reset.notices import disowning_link, link_issued_notices, sealed
from pwreset.reset.ports import Limit, MessageFacts
from pwreset.reset.recipients import usable_mails, usable_mobiles
from pwreset.reset.send import (
    Plan,
    Target,
    highest_lifetime,
    new_request,
    recipients_of,
    refuse_if_not_resettable,
    sent_event,
)
from pwreset.reset.tokens import new_token
from pwreset.secret import Secret

if TYPE_CHECKING:
    from pwreset.reset.services import Services

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
FLOODED = (TooManyFromNetwork, Overloaded)
TOLD_OF_A_FLOOD = Limit(10, MINUTE)  # refusals of one network that have a line of the trail each

log = logs.get("asked")


@dataclass(frozen=True, slots=True)
class PublicAsk:
    """One ask: by a name or mail address as typed, or with `renews` for the link of this id, which has expired."""

    domain: str
    name: str
    networks: tuple[Network, ...]  # that it is counted for, the widest last
    asker: Asker
    proven: bool  # whether the browser has proved its work
    renews: str = ""

    @property
    def site(self) -> str:
        """The widest network that it came from."""
        return self.networks[-1].name


async def answer(ask: PublicAsk, services: Services) -> bool:
    """Send a link where one may be sent. Raises no expected failure: why none was sent is in the audit trail.

    False when that is not told, since the ask is one of a network's flood.
    """
    user = None
    try:
        expired = await _admitted(ask, services)
        user = await _meant(ask, expired, services)
        await _send(ask, user, expired, services)
    except PwresetError as error:
        counted(ask, services, error.reason)
        if isinstance(error, FLOODED) and not await _is_told(ask, services):
            return False
        await _record_refusal(ask, user, error, services)
    else:
        counted(ask, services)
    return True


async def _is_told(ask: PublicAsk, services: Services) -> bool:
    return await services.counters.take(f"public-told:{ask.site}", TOLD_OF_A_FLOOD, services.clock.now()) is None


def counted(ask: PublicAsk, services: Services, reason: str = "") -> None:
    """Tell the metrics that a link was sent, or why not; never a domain that is none of the settings."""
    known = ask.domain if ask.domain in services.directories else ""
    services.metrics.asked(ask.asker.origin.value, known, reason)


def renewable(request: ResetRequest, services: Services) -> bool:
    """Whether a new link may be asked for in place of this one. The person is looked at when it is asked for."""
    domain = services.settings.domains.get(request.domain)
    return (
        domain is not None
        and domain.public
        and services.settings.public.renew_expired
        and request.state is RequestState.PENDING
        and request.expires_at <= services.clock.now()
        and bool(request.sent_to)
    )


async def _admitted(ask: PublicAsk, services: Services) -> ResetRequest | None:
    """Whether the directory may hear of the ask; the expired link that is to be renewed, if one is."""
    if ask.domain not in services.directories or not services.settings.domains[ask.domain].public:
        raise DomainUnknown(ask.domain)
    await _limit_before_the_look_up(ask, services)
    return await _expired(ask, services) if ask.renews else None


async def _meant(ask: PublicAsk, expired: ResetRequest | None, services: Services) -> User:
    """Whose link is asked for. Raises UserUnknown, UserAmbiguous, Unavailable."""
    directory = services.directories[ask.domain]
    if expired is not None:
        return await directory.find_by_id(expired.user_id)
    try:
        return await directory.find(ask.name, or_mail=True)
    except UserAmbiguous:
        # A log-in name goes first: nobody takes another's away by writing it into his own entry as an address.
        with suppress(UserUnknown):
            return await directory.find(ask.name)
        raise


async def _send(ask: PublicAsk, user: User, expired: ResetRequest | None, services: Services) -> None:
    refuse_if_not_resettable(user, services)
    # Not even where managers may be sent links: whoever reads their mail would be one.
    if services.settings.domains[ask.domain].managers and await services.directories[ask.domain].is_manager(user.dn):
        raise UserProtected
    plan = _plan(ask, user, expired, services)
    until = services.clock.now() + plan.lifetime
    target = recipients_of(plan, user, services) if expired is None else _still_there(expired, user, services, until)
    await _issue(plan, await _within_limits(target, services), ask, services)


async def _expired(ask: PublicAsk, services: Services) -> ResetRequest:
    """The expired link that is to be renewed. Raises LinkUnknown."""
    request = await services.store.get(ask.renews)
    if (
        request is None
        or request.domain != ask.domain
        or not services.keys.is_bound(request)
        or not renewable(request, services)
    ):
        raise LinkUnknown
    return request


def _plan(ask: PublicAsk, user: User, expired: ResetRequest | None, services: Services) -> Plan:
    public = services.settings.public
    mode = DeliveryMode(public.delivery_mode) if expired is None else expired.mode
    highest = highest_lifetime(ask.domain, mode, services)
    return Plan(
        domain=ask.domain,
        username=user.login,
        mode=mode,
        lifetime=timedelta(hours=min(public.lifetime_hours, highest)),
        comments="",
        asker=ask.asker,
    )


def _still_there(expired: ResetRequest, user: User, services: Services, until: datetime) -> Target:
    """Where the expired link went, as far as the entry still has it. Raises AskRefused when nothing is left.

    `until` is when the new link's time is over.
    """
    country = services.settings.domains[user.domain].country
    current = {
        (recipient.channel, recipient.address.casefold())
        for recipient in (*usable_mails(user), *usable_mobiles(user, country))
        if recipient.channel in services.transports
        and (recipient.channel is not Channel.SMS or may_be_texted(recipient, services))
    }
    left = tuple(one for one in expired.sent_to if (one.channel, one.address.casefold()) in current)
    if not left:
        raise LinkUnknown("address-left")
    # A new link in the place of one that demanded a second factor demands it too, whoever asked for that.
    asked = expired.demand is not None and expired.demand.since is None
    return Target(user, left, (), demand_for(user, left, services, asked=asked, until=until))


async def _limit_before_the_look_up(ask: PublicAsk, services: Services) -> None:
    """By network, over all, and by what was typed, before the directory hears of it.

    Raises TooManyFromNetwork, Overloaded, TooManyRequests.
    """
    public, now, take = services.settings.public, services.clock.now(), services.counters.take
    windows = by_network("public-network", ask.networks, public.asks_per_network_per_hour, HOUR)
    if not ask.proven:
        windows += by_network("public-unproven-network", ask.networks, public.unproven_per_network_per_hour, HOUR)
    for window in windows:
        if await take(*window, now) is not None:
            raise TooManyFromNetwork
    if not ask.proven:
        wait = await take("public-unproven:all", Limit(public.unproven_per_minute, MINUTE), now)
        if wait is not None:
            raise Overloaded(wait)
    wait = await take("public-all:all", Limit(public.asks_per_minute, MINUTE), now)
    if wait is not None:
        raise Overloaded(wait)
    await _limit_one(f"public-name:{ask.renews or _mark(ask, services)}", now, services)


def _mark(ask: PublicAsk, services: Services) -> str:
    return services.keys.name_mark(ask.domain, alike(ask.name))


def marks_of(name: str, services: Services) -> frozenset[str]:
    """What the audit trail may hold of this name, typed on the public page of any domain."""
    return frozenset(
        mark for domain in services.settings.domains for mark in services.keys.name_marks(domain, alike(name))
    )


async def _limit_one(key: str, now: datetime, services: Services) -> None:
    """What is asked for one name or one person. Raises TooManyRequests."""
    for counter, limit in (
        (f"public-again:{key}", Limit(1, MINUTE)),  # a double click, a form sent once more: one message
        (key, Limit(services.settings.public.asks_per_user_per_hour, HOUR)),
    ):
        if await services.counters.take(counter, limit, now) is not None:
            raise TooManyRequests


async def _within_limits(target: Target, services: Services) -> Target:
    """The target with those that may be written to now: an SMS budget that strangers have spent costs nobody the mail.

    By counters of their own: what strangers use up must be left for managers. Raises TooManyRequests, SmsBudgetSpent.
    """
    now = services.clock.now()
    await _limit_one(f"public-user:{target.user.domain}:{target.user.id}", now, services)
    left: list[Recipient] = []
    errors: list[TooManyRequests | SmsBudgetSpent] = []
    for recipient in target.recipients:
        try:
            await _limit_by_destination(recipient, now, services)
        except (TooManyRequests, SmsBudgetSpent) as error:
            errors.append(error)
        else:
            left.append(recipient)
    if errors and not left:
        raise errors[0]
    return replace(target, recipients=tuple(left))


async def _limit_by_destination(recipient: Recipient, now: datetime, services: Services) -> None:
    """Raises TooManyRequests, SmsBudgetSpent."""
    public, limits, take = services.settings.public, services.settings.limits, services.counters.take
    address = recipient.address.casefold()
    for key, count in (
        (f"public-messages-to:{address}", public.messages_per_destination_per_hour),
        (f"messages-to:{address}", limits.messages_per_destination_per_hour),
    ):
        if await take(key, Limit(count, HOUR), now) is not None:
            raise TooManyRequests
    if recipient.channel is Channel.SMS:
        wait = await take("public-sms:all", Limit(public.sms_per_day, DAY), now)
        if wait is not None:
            raise SmsBudgetSpent(wait)
        await budget.spend((recipient,), now, services)


async def _issue(plan: Plan, target: Target, ask: PublicAsk, services: Services) -> None:
    """Mint and write down; the worker hands the messages over."""
    token = new_token()
    request = new_request(plan, target, token, services)
    facts = MessageFacts(
        domain=plan.domain,
        user=target.user,
        at=request.created_at,
        expires_at=request.expires_at,
        link=Secret(f"{services.configuration.base_url(plan.domain)}/r/{token.reveal()}"),
        not_me=disowning_link(request, request.created_at, services),
    )
    deliveries = [_delivery(request, recipient, facts, services) for recipient in request.sent_to]
    # Of mails only: an SMS costs, and strangers must not spend it beside the budget.
    notices = [
        notice for notice in link_issued_notices(request, facts, services) if notice.recipient.channel is Channel.MAIL
    ]
    event = sent_event(plan, request)
    if ask.renews:
        event.facts["renews"] = ask.renews
    await services.store.add(request, [*deliveries, *notices], [event], supersede=False)
    services.outbox.bell.set()
    log.info("link made", request=request.id, domain=request.domain, renews=ask.renews)


def _delivery(request: ResetRequest, recipient: Recipient, facts: MessageFacts, services: Services) -> Delivery:
    """A message of a name of its own: sending it ends no link of anybody (SECURITY, rule 13)."""
    name = MessageName.ASKED_LINK
    content = services.messages.render(name, recipient.channel, facts.user.language, facts)
    return sealed(name, request, recipient, content, services, at=request.created_at, not_after=request.expires_at)


async def _record_refusal(ask: PublicAsk, user: User | None, error: PwresetError, services: Services) -> None:
    """Never what was typed: a name that is nobody's may be a password. Its mark tells asks with the same one."""
    reason = error.cause if isinstance(error, LinkUnknown) else error.reason
    event = audit.by_asker(
        audit.Event.REQUEST_REFUSED,
        services.clock.now(),
        ask.asker,
        domain=ask.domain,
        user="" if user is None else user.login,
        reason=reason,
        **({"renews": ask.renews} if ask.renews else {"typed": _mark(ask, services)}),
    )
    tell = log.info if isinstance(error, (AskRefused, LinkUnknown)) else log.warning
    tell("ask on the public page refused", reason=reason)
    with suppress(StoreUnavailable):
        await services.store.record([event])
