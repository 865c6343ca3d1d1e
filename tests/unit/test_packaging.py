"""The systemd units, and the shell scripts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNITS = ROOT / "packaging" / "systemd"
THERE = {"/opt/pwreset/bin/pwreset", "/bin/sh"}  # what we install, and what no Debian is without


@pytest.mark.parametrize("unit", sorted(UNITS.glob("*.service")), ids=lambda unit: unit.name)
def test_a_unit_runs_only_what_the_smallest_system_has(unit: Path) -> None:
    lines = unit.read_text(encoding="utf-8").splitlines()
    programs = [line.partition("=")[2].split()[0] for line in lines if line.startswith("Exec")]
    assert programs
    assert set(programs) <= THERE


@pytest.mark.parametrize("script", ["tools/install-packages", "tools/install-service", ".ci/run"])
def test_a_shell_script_can_be_read_by_the_shell(script: str) -> None:
    read = subprocess.run(["bash", "-n", str(ROOT / script)], capture_output=True, text=True, check=False)
    assert (read.returncode, read.stderr) == (0, "")
