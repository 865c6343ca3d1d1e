"""What a server says of itself: its rootDSE (RFC 4512, 5.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import ldap

from pwreset.directory.outcomes import LOSSES

ATTRIBUTES = (
    "vendorName",
    "vendorVersion",
    "objectClass",
    "namingContexts",
    "defaultNamingContext",
    "rootDomainNamingContext",
    "configurationNamingContext",
    "schemaNamingContext",
    "monitorContext",
    "supportedControl",
    "supportedExtension",
    "supportedCapabilities",
    "supportedFeatures",
    "currentTime",
    "dnsHostName",
    "lastusn",
    "netscapemdsuffix",
    "dataversion",
)


@dataclass(frozen=True, slots=True)
class RootDse:
    """The values by attribute name in lower case; nothing at all where the server hides it."""

    values: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def texts(self, attribute: str) -> tuple[str, ...]:
        """All values of an attribute."""
        return next((values for name, values in self.values if name == attribute.lower()), ())

    def text(self, attribute: str) -> str:
        """The first value, else nothing."""
        return next(iter(self.texts(attribute)), "")

    def has(self, attribute: str, wanted: str | Iterable[str]) -> bool:
        """Whether the attribute has (one of) these values, as they are spelled."""
        values = self.texts(attribute)
        return any(one in values for one in ((wanted,) if isinstance(wanted, str) else wanted))

    def tells(self, attribute: str) -> bool:
        """Whether the attribute is there, with options (RFC 4512, 2.5) or without."""
        return any(name.partition(";")[0] == attribute.lower() for name, _ in self.values)

    @property
    def server(self) -> str:
        """What no other server says of itself; empty where it says nothing of the kind.

        The name of a domain controller; name and port of a 389 Directory Server, with when it was started.
        """
        return self.text("dnsHostName") or self.text("netscapemdsuffix") + self.text("dataversion")

    @property
    def hidden(self) -> bool:
        """Whether the server says nothing of itself."""
        return not self.values


def read_root(connection: Any, seconds: float) -> RootDse:
    """Ask a connection for the rootDSE; an empty one where it may not be read. Blocks. Raises ldap.LDAPError if lost."""
    message = connection.search_ext("", ldap.SCOPE_BASE, "(objectClass=*)", list(ATTRIBUTES))
    try:
        _, found, _, _ = connection.result3(message, timeout=seconds)
    except LOSSES:
        raise
    except ldap.LDAPError:
        return RootDse()
    return RootDse(
        tuple(
            (name.lower(), tuple(value.decode("utf-8", "replace") for value in values))
            for dn, attributes in found
            if dn is not None
            for name, values in attributes.items()
        )
    )
