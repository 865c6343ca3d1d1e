"""What guards people's pages: headers, the cookie of a link, where a form came from, limits per network.

Nothing here reads a secret out of the request but the link's token, which travels as a `Secret`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import Response

from pwreset.reset.limits import Network
from pwreset.reset.tokens import Keys, read_token
from pwreset.secret import Secret

COOKIE_LIFETIME = timedelta(minutes=15)
IPV4_ALONE, IPV4_SITE = 32, 24  # bits of a network
IPV6_CONNECTION, IPV6_SITE = 64, 48
SITE_TIMES = 10  # what all of an IPv6 site may do, in limits of one connection
TAB_LENGTH = 16
TAB_SHAPE = re.compile(r"[0-9a-f]{16}\Z")

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors"
)
PAGE_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-robots-tag": "noindex, nofollow",
    "cross-origin-opener-policy": "same-origin",
    "permissions-policy": "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()",
    "cache-control": "no-store",
}
STRICT_TRANSPORT_SECURITY = "max-age=31536000"

_KEEPS_COOKIES = "__Host-pwreset-keeps-cookies"
_DEFAULT_PORTS = {"http": 80, "https": 443}


def page_headers(frames: tuple[str, ...] = ()) -> dict[str, str]:
    """What guards a page. It can be framed by nobody, or by these origins alone.

    X-Frame-Options knows no list of origins and is left out then: a browser that obeys it alone would frame nothing.
    """
    if not frames:
        return PAGE_HEADERS | {
            "content-security-policy": f"{CONTENT_SECURITY_POLICY} 'none'",
            "x-frame-options": "DENY",
            "cross-origin-resource-policy": "same-origin",
        }
    return PAGE_HEADERS | {
        "content-security-policy": f"{CONTENT_SECURITY_POLICY} {' '.join(frames)}",
        "cross-origin-resource-policy": "same-site",
    }


@dataclass(frozen=True, slots=True)
class WebOrigin:
    """Scheme, host and port (RFC 6454), the port always spelled out."""

    scheme: str
    host: str
    port: int


def origin_of(url: str) -> WebOrigin | None:
    """The origin of an http(s) URL; None for `null` and for whatever else is none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname:
        return None
    return WebOrigin(parts.scheme, parts.hostname, port if port is not None else _DEFAULT_PORTS[parts.scheme])


def is_under(headers: Headers, base_url: str) -> bool:
    """Whether the browser asked the host of this public URL."""
    expected = origin_of(base_url)
    return expected is not None and origin_of(f"{expected.scheme}://{headers.get('host', '')}") == expected


def came_from(headers: Headers, base_url: str) -> bool:
    """Whether a form was sent from a page of this public URL (SECURITY, rule 21).

    Origin decides; a browser that sends none is believed by Sec-Fetch-Site, which pages cannot set; one that sends
    neither is an old one and must show a Referer of ours, which our `Referrer-Policy: same-origin` lets it send.
    """
    origins = headers.getlist("origin")
    if origins:
        return len(origins) == 1 and _is_origin(origins[0], base_url)
    sites = headers.getlist("sec-fetch-site")
    if sites:
        return sites == ["same-origin"]
    return _is_origin(headers.get("referer", ""), base_url)


def _is_origin(presented: str, base_url: str) -> bool:
    origin = origin_of(presented)
    return origin is not None and origin == origin_of(base_url)


def tab_of(token: Secret, keys: Keys) -> str:
    """The name under which a browser keeps this link: public, meaningless, and another one for each link."""
    return _tabs(token, keys)[0]


def _tabs(token: Secret, keys: Keys) -> tuple[str, ...]:
    return tuple(digest.hex()[:TAB_LENGTH] for digest in keys.digests(token))


def token_in(cookies: dict[str, str], tab: str, keys: Keys) -> Secret | None:
    """The token that the browser keeps under this tab, if it is the one that the tab was named after."""
    token = read_token(cookies.get(_cookie(tab), ""))
    return token if token is not None and tab in _tabs(token, keys) else None


def keep_token(response: Response, tab: str, token: Secret) -> None:
    """Have the browser keep the token for a quarter of an hour, out of reach of scripts and of other hosts."""
    _set_cookie(response, _cookie(tab), token.reveal())
    # Outlives the token, holds nothing, and goes when the browser is closed: who has it keeps cookies.
    response.set_cookie(_KEEPS_COOKIES, "1", path="/", secure=True, httponly=True, samesite="lax")


def keeps_cookies(cookies: dict[str, str]) -> bool:
    """Whether this browser has kept a cookie of ours, since it was opened, that did not time out."""
    return _KEEPS_COOKIES in cookies


def drop_token(response: Response, tab: str) -> None:
    """Have the browser forget the token: the link is dead, and the computer may be a shared one."""
    for cookie in (_cookie(tab), _proof_cookie(tab)):
        response.delete_cookie(cookie, path="/", secure=True, httponly=True, samesite="lax")


def keep_proof(response: Response, tab: str, proof: Secret) -> None:
    """Have the browser keep that it has shown the link's second factor."""
    _set_cookie(response, _proof_cookie(tab), proof.reveal())


def proof_in(cookies: dict[str, str], tab: str) -> Secret | None:
    """What the browser keeps of a second factor that was shown. It comes from the browser: it may be anything."""
    value = cookies.get(_proof_cookie(tab))
    return Secret(value) if value else None


def keep_outcome(response: Response, tab: str, domain: str) -> None:
    """Have the browser remember that this tab has set its password, and in which domain; no secret is in it."""
    _set_cookie(response, _outcome_cookie(tab), domain.encode().hex())


def outcome_in(cookies: dict[str, str], tab: str) -> str | None:
    """The domain in which this tab has set its password. It comes from the browser: look it up before use."""
    try:
        return bytes.fromhex(cookies.get(_outcome_cookie(tab), "")).decode() or None
    except ValueError:
        return None


def _cookie(tab: str) -> str:
    # A cookie for each link: two links opened in one browser keep apart. `__Host-` makes the browser insist on
    # Secure, Path=/ and no Domain, so that no neighbouring host can plant one.
    return f"__Host-pwreset-{tab}"


def _proof_cookie(tab: str) -> str:
    return f"__Host-pwreset-proof-{tab}"


def _outcome_cookie(tab: str) -> str:
    return f"__Host-pwreset-done-{tab}"


def _set_cookie(response: Response, name: str, value: str) -> None:
    response.set_cookie(
        name,
        value,
        max_age=int(COOKIE_LIFETIME.total_seconds()),
        path="/",
        secure=True,
        httponly=True,
        samesite="lax",
    )


def wants_strict_transport(base_url: str) -> bool:
    """Whether browsers shall be told to use HTTPS alone from now on.

    Never for a loopback name: it would bind every other service that a developer runs on `localhost`.
    """
    origin = origin_of(base_url)
    return origin is not None and origin.scheme == "https" and not _is_loopback(origin.host)


def _is_loopback(host: str) -> bool:
    return host in {"localhost", "127.0.0.1", "::1"} or host.endswith(".localhost")


def network_of(address: str) -> str:
    """The network that requests are counted for: an IPv4 address, the /64 of an IPv6 one.

    One person's connection holds a whole /64 (RFC 6177), so a single IPv6 address would limit nobody.
    """
    return _network(address, IPV4_ALONE, IPV6_CONNECTION)


def wide_networks_of(address: str) -> tuple[Network, ...]:
    """The networks that strangers' asks and guesses are counted for: an IPv4 /24; an IPv6 /64, and the /48 around it.

    A /24 is what one provider or company mostly has together. Whoever wants a /48 is given one, and it holds 65,536 /64s:
    counted by those alone, one person would have as many limits; by the /48 alone, a whole company no more than a person.
    """
    narrow, wide = _network(address, IPV4_SITE, IPV6_CONNECTION), _network(address, IPV4_SITE, IPV6_SITE)
    return (Network(narrow),) if narrow == wide else (Network(narrow), Network(wide, SITE_TIMES))


def _network(address: str, ipv4_prefix: int, ipv6_prefix: int) -> str:
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return "local"  # a socket file has no address
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    if isinstance(ip, IPv6Address):
        return str(ip_network((ip, ipv6_prefix), strict=False))
    return str(ip) if ipv4_prefix == ip.max_prefixlen else str(ip_network((ip, ipv4_prefix), strict=False))
