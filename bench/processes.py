"""The processes of the benchmark, and what they cost."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.load import Outcome, Plan

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Measured:
    """What a run of load did to a process."""

    outcome: Outcome
    cpu_microseconds: float  # of the measured process, per answer

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.outcome.answers / self.outcome.seconds


@contextmanager
def helper(module: str, *words: str) -> Iterator[tuple[int, int]]:
    """One of our own processes that prints its port: pid and port."""
    with subprocess.Popen([sys.executable, "-m", module, *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.pid, int(process.stdout.readline())
        finally:
            process.terminate()


def measure(pid: int, plan: Plan) -> Measured:
    """Run a plan against the process with this pid."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.load"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        text = msgspec.msgpack.encode(plan)
        process.stdin.write(b"%d\n" % len(text) + text)
        process.stdin.flush()
        if process.stdout.readline() != b"ready\n":
            raise RuntimeError("the load generator did not start")
        before = cpu_seconds(pid)
        process.stdin.write(b"go\n")
        process.stdin.flush()
        outcome = msgspec.json.decode(process.stdout.readline(), type=Outcome)
        spent = cpu_seconds(pid) - before
    if outcome.failures:
        raise RuntimeError(f"{outcome.failures} of {outcome.answers} answers are not as expected: {outcome.failure}")
    return Measured(outcome, spent / max(outcome.answers, 1) * 1e6)


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads (proc(5), /proc/pid/stat)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def cpu_seconds_with_ended(pid: int) -> float:
    """The same, with what its children took that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / TICK


def memory_megabytes(pid: int) -> tuple[float, float]:
    """Resident memory now, and at its highest."""
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(lines["VmRSS"].split()[0]) / 1024, int(lines["VmHWM"].split()[0]) / 1024
