"""How a server's address and its answer to StartTLS are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.directory.connection import Server, Trouble, _result_code

# The answer of OpenLDAP, and the same with long-form lengths as other servers send them.
SUCCESS = bytes.fromhex("300c 020101 7807 0a0100 0400 0400")
LONG_SUCCESS = bytes.fromhex("308400000010 020101 788400000007 0a0100 0400 0400")
REFUSED = bytes.fromhex("300c 020101 7807 0a0102 0400 0400")


@pytest.mark.parametrize(("answer", "code"), [(SUCCESS, 0), (LONG_SUCCESS, 0), (REFUSED, 2)])
def test_the_result_code_of_an_answer_is_read(answer: bytes, code: int) -> None:
    assert _result_code(answer) == code


@pytest.mark.parametrize("answer", [SUCCESS, LONG_SUCCESS])
def test_an_answer_that_is_not_yet_whole_has_no_code(answer: bytes) -> None:
    assert [_result_code(answer[:length]) for length in range(len(answer))] == [None] * len(answer)


@pytest.mark.parametrize(
    "answer", [b"HTTP/1.1 400 Bad Request\r\n", b"220 mail.example.org ESMTP\r\n", b"\x15\x03\x01"]
)
def test_another_protocol_is_trouble(answer: bytes) -> None:
    with pytest.raises(Trouble):
        _result_code(answer)


@given(st.binary(max_size=64))
def test_any_bytes_are_a_code_or_nothing_yet_or_trouble(answer: bytes) -> None:
    try:
        code = _result_code(answer)
    except Trouble:
        return
    assert code is None or code >= 0


@pytest.mark.parametrize(
    ("uri", "port", "encrypted", "loopback"),
    [
        ("ldaps://ldap.example.org", 636, True, False),
        ("ldap://ldap.example.org", 389, True, False),
        ("ldap://127.0.0.1:1389", 1389, True, True),
        ("ldaps://[::1]", 636, True, True),
        ("ldaps://localhost", 636, True, True),
        ("ldaps://10.0.0.1:1636", 1636, True, False),
    ],
)
def test_an_address_is_read(uri: str, port: int, encrypted: bool, loopback: bool) -> None:
    server = Server.read(uri, start_tls=True)
    assert (server.port, server.encrypted, server.loopback) == (port, encrypted, loopback)


def test_ldap_without_start_tls_is_not_encrypted() -> None:
    assert not Server.read("ldap://ldap.example.org", start_tls=False).encrypted
