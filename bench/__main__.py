"""`python -m bench`: measure pwreset next to its floor, on this machine, and write the figures down.

A private slapd with 100,000 people, SQLite with synchronous=FULL on the disk this folder is on, a mail sink that costs
little, the load from a process of its own. Service and floor are measured in turn, round by round, so that whatever
else the machine does meets both; the ratio is the median of the rounds' ratios.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench.parts import PARTS, make_bench
from bench.processes import helper
from bench.report import Report
from tests.servers.slapd import LabSlapd

HERE = Path(__file__).parent


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure pwreset next to its floor.")
    parser.add_argument("--quick", action="store_true", help="fewer callers, shorter rounds, smaller stores")
    parser.add_argument("--only", choices=sorted(PARTS), action="append", help="only this part; may be repeated")
    parser.add_argument("--people", type=int, help="people in the directory (100,000; quick: 10,000)")
    words = parser.parse_args()
    people = words.people or (10_000 if words.quick else 100_000)
    report = Report(people)
    results = HERE / "results"
    results.mkdir(exist_ok=True)
    # On the disk that is measured: a temporary folder may be in memory.
    with tempfile.TemporaryDirectory(dir=results, prefix="work-") as work:
        folder = Path(work)
        print(f"building a directory of {people:,} people", flush=True)
        with LabSlapd(folder / "slapd", people) as slapd, helper("bench.sink") as (_, relay):
            bench = make_bench(folder, slapd, relay, people, report, quick=words.quick)
            for name in words.only or PARTS:
                print(f"-- {name}", flush=True)
                PARTS[name](bench)
    report.show()
    print(f"written to {report.write(results).relative_to(Path.cwd())}")


if __name__ == "__main__":
    main()
