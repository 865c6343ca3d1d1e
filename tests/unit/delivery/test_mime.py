"""Mails as bytes, read back by the standard library."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.delivery.mime import Letterhead
from pwreset.errors import DeliveryRefused, SettingsError
from pwreset.logo import Logo
from pwreset.reset.model import Channel, Content, Envelope, Recipient

AT = datetime(2026, 11, 24, 13, 5, 59, tzinfo=UTC)
LETTERHEAD = Letterhead("Help Desk <helpdesk@example.org>", "answers@example.org")
HEADERS = [
    "From",
    "Reply-To",
    "Auto-Submitted",
    "MIME-Version",
    "To",
    "Subject",
    "Date",
    "Message-ID",
    "Content-Language",
    "Content-Type",
]


def written(content: Content, to: str = "jane@example.org", letterhead: Letterhead = LETTERHEAD) -> bytes:
    return letterhead.write(Envelope("abc123", "EXAMPLE", Recipient(Channel.MAIL, to), content, AT), to)


def read(raw: bytes) -> EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_the_headers_are_those_of_an_automatic_mail() -> None:
    mail = read(written(Content("Ihr Passwort für Example", "text", "<p>html</p>", "de")))
    assert {name: mail[name] for name in HEADERS[:-1]} == {
        "From": "Help Desk <helpdesk@example.org>",
        "Reply-To": "answers@example.org",
        "Auto-Submitted": "auto-generated",
        "MIME-Version": "1.0",
        "To": "jane@example.org",
        "Subject": "Ihr Passwort für Example",
        "Date": "Tue, 24 Nov 2026 13:05:59 +0000",
        "Message-ID": "<abc123@example.org>",
        "Content-Language": "de",
    }
    assert mail.keys() == HEADERS


def test_text_comes_before_html() -> None:
    mail = read(written(Content("s", "text", "<p>html</p>")))
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]


@given(st.text(), st.text(min_size=1))
def test_text_and_html_arrive_as_they_were(text: str, html: str) -> None:
    lines = {ord("\r"): None, **dict.fromkeys(range(0xD800, 0xE000))}
    text, html = text.translate(lines), html.translate(lines) or "x"
    mail = read(written(Content("s", text, html)))
    assert not mail.defects
    assert body(mail, "plain") == text + ("" if text.endswith("\n") else "\n")
    assert body(mail, "html") == html + ("" if html.endswith("\n") else "\n")


@given(st.text(), st.text())
def test_no_text_makes_a_header_or_a_part(text: str, html: str) -> None:
    evil = f"\r\n\r\n--=_pwreset\r\nBcc: a@example.org\r\n{text}"
    mail = read(written(Content("s", evil, f"x{evil}{html}", "en")))
    assert mail.keys() == HEADERS
    assert len(list(mail.iter_parts())) == 2


@given(st.text(), st.text())
def test_lines_are_ascii_with_both_line_end_characters(text: str, html: str) -> None:
    raw = written(Content("s", text, html))
    assert raw.isascii()
    assert raw.replace(b"\r\n", b"").translate(None, b"\r\n") == raw.replace(b"\r\n", b"")


@pytest.mark.parametrize("text", ["x" * 998, "x" * 999, "é" * 998, f"--=_pwreset\n{'x' * 999}", "\0", "a" * 78 + " \n"])
def test_no_line_is_longer_than_relays_take(text: str) -> None:
    raw = written(Content("s", text, text))
    assert max(map(len, raw.split(b"\r\n"))) <= 998  # RFC 5322, section 2.1.1
    assert body(read(raw), "plain").rstrip("\n") == text.rstrip("\n")


@pytest.mark.parametrize("text", ["é", "x" * 999, "\0", "a line\n--=_pwreset\nanother"])
def test_what_a_relay_might_change_is_encoded(text: str) -> None:
    (part, _) = read(written(Content("s", text, "<p>html</p>"))).iter_parts()
    assert part["Content-Transfer-Encoding"] == "quoted-printable"


@given(st.text(max_size=200))
def test_a_subject_arrives_or_is_refused_and_never_makes_a_header(subject: str) -> None:
    try:
        raw = written(Content(subject, "text", "<p>html</p>", "en"))
    except DeliveryRefused:
        assert not subject.isprintable()
        return
    assert read(raw).keys() == HEADERS
    assert raw.isascii()


@pytest.mark.parametrize("subject", ["a\nBcc: b@example.org", "a\r\nb", "a\rb", "\r", "\n", "a\x00"])
def test_a_subject_of_several_lines_is_refused(subject: str) -> None:
    with pytest.raises(DeliveryRefused):
        written(Content(subject, "text"))


def test_an_id_that_is_no_word_is_refused() -> None:
    envelope = Envelope("a b>\r\n", "EXAMPLE", Recipient(Channel.MAIL, "j@example.org"), Content("s", "t"), AT)
    with pytest.raises(DeliveryRefused):
        LETTERHEAD.write(envelope, "j@example.org")


def test_a_language_that_is_no_tag_makes_no_header() -> None:
    assert read(written(Content("s", "text", "", "en\r\nBcc: x@example.org")))["Content-Language"] is None


def test_a_sender_with_a_name_beyond_ascii_is_encoded() -> None:
    letterhead = Letterhead("Assistance Société <aide@exämple.org>", None)
    raw = written(Content("s", "text"), letterhead=letterhead)
    assert raw.isascii()
    assert read(raw)["From"].addresses[0].display_name == "Assistance Société"
    assert letterhead.envelope_sender == "aide@xn--exmple-cua.org"


@pytest.mark.parametrize(
    "sender",
    ["", "nobody", "a@example.org, b@example.org", "a@example.org\r\nBcc: b@example.org", "é@example.org", "<>"],
)
def test_a_sender_that_is_not_one_address_is_a_mistake_in_the_settings(sender: str) -> None:
    with pytest.raises(SettingsError):
        Letterhead(sender, None)


LOGO = Logo(b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "image/png", "png")
BRANDED = Letterhead("Help Desk <helpdesk@example.org>", None, logos={"EXAMPLE": LOGO})


def test_a_logo_travels_with_the_html_that_shows_it() -> None:
    mail = read(written(Content("s", "text", '<p><img src="cid:logo"></p>'), letterhead=BRANDED))
    plain, related = mail.iter_parts()
    html, picture = related.iter_parts()
    assert [part.get_content_type() for part in (plain, related, html, picture)] == [
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
    ]
    assert (picture["Content-ID"], picture.get_content_disposition()) == ("<logo>", "inline")
    assert picture.get_content() == LOGO.body
    assert "cid:logo" in html.get_content()
    assert not mail.defects


def test_html_that_shows_no_logo_brings_none() -> None:
    assert b"image/png" not in written(Content("s", "text", "<p>html</p>"), letterhead=BRANDED)
