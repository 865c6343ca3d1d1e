"""`pwreset send` for many people: a list, and a filter, each as one command beside a running service."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass

from tests.servers.service import Service
from tests.servers.slapd import LoadNames


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
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "pwreset", *words],
        env=service.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stderr is not None
        told = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    took = time.perf_counter() - began
    sent = report.read_text().count(",sent,")
    if process.returncode or sent != people:
        raise RuntimeError(f"{sent} of {people} were sent a link:\n{told.decode()[-2000:]}")
    return Sent(people / took, usage.ru_maxrss / 1024)
