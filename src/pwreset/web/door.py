"""The door of people's pages: what holds for each of them, whatever it shows.

Counts the request, chooses the handler, turns every failure into a page, and puts the guarding headers on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from math import ceil

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from pwreset import logs
from pwreset.errors import (
    CookieMissing,
    Family,
    FormStale,
    FormTooLarge,
    LinkBusy,
    LinkExpired,
    LinkLocked,
    LinkUnknown,
    LinkUsed,
    NoticeTooOld,
    OutcomeUnclear,
    PwresetError,
    SessionOver,
    TooManyTries,
    WriteDenied,
)
from pwreset.languages import SOURCE_LANGUAGE, choose, tell_duration
from pwreset.reset.ports import Limit
from pwreset.reset.services import Services
from pwreset.web.brand import Brand, brand_of
from pwreset.web.render import render
from pwreset.web.security import (
    STRICT_TRANSPORT_SECURITY,
    TAB_SHAPE,
    is_under,
    network_of,
    page_headers,
    wants_strict_transport,
)

MINUTE = timedelta(minutes=1)
FORGOT = "/forgot"

log = logs.get("pages")


@dataclass(frozen=True, slots=True)
class State:
    """How a failure looks to a person: a template under `state/` and an HTTP status."""

    template: str
    status: int


# A revoked link is a LinkUnknown as well: nobody can tell the two apart.
STATES: Mapping[type[PwresetError], State] = {
    LinkUnknown: State("link-unknown", 404),
    LinkUsed: State("link-used", 410),
    NoticeTooOld: State("notice-too-old", 410),
    LinkLocked: State("link-locked", 410),
    LinkExpired: State("link-expired", 410),
    LinkBusy: State("link-busy", 409),
    FormStale: State("form-stale", 403),
    FormTooLarge: State("form-too-large", 413),
    CookieMissing: State("cookie-missing", 400),
    SessionOver: State("session-over", 400),
    TooManyTries: State("too-many-tries", 429),
    WriteDenied: State("write-denied", 502),
    OutcomeUnclear: State("outcome-unclear", 503),
}
FAMILY_STATES: Mapping[Family, State] = {
    Family.UNAVAILABLE: State("unavailable", 503),
    Family.THROTTLED: State("too-many", 429),
}
NOT_FOUND = State("not-found", 404)
METHOD_NOT_ALLOWED = State("method-not-allowed", 405)
FAILED = State("failed", 500)
TOO_MANY = FAMILY_STATES[Family.THROTTLED]


@dataclass(frozen=True, slots=True)
class Page:
    """One request for a page."""

    request: Request
    services: Services

    def brand(self, domain: str | None = None, language: str | None = None, *, among: Sequence[str] = ()) -> Brand:
        """The brand of a domain; without one, of the only domain that the asked host can mean.

        `language` is the person's own, which counts less than the browser's. `among` are the domains that a page without
        one lets people choose from: who may frame it may frame all of theirs.
        """
        name = domain or self._only_domain()
        wishes = (self.request.headers.get("accept-language"), language)
        default = self.services.settings.domains[name].language if name is not None else SOURCE_LANGUAGE
        brand = brand_of(self.services.settings, name, choose(*wishes, default=default))
        frames = brand.frames if name is not None else self._frames_of_all(among) if among else self._frames()
        return replace(brand, frames=frames, inline=self.inline and bool(frames))

    @property
    def inline(self) -> bool:
        """Whether the page is asked for as one to be shown in a frame."""
        return self.request.query_params.get("inline") == "1"

    def _frames(self) -> tuple[str, ...]:
        """Who may frame a page that belongs to no domain yet: whoever may frame one of a domain that is served here."""
        domains = self.services.settings.domains.items()
        origins = (origin for name, domain in domains if self.serves(name) for origin in domain.brand.embed_origins)
        return tuple(dict.fromkeys(origins))

    def _frames_of_all(self, among: Sequence[str]) -> tuple[str, ...]:
        """Who may frame the pages of each of these domains: the portal of one must not hold a form of another."""
        first, *others = (self.services.settings.domains[name].brand.embed_origins for name in among)
        return tuple(origin for origin in first if all(origin in origins for origins in others))

    def way_to(self, path: str) -> str:
        """An address of ours, for a frame if this page is in one. Nothing else of what was asked is carried on."""
        return f"{path}?inline=1" if self.inline else path

    def moved(self, path: str) -> Response:
        """Send the browser on, to another page of ours."""
        response = RedirectResponse(self.way_to(path), status_code=303)
        response.headers.update(page_headers(self._frames() if self.inline else ()))
        return response

    def serves(self, domain: str) -> bool:
        """Whether a link of this domain may be opened under the host that the browser asked.

        A domain with an address of its own is served there alone, and nothing else is served there. Otherwise the host
        does not matter: it may be a name that only the reverse proxy uses.
        """
        configuration, settings = self.services.configuration, self.services.settings
        if domain not in settings.domains:
            return False
        if is_under(self.request.headers, configuration.base_url(domain)):
            return True
        others = [other.public_url for other in settings.domains.values() if other.public_url]
        return settings.domains[domain].public_url is None and not any(
            is_under(self.request.headers, url) for url in others
        )

    def public_domains(self) -> tuple[str, ...]:
        """The domains whose people may ask for a link themselves under the host that the browser asked."""
        domains = self.services.settings.domains
        return tuple(name for name, domain in domains.items() if domain.public and self.serves(name))

    def _only_domain(self) -> str | None:
        names = list(self.services.settings.domains)
        if len(names) > 1:
            base_url = self.services.configuration.base_url
            names = [name for name in names if is_under(self.request.headers, base_url(name))]
        return names[0] if len(names) == 1 else None

    def render(self, template: str, status: int, brand: Brand, facts: Mapping[str, object] | None = None) -> Response:
        """The page as a response."""
        body = render(template, brand.language, {"brand": brand, **(facts or {})}, brand.folders)
        headers = {"content-language": brand.language, "vary": "Accept-Language, Cookie"}
        headers |= page_headers(brand.frames if brand.inline else ())
        return Response(body, status, headers, media_type="text/html; charset=utf-8")

    def state(
        self, state: State, retry_after: timedelta | None = None, renewal: Mapping[str, str] | None = None
    ) -> Response:
        """The page that says why there is no other; with `renewal` it offers a new link."""
        seconds = None if retry_after is None else max(1, ceil(retry_after.total_seconds()))
        brand = self.brand()
        facts = {
            "again": self._again() if state.template in _CAN_BE_TRIED_AGAIN else "",
            "wait": "" if seconds is None else tell_duration(ceil(seconds / 60), brand.language),
            "sent": self.request.method == "POST",
            "reference": logs.correlation.get() if state.status >= FAILED.status else "",
            "renewal": renewal or {},
        }
        response = self.render(f"state/{state.template}.html", state.status, brand, facts)
        if seconds is not None:
            response.headers["retry-after"] = str(seconds)
        return response

    def _again(self) -> str:
        """The address of the form, if it is the form's that was asked; never one with a token in it."""
        if self.request.url.path == FORGOT:
            return self.way_to(FORGOT)
        tab = str(self.request.path_params.get("tab", ""))
        return self.way_to(f"/reset/{tab}") if TAB_SHAPE.match(tab) else ""

    def failed(self, error: PwresetError) -> Response:
        """The page for a failure."""
        log.info("page refused", reason=error.reason, method=self.request.method)
        state = STATES.get(type(error)) or FAMILY_STATES.get(error.family) or FAILED
        retry_after = getattr(error, "retry_after", None)
        return self.state(state, retry_after)


# What may be over when the form is asked for once more.
_CAN_BE_TRIED_AGAIN = frozenset(
    {"link-busy", "unavailable", "too-many", "too-many-tries", "form-stale", "form-too-large", "failed"}
)

Handler = Callable[[Page], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Door:
    """An ASGI endpoint: one address, its handlers by method. HEAD is GET; the server leaves its body out."""

    services: Services
    handlers: Mapping[str, Handler] = field(default_factory=dict)
    referrer: str = "same-origin"
    unknown: bool = False  # no page is here
    here: Callable[[Page], bool] = lambda _: True  # whether the page is there under the host that was asked

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        page = Page(Request(scope, receive), self.services)
        try:
            response = await self._answer(page)
        except ClientDisconnect:
            return
        except PwresetError as error:
            response = page.failed(error)
        except Exception:
            # Whatever went wrong, a person gets a page; the log gets the place, and never the exception's words.
            log.exception("page failed")
            response = page.state(FAILED)
        self._guard(response)
        await response(scope, receive, send)

    async def _answer(self, page: Page) -> Response:
        limit = Limit(self.services.settings.limits.page_requests_per_address_per_minute, MINUTE)
        network = network_of(address_of(page.request))
        wait = await self.services.counters.take(f"page:{network}", limit, self.services.clock.now())
        if wait is not None:
            return page.state(TOO_MANY, wait)
        if self.unknown or not self.here(page):
            return page.state(NOT_FOUND)
        method = "GET" if page.request.method == "HEAD" else page.request.method
        if method not in self.handlers:
            response = page.state(METHOD_NOT_ALLOWED)
            response.headers["allow"] = ", ".join(sorted({*self.handlers, "HEAD"}))
            return response
        return await self.handlers[method](page)

    def _guard(self, response: Response) -> None:
        if "content-security-policy" not in response.headers:
            response.headers.update(page_headers())
        response.headers["referrer-policy"] = self.referrer
        if wants_strict_transport(self.services.settings.public_url):
            response.headers["strict-transport-security"] = STRICT_TRANSPORT_SECURITY


def address_of(request: Request) -> str:
    """The client's address, as the server has made it out; empty for a socket file."""
    return request.client.host if request.client is not None else ""
