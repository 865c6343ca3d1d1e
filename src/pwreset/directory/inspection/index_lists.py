"""The equality indexes of an OpenLDAP database, where our service account may read `olcDbIndex` (slapd-mdb(5))."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import ldap

from pwreset.directory.entries import Entry
from pwreset.directory.names import is_below, read_dn

CONFIG = "cn=config"
DEFAULT = "default"


def indexed_of(connection: Any, base_dn: str, seconds: float) -> frozenset[str] | None:
    """The attributes, in lower case, that the database with this base has an equality index for; None: not shown."""
    message = connection.search_ext(CONFIG, ldap.SCOPE_SUBTREE, "(olcDbIndex=*)", ["olcSuffix", "olcDbIndex"])
    try:
        _, found, _, _ = connection.result3(message, timeout=seconds)
    except (ldap.NO_SUCH_OBJECT, ldap.INSUFFICIENT_ACCESS):
        return None
    databases = [Entry(raw) for raw in found if raw[0] is not None]
    base = read_dn(base_dn)
    for database in databases:
        if any(is_below(base, read_dn(suffix)) for suffix in database.texts("olcSuffix")):
            return equality_in(database.texts("olcDbIndex"))
    return None


def equality_in(lines: Iterable[str]) -> frozenset[str]:
    """The attributes with an equality index in lines like `cn,sn eq,sub`; without kinds the default ones hold."""
    split = [line.partition(" ") for line in lines]
    default = next((kinds for names, _, kinds in split if names.strip().lower() == DEFAULT), "")
    return frozenset(
        name.strip().lower()
        for names, _, kinds in split
        if "eq" in (kinds.strip() or default).replace(",", " ").lower().split()
        for name in names.split(",")
    )
