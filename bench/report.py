"""The table and the JSON."""

from __future__ import annotations

import os
import platform
import sqlite3
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import msgspec
from rich.console import Console
from rich.table import Table

from bench.processes import Measured


@dataclass(frozen=True, slots=True)
class Line:
    """One line: medians over the rounds; `ratio` to the floor (or, for TLS, to the constant answer)."""

    part: str
    callers: int
    rate: float
    p50: float
    p99: float
    cpu: float
    floor: float | None = None
    floor_cpu: float | None = None
    ratio: float | None = None
    ratios: tuple[float, ...] = ()


def line(part: str, callers: int, rounds: list[Measured], floors: list[Measured] | None = None) -> Line:
    """A line of rounds; each round's ratio is to the floor measured right beside it."""
    ratios = tuple(one.rate / floor.rate for one, floor in zip(rounds, floors or [], strict=False))
    return Line(
        part=part,
        callers=callers,
        rate=median(one.rate for one in rounds),
        p50=median(one.outcome.p50 for one in rounds),
        p99=median(one.outcome.p99 for one in rounds),
        cpu=median(one.cpu_microseconds for one in rounds),
        floor=median(one.rate for one in floors) if floors else None,
        floor_cpu=median(one.cpu_microseconds for one in floors) if floors else None,
        ratio=median(ratios) if ratios else None,
        ratios=ratios,
    )


@dataclass(slots=True)
class Report:
    """All that was measured."""

    people: int
    lines: list[Line] = field(default_factory=list)
    figures: dict[str, float] = field(default_factory=dict)

    def add(self, found: Line) -> None:
        """Keep a line and tell it at once."""
        self.lines.append(found)
        ratio = "" if found.ratio is None else f"  ratio {found.ratio:.2f}"
        print(
            f"{found.part:36} {found.callers:3} callers {found.rate:8.0f}/s  p50 {found.p50:7.2f} ms"
            f"  p99 {found.p99:7.2f} ms  {found.cpu:6.0f} us{ratio}",
            flush=True,
        )

    def note(self, name: str, figure: float) -> None:
        """Keep a single figure and tell it at once."""
        self.figures[name] = figure
        print(f"{name}: {figure:.1f}", flush=True)

    def show(self) -> None:
        """The table."""
        table = Table(title="pwreset against its floor")
        for heading in ("what", "callers", "per second", "p50 ms", "p99 ms", "CPU us", "floor/s", "floor us", "ratio"):
            table.add_column(heading, justify="left" if heading == "what" else "right")
        for one in self.lines:
            table.add_row(
                one.part,
                str(one.callers),
                f"{one.rate:,.0f}",
                f"{one.p50:.2f}",
                f"{one.p99:.2f}",
                f"{one.cpu:,.0f}",
                "" if one.floor is None else f"{one.floor:,.0f}",
                "" if one.floor_cpu is None else f"{one.floor_cpu:,.0f}",
                "" if one.ratio is None else f"{one.ratio:.2f}",
            )
        Console(width=120).print(table)
        for name, figure in self.figures.items():
            print(f"{name}: {figure:,.1f}")

    def write(self, folder: Path) -> Path:
        """The JSON, named by the time."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
        whole = {
            "at": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "python": sys.version,  # with its build: Debian's is about a quarter quicker than one built without profiling
            "sqlite": sqlite3.sqlite_version,
            "machine": platform.machine(),
            "cores": len(os.sched_getaffinity(0)),
            "people": self.people,
            "lines": self.lines,
            "figures": self.figures,
        }
        path.write_bytes(msgspec.json.format(msgspec.json.encode(whole), indent=2))
        return path
