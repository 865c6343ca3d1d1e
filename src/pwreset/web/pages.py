"""People's pages: the way from a link to a new password.

    GET  /r/<token>    -> cookie, 303 ->  GET /reset/<tab>   shows the form, changes nothing
    POST /reset/<tab>  -> the password is set, 303 ->  GET /done/<tab>

and, from a notice, `not_me`; for those without a link, `forgot`; for whoever knows the present password, `change`.

GET and HEAD touch neither the link nor the password, so that link scanners and previews spend nothing (SECURITY,
rules 1 to 8 and 18 to 23). Where a browser is sent never depends on what it sent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from pwreset import logs
from pwreset.errors import (
    LinkDead,
    LinkUnknown,
    PasswordRefused,
    PasswordsDiffer,
    SecondFactorNeeded,
)
from pwreset.languages import tell_time
from pwreset.reset.policy import RuleCode, context_of
from pwreset.reset.redeem import OpenLink, open_link, set_password
from pwreset.reset.services import Services
from pwreset.reset.tokens import read_token
from pwreset.secret import Secret
from pwreset.web import change, forgot, not_me, second_factor
from pwreset.web.brand import brand_files
from pwreset.web.door import FORGOT, Door, Page, address_of
from pwreset.web.forms import read_form
from pwreset.web.generator import for_generators
from pwreset.web.render import StaticFile, static_files
from pwreset.web.rules import refusals_in_words, rules_in_words
from pwreset.web.security import (
    drop_token,
    keep_outcome,
    keep_token,
    outcome_in,
    proof_in,
    tab_of,
)
from pwreset.web.tabs import cookie_missing, dead, refuse_foreign, stay, token_of

log = logs.get("pages")


def routes(services: Services) -> list[Route]:
    """All of people's pages, each ready for every method; what is left is for the application's own `not found`."""
    return [
        Route("/", Door(services, {"GET": home})),
        Route("/r/{token:path}", Door(services, {"GET": take_link}, referrer="no-referrer")),
        Route("/reset/{tab}", Door(services, {"GET": show_form, "POST": take_form})),
        *second_factor.routes(services),
        Route("/done/{tab}", Door(services, {"GET": show_done})),
        Route("/not-me/{token:path}", Door(services, {"GET": not_me.ask, "POST": not_me.take})),
        *forgot.routes(services),
        *change.routes(services),
        Route("/static/{name}", Files(services, static_files())),
        Route("/brand/{name}", Files(services, brand_files(services.settings), named_by_content=True)),
    ]


@dataclass(frozen=True, slots=True)
class Files:
    """An ASGI endpoint: style, script, pictures. What is none of them gets a page, with all that guards pages."""

    services: Services
    files: Mapping[str, StaticFile]
    named_by_content: bool = False  # else their version comes as `v`

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope)
        file = self.files.get(request.path_params["name"])
        if file is None:
            await not_found(self.services)(scope, receive, send)
        elif scope["method"] not in ("GET", "HEAD"):
            await Door(self.services, {"GET": home})(scope, receive, send)  # for its refusal of other methods
        else:
            for_good = self.named_by_content or request.query_params.get("v") == file.version
            await _file(file, request, for_good=for_good)(scope, receive, send)


def not_found(services: Services) -> Door:
    """The page for every other address, as an ASGI endpoint."""
    return Door(services, {}, unknown=True)


async def home(page: Page) -> Response:
    """What this place is, for those who come without a link."""
    ways = {
        "forgot": page.way_to(FORGOT) if page.public_domains() else "",
        "change": page.way_to(change.PATH) if change.domains_here(page) else "",
    }
    return page.render("home.html", 200, page.brand(), ways)


async def take_link(page: Page) -> Response:
    """Move the token from the address bar into a cookie; looks nothing up."""
    token = read_token(page.request.path_params["token"])
    if token is None:
        raise LinkUnknown
    tab = tab_of(token, page.services.keys)
    response = page.moved(f"/reset/{tab}")
    keep_token(response, tab, token)
    return response


async def show_form(page: Page) -> Response:
    """The form, for a link that is good."""
    token = token_of(page)
    try:
        link = await _open(page, token)
    except SecondFactorNeeded:
        return await second_factor.show(page, token)
    except LinkDead as error:
        return await dead(page, token, error)
    log.info("link opened", request=link.request.id, domain=link.request.domain)
    return _form(page, token, link, 200)


async def take_form(page: Page) -> Response:
    """Set the password."""
    token = token_of(page)
    form = await read_form(page.request)
    try:
        await refuse_foreign(page, token, form.form_token)
        proof = proof_in(page.request.cookies, page.request.path_params["tab"])
        user = await set_password(token, form.accepted(), address_of(page.request), page.services, proof)
    except (PasswordsDiffer, PasswordRefused) as error:
        return await _form_again(page, token, error)
    except SecondFactorNeeded:
        return await second_factor.show(page, token)
    except LinkDead as error:
        return await dead(page, token, error)
    tab = page.request.path_params["tab"]
    response = page.moved(f"/done/{tab}")
    drop_token(response, tab)
    keep_outcome(response, tab, user.domain)
    return response


async def show_done(page: Page) -> Response:
    """What is said after the password was set; knows no more than in which domain."""
    domain = outcome_in(page.request.cookies, page.request.path_params["tab"])
    if domain not in page.services.settings.domains:
        raise cookie_missing(page)
    return page.render("done.html", 200, page.brand(domain))


def _file(file: StaticFile, request: Request, *, for_good: bool) -> Response:
    """Packed where the browser takes that. Pages never are: their length would tell of what is secret in them (BREACH)."""
    headers = {"x-content-type-options": "nosniff"}
    headers["cache-control"] = "public, max-age=31536000, immutable" if for_good else "no-cache"
    if file.packed is None:
        return Response(file.body, media_type=file.media_type, headers=headers)
    headers["vary"] = "accept-encoding"
    accepted = request.headers.get("accept-encoding", "").replace(" ", "")
    if "gzip" not in accepted or "gzip;q=0" in accepted:
        return Response(file.body, media_type=file.media_type, headers=headers)
    return Response(file.packed, media_type=file.media_type, headers={**headers, "content-encoding": "gzip"})


async def _open(page: Page, token: Secret) -> OpenLink:
    proof = proof_in(page.request.cookies, page.request.path_params["tab"])
    link = await open_link(token, page.services, proof)
    if not page.serves(link.request.domain):
        raise LinkUnknown
    return link


async def _form_again(page: Page, token: Secret, error: PasswordsDiffer | PasswordRefused) -> Response:
    """The form with what was wrong; the fields are empty, the link is as good as before."""
    try:
        link = await _open(page, token)
    except SecondFactorNeeded:
        return await second_factor.show(page, token)
    except LinkDead as dead_now:
        return await dead(page, token, dead_now)
    return _form(page, token, link, error.look.http_status, error)


def _form(
    page: Page, token: Secret, link: OpenLink, status: int, error: PasswordsDiffer | PasswordRefused | None = None
) -> Response:
    brand = page.brand(link.request.domain, link.user.language)
    domain = page.services.settings.domains[link.request.domain]
    broken = refusals_in_words(error.rules, brand.language) if isinstance(error, PasswordRefused) else ()
    rules = rules_in_words(link.rules, brand.language)
    facts: Mapping[str, object] = {
        "user": link.user,
        "expires": tell_time(link.request.expires_at, brand.language, domain.time_zone),
        "rules": rules,
        "generator": for_generators(link.rules),
        "context_words": sorted(context_of(link.user)) if any(r.code == RuleCode.CONTEXT.value for r in rules) else [],
        "action": page.way_to(f"/reset/{page.request.path_params['tab']}"),
        "form_token": page.services.keys.form_token(page.services.keys.digests(token)[0]),
        "suggestion": link.suggestion,
        "broken": broken,
        "differ": isinstance(error, PasswordsDiffer),
    }
    return stay(page, token, page.render("reset.html", status, brand, facts))
