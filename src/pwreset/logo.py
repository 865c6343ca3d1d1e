"""A brand's logo: a small picture, read once, for mails and pages alike."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pwreset.errors import SettingsError

LARGEST = 64 * 1024  # it travels with every mail
# By their first bytes, and not by the name: browsers are told to believe what we say (nosniff).
_KINDS = {
    b"\x89PNG\r\n\x1a\n": ("image/png", "png"),
    b"\xff\xd8\xff": ("image/jpeg", "jpg"),
    b"GIF8": ("image/gif", "gif"),
}


@dataclass(frozen=True, slots=True)
class Logo:
    """The picture as bytes, and its media type."""

    body: bytes
    media_type: str
    ending: str

    @property
    def version(self) -> str:
        """A name by which browsers may keep it for good."""
        return hashlib.sha256(self.body).hexdigest()[:16]


@cache
def read_logo(path: str) -> Logo:
    """The logo in this file. Raises SettingsError when it is no picture that every mail program shows, or too large."""
    try:
        body = Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: the logo cannot be read: {error.strerror}") from error
    for beginning, (media_type, ending) in _KINDS.items():
        if body.startswith(beginning):
            if len(body) > LARGEST:
                raise SettingsError(f"{path}: the logo has {len(body)} bytes; {LARGEST} is the most")
            return Logo(body, media_type, ending)
    raise SettingsError(f"{path}: the logo must be a PNG, JPEG or GIF file, which every mail program shows")
