"""Where a request comes from."""

from __future__ import annotations

import pytest

from pwreset.web.access import UNKNOWN, Networks, Origins

PROXY = "10.0.0.1"
OTHER_PROXY = "10.0.0.2"
PERSON = "203.0.113.7"


def forwarded(*lines: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-for", line.encode("latin-1")) for line in lines]


def proto(*lines: str) -> list[tuple[bytes, bytes]]:
    return [(b"x-forwarded-proto", line.encode()) for line in lines]


@pytest.mark.parametrize(
    ("address", "is_held"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("11.0.0.1", False),
        ("fe80::1%eth0", True),
        ("2001:db8::1", False),
        ("", False),
        ("nonsense", False),
        ("10.1.2.3.4", False),
    ],
)
def test_an_address_is_found_in_the_networks_that_hold_it(address: str, is_held: bool) -> None:
    assert Networks(["10.0.0.0/8", "fe80::/10"]).hold(address) is is_held


def test_a_network_may_be_written_with_host_bits() -> None:
    assert Networks(["192.168.1.7/24"]).hold("192.168.1.200")


def test_the_memory_of_addresses_does_not_grow_without_end() -> None:
    networks = Networks(["10.0.0.0/8"])
    for number in range(30_000):
        networks.hold(f"192.0.{number // 256}.{number % 256}")
    assert len(networks._known) <= 10_000


@pytest.mark.parametrize(
    ("peer", "headers", "address"),
    [
        (PROXY, forwarded(PERSON), PERSON),
        (PROXY, forwarded(f"127.0.0.1, {PERSON}"), PERSON),
        (PROXY, forwarded("127.0.0.1", PERSON), PERSON),
        (PROXY, forwarded(f"{PERSON}, {OTHER_PROXY}"), PERSON),
        (PROXY, forwarded(f"127.0.0.1, {PERSON}, {OTHER_PROXY}, {PROXY}"), PERSON),
        (PROXY, forwarded(f"{PERSON}:4711"), PERSON),
        (PROXY, forwarded("[2001:db8::7]:4711"), "2001:db8::7"),
        (PROXY, forwarded("2001:db8::7"), "2001:db8::7"),
        (PROXY, forwarded(f"::ffff:{PERSON}"), PERSON),
        (PROXY, [], PROXY),
        (PROXY, forwarded(""), PROXY),
        (PROXY, forwarded("unknown"), PROXY),
        (PROXY, forwarded(f"{PERSON}, garbage, {OTHER_PROXY}"), OTHER_PROXY),
        (PERSON, forwarded("127.0.0.1"), PERSON),
        (f"::ffff:{PERSON}", forwarded("127.0.0.1"), PERSON),
        (PROXY, [(b"forwarded", b"for=127.0.0.1")], PROXY),
        (PROXY, [(b"x-real-ip", b"127.0.0.1")], PROXY),
    ],
)
def test_the_client_is_the_rightmost_hop_that_is_no_trusted_proxy(
    peer: str, headers: list[tuple[bytes, bytes]], address: str
) -> None:
    assert Origins([PROXY, OTHER_PROXY]).address_of(peer, headers) == address


@pytest.mark.parametrize("said", [PERSON, "127.0.0.1"])
def test_without_trusted_proxies_no_header_is_believed(said: str) -> None:
    assert Origins([]).address_of(OTHER_PROXY, forwarded(said)) == OTHER_PROXY


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.0.0.2", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("name", [b"x-forwarded-for", b"forwarded", b"x-real-ip"])
@pytest.mark.parametrize("trusted", [[], [PROXY]])
def test_whom_a_proxy_on_this_machine_that_is_not_trusted_speaks_for_is_unknown(
    peer: str, name: bytes, trusted: list[str]
) -> None:
    address = Origins(trusted).address_of(peer, [(name, b"127.0.0.1")])
    assert address == UNKNOWN
    assert not Networks(["0.0.0.0/0", "::/0"]).hold(address)


def test_a_caller_on_this_machine_is_known() -> None:
    assert Origins([]).address_of("127.0.0.1", [(b"host", b"localhost")]) == "127.0.0.1"


@pytest.mark.parametrize(
    ("scheme", "peer", "headers", "is_safe"),
    [
        ("https", PERSON, [], True),
        ("http", "127.0.0.1", [], True),
        ("http", "::1", [], True),
        ("http", PERSON, [], False),
        ("http", PERSON, proto("https"), False),
        ("http", "192.168.1.1", [], False),
        ("http", PROXY, proto("https"), True),
        ("http", PROXY, proto("HTTPS"), True),
        ("http", PROXY, proto("http"), False),
        ("http", PROXY, proto("https, http"), False),
        ("http", PROXY, proto("https", "http"), False),
        ("http", PROXY, [], True),
    ],
)
def test_plain_http_is_for_loopback_and_for_proxies_that_had_it_over_https(
    scheme: str, peer: str, headers: list[tuple[bytes, bytes]], is_safe: bool
) -> None:
    assert Origins([PROXY]).is_safe(scheme, peer, headers) is is_safe
