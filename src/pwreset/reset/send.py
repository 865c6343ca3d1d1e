"""Use case: send a reset request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pwreset.reset.model import SendRequest, SentLink

if TYPE_CHECKING:
    from pwreset.reset.services import Services


async def send(ask: SendRequest, services: Services) -> SentLink:
    """A link for the person asked for, sent as asked.

    Raises AskRefused (nothing is alive or sent, older links are as they were), NotManagerOfDomain, Unavailable.
    """
    raise NotImplementedError
