"""Servers of one-time passwords."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from pwreset.reset.model import ServerHealth
from pwreset.secret import Secret


class Verdict(Enum):
    """What a server of one-time passwords says."""

    RIGHT = "right"
    WRONG = "wrong"
    MORE = "more"  # it asks one more question


@dataclass(frozen=True, slots=True)
class OtpAnswer:
    """The verdict; of a further question its words, as the server sent them, and what to send back with the answer."""

    verdict: Verdict
    prompt: str = ""
    state: bytes = b""


class OneTimePasswords(Protocol):
    """One domain's existing server of one-time passwords. It is asked, and never told to change anything."""

    async def try_password(self, name: str, password: Secret, state: bytes = b"") -> OtpAnswer:
        """Try what a person typed. Raises FactorUnavailable when no server answers, or not as itself."""
        ...

    async def health(self) -> tuple[ServerHealth, ...]:
        """One per configured server; nobody is logged in. Never raises."""
        ...
