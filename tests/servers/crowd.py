"""Very many people, for groups that are larger than a server tells at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

AT_ONCE = 20
CROWD = 1600  # more than Active Directory tells at once: MaxValRange, 1,500 ([MS-ADTS] 3.1.1.3.4.6)


def add_crowd(connection: Any, attribute: str, parent: str, kind: str) -> Sequence[str]:
    """Add so many entries of this object class below `parent`, and return their DNs."""
    names = [f"crowd{number:04d}" for number in range(CROWD)]
    entries = {
        f"{attribute}={name},{parent}": [("objectClass", [kind.encode()]), (attribute, [name.encode()])]
        for name in names
    }
    add_entries(connection, entries)
    return list(entries)


def add_entries(connection: Any, entries: Mapping[str, Sequence[tuple[str, Sequence[bytes]]]]) -> None:
    """Add entries by DN, many under way at a time."""
    under_way: deque[int] = deque()
    for dn, attributes in entries.items():
        under_way.append(connection.add(dn, attributes))
        # A server hangs up on who sends too much before it has answered (slapd: 1,000 requests, or fewer when slow).
        if len(under_way) >= AT_ONCE:
            connection.result(under_way.popleft())
    for message in under_way:
        connection.result(message)
