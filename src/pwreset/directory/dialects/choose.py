"""Which dialect a server speaks: as the settings say, else by its rootDSE."""

from __future__ import annotations

from collections.abc import Callable

from pwreset.directory.dialects import Dialect
from pwreset.directory.dialects.openldap import OpenLdap
from pwreset.directory.rootdse import RootDse

AUTO = "auto"
DIALECTS: dict[str, Callable[[], Dialect]] = {"openldap": OpenLdap}


def dialect_named(name: str) -> Dialect | None:
    """The dialect that the settings name; None when the server is to be asked."""
    return None if name == AUTO else DIALECTS[name]()


def dialect_of(root: RootDse) -> Dialect:  # noqa: ARG001 - one is known so far
    """The dialect of the server with this rootDSE."""
    return OpenLdap()
