"""Keeps which tests of the directory contract passed on which real server, and holds the record against every run.

    make directories     runs the contract and writes the record and the page made from it

The page docs/reference/directories.md is made from the record. That it says no more than is true rests on three things:
the record holds exactly the tests that there are (`missing`, looked at by `make check`); whoever runs any of them
fails when one did not end as recorded (`pytest_sessionfinish`); and `make test` runs all of them.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

FILE = Path(__file__).with_name("directories.json")
PROPERTY = "directory"
WRITES = "PWRESET_RECORD_DIRECTORIES"
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "OpenLDAP": ("ldaps", "starttls"),
    "Samba": ("samba", "samba-starttls"),
    "389 Directory Server": ("389-ds", "389-ds-starttls"),
}
PROGRAMS = {
    "OpenLDAP": ("/usr/sbin/slapd", "-VV"),
    "Samba": ("/usr/sbin/samba", "--version"),
    "389 Directory Server": ("/usr/sbin/ns-slapd", "-v"),
}
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

_ended: dict[tuple[str, str], bool] = {}  # by test and kind: whether all its variants passed


def recorded() -> dict[str, Any]:
    """The record: the servers' versions, and for each test the kinds it passed on."""
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def passed() -> set[tuple[str, str]]:
    """What the record says: tests, without `test_`, and kinds."""
    return {(test, kind) for test, kinds in recorded()["passed"].items() for kind in kinds}


def expected() -> Iterator[tuple[str, str]]:
    """The tests there are, each with the kinds of real server that it runs on."""
    from tests.contract import test_directory

    for name, function in vars(test_directory).items():
        if name.startswith("test_") and "lab" in inspect.signature(function).parameters:
            for kind in _kinds_of(function, list(test_directory.KINDS)):
                if kind != "fake":
                    yield name.removeprefix("test_"), kind


def missing() -> set[tuple[str, str]]:
    """Where the record and the tests differ."""
    return passed() ^ set(expected())


def _kinds_of(function: Any, every: list[str]) -> list[str]:
    for mark in getattr(function, "pytestmark", ()):
        if mark.name == "parametrize" and mark.args[0] == "lab":
            return [parameter.values[0] for parameter in mark.args[1]]
    return every


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Every phase of every test, where the run is led from."""
    kind = dict(report.user_properties).get(PROPERTY)
    if "PYTEST_XDIST_WORKER" in os.environ or kind is None or kind == "fake":
        return
    found = re.search(r"::test_(\w+)", report.nodeid)
    if found is not None:
        pair = found[1], str(kind)
        _ended[pair] = _ended.get(pair, True) and report.passed


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the record, if this run is for that; else hold it against what was run."""
    if "PYTEST_XDIST_WORKER" in os.environ or not _ended:
        return
    if os.environ.get(WRITES):
        _write()
        return
    known = passed() if FILE.exists() else set()
    other = sorted(pair for pair, well in _ended.items() if well is not (pair in known))
    if other:
        reporter = session.config.pluginmanager.get_plugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(f"not as {FILE.name} says; if that is meant, run: make directories", red=True)
            for test, kind in other:
                reporter.write_line(f"  {test} on {kind}")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _write() -> None:
    by_test: dict[str, list[str]] = {}
    for (test, kind), well in sorted(_ended.items()):
        if well:
            by_test.setdefault(test, []).append(kind)
    versions = {name: _version(*command) for name, command in PROGRAMS.items()}
    FILE.write_text(json.dumps({"versions": versions, "passed": by_test}, indent=1) + "\n", encoding="utf-8")


def _version(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PATH": PATH})
    found = re.search(r"\d+\.\d+\.\d+", done.stdout + done.stderr)
    return found[0] if found else "?"
