"""What SMS may cost in a day: so many over all, and so many to numbers that begin alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pwreset import logs
from pwreset.errors import SmsBudgetSpent
from pwreset.reset.model import Channel, Recipient
from pwreset.reset.ports import Limit
from pwreset.settings import Limits

if TYPE_CHECKING:
    from pwreset.reset.services import Services

DAY = timedelta(days=1)

log = logs.get("budget")


async def spend(recipients: Sequence[Recipient], now: datetime, services: Services) -> None:
    """Count the SMS among these. Raises SmsBudgetSpent, and then none is counted."""
    wanted = Counter(
        budget
        for recipient in recipients
        if recipient.channel is Channel.SMS
        for budget in budgets(recipient.address, services.settings.limits)
    )
    # All are looked at before one is counted: a country that is through must not use up the others' day.
    for key, prefix, count in wanted:
        wait = await services.counters.peek(key, Limit(count, DAY), now)
        if wait is not None:
            log.warning("sms budget spent", prefix=prefix, budget=count, wait_seconds=int(wait.total_seconds()))
            raise SmsBudgetSpent(wait, prefix)
    for key, prefix, count in wanted.elements():
        wait = await services.counters.take(key, Limit(count, DAY), now)
        if wait is not None:  # another took the last one meanwhile
            raise SmsBudgetSpent(wait, prefix)


def spent(sms: Sequence[tuple[datetime, str]], limits: Limits) -> Mapping[str, list[datetime]]:
    """What the store knows of the last day, as the counters' keys and times: a restart makes no budget whole again."""
    times: dict[str, list[datetime]] = {}
    for at, number in sms:
        for key, _, count in budgets(number, limits):
            if count:
                times.setdefault(key, []).append(at)
    return times


def budgets(number: str, limits: Limits) -> Iterator[tuple[str, str, int]]:
    """The budgets that an SMS to this number is taken from: key of the counter, prefix, and how many in a day."""
    yield "sms:day", "", limits.sms_per_day
    digits = number.removeprefix("+")
    prefixes = [prefix for prefix in limits.sms_per_day_by_country if digits.startswith(prefix)]
    if prefixes:
        longest = max(prefixes, key=len)
        yield f"sms:{longest}", longest, limits.sms_per_day_by_country[longest]
