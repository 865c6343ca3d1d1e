"""Use case: send many people their links, line by line, paced, and none twice.

Each line is an ask of its own with a key made of the sending's name and the person's. The key is written with the
request in one transaction, so a sending that was killed goes on where it was, whoever starts it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from pwreset import logs
from pwreset.errors import AskRefused, Overloaded, PwresetError, SentAlready, SmsBudgetSpent, Unavailable
from pwreset.reset.model import Asker, DeliveryMode, SendRequest
from pwreset.reset.pace import Pace
from pwreset.reset.send import look, send
from pwreset.secret import Secret

if TYPE_CHECKING:
    from pwreset.reset.services import Services

MOST_AT_ONCE = 64  # lines under way
PATIENCE_SECONDS = 300.0  # how long a directory or store that is away is waited for
LONGEST_PAUSE_SECONDS = 10.0
LINK_NOT_KEPT = "link-not-kept"  # it was made for nobody's eyes but those of a run that did not write it down

log = logs.get("bulk")


@dataclass(frozen=True, slots=True)
class Line:
    """One person to be sent a link; what is None is as the settings say."""

    number: int
    user: str
    domain: str | None = None
    mode: str | None = None
    lifetime_hours: int | None = None
    comments: str | None = None
    mfa: bool = False


class Ending(Enum):
    """What became of a line."""

    SENT = "sent"  # written down, with its message in the outbox
    SENT_BEFORE = "sent-before"  # by this sending, before it was interrupted
    FINE = "fine"  # would have been sent
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LineResult:
    """A line's end. `link` is there only for links that are sent nowhere (NONE)."""

    line: Line
    ending: Ending
    request_id: str = ""
    reason: str = ""
    link: Secret | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """Many links under one name: nobody gets two of one name. `per_second` 0 means: as fast as it goes."""

    name: str
    asker: Asker
    per_second: float = 0.0
    dry: bool = False
    patience_seconds: float = PATIENCE_SECONDS

    def key(self, line: Line, services: Services) -> str:
        """Under which this line's link is sent once. Raises DomainUnknown, DomainMissing."""
        return line_key(self.name, services.domain_name(line.domain), line.user)


def line_key(sending: str, domain: str, user: str) -> str:
    """A digest, so that the store holds no further copy of a name."""
    return sha256(msgspec.json.encode([sending, domain, user.strip().casefold()])).hexdigest()


def ask_of(line: Line, asker: Asker, once: str = "") -> SendRequest:
    """The ask of a line. Its messages are the worker's from the first attempt on."""
    return SendRequest(
        username=line.user,
        domain=line.domain,
        mode=line.mode,
        lifetime_hours=line.lifetime_hours,
        comments=line.comments,
        asker=asker,
        scope=None,
        wait_until=0.0,
        once=once,
        hand_over=False,
        mfa=line.mfa,
    )


async def send_lines(
    lines: Iterable[Line], sending: Sending, services: Services, stop: asyncio.Event | None = None
) -> AsyncIterator[LineResult]:
    """Send each line its link; results come as lines end, in about their order.

    With `stop` set, no further line is begun, and those under way end. Raises Unavailable once what is away has been
    waited for in vain, or the day's SMS are spent: after the results of all lines that were under way.
    """
    pace = Pace(sending.per_second, services.clock.monotonic)
    under_way: list[asyncio.Task[LineResult]] = []
    failure: PwresetError | None = None
    try:
        for line in lines:
            if failure is not None or (stop is not None and stop.is_set()):
                break
            await pace.turn()
            under_way.append(asyncio.create_task(_end_of(line, sending, services)))
            full = len(under_way) >= MOST_AT_ONCE
            for result in await _ended(under_way, wait=full):
                if isinstance(result, LineResult):
                    yield result
                else:
                    failure = result
        while under_way:
            for result in await _ended(under_way, wait=True):
                if isinstance(result, LineResult):
                    yield result
                else:
                    failure = result
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
    if failure is not None:
        raise failure


async def _ended(under_way: list[asyncio.Task[LineResult]], *, wait: bool) -> list[LineResult | PwresetError]:
    """What has ended, taken out of the list, in the order of the lines; with `wait` at least one."""
    if wait:
        await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    results: list[LineResult | PwresetError] = []
    for task in [task for task in under_way if task.done()]:
        under_way.remove(task)
        try:
            results.append(task.result())
        except PwresetError as error:
            results.append(error)
    return results


async def _end_of(line: Line, sending: Sending, services: Services) -> LineResult:
    """A line's end. Waits for what is away, and for limits per minute. Raises Unavailable."""
    give_up_at = services.clock.monotonic() + sending.patience_seconds
    while True:
        try:
            return await _try(line, sending, services)
        except SmsBudgetSpent:
            raise
        except Unavailable as error:
            pause = min(error.retry_after.total_seconds(), LONGEST_PAUSE_SECONDS)
            if not isinstance(error, Overloaded) and services.clock.monotonic() + pause > give_up_at:
                raise
            log.warning("line postponed", line=line.number, reason=error.reason)
            await asyncio.sleep(pause)


async def _try(line: Line, sending: Sending, services: Services) -> LineResult:
    try:
        if sending.dry:
            await look(ask_of(line, sending.asker), services)
            return LineResult(line, Ending.FINE)
        sent = await send(ask_of(line, sending.asker, sending.key(line, services)), services)
    except SentAlready as error:
        return LineResult(
            line, Ending.SENT_BEFORE, error.request_id, LINK_NOT_KEPT if _is_shown(line, services) else ""
        )
    except AskRefused as error:
        return LineResult(line, Ending.REFUSED, reason=error.reason)
    shown = sent.link if _is_shown(line, services) else None
    return LineResult(line, Ending.SENT, sent.request_id, ", ".join(sent.failures), shown)


def _is_shown(line: Line, services: Services) -> bool:
    """Whether nobody has the link but who asks for it."""
    return (line.mode or services.settings.links.delivery_mode).upper() == DeliveryMode.NONE.value
