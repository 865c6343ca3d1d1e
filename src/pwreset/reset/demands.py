"""What a new link demands beside itself, and where a code for it goes.

The code goes over another channel than the link: a link by mail, its code by SMS, and the other way round, so that whoever
reads one of the two has half. A link that goes over both channels, or to nobody (NONE), has its code sent by SMS where
there is a mobile number, else by mail: a phone is harder to read from afar than a mailbox, and mailboxes often hang on
the very password that is being reset. It is as strong as that one address: whoever holds the phone that both go to has
both.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pwreset.errors import AskRefused, ChannelNotConfigured, NoMailAddress, NoMobileNumber, NoSecondFactor
from pwreset.reset.model import Channel, Demand, Factor, Recipient, User
from pwreset.reset.recipients import country_code, usable_mail, usable_mobile

if TYPE_CHECKING:
    from pwreset.reset.services import Services


def may_be_asked(domain: str, services: Services) -> bool:
    """Whether the domain has a second factor configured."""
    return bool(services.settings.domains[domain].mfa.factors)


def demand_for(
    user: User, recipients: Sequence[Recipient], services: Services, *, asked: bool, until: datetime
) -> Demand | None:
    """What a link to these recipients, good until then, demands. Raises NoSecondFactor, before anything is made."""
    mfa = services.settings.domains[user.domain].mfa
    if asked or user.second_factor or mfa.demand == "always":
        return _second_factor(user, recipients, services)
    return _second_stage(user, recipients, services, until)


def recipient_on(channel: Channel, user: User, services: Services) -> Recipient:
    """The person's one address on a channel. Raises ChannelNotConfigured, NoMailAddress, NoMobileNumber."""
    if channel not in services.transports:
        raise ChannelNotConfigured(channel.value)
    if channel is Channel.MAIL:
        recipient = usable_mail(user)
        if recipient is None:
            raise NoMailAddress
        return recipient
    recipient = usable_mobile(user, services.settings.domains[user.domain].country)
    if recipient is None or not may_be_texted(recipient, services):
        raise NoMobileNumber
    return recipient


def may_be_texted(recipient: Recipient, services: Services) -> bool:
    """Whether SMS go to this number's country."""
    allowed = services.settings.limits.sms_countries
    return not allowed or country_code(recipient) in allowed


def _second_factor(user: User, recipients: Sequence[Recipient], services: Services) -> Demand:
    """The first configured factor that the person can use."""
    for factor in map(Factor, services.settings.domains[user.domain].mfa.factors):
        if factor is Factor.RADIUS and user.factor_name:
            return Demand(factor)
        if factor is Factor.CODE and (to := _other_address(user, recipients, services)) is not None:
            return Demand(factor, (to,))
    raise NoSecondFactor


def _second_stage(user: User, recipients: Sequence[Recipient], services: Services, until: datetime) -> Demand | None:
    """A code to where the link went, from the moment on when the link is too old to be believed by itself."""
    hours = (
        services.settings.domains[user.domain].direct_lifetime_hours or services.settings.links.direct_lifetime_hours
    )
    since = services.clock.now() + timedelta(hours=hours or 0)
    if hours is None or since >= until:
        return None
    to = tuple(recipients)
    if not to:  # a link that was handed over went nowhere
        other = _other_address(user, recipients, services)
        if other is None:
            raise NoSecondFactor
        to = (other,)
    return Demand(Factor.CODE, to, since)


def _other_address(user: User, recipients: Sequence[Recipient], services: Services) -> Recipient | None:
    """Where a code goes that the link's recipients do not read anyway, as far as that can be."""
    taken = {recipient.channel for recipient in recipients}
    channels = [channel for channel in (Channel.SMS, Channel.MAIL) if channel not in taken]
    for channel in channels or [Channel.SMS]:
        with suppress(AskRefused):
            return recipient_on(channel, user, services)
    return None
