"""Passwords that became known, looked up offline in a file of any size.

The file is a head of 24 bytes and the sorted first 8 bytes of each password's SHA-1: public lists hold SHA-1, and among
a thousand million of them another password is taken for one of these once in 18 thousand million tries. It is mapped
into memory and searched by halves, so that only the few pages that are looked at are read.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from pathlib import Path
from typing import overload

HEAD = b"pwreset breached 1\n".ljust(24, b"\0")
PREFIX_BYTES = 8
STARTER = Path(__file__).parent / "lists" / "common.breached"


class BreachedList(Sequence[bytes]):
    """The prefixes of a file, in order."""

    def __init__(self, content: bytes | mmap.mmap) -> None:
        """Raises ValueError when it is no such file."""
        if content[: len(HEAD)] != HEAD or (len(content) - len(HEAD)) % PREFIX_BYTES:
            raise ValueError("no list made by `pwreset breached build`")
        self._content = content

    @classmethod
    def open(cls, path: Path) -> BreachedList:
        """Map a file. Raises OSError, ValueError."""
        with path.open("rb") as file:
            return cls(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

    def knows(self, password: str) -> bool:
        """Whether this password is in the list."""
        prefix = prefix_of(password)
        at = bisect_left(self, prefix)
        return at < len(self) and self[at] == prefix

    def __len__(self) -> int:
        return (len(self._content) - len(HEAD)) // PREFIX_BYTES

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        if not 0 <= index < len(self):
            raise IndexError(index)
        start = len(HEAD) + PREFIX_BYTES * index
        return self._content[start : start + PREFIX_BYTES]


@cache
def starter_list() -> BreachedList:
    """The most common passwords, which ship with pwreset."""
    return BreachedList.open(STARTER)


def prefix_of(password: str) -> bytes:
    """What a list holds of a password."""
    digest = sha1(password.encode(errors="surrogatepass"), usedforsecurity=False)
    return digest.digest()[:PREFIX_BYTES]
