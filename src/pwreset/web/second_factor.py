"""The page between a link and its form, where a second factor is demanded.

    GET  /reset/<tab>         -> says where a code would go, or asks for the one that went; sends nothing
    POST /reset/<tab>/code    -> a code is sent, 303 -> GET /reset/<tab>
    POST /reset/<tab>/factor  -> the code or one-time password is tried, 303 -> GET /reset/<tab>, which shows the form

That it was shown is kept in a cookie of this browser alone, bound to the link, for a quarter of an hour.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import unicodedata
from collections.abc import Mapping
from typing import TYPE_CHECKING

from starlette.responses import Response
from starlette.routing import Route

from pwreset.errors import (
    CodeOver,
    CodeTooSoon,
    CodeWrong,
    FormStale,
    LinkDead,
    LinkUnknown,
    PwresetError,
    SecondFactorNeeded,
)
from pwreset.reset.model import Factor
from pwreset.reset.ports import OtpAnswer
from pwreset.reset.recipients import masked
from pwreset.reset.second_factor import BETWEEN_CODES, Asked, look, send_code, try_code, try_one_time_password
from pwreset.secret import Secret
from pwreset.web.door import Door, Page, address_of
from pwreset.web.forms import read_fields
from pwreset.web.security import TAB_SHAPE, keep_proof
from pwreset.web.tabs import cookie_missing, dead, refuse_foreign, stay, token_of

if TYPE_CHECKING:
    from pwreset.reset.services import Services

LONGEST_PROMPT = 253  # one attribute of RADIUS (RFC 2865, 5)


def routes(services: Services) -> list[Route]:
    """The two addresses that forms are sent to; whoever asks for them by GET is shown the page."""
    return [
        Route("/reset/{tab}/code", Door(services, {"GET": back, "POST": take_wish})),
        Route("/reset/{tab}/factor", Door(services, {"GET": back, "POST": take_factor})),
    ]


async def show(page: Page, token: Secret, status: int = 200, error: PwresetError | None = None) -> Response:
    """What the link asks for now. With an error: what was wrong with the last try."""
    try:
        asked = await _look(page, token)
    except SecondFactorNeeded:
        return await back(page)
    except LinkDead as dead_now:
        return await dead(page, token, dead_now)
    return _page(page, token, asked, status, error=error)


async def back(page: Page) -> Response:
    """To the tab's own address, which shows whatever is to be done next. Raises what a tab without its cookie raises."""
    tab = page.request.path_params["tab"]
    if not TAB_SHAPE.match(tab):
        raise cookie_missing(page)
    return page.moved(f"/reset/{tab}")


async def take_wish(page: Page) -> Response:
    """Send a code."""
    token = token_of(page)
    fields = await read_fields(page.request)
    try:
        await refuse_foreign(page, token, fields.get("form_token", ""))
        await send_code(token, address_of(page.request), page.services)
    except (CodeTooSoon, CodeOver) as error:
        return await show(page, token, error.look.http_status, error)
    except SecondFactorNeeded:
        return await back(page)
    except LinkDead as error:
        return await dead(page, token, error)
    return await back(page)


async def take_factor(page: Page) -> Response:
    """Try what was typed."""
    token = token_of(page)
    fields = await read_fields(page.request)
    try:
        await refuse_foreign(page, token, fields.get("form_token", ""))
        proof = await _try(page, token, fields)
    except (CodeWrong, CodeOver) as error:
        return await show(page, token, error.look.http_status, error)
    except SecondFactorNeeded:
        return await back(page)
    except LinkDead as error:
        return await dead(page, token, error)
    if isinstance(proof, OtpAnswer):
        return _page(page, token, await _look(page, token), 200, question=proof)
    response = await back(page)
    keep_proof(response, page.request.path_params["tab"], proof)
    return response


async def _look(page: Page, token: Secret) -> Asked:
    asked = await look(token, page.services)
    if not page.serves(asked.request.domain):
        raise LinkUnknown
    return asked


async def _try(page: Page, token: Secret, fields: Mapping[str, str]) -> Secret | OtpAnswer:
    asked = await _look(page, token)
    address = address_of(page.request)
    if asked.demand.factor is Factor.CODE:
        return await try_code(token, fields.get("code", ""), fields.get("once", ""), address, page.services)
    state = _state_in(page, token, fields)
    return await try_one_time_password(token, Secret(fields.get("code", "")), state, address, page.services)


def _page(
    page: Page,
    token: Secret,
    asked: Asked,
    status: int,
    *,
    error: PwresetError | None = None,
    question: OtpAnswer | None = None,
) -> Response:
    brand = page.brand(asked.request.domain, asked.user.language)
    digest = page.services.keys.digests(token)[0]
    by_code, tab = asked.demand.factor is Factor.CODE, page.request.path_params["tab"]
    facts: Mapping[str, object] = {
        "code_address": page.way_to(f"/reset/{tab}/code"),
        "factor_address": page.way_to(f"/reset/{tab}/factor"),
        "step": "radius" if not by_code else "code" if asked.waits else "send",
        "to": [masked(recipient) for recipient in asked.demand.code_to],
        "prompt": _harmless(question.prompt) if question is not None else "",
        "state": _state_out(page, digest, question.state) if question is not None else "",
        "left": error.left if isinstance(error, CodeWrong) else None,
        "over": isinstance(error, CodeOver) or (isinstance(error, CodeWrong) and error.left == 0),
        "soon": isinstance(error, CodeTooSoon) and error.retry_after <= BETWEEN_CODES,
        "none_left": isinstance(error, CodeTooSoon) and error.retry_after > BETWEEN_CODES,
        "form_token": page.services.keys.form_token(digest),
        "once": secrets.token_urlsafe(16),
    }
    return stay(page, token, page.render("second-factor.html", status, brand, facts))


def _state_out(page: Page, digest: bytes, state: bytes) -> str:
    """A server's state as the form carries it: with a mark of ours, so that only this link's comes back."""
    return base64.urlsafe_b64encode(page.services.keys.prompt_mark(digest, state) + state).decode()


def _state_in(page: Page, token: Secret, fields: Mapping[str, str]) -> bytes:
    """The state in a form. Raises FormStale when it is none that we put there."""
    carried = fields.get("state", "")
    if not carried:
        return b""
    try:
        whole = base64.urlsafe_b64decode(carried.encode("ascii"))
    except (UnicodeEncodeError, binascii.Error):
        raise FormStale from None
    keys, mark, state = page.services.keys, whole[:32], whole[32:]
    if not any(keys.is_prompt_mark(digest, state, mark) for digest in keys.digests(token)):
        raise FormStale
    return state


def _harmless(prompt: str) -> str:
    """A server's question as plain text in one line."""
    kept = "".join(" " if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp") else sign for sign in prompt)
    return " ".join(kept.split())[:LONGEST_PROMPT]
