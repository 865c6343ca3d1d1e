"""What the public page asks of a browser before it takes the form for a person's. Another kind is one more module.

Kinds that ask a third party (hCaptcha, Turnstile, reCAPTCHA) are not here: no page of ours asks anybody else for anything.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from pwreset.reset.services import Services


class Proof(Enum):
    """What an answer is worth."""

    GIVEN = "given"
    MISSING = "missing"  # nothing was answered: no JavaScript; such asks have tighter limits of their own
    REPEATED = "repeated"  # the very same form was sent before: it is answered again and not done again


class Captcha(Protocol):
    """One kind."""

    def challenge(self, services: Services) -> str:
        """What the form carries for the page's script: JSON; empty where the browser has nothing to do."""
        ...

    async def proof(self, answer: str, form: str, services: Services) -> Proof:
        """What an answer is worth, given with a form that says this. Each answer counts once, over all nodes.

        Raises CaptchaFailed, StoreUnavailable.
        """
        ...


class NoCaptcha:
    """Nothing is asked: the limits are all there is."""

    def challenge(self, services: Services) -> str:  # noqa: ARG002 - the protocol's
        """Nothing."""
        return ""

    async def proof(self, answer: str, form: str, services: Services) -> Proof:  # noqa: ARG002 - the protocol's
        """As good as given."""
        return Proof.GIVEN
