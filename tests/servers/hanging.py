"""A process that hangs, and goes on."""

from __future__ import annotations

import time
from pathlib import Path

STOPPED = "T"
WAIT_SECONDS = 60.0


def wait_until_stopped(pid: int) -> None:
    """SIGSTOP is not obeyed at once on a busy machine: an answer might still slip out."""
    until = time.monotonic() + WAIT_SECONDS
    # proc(5): the state stands behind the name, which may hold anything.
    while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != STOPPED:
        assert time.monotonic() < until, "it does not stop"
        time.sleep(0.01)
