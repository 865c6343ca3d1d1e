"""Whose pages may show ours in a frame: of the same site only, and https.

A browser sends our cookies, which are SameSite=Lax, into a frame only while all that is around it is of one site with
us: the same scheme and the same registrable domain. Which domains can be registered is written in a list that changes
weekly (the public suffix list); instead of shipping an old one, we have the operator name the registrable domain, and
hold everything else against it. Who names a suffix, such as `co.uk`, has frames without cookies, which say so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from pwreset.settings.domains import BrandSettings

# What goes into a header as it is: no wildcard, no blank, no semicolon. A name in another script is written xn--...
_ORIGIN = re.compile(r"https://([a-z0-9.-]+)(?::[0-9]{1,5})?\Z")
_SITE = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]*[a-z0-9])?\.)+[a-z](?:[a-z0-9-]*[a-z0-9])?\Z")


def problems_of(where: str, brand: BrandSettings, public_url: str) -> Iterator[tuple[str, str]]:
    """What cannot work of `embed_site` and `embed_origins`, as (place, words)."""
    if not brand.embed_origins:
        return
    site = brand.embed_site
    if site is None or not _SITE.match(site):
        yield (
            f"{where}.embed_site",
            "must name the domain that public_url and embed_origins are under, like example.org",
        )
        return
    parts = urlsplit(public_url)
    if parts.scheme != "https" or not _is_under(parts.hostname or "", site):
        yield (
            f"{where}.embed_site",
            f"public_url is not https:// and under {site}: browsers would keep its cookies back",
        )
    for origin in brand.embed_origins:
        found = _ORIGIN.match(origin)
        if found is None:
            yield f"{where}.embed_origins", f"{origin!r} is no origin; write it like https://portal.example.org"
        elif not _is_under(found[1], site):
            yield f"{where}.embed_origins", f"{origin!r} is not under {site}: browsers would keep our cookies back"


def _is_under(host: str, site: str) -> bool:
    return host == site or host.endswith(f".{site}")
