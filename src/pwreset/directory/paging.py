"""Reading very many entries page by page (RFC 2696)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import ldap
from ldap.controls import SimplePagedResultsControl

from pwreset.directory.shared import RawEntry
from pwreset.errors import DirectoryMisconfigured, DirectoryUnavailable

PAGE_ENTRIES = 500  # Active Directory tells at most 1,000 at once


class Paging:
    """One search of a subtree, and how far it has come."""

    def __init__(self, base: str, filter_text: str, attributes: Sequence[str]) -> None:
        self._base = base
        self._filter = filter_text
        self._attributes = list(attributes)
        self._cookie = b""
        self.over = False

    def next_page(self, connection: Any, seconds: float) -> list[RawEntry]:
        """The next page, always asked for on the same connection. Blocks. Raises ldap.LDAPError."""
        asked = SimplePagedResultsControl(criticality=True, size=PAGE_ENTRIES, cookie=self._cookie)
        message = connection.search_ext(
            self._base, ldap.SCOPE_SUBTREE, self._filter, self._attributes, serverctrls=[asked]
        )
        _, found, _, controls = connection.result3(message, timeout=seconds)
        paged = [control for control in controls if control.controlType == SimplePagedResultsControl.controlType]
        self._cookie = bytes(paged[0].cookie) if paged else b""
        self.over = not self._cookie
        # Continuation references have no DN.
        return [cast("RawEntry", entry[:2]) for entry in found if entry[0] is not None]


def failure(domain: str, error: Exception) -> DirectoryMisconfigured | DirectoryUnavailable:
    """Why a page did not come. A server that tells only some entries is misconfigured: the rest would be forgotten."""
    if isinstance(error, (ldap.SIZELIMIT_EXCEEDED, ldap.ADMINLIMIT_EXCEEDED)):
        words = "it tells our service account only some of the entries; raise the account's size limit"
        return DirectoryMisconfigured(domain, words)
    if isinstance(
        error, (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.BUSY, ldap.UNAVAILABLE, ldap.TIMEOUT, TimeoutError)
    ):
        return DirectoryUnavailable(domain)
    return DirectoryMisconfigured(domain, "it refuses our searches")
