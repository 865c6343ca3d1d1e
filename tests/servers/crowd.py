"""Very many people, for groups that are larger than a server tells at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

AT_ONCE = 20
CROWD = 1600  # more than Active Directory tells at once: MaxValRange, 1,500 ([MS-ADTS] 3.1.1.3.4.6)


def add_crowd(connection: Any, attribute: str, parent: str, kind: str) -> Sequence[str]:
    """Add so many entries of this object class below `parent`, and return their DNs."""
    dns = []
    under_way: deque[int] = deque()
    for number in range(CROWD):
        name = f"crowd{number:04d}"
        dns.append(f"{attribute}={name},{parent}")
        under_way.append(connection.add(dns[-1], [("objectClass", [kind.encode()]), (attribute, [name.encode()])]))
        # A server hangs up on who sends too much before it has answered (slapd: 1,000 requests, or fewer when slow).
        if len(under_way) >= AT_ONCE:
            connection.result(under_way.popleft())
    for message in under_way:
        connection.result(message)
    return dns
