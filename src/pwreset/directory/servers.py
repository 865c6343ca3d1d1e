"""The servers of one domain's directory: which of them failed lately, which only read, and whom to ask first."""

from __future__ import annotations

import time
from collections.abc import Sequence

from pwreset import logs
from pwreset.directory.connection import Kind, Server
from pwreset.directory.rootdse import RootDse

BAD_SECONDS = 10.0
READ_ONLY_SECONDS = 60.0

# [MS-ADTS] 3.1.1.3.4.3: a read-only domain controller says so.
PARTIAL_SECRETS = "1.2.840.113556.1.4.1920"

log = logs.get("directory")


class Servers:
    """What is known of each server of a domain. Marks wear off: a server is tried again after a while."""

    def __init__(self, name: str, servers: Sequence[Server]) -> None:
        self._name = name
        self._servers = servers
        self._bad_until: dict[str, float] = {}
        self._read_only_until: dict[str, float] = {}
        self._roots: dict[str, RootDse] = {}

    def in_order(self, *, writing: bool) -> list[Server]:
        """Those that work as configured, then those that failed lately, the longest ago first.

        For writing, those known to be read-only come after the others that work.
        """
        now = time.monotonic()

        def order(server: Server) -> tuple[bool, bool, float]:
            failed = max(0.0, self._bad_until.get(server.uri, 0.0) - now)
            return failed > 0, writing and self.is_read_only(server), failed

        return sorted(self._servers, key=order)

    def is_bad(self, server: Server) -> bool:
        """Whether it failed lately."""
        return self._bad_until.get(server.uri, 0.0) > time.monotonic()

    def is_read_only(self, server: Server) -> bool:
        """Whether it says that it is, or a write has shown it lately."""
        root = self._roots.get(server.uri)
        told = root is not None and root.has("supportedCapabilities", PARTIAL_SECRETS)
        return told or self._read_only_until.get(server.uri, 0.0) > time.monotonic()

    def mark_good(self, uri: str, root: RootDse | None) -> None:
        """A connection stands; `root` is what it says of itself, after a log-in."""
        self._bad_until.pop(uri, None)
        if root is not None:
            self._roots[uri] = root

    def mark_bad(self, uri: str, kind: Kind) -> None:
        """It cannot be used, for this reason."""
        self._bad_until[uri] = time.monotonic() + BAD_SECONDS
        log.warning(
            "directory server cannot be used", domain=self._name, uri=uri, why=kind.value[0], advice=kind.value[1]
        )

    def mark_read_only(self, uri: str) -> None:
        """It refused a write and named another place."""
        self._read_only_until[uri] = time.monotonic() + READ_ONLY_SECONDS
