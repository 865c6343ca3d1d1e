"""A mail as bytes: headers by `email.policy`, text and HTML as alternatives, as they are or quoted-printable.

Building an `EmailMessage` per mail costs milliseconds, most of it spent on parsing headers that are the same in every
mail. So `email.policy` makes those once and they are kept; what differs per mail is the recipient, which has been read
strictly already, a date, and an id of ours.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from datetime import datetime
from email.headerregistry import Address
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache
from typing import Any

import idna

from pwreset.errors import DeliveryRefused, SettingsError
from pwreset.logo import Logo
from pwreset.reset.model import Content, Envelope
from pwreset.reset.recipients import is_mail_address

# "=_" cannot occur in a quoted-printable body (RFC 2045, section 6.7), and a text that holds the boundary is encoded so:
# it needs no randomness.
_BOUNDARY = b"=_pwreset"
# The HTML with the picture it shows (RFC 2387), which is found by its Content-ID (RFC 2392).
_RELATED = (
    b'Content-Type: multipart/related; type="text/html"; boundary="=_pwreset_related"\r\n\r\n'
    b"--=_pwreset_related\r\n%b\r\n--=_pwreset_related\r\n"
)
_LOGO = 'src="cid:logo"'
# What every relay takes as it is: RFC 2045, section 2.7; lines of RFC 5322, section 2.1.1. To encode it took half of the
# time a mail takes, and to look for it with a pattern as long as all the rest of writing one.
_PLAIN = b"\t\n" + bytes(range(0x20, 0x7F))
_LONGEST_LINE = 998
_TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*\Z")
# The policy's own check lets a lone line end through, and folds it into the mail as it is.
_BREAKS_HEADERS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_ID = re.compile(r"[A-Za-z0-9._-]{1,100}\Z")


class Letterhead:
    """What all mails of a transport share: sender, reply address, domain of the message ids."""

    def __init__(
        self, sender: str, reply_to: str | None, bounces: str | None = None, logos: Mapping[str, Logo] | None = None
    ) -> None:
        address = one_address(sender, "mail.sender")
        returned = one_address(bounces, "mail.bounce_address") if bounces else address
        self.envelope_sender = ascii_address(returned.addr_spec)
        self._domain = ascii_address(address.addr_spec).rpartition("@")[2]
        self._logos = {domain: _picture(logo) for domain, logo in (logos or {}).items()}
        headers = _address_header("From", address)
        if reply_to is not None:
            headers += _address_header("Reply-To", one_address(reply_to, "mail.reply_to"))
        self._fixed = headers + b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"

    def write(self, envelope: Envelope, to: str) -> bytes:
        """The mail with CRLF line ends. `to` is the envelope's recipient in the form it is written to.

        Raises DeliveryRefused when a header cannot be made of what the envelope holds.
        """
        content = envelope.content
        headers = [
            self._fixed,
            b"To: %b\r\n" % to.encode(),
            _subject(content.subject),
            _date(envelope.created_at.replace(microsecond=0)),
            self._message_id(envelope.id),
            _language(content.language),
        ]
        if not content.html:
            return b"".join(headers) + _part("plain", content.text)
        logo = self._logos.get(envelope.domain) if _LOGO in content.html else None
        return b"".join(headers) + _alternatives(content, logo)

    def _message_id(self, envelope_id: str) -> bytes:
        """The same over all attempts, so that a mail sent twice can be told to be one."""
        if not _ID.match(envelope_id):
            raise DeliveryRefused("the message's id cannot be used in a header")
        return f"Message-ID: <{envelope_id}@{self._domain}>\r\n".encode()


def one_address(text: str, where: str) -> Address:
    """The address in a setting, with or without a name. Raises SettingsError when it is none, or several."""
    if _BREAKS_HEADERS.search(text):
        raise SettingsError(f"{where}: must be one line")
    header: Any = SMTP.header_factory("From", text)
    if header.defects or len(header.addresses) != 1:
        raise SettingsError(f"{where}: must be one address, like `Help Desk <helpdesk@example.org>`")
    address: Address = header.addresses[0]
    if not is_mail_address(address.addr_spec) or not address.username.isascii():
        raise SettingsError(f"{where}: {address.addr_spec!r} is no mail address that everybody can answer to")
    return address


def ascii_address(address: str) -> str:
    """The address with its domain in ASCII form (RFC 5890), since relays look names up in that form."""
    if address.isascii():
        return address
    local, _, domain = address.rpartition("@")
    return f"{local}@{idna.encode(domain.lower()).decode()}"


def _address_header(name: str, address: Address) -> bytes:
    plain = Address(address.display_name, addr_spec=ascii_address(address.addr_spec))
    return SMTP.fold_binary(name, SMTP.header_factory(name, str(plain)))


@lru_cache(maxsize=256)
def _subject(text: str) -> bytes:
    """Subjects are few: one per message, language and domain."""
    if _BREAKS_HEADERS.search(text):
        raise DeliveryRefused("the subject holds line breaks or other control characters")
    return SMTP.fold_binary("Subject", SMTP.header_factory("Subject", text))


@lru_cache(maxsize=64)  # by the second
def _date(at: datetime) -> bytes:
    return f"Date: {format_datetime(at)}\r\n".encode()


def _language(tag: str) -> bytes:
    return f"Content-Language: {tag}\r\n".encode() if _TAG.match(tag) else b""


def _alternatives(content: Content, logo: bytes | None) -> bytes:
    """RFC 2046, section 5.1.4: the plainest form first."""
    html = _part("html", content.html)
    return b"".join(
        (
            b'Content-Type: multipart/alternative; boundary="%b"\r\n\r\n--%b\r\n' % (_BOUNDARY, _BOUNDARY),
            _part("plain", content.text),
            b"\r\n--%b\r\n" % _BOUNDARY,
            html if logo is None else _RELATED % html + logo,
            b"\r\n--%b--\r\n" % _BOUNDARY,
        )
    )


def _picture(logo: Logo) -> bytes:
    """The last part of what belongs to the HTML, with its end; the same in every mail."""
    return (
        f"Content-Type: {logo.media_type}\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <logo>\r\n"
        f'Content-Disposition: inline; filename="logo.{logo.ending}"\r\n\r\n'.encode()
        + base64.encodebytes(logo.body).replace(b"\n", b"\r\n")
        + b"\r\n--=_pwreset_related--\r\n"
    )


def _part(kind: str, text: str) -> bytes:
    """One body with its headers: as it is where any relay would take it so, else quoted-printable, in short lines."""
    body = text.replace("\r\n", "\n").replace("\r", "\n").encode(errors="replace")
    encoding = "7bit"
    if not _is_plain(body):
        encoding, body = "quoted-printable", binascii.b2a_qp(body, istext=True)
    head = f'Content-Type: text/{kind}; charset="utf-8"\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n'
    return head.encode() + body.replace(b"\n", b"\r\n") + (b"" if body.endswith(b"\n") else b"\r\n")


def _is_plain(body: bytes) -> bool:
    """Whether it may go as it is, between boundaries of ours."""
    return (
        not body.translate(None, _PLAIN)
        and b"=_pwreset" not in body
        and max(map(len, body.split(b"\n"))) <= _LONGEST_LINE
    )
