"""`pwreset send` for many people: a list, and a filter, each as one command beside a running service."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass

from bench.processes import memory_megabytes
from tests.servers.service import Service
from tests.servers.slapd import LoadNames

LOOK_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Sent:
    """What it took: links a second from the command's start to its end, and its memory at the highest, MB."""

    rate: float
    memory: float


def by_list(service: Service, people: int) -> Sent:
    """`--from` a file with everybody in it."""
    file = service.folder / "people.csv"
    file.write_text("user\n" + "".join(f"{name}\n" for name in map(LoadNames(people).__getitem__, range(people))))
    return _send(service, people, "--from", str(file))


def by_filter(service: Service, people: int) -> Sent:
    """`--filter` that finds everybody."""
    return _send(service, people, "--filter", "(uid=u0*)")


def _send(service: Service, people: int, *whom: str) -> Sent:
    report = service.folder / f"report{len(list(service.folder.glob('report*')))}.csv"
    words = ["send", *whom, "--mode", "MAIL", "--rate", "0", "--report", str(report), "--config", str(service.config)]
    began, memory = time.perf_counter(), 0.0
    with (
        (service.folder / "send.log").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "pwreset", *words], env=service.environment, stdout=log, stderr=log
        ) as process,
    ):
        while process.poll() is None:
            # Not rusage's: that begins with the memory of whoever has started the process.
            with suppress(OSError, KeyError):
                memory = memory_megabytes(process.pid)[1]
            time.sleep(LOOK_SECONDS)
    took = time.perf_counter() - began
    sent = report.read_text().count(",sent,")
    if process.returncode or sent != people:
        raise RuntimeError(f"{sent} of {people} were sent a link:\n{(service.folder / 'send.log').read_text()[-2000:]}")
    return Sent(people / took, memory)
