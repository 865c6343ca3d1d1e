"""Seals messages that wait in the outbox.

A waiting message holds a live link. It is sealed with AES-256-GCM (NIST SP 800-38D) under a key derived from the key
file's; delivery id, channel and address are authenticated with it, so that a row whose recipient somebody edited, or a
body moved to another row, does not open. The store erases the body once the delivery is settled.

A sealed body is: one byte of version, the key's id with its length before it, a nonce of 12 random bytes, the
ciphertext with its tag. Random nonces are safe for 2**32 messages under one key; a new key in the key file starts anew.
"""

from __future__ import annotations

import secrets
from functools import cache

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pwreset.errors import SealBroken
from pwreset.reset.model import Content, Recipient
from pwreset.reset.tokens import Key, Keys

PURPOSE = "outbox seal"
VERSION = b"\x01"
NONCE_BYTES = 12


class AesGcmSealer:
    """Implements `pwreset.reset.ports.Sealer`. The newest key seals, all of them open."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    def seal(self, content: Content, delivery_id: str, recipient: Recipient) -> bytes:
        """The sealed content; different each time."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        newest = self._keys.newest
        key_id = newest.id.encode()
        head = VERSION + bytes([len(key_id)]) + key_id
        plain = msgspec.msgpack.encode([content.subject, content.text, content.html, content.language])
        return head + nonce + _cipher(newest).encrypt(nonce, plain, _bound(head, delivery_id, recipient))

    def open(self, body: bytes, delivery_id: str, recipient: Recipient) -> Content:
        """The content. Raises SealBroken: another key, another row, another recipient, or no sealed body at all."""
        start = 2 + body[1] if len(body) > 1 else 0
        head, nonce, sealed = body[:start], body[start : start + NONCE_BYTES], body[start + NONCE_BYTES :]
        cipher = next((_cipher(key) for key in self._keys.keys if key.id.encode() == head[2:]), None)
        if cipher is None or head[:1] != VERSION or len(nonce) != NONCE_BYTES:
            raise SealBroken
        try:
            plain = cipher.decrypt(nonce, sealed, _bound(head, delivery_id, recipient))
            return Content(*msgspec.msgpack.decode(plain, type=tuple[str, str, str, str]))
        except (InvalidTag, ValueError) as error:
            raise SealBroken from error


@cache
def _cipher(key: Key) -> AESGCM:
    return AESGCM(key.derive(PURPOSE))


def _bound(head: bytes, delivery_id: str, recipient: Recipient) -> bytes:
    """What is authenticated beside the content, in one unambiguous form."""
    return head + msgspec.msgpack.encode([delivery_id, recipient.channel.value, recipient.address])
