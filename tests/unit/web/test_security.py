"""Where a form came from, which host was asked, which network counts."""

from __future__ import annotations

import pytest
from starlette.datastructures import Headers

from pwreset.reset.tokens import Keys, new_key, new_token
from pwreset.web.security import came_from, is_under, network_of, tab_of, token_in, wants_strict_transport

HERE = "https://reset.example.org"


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": HERE},
        {"origin": f"{HERE}:443"},
        {"origin": "https://RESET.example.org"},
        {"origin": HERE, "sec-fetch-site": "same-origin", "referer": "https://elsewhere.example/"},
        {"sec-fetch-site": "same-origin"},
        {"referer": f"{HERE}/reset/0123456789abcdef"},
    ],
)
def test_a_form_of_our_own_page_is_taken(headers: dict[str, str]) -> None:
    assert came_from(Headers(headers), HERE)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "null", "sec-fetch-site": "same-origin", "referer": f"{HERE}/"},
        {"origin": "https://evil.example"},
        {"origin": "https://evil.example", "referer": f"{HERE}/"},
        {"origin": "http://reset.example.org"},
        {"origin": f"{HERE}:8443"},
        {"origin": f"{HERE}.evil.example"},
        {"origin": "https://reset.example.org@evil.example"},
        {"origin": f"{HERE}:99999"},
        {"origin": "https://[::1"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "cross-site", "referer": f"{HERE}/"},
        {"referer": "https://evil.example/https://reset.example.org/"},
    ],
)
def test_a_form_from_elsewhere_is_not_taken(headers: dict[str, str]) -> None:
    assert not came_from(Headers(headers), HERE)


def test_two_origins_are_none() -> None:
    raw = [(b"origin", HERE.encode()), (b"origin", b"https://evil.example")]
    assert not came_from(Headers(raw=raw), HERE)


@pytest.mark.parametrize("host", ["reset.example.org", "reset.example.org:443", "Reset.Example.ORG"])
def test_the_host_of_a_public_url_is_known_in_every_spelling(host: str) -> None:
    assert is_under(Headers({"host": host}), HERE)


@pytest.mark.parametrize(
    "host", ["", "evil.example", "reset.example.org:8443", "reset.example.org@evil.example", "[", "a:b"]
)
def test_another_host_is_another_host(host: str) -> None:
    assert not is_under(Headers({"host": host}), HERE)


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "local"),
        ("/run/pwreset.sock", "local"),
    ],
)
def test_requests_are_counted_for_the_network_that_one_person_holds(address: str, network: str) -> None:
    assert network_of(address) == network


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://reset.example.org", True),
        ("https://localhost:8443", False),
        ("https://reset.localhost", False),
        ("https://127.0.0.1:8443", False),
        ("http://localhost:8080", False),
    ],
)
def test_a_developer_s_localhost_is_not_bound_to_https(url: str, wanted: bool) -> None:
    assert wants_strict_transport(url) is wanted


def test_a_token_is_found_under_its_own_tab_only() -> None:
    keys = Keys((new_key(),))
    token, other = new_token(), new_token()
    tab = tab_of(other, keys)
    assert token_in({f"__Host-pwreset-{tab}": token.reveal()}, tab, keys) is None


def test_a_tab_survives_a_new_key() -> None:
    old = new_key()
    token = new_token()
    tab = tab_of(token, Keys((old,)))
    assert token_in({f"__Host-pwreset-{tab}": token.reveal()}, tab, Keys((new_key(), old))) == token


def test_a_tab_tells_nothing_of_its_token() -> None:
    token = new_token()
    assert tab_of(token, Keys((new_key(),))) not in token.reveal()
