"""The page behind the "it was not me" of a notice: GET tells what the button does, POST does it.

The token stays in the address, unlike a link's: all that it can do is to end links, and the page asks nobody else for
anything. Mail scanners that open it, or run its scripts (it has none), spend nothing.
"""

from __future__ import annotations

from starlette.responses import Response

from pwreset.errors import FormStale, LinkUnknown
from pwreset.reset.disown import Notice, disown, look
from pwreset.reset.tokens import read_token
from pwreset.secret import Secret
from pwreset.web.door import Page, address_of
from pwreset.web.forms import read_form
from pwreset.web.security import came_from


async def ask(page: Page) -> Response:
    """What pressing the button does; changes nothing."""
    _, notice = await _look(page)
    return _page(page, notice, "again" if notice.disowned else "ask")


async def take(page: Page) -> Response:
    """Disown what the notice told of. Raises FormStale when the form came from another site."""
    token, notice = await _look(page)
    await read_form(page.request)
    if not came_from(page.request.headers, page.services.configuration.base_url(notice.request.domain)):
        raise FormStale
    notice = await disown(token, address_of(page.request), page.services)
    return _page(page, notice, "again" if notice.disowned else "done")


async def _look(page: Page) -> tuple[Secret, Notice]:
    token = read_token(page.request.path_params["token"])
    if token is None:
        raise LinkUnknown
    notice = await look(token, page.services)
    if not page.serves(notice.request.domain):
        raise LinkUnknown
    return token, notice


def _page(page: Page, notice: Notice, step: str) -> Response:
    return page.render("not-me.html", 200, page.brand(notice.request.domain), {"step": step})
