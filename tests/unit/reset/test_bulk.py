"""Sending many people their links, on fakes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pwreset.commands.people import ForAll, People
from pwreset.commands.report import Report
from pwreset.errors import DirectoryUnavailable, PeopleInvalid, SettingsError, SmsBudgetSpent
from pwreset.reset.bulk import Ending, Line, LineResult, Sending, send_lines
from pwreset.reset.pace import Pace
from pwreset.secret import Secret
from pwreset.store.clock import SystemClock
from tests.fakes.directory import Weather
from tests.fakes.world import ASKER, World, a_user

SENDING = Sending("summer", ASKER, patience_seconds=0.0)


async def ends(world: World, *lines: Line, sending: Sending = SENDING) -> dict[int, LineResult]:
    return {end.line.number: end async for end in send_lines(lines, sending, world.services)}


async def test_each_line_gets_its_link_and_its_message_waits_in_the_outbox() -> None:
    world = World()
    got = await ends(world, Line(2, "jane"), Line(3, "john"))
    assert [end.ending for end in got.values()] == [Ending.SENT, Ending.SENT]
    assert world.mail.sent == []
    waiting = await world.store.deliveries(got[2].request_id)
    assert [(one.recipient.address, one.due_at) for one in waiting] == [("jane@example.org", world.clock.now())]


async def test_a_line_sent_before_is_not_sent_again() -> None:
    world = World()
    first = await ends(world, Line(2, "jane"))
    again = await ends(world, Line(2, " JANE "), Line(3, "john"))
    assert (again[2].ending, again[2].request_id) == (Ending.SENT_BEFORE, first[2].request_id)
    assert again[3].ending is Ending.SENT
    assert len(world.store.requests) == 2


async def test_another_sending_sends_again() -> None:
    world = World()
    await ends(world, Line(2, "jane"))
    again = await ends(world, Line(2, "jane"), sending=replace(SENDING, name="winter"))
    assert again[2].ending is Ending.SENT


async def test_a_refused_line_stops_no_other_and_may_be_sent_later() -> None:
    world = World()
    got = await ends(world, Line(2, "nobody"), Line(3, "root"), Line(4, "jane"))
    assert {number: end.reason for number, end in got.items()} == {2: "user-unknown", 3: "user-protected", 4: ""}
    world.add(a_user("nobody"))
    assert (await ends(world, Line(2, "nobody")))[2].ending is Ending.SENT


async def test_a_dry_run_finds_what_would_be_refused_and_writes_nothing() -> None:
    world = World()
    got = await ends(world, Line(2, "nobody"), Line(3, "jane"), sending=replace(SENDING, dry=True))
    assert {number: (end.ending, end.reason) for number, end in got.items()} == {
        2: (Ending.REFUSED, "user-unknown"),
        3: (Ending.FINE, ""),
    }
    assert world.store.requests == {}
    assert await world.audit() == []


async def test_a_link_is_told_only_where_it_is_sent_nowhere() -> None:
    world = World()
    got = await ends(world, Line(2, "jane", mode="NONE"), Line(3, "john", mode="MAIL"))
    assert got[2].link is not None
    assert got[3].link is None


async def test_a_link_that_was_shown_before_is_told_as_lost() -> None:
    world = World()
    await ends(world, Line(2, "jane", mode="NONE"))
    assert (await ends(world, Line(2, "jane", mode="NONE")))[2].reason == "link-not-kept"


async def test_the_limit_for_one_person_holds_for_many_lines_too() -> None:
    world = World({"limits": {"links_per_user_per_hour": 1}}, {"login_attributes": ["uid", "mail"]})
    got = await ends(world, Line(2, "jane"), Line(3, "jane@example.org"))
    assert sorted(end.reason for end in got.values()) == ["", "too-many-requests"]


async def test_a_directory_that_stays_away_ends_the_sending_and_nothing_is_lost() -> None:
    world = World()
    world.directory.tree.weather = Weather.DOWN
    with pytest.raises(DirectoryUnavailable):
        await ends(world, Line(2, "jane"), Line(3, "john"))
    world.directory.tree.weather = Weather.FINE
    got = await ends(world, Line(2, "jane"), Line(3, "john"))
    assert [end.ending for end in got.values()] == [Ending.SENT, Ending.SENT]


async def test_the_results_of_lines_under_way_come_before_the_failure() -> None:
    world = World({"limits": {"sms_per_day": 1}})
    lines = [Line(2, "jane", mode="SMS"), Line(3, "john", mode="SMS"), Line(4, "john", mode="MAIL")]
    seen: list[LineResult] = []

    with pytest.raises(SmsBudgetSpent):
        await _collect(lines, world, seen)
    assert [end.line.number for end in seen][:1] == [2]


async def _collect(lines: list[Line], world: World, seen: list[LineResult]) -> None:
    async for end in send_lines(lines, SENDING, world.services):
        seen.append(end)  # noqa: PERF401 - what came before the failure is kept


async def test_a_stopped_sending_begins_no_further_line() -> None:
    world, stop = World(), asyncio.Event()

    def lines() -> Iterator[Line]:
        yield Line(2, "jane")
        stop.set()
        yield Line(3, "john")

    got = [end async for end in send_lines(lines(), SENDING, world.services, stop)]
    assert [end.line.number for end in got] == [2]


async def test_turns_are_no_more_than_so_many_a_second() -> None:
    clock = SystemClock()
    began = clock.monotonic()
    pace = Pace(100.0, clock.monotonic)
    for _ in range(11):
        await pace.turn()
    assert clock.monotonic() - began >= 0.1


# --- the list ----------------------------------------------------------------------------------------------------


@contextmanager
def opened(folder: Path, content: str | bytes, for_all: ForAll | None = None) -> Iterator[People]:
    path = folder / "people.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with closing(People.open(path, for_all or ForAll())) as people:
        yield people


def test_a_list_gives_each_line_what_it_says_or_what_holds_for_all(tmp_path: Path) -> None:
    with opened(
        tmp_path,
        'user,mode,lifetime_hours,comments\njane,SMS,5,"Hello,\nJane"\n\njohn,,,\n',
        ForAll("EXAMPLE", "MAIL", 48, "Welcome"),
    ) as people:
        lines = list(people.lines())
    assert lines == [
        Line(3, "jane", "EXAMPLE", "SMS", 5, "Hello,\nJane"),
        Line(5, "john", "EXAMPLE", "MAIL", 48, "Welcome"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_list_is_read_as_spreadsheets_write_it(tmp_path: Path, delimiter: str) -> None:
    text = f"\ufeffUser{delimiter}Comments\r\nMüller{delimiter}hello\r\n"
    with opened(tmp_path, text) as people:
        lines = list(people.lines())
    assert lines == [Line(2, "Müller", comments="hello")]


def test_all_wrong_lines_are_told_with_their_numbers(tmp_path: Path) -> None:
    world = World()
    text = (
        "user,domain,mode,lifetime_hours,comments\n"
        "jane,,,,\n"
        ",,,,\n"  # an empty line is none
        " ,EXAMPLE,,,\n"
        "john,NOWHERE,,,\n"
        "john,,PIGEON,,\n"
        "john,,,721,\n"
        "john,,,soon,\n"
        f"john,,,,{'x' * 1001}\n"
        "john,,\n"
        "JANE,example,,,\n"
    )
    with opened(tmp_path, text) as people, pytest.raises(PeopleInvalid) as refused:
        people.check(ASKER, world.services)
    told = [line.strip().split(":")[0] for line in str(refused.value).splitlines()[1:]]
    assert told == [f"line {number}" for number in (4, 5, 6, 7, 8, 9, 10, 11)]
    assert "same person as in line 2" in str(refused.value)


@pytest.mark.parametrize(
    "content",
    ["", "name\njane\n", "user,comment\njane,hello\n", "user,user\na,b\n", b"user\nM\xfcller\n", 'user\n"jane\n'],
    ids=["empty", "no user", "unknown column", "twice", "latin-1", "open quote"],
)
def test_a_file_that_is_no_list_is_refused(tmp_path: Path, content: str | bytes) -> None:
    with opened(tmp_path, content) as people, pytest.raises(PeopleInvalid):
        people.check(ASKER, World().services)


# --- the report --------------------------------------------------------------------------------------------------


def test_a_report_goes_on_behind_its_last_whole_row(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    report = Report(path, "summer", links=False)
    report.add(LineResult(Line(2, "jane"), Ending.SENT, "id-1"), "EXAMPLE")
    report.close()
    with path.open("a") as file:
        file.write("3,john,EXAM")
    again = Report(path, "summer", links=False)
    assert again.has("EXAMPLE", "Jane")
    assert not again.has("EXAMPLE", "john")
    again.add(LineResult(Line(3, "john"), Ending.SENT, "id-2"), "EXAMPLE")
    again.close()
    assert path.read_text().splitlines() == [
        "line,user,domain,sending,outcome,request,reason",
        "2,jane,EXAMPLE,summer,sent,id-1,",
        "3,john,EXAMPLE,summer,sent,id-2,",
    ]


def test_a_report_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    Report(path, "summer", links=True).close()
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    with pytest.raises(SettingsError):
        Report(path, "summer", links=True)


def test_a_report_holds_a_link_only_where_links_are_asked_for(tmp_path: Path) -> None:
    end = LineResult(Line(2, "jane"), Ending.SENT, "id-1", link=Secret("https://x/r/secret"))
    for links in (True, False):
        path = tmp_path / f"{links}.csv"
        report = Report(path, "summer", links=links)
        report.add(end, "EXAMPLE")
        report.close()
        assert ("secret" in path.read_text()) is links


@pytest.mark.parametrize(
    "content", ["hello\n", "line,user,domain,sending,outcome,request,reason\n2,a,B,winter,sent,x,\n"]
)
def test_a_file_that_is_not_this_sendings_report_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "report.csv"
    path.touch(mode=0o600)
    path.write_text(content)
    with pytest.raises(PeopleInvalid):
        Report(path, "summer", links=False)
    assert path.read_text() == content
