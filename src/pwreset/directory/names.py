"""Distinguished names, compared as a directory compares them (RFC 4514, near enough to caseIgnoreMatch)."""

from __future__ import annotations

from functools import lru_cache

import ldap.dn

# One frozen set of (attribute, value) per RDN, the entry's own first.
Name = tuple[frozenset[tuple[str, str]], ...]


@lru_cache(maxsize=4096)
def read_dn(text: str) -> Name | None:
    """The DN in a form that can be compared and looked up; None when the text is no DN."""
    if "\0" in text:
        return None
    try:
        parts = ldap.dn.str2dn(text)
    except (ldap.DECODING_ERROR, ldap.LDAPError, UnicodeError, ValueError):
        return None
    return tuple(
        frozenset((kind.lower(), " ".join(value.split()).casefold()) for kind, value, _ in rdn) for rdn in parts
    )


def is_below(name: Name | None, base: Name | None) -> bool:
    """Whether a DN is the base or lies below it."""
    return bool(name) and bool(base) and name[-len(base) :] == base  # type: ignore[index,arg-type]
