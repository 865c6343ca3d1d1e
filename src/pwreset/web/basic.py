"""HTTP Basic (RFC 7617), read the way callers send it."""

from __future__ import annotations

import base64
import binascii

from pwreset.reset.managers import Credentials
from pwreset.secret import Secret

CHALLENGE = 'Basic realm="pwreset", charset="UTF-8"'


def read_basic(headers: list[tuple[bytes, bytes]]) -> Credentials | None:
    """The credentials, or None when there are none: no header, another scheme, or not Basic's form.

    Split at the first colon; UTF-8, else latin-1. Two headers are none: it is unclear which one counts.
    """
    presented = [value for name, value in headers if name == b"authorization"]
    if len(presented) != 1:
        return None
    scheme, _, encoded = presented[0].strip().partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        pair = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        return None
    login, colon, password = _as_text(pair).partition(":")
    return Credentials(login, Secret(password)) if colon else None


def _as_text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")
