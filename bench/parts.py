"""What is measured, part by part."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, repeat
from pathlib import Path
from statistics import median
from typing import Any

from bench.breached import build_breached
from bench.bulk import by_filter, by_list
from bench.calls import LINK, batch, links, opened, send_requests, server_status
from bench.database import beside_pgbench, database, service_on, with_nodes
from bench.directories import (
    Place,
    hanging,
    make_groups,
    on_dirsrv,
    on_samba,
    on_slapd,
    questions,
    refusing,
    with_one_down,
)
from bench.links import fill
from bench.load import Plan
from bench.outbox import carry, emptied
from bench.processes import Measured, helper, measure, memory_megabytes
from bench.public import SETTINGS, timed, timed_changes, told
from bench.report import Report, line
from tests.servers.dirsrv import LabDirsrv
from tests.servers.samba import LabSamba
from tests.servers.service import Service, merge, running
from tests.servers.settings import lab_settings
from tests.servers.slapd import PROTECTED_DN, LabSlapd, LoadNames

BATCH = 1000
ASKS = 200
# What counts as load here would be refused as abuse: the same person again and again, all from one address.
NO_LIMITS = {
    "limits": {
        "links_per_user_per_hour": 0,
        "messages_per_destination_per_hour": 0,
        "page_requests_per_address_per_minute": 0,
        "password_tries_per_link_per_hour": 0,
    }
}


@dataclass(slots=True)
class Bench:
    """What the parts share. `pace` scales all durations and sizes."""

    folder: Path
    slapd: LabSlapd
    relay: int
    people: int
    pace: float
    rounds: int
    callers: tuple[int, ...]
    stores: tuple[int, ...]
    report: Report
    _names: Iterator[int]
    _first: int = 0

    @property
    def seconds(self) -> float:
        """How long one round lasts."""
        return 3.0 * self.pace

    def first(self) -> int:
        """Where the next run begins among the people, so that runs meet different ones."""
        self._first = (self._first + 7919) % self.people
        return self._first

    def settings(self, folder: Path, more: dict[str, Any] | None = None) -> dict[str, Any]:
        """Settings of a service in this folder."""
        mail = {"mail": {"url": f"smtp://127.0.0.1:{self.relay}?starttls=off", "sender": "Bench <bench@example.org>"}}
        return lab_settings(folder, self.slapd, more=merge(merge(NO_LIMITS, mail), more or {}))

    def service(self, *, tls: bool = False, more: dict[str, Any] | None = None, filled: int = 0) -> Service:
        """A service of its own, not started; its store filled with so many living links."""
        folder = self.folder / f"service-{next(self._names)}"
        folder.mkdir()
        service = Service(folder, self.settings(folder, more), tls=tls)
        if filled:
            # Its key file must be there before its store is.
            with running(service):
                pass
            service.store.unlink()
            fill(service.store, filled)
        return service

    @contextmanager
    def floor(self, service: Service) -> Iterator[tuple[int, int]]:
        """The floor with this service's settings and a store of its own: pid and port."""
        with helper("bench.floor", str(service.config), str(service.folder / "floor.db")) as process:
            yield process


def make_bench(folder: Path, slapd: LabSlapd, relay: int, people: int, report: Report, *, quick: bool) -> Bench:
    """The full size, or the quick one."""
    return Bench(
        folder=folder,
        slapd=slapd,
        relay=relay,
        people=people,
        pace=0.5 if quick else 1.0,
        rounds=2 if quick else 5,
        callers=(1, 32) if quick else (1, 8, 32, 64),
        stores=(1, 10_000) if quick else (1, 10_000, 1_000_000),
        report=report,
        _names=count(1),
    )


def pid_of(service: Service) -> int:
    """The running service's pid."""
    assert service.process is not None
    return service.process.pid


def against_the_floor(bench: Bench, mode: str, way: str = "", more: dict[str, Any] | None = None) -> None:
    """Send_Request on kept connections, round by round beside the floor."""
    service, name = bench.service(more=more), f"{mode}{way}"
    with running(service), bench.floor(service) as (floor, floor_port):
        # The log-in, the connections and the caches are there before the first round.
        for pid, port in ((pid_of(service), service.port), (floor, floor_port)):
            measure(
                pid, send_requests(port, mode, 8, seconds=bench.seconds / 3, people=bench.people, first=bench.first())
            )
        for callers in bench.callers:
            ours: list[Measured] = []
            floors: list[Measured] = []
            late: list[tuple[int, float]] = []
            for _ in range(bench.rounds):
                for pid, port, kept in ((pid_of(service), service.port, ours), (floor, floor_port, floors)):
                    plan = send_requests(
                        port, mode, callers, seconds=bench.seconds, people=bench.people, first=bench.first()
                    )
                    kept.append(measure(pid, plan))
                    if kept is ours:  # what waits is carried out before the floor's turn, and counted
                        rest, outcome = emptied(service.store), ours[-1].outcome
                        late.append((rest.mails, outcome.answers / (outcome.seconds + rest.seconds)))
            bench.report.add(line(f"Send_Request {name}", callers, ours, floors))
            if mode == "MAIL":
                mails, rates = zip(*late, strict=True)
                bench.report.note(f"{name}, {callers}: mails that wait when the calls end", median(mails))
                bench.report.note(f"{name}, {callers}: calls per second, until the last mail is out", median(rates))
        bench.report.note(f"memory at its highest, {name}, MB", memory_megabytes(pid_of(service))[1])


def none(bench: Bench) -> None:
    """Send_Request, method NONE."""
    against_the_floor(bench, "NONE")


def mail(bench: Bench) -> None:
    """Send_Request, method MAIL, to the sink: with the answer after the first attempt, and waiting for nothing."""
    against_the_floor(bench, "MAIL")
    against_the_floor(bench, "MAIL", ", waiting for nothing", {"delivery": {"wait_seconds": 0}})


def tls(bench: Bench) -> None:
    """TLS and a new connection per call, beside a constant answer of the same server and framework."""
    service = bench.service(tls=True)
    with running(service), helper("bench.constant", str(service.config)) as (constant, constant_port):
        measure(
            pid_of(service),
            send_requests(
                service.port, "NONE", 8, seconds=bench.seconds / 3, people=bench.people, first=bench.first(), tls=True
            ),
        )
        for callers in bench.callers:
            ours: list[Measured] = []
            constants: list[Measured] = []
            for _ in range(bench.rounds):
                for pid, port, kept in (
                    (pid_of(service), service.port, ours),
                    (constant, constant_port, constants),
                ):
                    plan = send_requests(
                        port, "NONE", callers, seconds=bench.seconds, people=bench.people, first=bench.first(), tls=True
                    )
                    kept.append(measure(pid, plan))
            bench.report.add(line("NONE, TLS, new connections", callers, ours, constants))


def batches(bench: Bench) -> None:
    """Batches of 1,000 links."""
    service = bench.service()
    with running(service):
        requests = [batch(BATCH, bench.first() % max(1, bench.people - BATCH)) for _ in range(bench.rounds + 1)]
        found = measure(pid_of(service), Plan(port=service.port, callers=1, requests=requests, expect=LINK))
        bench.report.add(line(f"batch of {BATCH:,}", 1, [found]))
        bench.report.note("links per second in batches", found.rate * BATCH)


def pages(bench: Bench) -> None:
    """People's pages: opening a link, its page, and setting the password."""
    size = int(800 * bench.pace)
    service = bench.service()
    with running(service):
        pid = pid_of(service)
        start = bench.first() % max(1, bench.people - size)
        paths = links(service.port, size, start)
        each = opened(service.port, paths, service.url)
        steps: tuple[tuple[str, list[bytes], bytes], ...] = (
            ("page: GET the link", [one.open for one in each], b" 303 "),
            ("page: GET the form", [one.show for one in each], b"form_token"),
            ("page: POST the password", [one.submit for one in each], b"HTTP/1.1 "),
        )
        for name, requests, expect in steps:
            plan = Plan(port=service.port, callers=8, requests=requests, expect=expect)
            bench.report.add(line(name, 8, [measure(pid, plan)]))
        used = service.command("requests", "--state", "used", "--limit", "500").count("\n")
        bench.report.note("passwords set (at most 500 listed)", used)


def log_in(bench: Bench) -> None:
    """A manager's log-in: at each call, and remembered."""
    for name, remembered in (("log-in at each call", 0), ("log-in remembered", 60)):
        service = bench.service(more={"manager_api": {"remember_seconds": remembered}})
        with running(service):
            found = []
            for _ in range(bench.rounds):
                requests = [server_status()] * int(300 * bench.pace)
                plan = Plan(port=service.port, callers=1, requests=requests, expect=b'"status":true')
                found.append(measure(pid_of(service), plan))
            bench.report.add(line(name, 1, found))


def stores(bench: Bench) -> None:
    """The same calls with few and with many living links in the store: flat."""
    services = {filled: bench.service(filled=filled) for filled in bench.stores}
    rounds: dict[int, list[Measured]] = {filled: [] for filled in services}
    shown: dict[int, list[Measured]] = {filled: [] for filled in services}
    for _ in range(bench.rounds):
        for filled, service in services.items():
            with running(service):
                pid = pid_of(service)
                measure(
                    pid,
                    send_requests(
                        service.port, "NONE", 8, seconds=bench.seconds / 3, people=bench.people, first=bench.first()
                    ),
                )
                plan = send_requests(
                    service.port, "NONE", 32, seconds=bench.seconds, people=bench.people, first=bench.first()
                )
                rounds[filled].append(measure(pid, plan))
                each = opened(service.port, links(service.port, 100, bench.first() % (bench.people - 100)), service.url)
                gets = Plan(port=service.port, callers=8, requests=[one.show for one in each] * 3, expect=b"form_token")
                shown[filled].append(measure(pid, gets))
    for filled in services:
        bench.report.add(line(f"NONE, {filled:,} live links", 32, rounds[filled]))
        bench.report.add(line(f"form, {filled:,} live links", 8, shown[filled]))


def start(bench: Bench) -> None:
    """How long the service takes to be ready, and its memory when idle."""
    for filled in bench.stores:
        service = bench.service(filled=filled)
        took: list[float] = []
        idle = 0.0
        for _ in range(bench.rounds):
            began = time.perf_counter()
            with running(service):
                took.append(time.perf_counter() - began)
                idle = memory_megabytes(pid_of(service))[0]
        bench.report.note(f"ready after, {filled:,} live links, ms", sorted(took)[len(took) // 2] * 1000)
        bench.report.note(f"idle memory, {filled:,} live links, MB", idle)


def worker(bench: Bench) -> None:
    """The worker alone: how many mails a second it hands over, and whether its memory stays flat."""
    count = int(100_000 * bench.pace)
    service = bench.service(filled=1)  # for its key file; the store is filled anew
    service.store.unlink()
    found = carry(service.config, service.store, count)
    bench.report.note(f"worker, {count:,} mails: mails per second", found.rate)
    bench.report.note("worker: CPU per mail, microseconds", found.cpu_microseconds)
    bench.report.note("worker: memory at a tenth, MB", found.at_start)
    bench.report.note("worker: memory halfway, MB", found.halfway)
    bench.report.note("worker: memory at the end, MB", found.at_end)


def postgres(bench: Bench) -> None:
    """On PostgreSQL: beside pgbench with the same statements, and with one, two, three nodes."""
    for found in beside_pgbench(bench):
        bench.report.add(line("NONE on PostgreSQL", found.callers, found.ours))
        for name, figure in (
            ("pgbench: transactions per second", median(found.tps)),
            ("pwreset beside pgbench: percent", found.ratio * 100),
            ("CPU per call, PostgreSQL's included, microseconds", median(found.ours_whole)),
            ("CPU per transaction of pgbench, PostgreSQL's included, microseconds", median(found.theirs_whole)),
        ):
            bench.report.note(f"{found.callers} callers, {name}", figure)
    for nodes, rate, cpu, theirs in with_nodes(bench):
        bench.report.note(f"{nodes} nodes: calls per second", rate)
        bench.report.note(f"{nodes} nodes: CPU of the nodes per call, microseconds", cpu)
        bench.report.note(f"{nodes} nodes: CPU of PostgreSQL per call, microseconds", theirs)


def bulk(bench: Bench) -> None:
    """`pwreset send` for everybody in the directory, by a list and by a filter, on both stores; nobody carries the mails."""
    more = {"limits": {"messages_per_destination_per_hour": 0, "links_per_user_per_hour": 0, "requests_per_minute": 0}}
    with database() as (_, made):
        for store, service in (("SQLite", bench.service(more=more)), ("PostgreSQL", service_on(bench, made, more))):
            for way, send in (("a list", by_list), ("a filter", by_filter)):
                sent = send(service, bench.people)
                bench.report.note(f"{bench.people:,} people by {way}, {store}: links per second", sent.rate)
                bench.report.note(f"{bench.people:,} people by {way}, {store}: memory at its highest, MB", sent.memory)


def public(bench: Bench) -> None:
    """The public page: whether the time of an answer tells who was asked for. 200 samples of each class."""
    slapd = bench.slapd
    names = {
        "unknown": (f"nobody{number}" for number in count(1)),
        "known": (LoadNames(bench.people)[number] for number in count(bench.first())),
        "disabled": iter([slapd.add_person(pwdAccountLockedTime="000001010000Z") for _ in range(ASKS)]),
        "protected": iter(protected := [slapd.add_person() for _ in range(ASKS)]),
        "without address": iter([slapd.add_person(mail=None, mobile=None) for _ in range(ASKS)]),
        "limited": repeat("nobody"),
    }
    slapd.add_members(PROTECTED_DN, *map(slapd.dn, protected))
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, and says nothing
        nowhere, mute = "127.0.0.1:1", f"127.0.0.1:{silent.getsockname()[1]}"
        places: dict[str, dict[str, Any]] = {
            "all is well": {},
            "the relay is down": {"mail": {"url": f"smtp://{nowhere}?starttls=off"}},
            "the relay hangs": {"mail": {"url": f"smtp://{mute}?starttls=off"}},
            "the directory is down": {"domains": {"EXAMPLE": {"uris": [f"ldaps://{nowhere}"]}}},
            "the directory hangs": {"domains": {"EXAMPLE": {"uris": [f"ldaps://{mute}"]}}},
        }
        for place, more in places.items():
            switched = {"public": SETTINGS, "domains": {"EXAMPLE": {"public": True}}}
            with running(bench.service(more=merge(switched, more))) as service:
                classes = names if not more else {name: names[name] for name in ("unknown", "known")}
                timed(service, {"unknown": names["unknown"]}, ASKS // 4)  # connections and caches are there before
                told(bench.report.note, place, timed(service, classes, ASKS), "unknown")


def change(bench: Bench) -> None:
    """The page for a change: whether the time of a refusal tells why. 200 wrong passwords of each class."""
    slapd = bench.slapd
    protected = [slapd.add_person() for _ in range(ASKS)]
    slapd.add_members(PROTECTED_DN, *map(slapd.dn, protected))
    classes = {
        "unknown": (f"nobody{number}" for number in count(1)),
        "known": (LoadNames(bench.people)[number] for number in count(bench.first())),
        "disabled": iter([slapd.add_person(pwdAccountLockedTime="000001010000Z") for _ in range(ASKS)]),
        "protected": iter(protected),
    }
    more = {
        "domains": {"EXAMPLE": {"change_page": True}},
        "limits": {"failed_changes_per_network_per_hour": 0, "page_requests_per_address_per_minute": 0},
    }
    with running(bench.service(more=more)) as service:
        timed_changes(service, {"unknown": classes["unknown"]}, ASKS // 4)
        told(bench.report.note, "a wrong password", timed_changes(service, classes, ASKS), "unknown")


def breached(bench: Bench) -> None:
    """The file of breached passwords: made from 10 million hashes, in order and in none, and asked."""
    hashes = int(10_000_000 * bench.pace)
    for order in ("in order", "in no order"):
        made = build_breached(bench.folder, hashes, shuffled=order == "in no order")
        what = f"{hashes:,} hashes {order}"
        bench.report.note(f"{what}: built in, s", made.seconds)
        bench.report.note(f"{what}: memory at its highest, MB", made.memory)
        bench.report.note(f"{what}: size of the file, MB", made.megabytes)
        bench.report.note(f"{what}: a look, us", made.look_microseconds)


FEW = 20
MEMBERS = 5000
ELSEWHERE = 10_000  # people, for they are added one by one
QUESTIONS = 50
LOOK_UPS = 100


def directory(bench: Bench) -> None:
    """Questions to a directory of few and of many; and look-ups while the first of two servers is down."""
    with LabSlapd(bench.folder / "small", FEW) as server:
        few = on_slapd(server)
        _ask(bench, "few", few, FEW)
        _ask(bench, "many", on_slapd(bench.slapd), bench.people)
        for name, not_answering in (("refuses", refusing), ("hangs", hanging)):
            with not_answering() as dead:
                found = asyncio.run(with_one_down(few, dead, 5.0, LOOK_UPS))
            bench.report.note(f"find while the first of two servers {name}, first, ms", found.first)
            bench.report.note(f"find while the first of two servers {name}, longest of the others, ms", found.longest)


def elsewhere(bench: Bench) -> None:
    """The same questions to Samba and to 389 Directory Server."""
    for size, people in (("few", FEW), ("many", ELSEWHERE)):
        with LabSamba(bench.folder / f"samba-{size}") as samba:
            _ask(bench, f"Samba, {size}", on_samba(samba, people), people)
        with LabDirsrv(bench.folder / f"389-{size}") as dirsrv:
            _ask(bench, f"389, {size}", on_dirsrv(dirsrv, people), people)


def _ask(bench: Bench, size: str, place: Place, people: int) -> None:
    groups = make_groups(place, 5 if people == FEW else min(MEMBERS, people))
    for name, found in asyncio.run(questions(place, groups, people, QUESTIONS)).items():
        bench.report.note(f"{name}, {size}, first, ms", found.first)
        bench.report.note(f"{name}, {size}, middle, ms", found.middle)
        bench.report.note(f"{name}, {size}, longest of the others, ms", found.longest)


PARTS: dict[str, Callable[[Bench], None]] = {
    "start": start,
    "none": none,
    "mail": mail,
    "tls": tls,
    "batch": batches,
    "pages": pages,
    "login": log_in,
    "stores": stores,
    "worker": worker,
    "bulk": bulk,
    "postgres": postgres,
    "public": public,
    "change": change,
    "breached": breached,
    "directory": directory,
    "elsewhere": elsewhere,
}
