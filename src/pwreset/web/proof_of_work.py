"""ALTCHA's proof of work (https://altcha.org, version 2 of its challenges): self-hosted, and nobody is asked to read letters.

The browser looks for a number that gives a PBKDF2 hash with a given beginning: 256 tries on average, each as dear for a
flooder's machine as for a person's. The challenge is signed and not kept; it names its purpose and when it ends, by the
store's clock. What was answered is counted until then, so that an answer is worth something once.
"""

from __future__ import annotations

import asyncio
import json
from base64 import b64decode
from datetime import UTC, datetime, timedelta

import altcha
import msgspec

from pwreset.errors import CaptchaFailed
from pwreset.reset.ports import Limit
from pwreset.reset.services import Services
from pwreset.web.captcha import Proof

ALGORITHM = "PBKDF2/SHA-256"
PREFIX = "00"  # two hex digits: one try in 256
LIFETIME = timedelta(minutes=30)
PURPOSE = "forgot"
KEY = "captcha challenge"


class _Data(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    purpose: str
    until: int  # seconds since 1970, UTC


class _Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    algorithm: str
    cost: int
    data: _Data
    key_length: int
    key_prefix: str
    nonce: str
    salt: str


class _Challenge(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    parameters: _Parameters
    signature: str


class _Solution(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    counter: int
    derived_key: str
    time: float | None = None  # what ALTCHA's own solvers tell besides


class _Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    challenge: _Challenge
    solution: _Solution


class ProofOfWork:
    """See `pwreset.web.captcha.Captcha`."""

    def challenge(self, services: Services) -> str:
        """A fresh one, good for half an hour."""
        until = int((services.clock.now() + LIFETIME).timestamp())
        made = altcha.create_challenge(
            ALGORITHM,
            services.settings.public.captcha_rounds,
            key_prefix=PREFIX,
            data={"purpose": PURPOSE, "until": until},
            hmac_secret=services.keys.newest.derive(KEY),
        )
        return json.dumps(made.to_dict(), separators=(",", ":"))

    async def proof(self, answer: str, form: str, services: Services) -> Proof:
        """Costs one PBKDF2 hash, in a thread, and that only where the challenge is ours and not over."""
        if not answer:
            return Proof.MISSING
        parameters = (await asyncio.to_thread(_checked, answer, services)).challenge.parameters
        now = services.clock.now()
        if datetime.fromtimestamp(parameters.data.until, UTC) <= now:
            raise CaptchaFailed("too old")
        once = Limit(1, LIFETIME)
        same = f"captcha-form:{parameters.nonce}:{form}"
        if await services.counters.take(f"captcha:{parameters.nonce}", once, now) is None:
            await services.counters.take(same, once, now)
            return Proof.GIVEN
        if await services.counters.peek(same, once, now) is not None:
            return Proof.REPEATED
        raise CaptchaFailed("used up")


def _checked(text: str, services: Services) -> _Answer:
    """The answer, if its challenge is ours and its number is right. Raises CaptchaFailed."""
    try:
        raw = b64decode(text, validate=True)
        answer = msgspec.json.decode(raw, type=_Answer)  # strict: nothing else gets to the library
    except (ValueError, RecursionError):
        raise CaptchaFailed("no answer of ours") from None
    if answer.challenge.parameters.data.purpose != PURPOSE:
        raise CaptchaFailed("for another page")
    payload = altcha.Payload.from_dict(json.loads(raw))
    results = [altcha.verify_solution(payload, key.derive(KEY)) for key in services.keys.keys]
    if not any(result.verified for result in results):
        raise CaptchaFailed("wrong")
    return answer
