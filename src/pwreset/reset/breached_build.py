"""Makes the file that `breached` looks passwords up in, from public lists of hashes or from plain lists of passwords.

A hash list has lines of 40 hex digits, the password's SHA-1, perhaps with a colon and how often it was seen. Sorted lists
(the large public ones are) go straight through, in a few megabytes of memory; others are sorted in runs on the disk.
"""

from __future__ import annotations

import os
import re
import tempfile
from binascii import unhexlify
from collections.abc import Callable, Iterable, Iterator, Sequence
from heapq import merge
from itertools import chain, islice
from pathlib import Path

from pwreset.reset.breached import HEAD, PREFIX_BYTES, prefix_of

RUN = 1_000_000  # prefixes that are sorted in memory at once
RUNS = 200  # that are read at once: far below the files that a process may have open
BUFFER = 1 << 20
TELL_EVERY = 250_000
_LINE = re.compile(rb"([0-9A-Fa-f]{16})[0-9A-Fa-f]{24}(?::(\d+))?\s*\Z")


class NotAHashList(ValueError):
    """A line is no hash. Without the line: it may be somebody's password."""


class OutOfOrder(Exception):
    """A list is not sorted."""


def build(
    sources: Sequence[Path],
    target: Path,
    *,
    plain: bool = False,
    least_seen: int = 1,
    tell: Callable[[int], None] = lambda _bytes: None,
) -> int:
    """Write the file; says how many passwords it knows. The target is replaced once the new one is whole.

    `plain` reads passwords instead of hashes; `least_seen` leaves out what was seen less often; `tell` hears now and
    then how many more bytes have been read. Raises OSError, NotAHashList.
    """

    def streams() -> Iterator[Iterator[bytes]]:
        return (_plain(source, tell) if plain else _hashes(source, tell, least_seen) for source in sources)

    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
        fresh = Path(folder) / "fresh"
        try:
            count = _write(fresh, merge(*map(_in_order, streams())))
        except OutOfOrder:
            count = _write(fresh, merge(*_runs(chain.from_iterable(streams()), Path(folder))))
        fresh.replace(target)
    return count


def _hashes(source: Path, tell: Callable[[int], None], least_seen: int) -> Iterator[bytes]:
    for number, line in _lines(source, tell):
        found = _LINE.match(line)
        if found is None:
            if line.strip():
                raise NotAHashList(f"{source}, line {number}: no SHA-1 hash; for a list of passwords say --plain")
        elif least_seen == 1 or int(found[2] or 1) >= least_seen:
            yield unhexlify(found[1])


def _plain(source: Path, tell: Callable[[int], None]) -> Iterator[bytes]:
    for _, line in _lines(source, tell):
        if password := line.rstrip(b"\r\n").decode(errors="replace"):
            yield prefix_of(password)


def _lines(source: Path, tell: Callable[[int], None]) -> Iterator[tuple[int, bytes]]:
    """The lines with their numbers; `tell` hears how many bytes have been read since it was told last."""
    unheard = 0
    with source.open("rb", buffering=BUFFER) as file:
        for number, line in enumerate(file, 1):
            yield number, line
            unheard += len(line)
            if number % TELL_EVERY == 0:
                tell(unheard)
                unheard = 0
    tell(unheard)


def _in_order(prefixes: Iterator[bytes]) -> Iterator[bytes]:
    """The same. Raises OutOfOrder when they are not sorted."""
    last = b""
    for prefix in prefixes:
        if prefix < last:
            raise OutOfOrder
        last = prefix
        yield prefix


def _runs(prefixes: Iterable[bytes], folder: Path) -> list[Iterator[bytes]]:
    """Sorted runs on the disk, as many as may be read at once."""
    rest = iter(prefixes)
    runs: list[Path] = []
    while run := list(islice(rest, RUN)):
        run.sort()
        runs.append(_kept(folder, run))
        if len(runs) == RUNS:
            joined = _kept(folder, merge(*map(_from_disk, runs)))
            for path in runs:
                path.unlink()
            runs = [joined]
    return [_from_disk(path) for path in runs]


def _kept(folder: Path, run: Iterable[bytes]) -> Path:
    with tempfile.NamedTemporaryFile(dir=folder, prefix="run-", buffering=BUFFER, delete=False) as file:
        file.writelines(run)
    return Path(file.name)


def _from_disk(path: Path) -> Iterator[bytes]:
    with path.open("rb", buffering=BUFFER) as file:
        while prefix := file.read(PREFIX_BYTES):
            yield prefix


def _write(path: Path, prefixes: Iterable[bytes]) -> int:
    """Each once. Readable by all: what it holds is public."""
    count, last = 0, b""
    with path.open("wb", buffering=BUFFER) as file:
        file.write(HEAD)
        for prefix in prefixes:
            if prefix != last:
                file.write(prefix)
                count, last = count + 1, prefix
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o644)
    return count
