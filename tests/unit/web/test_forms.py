"""Reading the form: bounded, and the password exactly as typed."""

from __future__ import annotations

from urllib.parse import quote_plus, urlencode

import pytest
from starlette.requests import Request
from starlette.types import Message

from pwreset.errors import FormStale, FormTooLarge, PasswordsDiffer
from pwreset.secret import Secret
from pwreset.web.forms import MAX_BODY, PasswordForm, read_form

URLENCODED = "application/x-www-form-urlencoded"


def _request(*chunks: bytes, content_type: str = URLENCODED, announced: str | None = None) -> Request:
    messages: list[Message] = [
        {"type": "http.request", "body": chunk, "more_body": place < len(chunks)}
        for place, chunk in enumerate(chunks, 1)
    ]

    async def receive() -> Message:
        return messages.pop(0)

    headers = [(b"content-type", content_type.encode())]
    if announced is not None:
        headers.append((b"content-length", announced.encode()))
    return Request({"type": "http", "method": "POST", "headers": headers}, receive)


@pytest.mark.parametrize(
    "typed",
    [
        " blank at both ends ",
        "tab\tin it",
        "a+b%20c&d=e",
        "pässwörd 🗝️ ﬁn",
        "e\u0301 is not é",
        "",
        "x" * 256,
        "\U0001d4f9" * 256,
    ],
)
async def test_the_password_arrives_as_typed(typed: str) -> None:
    form = await read_form(_request(urlencode({"form_token": "t", "password": typed, "repeat": typed}).encode()))
    assert form == PasswordForm("t", Secret(typed), Secret(typed))


async def test_bytes_that_are_no_utf8_do_not_become_other_characters() -> None:
    form = await read_form(_request(b"password=%ff%fe&repeat=%ff%fe"))
    assert form.password.reveal() == "\udcff\udcfe"


async def test_a_body_in_pieces_is_one_form() -> None:
    form = await read_form(_request(b"password=one", b"&repeat=o", b"ne"))
    assert form.accepted() == Secret("one")


async def test_a_large_body_is_not_read_to_its_end() -> None:
    with pytest.raises(FormTooLarge):
        await read_form(_request(b"password=", b"x" * MAX_BODY, b"never asked for"))


async def test_an_announced_large_body_is_not_read_at_all() -> None:
    with pytest.raises(FormTooLarge):
        await read_form(_request(announced=str(MAX_BODY + 1)))


@pytest.mark.parametrize(
    "body",
    [
        b"password=a&password=b&repeat=b",
        b"&".join(b"f%d=" % number for number in range(11)),
        "password=ü".encode(),
        b"password=%00&x=\xff",
    ],
)
async def test_what_no_browser_sends_is_no_form(body: bytes) -> None:
    with pytest.raises(FormStale):
        await read_form(_request(body))


@pytest.mark.parametrize("content_type", ["", "text/plain", "application/json", "multipart/form-data; boundary=x"])
async def test_another_content_type_is_no_form(content_type: str) -> None:
    with pytest.raises(FormStale):
        await read_form(_request(b"password=a&repeat=a", content_type=content_type))


async def test_a_charset_parameter_does_no_harm() -> None:
    form = await read_form(_request(b"password=a&repeat=a", content_type=f"{URLENCODED}; charset=UTF-8"))
    assert form.accepted() == Secret("a")


def test_the_form_does_not_show_its_passwords() -> None:
    assert "hidden words" not in repr(PasswordForm("t", Secret("hidden words"), Secret("hidden words")))


@pytest.mark.parametrize("repeat", ["", "Secret", "secret ", quote_plus("secret words")])
def test_two_different_passwords_are_not_accepted(repeat: str) -> None:
    with pytest.raises(PasswordsDiffer):
        PasswordForm("t", Secret("secret"), Secret(repeat)).accepted()
