"""The systemd units."""

from __future__ import annotations

from pathlib import Path

import pytest

UNITS = Path(__file__).parents[2] / "packaging" / "systemd"
THERE = {"/opt/pwreset/bin/pwreset", "/bin/sh"}  # what we install, and what no Debian is without


@pytest.mark.parametrize("unit", sorted(UNITS.glob("*.service")), ids=lambda unit: unit.name)
def test_a_unit_runs_only_what_the_smallest_system_has(unit: Path) -> None:
    lines = unit.read_text(encoding="utf-8").splitlines()
    programs = [line.partition("=")[2].split()[0] for line in lines if line.startswith("Exec")]
    assert programs
    assert set(programs) <= THERE
