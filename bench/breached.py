"""The file of breached passwords: what making it takes, and what a look into it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from hashlib import sha1
from pathlib import Path
from random import Random

from pwreset.reset.breached import BreachedList

LOOKS = 20_000
KNOWN_SHARE = 2  # of the passwords looked for, one in so many is there
BATCH = 100_000
# Who starts a process hands his own highest memory on to it: this one is small.
LAUNCH = """
import os, sys
pid = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(pid, 0)
print(status, usage.ru_maxrss)
"""


@dataclass(frozen=True, slots=True)
class Made:
    """Seconds and memory of the build, megabytes of the file, microseconds of a look."""

    seconds: float
    memory: float
    megabytes: float
    look_microseconds: float


def build_breached(folder: Path, hashes: int, *, shuffled: bool) -> Made:
    """Make a list of so many generated passwords' hashes as public ones are, have `pwreset breached build` read it, ask it."""
    source, target = folder / "hashes.txt", folder / "breached"
    _write(source, hashes, shuffled=shuffled)
    began = time.perf_counter()
    command = [sys.executable, "-m", "pwreset", "breached", "build", str(source), "--output", str(target)]
    launched = subprocess.run([sys.executable, "-S", "-c", LAUNCH, *command], stdout=subprocess.PIPE, check=True)
    status, kilobytes = map(int, launched.stdout.split()[-2:])
    if status:
        raise RuntimeError(f"pwreset breached build: {os.waitstatus_to_exitcode(status)}")
    seconds = time.perf_counter() - began
    source.unlink()
    look = _look(BreachedList.open(target), hashes)
    return Made(seconds, kilobytes / 1024, target.stat().st_size / 1e6, look)


def _write(path: Path, hashes: int, *, shuffled: bool) -> None:
    digests = [sha1(_password(number)).digest() for number in range(hashes)]
    if not shuffled:
        digests.sort()
    with path.open("w") as file:
        for first in range(0, hashes, BATCH):
            file.writelines(
                f"{one.hex().upper()}:{number % 97 + 1}\n" for number, one in enumerate(digests[first : first + BATCH])
            )


def _look(known: BreachedList, hashes: int) -> float:
    """Microseconds a look takes. Raises RuntimeError where the file is wrong."""
    dice = Random(1)
    numbers = [dice.randrange(hashes * KNOWN_SHARE) for _ in range(LOOKS)]
    began = time.perf_counter()
    found = [known.knows(_password(number).decode()) for number in numbers]
    took = time.perf_counter() - began
    if found != [number < hashes for number in numbers]:
        raise RuntimeError("the file knows what it should not, or does not know what it should")
    return took / LOOKS * 1e6


def _password(number: int) -> bytes:
    return f"password of {number}".encode()
