"""The report of a sending, as a spreadsheet reads it."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pwreset.commands.report import Report
from pwreset.reset.bulk import Ending, Line, LineResult

NAMES = ["=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "'=1", "''", "jane", "o'neill"]


def written(path: Path, names: list[str]) -> None:
    report = Report(path, "first", links=False)
    for number, name in enumerate(names, 1):
        report.add(LineResult(Line(number, name, None), Ending.SENT, "id-1", ""), "EXAMPLE")
    report.close()


@pytest.mark.parametrize("name", NAMES)
def test_no_cell_begins_as_a_formula_does(tmp_path: Path, name: str) -> None:
    written(tmp_path / "report.csv", [name])
    with (tmp_path / "report.csv").open(newline="") as file:
        [_, row] = list(csv.reader(file))
    assert [cell for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))] == []
    assert row[1].removeprefix("'") == name


def test_who_has_his_row_is_known_again_whatever_his_name_begins_with(tmp_path: Path) -> None:
    written(tmp_path / "report.csv", NAMES)
    again = Report(tmp_path / "report.csv", "first", links=False)
    assert [again.has("EXAMPLE", name) for name in NAMES] == [True] * len(NAMES)
    assert not again.has("EXAMPLE", "cmd")
    again.close()
