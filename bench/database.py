"""Send_Request on PostgreSQL, beside pgbench with the statements of the same call, and with several nodes on one database."""

from __future__ import annotations

import re
import resource
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.calls import send_requests
from bench.load import Plan
from bench.processes import Measured, cpu_seconds, cpu_seconds_with_ended, measure
from pwreset.store import statements as sql
from pwreset.store.postgres_statements import translated
from tests.servers.postgres import Database, PrivatePostgres
from tests.servers.postgres import _program as program
from tests.servers.service import Service, running

if TYPE_CHECKING:
    from bench.parts import Bench

NODES = (1, 2, 3)
# As the service has it: along the indexes.
PLANNER = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off"
CALLERS_PER_RUN = 32
# What a call with NONE writes, with random ids; :n comes from pgbench.
VALUES = {
    "id": "'b' || CAST(:n AS bigint)",
    "digest": "decode(md5('d' || CAST(:n AS bigint)), 'hex')",
    "user_id": "'u' || (CAST(:n AS bigint) % 100000)",
    "user_login": "'u' || (CAST(:n AS bigint) % 100000)",
    "ids": "'[\"b' || CAST(:n AS bigint) || '\"]'",
    "created_at": "1700000000000000",
    "expires_at": "1900000000000000",
    "now": "1700000000000000",
    "at": "1700000000000000",
    "sent_to": "'[]'",
    "binding": "''",
    "why": "'superseded'",
    "facts": "'{}'",
}


def script() -> str:
    """A pgbench script: the request, its audit event, the end of the person's older links, in one transaction."""
    texts = [
        re.sub(r"%\((\w+)\)s", lambda found: VALUES.get(found[1], "''"), translated(text))
        for text in (sql.ADD_REQUEST, sql.ADD_EVENT, sql.END_OLDER)
    ]
    lines = "".join(f"{' '.join(text.split())};\n" for text in texts)
    return f"\\set n random(1, 9000000000000)\nBEGIN;\n{lines}COMMIT;\n"


@contextmanager
def database() -> Iterator[tuple[PrivatePostgres, Database]]:
    """A durable server and a database in it."""
    with PrivatePostgres(durable=True) as server:
        yield server, server.database()


def pgbench(made: Database, callers: int, seconds: int, folder: Path) -> float:
    """Transactions a second."""
    file = folder / "pgbench.sql"
    file.write_text(script())
    where = ["-h", made.address, "-p", str(made.port), "-U", made.user]
    load = ["-n", "-M", "prepared", "-c", str(callers), "-j", "1", "-T", str(seconds), "-f", str(file)]
    told = subprocess.run(
        [program("pgbench"), *load, *where, made.name],
        env={"PGPASSWORD": made.password, "PGOPTIONS": PLANNER},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found = re.search(r"tps = ([0-9.]+)", told)
    assert found is not None, told
    return float(found[1])


def service_on(bench: Bench, made: Database, more: dict[str, Any] | None = None) -> Service:
    """A service on this database."""
    service = bench.service(more={**(more or {}), "store": {"url": made.url}})
    service.environment["PWRESET_STORE_PASSWORD"] = made.password
    return service


@dataclass(slots=True)
class Beside:
    """The service and pgbench in turn; CPU in microseconds per call or transaction, PostgreSQL's included."""

    callers: int
    ours: list[Measured] = field(default_factory=list)
    ours_whole: list[float] = field(default_factory=list)
    tps: list[float] = field(default_factory=list)
    theirs_whole: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """The median of the rounds'."""
        return median(ours.rate / tps for ours, tps in zip(self.ours, self.tps, strict=True))


def beside_pgbench(bench: Bench) -> list[Beside]:
    """At each number of callers, round by round: the service, and pgbench just after it."""
    with database() as (server, made):
        service = service_on(bench, made)
        with running(service):
            assert service.process is not None
            measure(service.process.pid, _some_calls(bench, service, 8))  # the log-in, connections and plans are there
            return [_in_turn(bench, service, server, made, callers) for callers in bench.callers]


def _some_calls(bench: Bench, service: Service, callers: int) -> Plan:
    return send_requests(service.port, "NONE", callers, seconds=bench.seconds, people=bench.people, first=bench.first())


def _in_turn(bench: Bench, service: Service, server: PrivatePostgres, made: Database, callers: int) -> Beside:
    assert service.process is not None
    found = Beside(callers)
    for _ in range(bench.rounds):
        before = _cpu_of_all(server)
        ours = measure(service.process.pid, _some_calls(bench, service, callers))
        between = _cpu_of_all(server)
        found.ours.append(ours)
        found.ours_whole.append(ours.cpu_microseconds + (between - before) / ours.outcome.answers * 1e6)
        own = _cpu_of_children()
        tps = pgbench(made, callers, seconds := max(1, round(bench.seconds)), service.folder)
        spent = _cpu_of_all(server) - between + _cpu_of_children() - own
        found.tps.append(tps)
        found.theirs_whole.append(spent / (tps * seconds) * 1e6)
    return found


def _cpu_of_children() -> float:
    """Of this process' children that have ended, in seconds."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def with_nodes(bench: Bench) -> list[tuple[int, float, float, float]]:
    """For 1, 2, 3 nodes: calls a second over all, and microseconds of CPU per call, of the nodes and of PostgreSQL."""
    found = []
    for nodes in NODES:
        with ExitStack() as stack:
            server, made = stack.enter_context(database())
            first = service_on(bench, made)
            stack.enter_context(running(first))
            services = [first]
            for _ in range(nodes - 1):
                another = service_on(bench, made)
                key = Path(f"{first.config}.key")
                another_key = Path(f"{another.config}.key")
                another_key.touch(mode=0o600)
                another_key.write_bytes(key.read_bytes())
                stack.enter_context(running(another))
                services.append(another)
            found.append((nodes, *_together(bench, services, server)))
    return found


def _together(bench: Bench, services: list[Service], server: PrivatePostgres) -> tuple[float, float, float]:
    plans = [
        send_requests(
            one.port,
            "NONE",
            CALLERS_PER_RUN // len(services),
            seconds=bench.seconds,
            people=bench.people,
            first=bench.first(),
        )
        for one in services
    ]
    pids = [one.process.pid for one in services if one.process]
    for pid, plan in zip(pids, plans, strict=True):
        measure(pid, plan)  # the log-in, the connections and the plans are there before
    before = _cpu_of_all(server)
    with ThreadPoolExecutor(len(pids)) as pool:
        runs = list(pool.map(measure, pids, plans))
    spent = _cpu_of_all(server) - before
    answers = sum(run.outcome.answers for run in runs)
    ours = sum(run.cpu_microseconds * run.outcome.answers for run in runs) / answers
    return sum(run.rate for run in runs), ours, spent / answers * 1e6


def _cpu_of_all(server: PrivatePostgres) -> float:
    """In seconds: of the server, of its processes, and of those that have ended."""
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    spent = 0.0
    for pid in map(int, children):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile: the server's own figure has it
            spent += cpu_seconds(pid)
    return spent + cpu_seconds_with_ended(server.pid)
