"""As much of BER (X.690) as a scripted LDAP server needs."""

from __future__ import annotations

from dataclasses import dataclass

SEQUENCE, SET, OCTETS, INTEGER, ENUMERATED = 0x30, 0x31, 0x04, 0x02, 0x0A


@dataclass(frozen=True)
class Item:
    """A tag and its content; `parts` for constructed ones."""

    tag: int
    content: bytes

    @property
    def parts(self) -> list[Item]:
        return read_all(self.content)

    @property
    def number(self) -> int:
        return int.from_bytes(self.content, "big")

    @property
    def text(self) -> str:
        return self.content.decode()


def read_one(data: bytes) -> tuple[Item, bytes] | None:
    """The first item and the rest; None while it is not all there."""
    if len(data) < 2:
        return None
    length, start = data[1], 2
    if length & 0x80:
        start += length & 0x7F
        if len(data) < start:
            return None
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        return None
    return Item(data[0], data[start : start + length]), data[start + length :]


def read_all(data: bytes) -> list[Item]:
    items = []
    while data:
        found = read_one(data)
        assert found is not None, "cut off"
        items.append(found[0])
        data = found[1]
    return items


def item(tag: int, *contents: bytes) -> bytes:
    """An item of these contents, one after the other."""
    content = b"".join(contents)
    size = len(content)
    length = bytes([size]) if size < 0x80 else b"\x84" + size.to_bytes(4, "big")
    return bytes([tag]) + length + content


def octets(text: str | bytes) -> bytes:
    return item(OCTETS, text.encode() if isinstance(text, str) else text)


def number(value: int, tag: int = INTEGER) -> bytes:
    return item(tag, value.to_bytes(value.bit_length() // 8 + 1, "big"))
