"""Very many people, for groups that are larger than a server tells at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

CROWD = 1600  # more than Active Directory tells at once: MaxValRange, 1,500 ([MS-ADTS] 3.1.1.3.4.6)


def add_crowd(connection: Any, attribute: str, parent: str, kind: str) -> Sequence[str]:
    """Add so many entries of this object class below `parent`, and return their DNs."""
    names = [f"crowd{number:04d}" for number in range(CROWD)]
    dns = [f"{attribute}={name},{parent}" for name in names]
    messages = [
        connection.add(dn, [("objectClass", [kind.encode()]), (attribute, [name.encode()])])
        for name, dn in zip(names, dns, strict=True)
    ]
    for message in messages:
        connection.result(message)
    return dns
