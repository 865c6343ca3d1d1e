"""Use case: a manager logs in (SECURITY, rule 9)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pwreset.reset.model import Manager
from pwreset.secret import Secret

if TYPE_CHECKING:
    from pwreset.reset.services import Services


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a caller presented: `DOMAIN\\user`, `user@suffix`, `user` or a DN, and a password."""

    login: str
    password: Secret


class LogIns:
    """What is remembered of successful log-ins, in this process's memory only."""


async def log_in(credentials: Credentials, address: str, services: Services) -> Manager:
    """The manager with these credentials.

    Raises BadCredentials (unknown, wrong or no manager: one answer), TooManyFailures (the directory was not asked),
    DirectoryUnavailable, DirectoryMisconfigured.
    """
    raise NotImplementedError
