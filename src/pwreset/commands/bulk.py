"""Sending links to many people: from a list or from the directory, with a report and a progress bar."""

from __future__ import annotations

import asyncio
import csv
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, TextIO, cast

from pwreset.commands.people import DIGEST_CHARACTERS, ForAll, People
from pwreset.commands.report import Report
from pwreset.commands.running import operator, print_json
from pwreset.errors import Unavailable
from pwreset.reset.bulk import Ending, Line, LineResult, Sending, send_lines
from pwreset.reset.model import DeliveryMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from pwreset.reset.services import Services

TOLD_AT_ONCE = 20  # refused lines shown by a dry run without a report


@dataclass(frozen=True, slots=True)
class BulkAsk:
    """What the command line says. Exactly one of `source` and `wanted` is there."""

    source: Path | None
    wanted: str | None
    for_all: ForAll
    name: str | None
    per_second: float | None
    report: Path | None
    dry: bool
    as_json: bool


@dataclass(slots=True)
class Tally:
    """What has become of the lines so far."""

    endings: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    def add(self, result: LineResult) -> None:
        """One more line."""
        self.endings[result.ending.value] += 1
        if result.ending is Ending.REFUSED:
            self.reasons[result.reason] += 1
            if len(self.told) < TOLD_AT_ONCE:
                self.told.append(f"line {result.line.number}: {result.line.user}: {result.reason}")


async def send_many(ask: BulkAsk, services: Services) -> int:
    """Check the list, send each line its link, tell what became of them: the exit code."""
    async with _people(ask, services) as people:
        digest = await asyncio.to_thread(people.check, operator(), services)
        sending = Sending(
            name=ask.name or _name_of(ask, digest),
            asker=operator(),
            per_second=services.settings.limits.bulk_per_second if ask.per_second is None else ask.per_second,
            dry=ask.dry,
        )
        report = None
        if ask.report is not None or not ask.dry:
            report = Report(
                ask.report or _report_path(ask, sending), sending.name, links=_shows_links(people, services)
            )
        try:
            return await _run(people, sending, report, ask, services)
        finally:
            if report is not None:
                report.close()


async def _run(people: People, sending: Sending, report: Report | None, ask: BulkAsk, services: Services) -> int:
    tally, failure = Tally(), None
    with _stopping() as stop, _progress(people.count) as advance:
        lines = _left(people, report, services, advance)
        try:
            async for result in send_lines(lines, sending, services, stop):
                if report is not None:
                    report.add(result, services.domain_name(result.line.domain))
                tally.add(result)
                advance()
        except Unavailable as error:
            failure = str(error)
    done = sum(tally.endings.values()) + (report.rows if report is not None else 0)
    told: dict[str, object] = {
        "sending": sending.name,
        "lines": people.count,
        "left": people.count - done,
        **{ending.value: tally.endings[ending.value] for ending in Ending},
        "reasons": dict(tally.reasons),
        "report": None if report is None else str(report.path),
        "stopped": failure or ("interrupted" if done < people.count else None),
        "carried_out": await _is_worked(services),
    }
    if ask.as_json:
        print_json(told)
    else:
        _tell(told, tally, ask)
    if done < people.count:
        return 130 if failure is None else 75
    return 1 if tally.endings[Ending.REFUSED.value] else 0


def _tell(told: dict[str, object], tally: Tally, ask: BulkAsk) -> None:
    counts = [f"{tally.endings[ending.value]:,} {ending.value}" for ending in Ending if tally.endings[ending.value]]
    why = ", ".join(f"{reason} {count:,}" for reason, count in tally.reasons.most_common())
    print(f"{told['lines']:,} lines: {', '.join(counts) or 'nothing to do'}" + (f" ({why})" if why else ""))  # noqa: T201
    if told["report"] is not None:
        print(f"Report: {told['report']}")  # noqa: T201
    elif ask.dry:
        print("".join(f"  {words}\n" for words in tally.told), end="")  # noqa: T201
    if told["left"]:
        print(  # noqa: T201
            f"pwreset: stopped ({told['stopped']}) with {told['left']:,} lines left; the same command goes on there",
            file=sys.stderr,
        )
    if not told["carried_out"] and tally.endings[Ending.SENT.value]:
        print(  # noqa: T201
            "pwreset: no pwreset runs on this store: the messages wait until `pwreset serve` or `pwreset worker` does",
            file=sys.stderr,
        )


async def _is_worked(services: Services) -> bool | None:
    try:
        return await services.store.is_worked()
    except Unavailable:
        return None


def _left(people: People, report: Report | None, services: Services, advance: Callable[[], None]) -> Iterator[Line]:
    """The lines that have no row in the report yet."""
    for line in people.lines():
        if report is not None and report.has(services.domain_name(line.domain), line.user):
            advance()
        else:
            yield line


def _shows_links(people: People, services: Services) -> bool:
    """Whether a line asks for NONE: then the report is the only place where its link is."""
    default = services.settings.links.delivery_mode
    return any((line.mode or default).upper() == DeliveryMode.NONE.value for line in people.lines())


def _name_of(ask: BulkAsk, digest: str) -> str:
    """By what it holds; one from the directory by what was asked for, since people come and go meanwhile."""
    if ask.wanted is None:
        return f"list-{digest}"
    wish = repr((ask.wanted, ask.for_all)) + ask.for_all.mark
    return f"filter-{sha256(wish.encode()).hexdigest()[:DIGEST_CHARACTERS]}"


def _report_path(ask: BulkAsk, sending: Sending) -> Path:
    """Where the command was typed."""
    return Path(f"{sending.name if ask.source is None else ask.source.stem}.report.csv")


@asynccontextmanager
async def _people(ask: BulkAsk, services: Services) -> AsyncIterator[People]:
    if ask.source is not None:
        people = People.open(ask.source, ask.for_all)
        try:
            yield people
        finally:
            people.close()
        return
    # To a file first: the directory is not kept waiting between pages for hours, and the number of lines is known.
    with cast("TextIO", tempfile.TemporaryFile("w+", encoding="utf-8", newline="")) as file:
        rows = csv.writer(file)
        rows.writerow(["user"])
        domain = services.domain_name(ask.for_all.domain)
        async for login in services.directories[domain].people(ask.wanted or ""):
            rows.writerow([login])
        yield People(file, f"{domain}: {ask.wanted}", ask.for_all)


@contextmanager
def _stopping() -> Iterator[asyncio.Event]:
    """Ctrl-C and SIGTERM begin no further line; those under way end and get their rows."""
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    try:
        yield stop
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar with rate and time left, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("Sending"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]:>6}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total, rate="")

        def advance() -> None:
            speed = bar.tasks[0].speed
            bar.update(task, advance=1, rate=f"{speed:.0f}/s" if speed else "")

        yield advance
