"""What every page of a tab begins with: the token that its browser keeps, and whether a form is that link's own."""

from __future__ import annotations

from starlette.responses import Response

from pwreset.errors import CookieMissing, FormStale, LinkBusy, LinkDead, LinkExpired, LinkUnknown, LinkUsed, SessionOver
from pwreset.secret import Secret
from pwreset.web.door import STATES, Page
from pwreset.web.forgot import renewal_of
from pwreset.web.security import came_from, drop_token, keep_token, keeps_cookies, outcome_in, token_in


def token_of(page: Page) -> Secret:
    """The token of this tab. Raises LinkUsed when the tab has set its password already, SessionOver, CookieMissing."""
    tab = page.request.path_params["tab"]
    token = token_in(page.request.cookies, tab, page.services.keys)
    if token is not None:
        return token
    raise LinkUsed if outcome_in(page.request.cookies, tab) else cookie_missing(page)


def stay(page: Page, token: Secret, response: Response) -> Response:
    """Another quarter of an hour for whoever does something on this page: nobody is too slow to choose a password."""
    keep_token(response, page.request.path_params["tab"], token)
    return response


def cookie_missing(page: Page) -> SessionOver | CookieMissing:
    """Why there is no cookie: its time is over, or this browser keeps none (or has never opened the link)."""
    return SessionOver() if keeps_cookies(page.request.cookies) else CookieMissing()


async def refuse_foreign(page: Page, token: Secret, form_token: str) -> None:
    """Nothing is done for a form that is not this link's own, from its own domain's page (SECURITY, rules 5 and 21).

    Raises FormStale, LinkUnknown.
    """
    digests = page.services.keys.digests(token)
    if not form_token.isascii() or not any(page.services.keys.is_form_token(digest, form_token) for digest in digests):
        raise FormStale
    request = await page.services.store.find(digests)
    if request is None or not page.serves(request.domain):
        raise LinkUnknown
    if not came_from(page.request.headers, page.services.configuration.base_url(request.domain)):
        raise FormStale


async def dead(page: Page, token: Secret, error: LinkDead) -> Response:
    """The page of a dead link; the browser forgets the token, unless the link is good and only busy.

    Under another domain's host it is unknown, whatever it died of (SECURITY, rule 5).
    """
    request = await page.services.store.find(page.services.keys.digests(token))
    if request is not None and not page.serves(request.domain):
        error = LinkUnknown()
    renewal = await renewal_of(page, token) if isinstance(error, LinkExpired) else None
    response = page.failed(error) if renewal is None else page.state(STATES[LinkExpired], renewal=renewal)
    if not isinstance(error, (LinkBusy, FormStale)):
        drop_token(response, page.request.path_params["tab"])
    return response
