"""HTTP Basic, as callers send it."""

from __future__ import annotations

import base64

import pytest

from pwreset.web.basic import read_basic


def basic(pair: bytes, scheme: bytes = b"Basic ") -> list[tuple[bytes, bytes]]:
    return [(b"authorization", scheme + base64.b64encode(pair))]


@pytest.mark.parametrize(
    ("pair", "login", "password"),
    [
        (rb"EXAMPLE\administrator:password", r"EXAMPLE\administrator", "password"),
        (b"user@example.org:p:a:s:s", "user@example.org", "p:a:s:s"),
        (b"cn=Admin,dc=example,dc=org:x", "cn=Admin,dc=example,dc=org", "x"),
        ("zoë:pässword€".encode(), "zoë", "pässword€"),
        ("zoë:pässword".encode("latin-1"), "zoë", "pässword"),
        (b"user:", "user", ""),
        (b":", "", ""),
        (b" user : pass ", " user ", " pass "),
    ],
)
def test_credentials_are_split_at_the_first_colon_in_utf_8_or_else_latin_1(
    pair: bytes, login: str, password: str
) -> None:
    credentials = read_basic(basic(pair))
    assert credentials is not None
    assert (credentials.login, credentials.password.reveal()) == (login, password)


@pytest.mark.parametrize("scheme", [b"Basic ", b"basic ", b"BASIC ", b"Basic   "])
def test_the_scheme_is_matched_without_regard_to_letter_case(scheme: bytes) -> None:
    assert read_basic(basic(b"a:b", scheme)) is not None


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"authorization", b"")],
        [(b"authorization", b"Basic")],
        [(b"authorization", b"Basic !!!")],
        [(b"authorization", b"Basic YQ")],
        [(b"authorization", b"Bearer abc")],
        [(b"authorization", b"Negotiate YTpi")],
        basic(b"no colon"),
        basic(b"a:b") + basic(b"c:d"),
    ],
)
def test_anything_else_is_no_credentials(headers: list[tuple[bytes, bytes]]) -> None:
    assert read_basic(headers) is None


def test_credentials_do_not_show_the_password() -> None:
    assert "hunter2" not in repr(read_basic(basic(b"user:hunter2")))
