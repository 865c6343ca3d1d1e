"""Where a request comes from: the client's address behind trusted proxies, and whether it came safely.

Only `X-Forwarded-For` and `X-Forwarded-Proto` are read, and only from a peer in `server.trusted_proxies`. `Forwarded`
(RFC 7239) is not: a proxy that writes the one hands the other through as the client wrote it. No header makes links.

A proxy on this machine that nobody listed would lend its loopback address to everybody. What such a peer forwards has an
unknown client, who is in no network.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

REMEMBERED_AT_MOST = 10_000
UNKNOWN = "unknown"  # the client behind a proxy on this machine that is not trusted; lies in no network
FORWARDED = frozenset({b"x-forwarded-for", b"forwarded", b"x-real-ip"})
RawHeaders = list[tuple[bytes, bytes]]


class Networks:
    """A set of networks that answers quickly for addresses it was asked for before."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks: list[IPv4Network | IPv6Network] = [ip_network(network, strict=False) for network in networks]
        self._known: dict[str, bool] = {}

    def __bool__(self) -> bool:
        return bool(self._networks)

    def hold(self, address: str) -> bool:
        """Whether an address lies in one of the networks. A text that is no address lies in none."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= REMEMBERED_AT_MOST:
                self._known.clear()
            known = self._known[address] = self._look(address)
        return known

    def _look(self, address: str) -> bool:
        read = read_address(address)
        return read is not None and any(read in network for network in self._networks)


LOOPBACK = Networks(("127.0.0.0/8", "::1/128"))
PRIVATE = Networks(
    (
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",
        "169.254.0.0/16",
        "fe80::/10",
    )
)


def read_address(text: str) -> IPv4Address | IPv6Address | None:
    """An IP address; IPv4 within IPv6 is told as IPv4, a zone is dropped. None when it is none."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


class Origins:
    """Tells each request's client address and whether plain HTTP is acceptable for it."""

    def __init__(self, trusted_proxies: Iterable[str]) -> None:
        self._proxies = Networks(trusted_proxies)

    def address_of(self, peer: str, headers: RawHeaders) -> str:
        """The client's address: the peer's own, or the rightmost hop that is no trusted proxy.

        UNKNOWN when a peer on this machine that is no trusted proxy says that it speaks for somebody else.
        """
        if not self._proxies or not self._proxies.hold(peer):
            if LOOPBACK.hold(peer) and any(name in FORWARDED for name, _ in headers):
                return UNKNOWN
            return _plain(peer)
        nearest = peer
        for hop in reversed(_list(b"x-forwarded-for", headers)):
            address = read_address(_without_port(hop))
            if address is None:
                break  # whoever wrote this is the last one we know
            nearest = str(address)
            if not self._proxies.hold(nearest):
                break
        return _plain(nearest)

    def is_safe(self, scheme: str, peer: str, headers: RawHeaders) -> bool:
        """Whether a request came over HTTPS, from this machine, or through a trusted proxy that had it over HTTPS.

        A trusted proxy that does not say is believed to speak HTTPS to its clients: the operator listed it.
        """
        if scheme == "https":
            return True
        if self._proxies and self._proxies.hold(peer):
            said = _list(b"x-forwarded-proto", headers)
            return not said or said[-1].lower() == "https"
        return LOOPBACK.hold(peer)


def _plain(address: str) -> str:
    return address[7:] if address.startswith("::ffff:") and "." in address else address


def _list(name: bytes, headers: RawHeaders) -> list[str]:
    """The elements of a list header, however many lines it has."""
    joined = b",".join(value for key, value in headers if key == name).decode("latin-1")
    return [element.strip() for element in joined.split(",") if element.strip()]


def _without_port(hop: str) -> str:
    """Some proxies write `192.0.2.1:4711` or `[2001:db8::1]:4711`."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    host, colon, port = hop.rpartition(":")
    return host if colon and port.isdecimal() and ":" not in host else hop
