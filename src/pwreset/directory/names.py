"""Distinguished names, compared as a directory compares them (RFC 4514, near enough to caseIgnoreMatch)."""

from __future__ import annotations

from functools import lru_cache

import ldap.dn

# One frozen set of (attribute, value) per RDN, the entry's own first.
Name = tuple[frozenset[tuple[str, str]], ...]


# More than a group of 5,000 and some: read in turn, one name too many would push out each before it is asked for again.
KEPT = 32_768


@lru_cache(maxsize=KEPT)
def read_dn(text: str) -> Name | None:
    """The DN in a form that can be compared and looked up; None when the text is no DN."""
    if "\0" in text:
        return None
    try:
        parts = ldap.dn.str2dn(text)
    except (ldap.DECODING_ERROR, ldap.LDAPError, UnicodeError, ValueError):
        return None
    return tuple(_rdn(tuple((kind, value) for kind, value, _ in rdn)) for rdn in parts)


@lru_cache(maxsize=KEPT)
def _rdn(pairs: tuple[tuple[str, str], ...]) -> frozenset[tuple[str, str]]:
    """One for all names that it is in: most of a directory's names differ in their first part alone."""
    return frozenset((kind.lower(), " ".join(value.split()).casefold()) for kind, value in pairs)


def is_below(name: Name | None, base: Name | None) -> bool:
    """Whether a DN is the base or lies below it."""
    return bool(name) and bool(base) and name[-len(base) :] == base  # type: ignore[index,arg-type]
