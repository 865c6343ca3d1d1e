"""Use cases: open a link, set the password."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pwreset.reset.model import ResetRequest, User
from pwreset.reset.policy import Rule
from pwreset.secret import Secret

if TYPE_CHECKING:
    from pwreset.reset.services import Services


@dataclass(frozen=True, slots=True)
class OpenLink:
    """A link that is good: whose it is and which rules (ours, then the directory's) a new password must keep."""

    request: ResetRequest
    user: User
    rules: tuple[Rule, ...]


async def open_link(token: Secret, services: Services) -> OpenLink:
    """Look at a link; changes nothing.

    Raises LinkUnknown (also: revoked, changed elsewhere, user gone or disabled), LinkUsed, LinkExpired, LinkBusy,
    Unavailable (the link is kept).
    """
    raise NotImplementedError


async def set_password(token: Secret, password: Secret, address: str, services: Services) -> User:
    """Set the password of the link's user, once, and settle the link.

    Raises what `open_link` raises, PasswordRefused and WriteDenied (the link stays good), OutcomeUnclear.
    """
    raise NotImplementedError
