"""The page on which whoever knows the present password changes it, where a domain has it on (`change_page`).

    GET  /change  shows the form, and asks no directory
    POST /change  -> the password is changed, 303 ->  GET /change/done/<tab>
    GET  /.well-known/change-password  -> 303 ->  /change, or to the public page where only that is there

The last is what password managers look for (W3C, A Well-Known URL for Changing Passwords). No page here tells whether a
name exists, and nobody is logged in: what the browser keeps afterwards says only that a password was changed, and where.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from datetime import timedelta
from math import ceil

from starlette.responses import Response
from starlette.routing import Route

from pwreset.errors import (
    ChangeRefused,
    Family,
    FormStale,
    LinkBusy,
    OutcomeUnclear,
    PasswordRefused,
    PasswordsDiffer,
    PwresetError,
    WriteDenied,
)
from pwreset.reset.change import Change, change_password, told_to_all
from pwreset.reset.services import Services
from pwreset.web.door import FAMILY_STATES, FORGOT, STATES, Door, Page, address_of
from pwreset.web.forms import ChangeForm, read_change_form
from pwreset.web.generator import for_generators
from pwreset.web.rules import refusals_in_words, rules_in_words
from pwreset.web.security import TAB_LENGTH, came_from, keep_outcome, outcome_in, wide_networks_of

PATH = "/change"
# What the page says for each failure, by the name it has in the template. Whatever else happens has a page of its own.
TROUBLES: Mapping[type[PwresetError], str] = {
    ChangeRefused: "refused",
    PasswordsDiffer: "differ",
    PasswordRefused: "broken",
    FormStale: "stale",
    LinkBusy: "busy",
    OutcomeUnclear: "unclear",
    WriteDenied: "denied",
}
FAMILY_TROUBLES: Mapping[Family, str] = {Family.THROTTLED: "throttled", Family.UNAVAILABLE: "unavailable"}


def domains_here(page: Page) -> list[str]:
    """The domains whose people may change their passwords under the host that the browser asked."""
    return [name for name, domain in page.services.settings.domains.items() if domain.change_page and page.serves(name)]


def routes(services: Services) -> list[Route]:
    """The page's addresses: like any unknown address where no domain of the asked host has it."""
    return [
        Route(PATH, Door(services, {"GET": show, "POST": take}, here=_is_here)),
        Route(f"{PATH}/done/{{tab}}", Door(services, {"GET": show_done}, here=_is_here)),
        Route("/.well-known/change-password", Door(services, {"GET": lead_there}, here=_leads_somewhere)),
    ]


def _is_here(page: Page) -> bool:
    return bool(domains_here(page))


def _leads_somewhere(page: Page) -> bool:
    return _is_here(page) or bool(page.public_domains())


async def lead_there(page: Page) -> Response:
    """Where passwords are changed, for password managers; else where links are asked for."""
    return page.moved(PATH if _is_here(page) else FORGOT)


async def show(page: Page) -> Response:
    """The empty form."""
    return _form(page, 200)


async def take(page: Page) -> Response:
    """Change the password, or say on the form again what was not right; never which of name and password."""
    form = None
    try:
        form = await read_change_form(page.request)
        domain = _domain(page, form)
        ask = Change(
            domain=domain,
            username=form.username,
            old=form.present,
            new=form.new.accepted(),
            address=address_of(page.request),
            networks=wide_networks_of(address_of(page.request)),
        )
        await change_password(ask, page.services)
    except PwresetError as error:
        trouble = TROUBLES.get(type(error)) or FAMILY_TROUBLES.get(error.family)
        if trouble is None:
            raise
        return _form(page, _status(error), form, trouble, error)
    tab = secrets.token_hex(TAB_LENGTH // 2)
    response = page.moved(f"{PATH}/done/{tab}")
    keep_outcome(response, tab, domain)
    return response


async def show_done(page: Page) -> Response:
    """What is said afterwards; to whom the browser does not vouch for, the form."""
    domain = outcome_in(page.request.cookies, page.request.path_params["tab"])
    if domain not in domains_here(page):
        return page.moved(PATH)
    return page.render("changed.html", 200, page.brand(domain))


def _domain(page: Page, form: ChangeForm) -> str:
    """The domain that was chosen, or the only one. Raises FormStale for a form that is none of this host's own pages."""
    here = domains_here(page)
    domain = form.domain or here[0]
    if domain not in here or (not form.domain and len(here) > 1):
        raise FormStale
    if not came_from(page.request.headers, page.services.configuration.base_url(domain)):
        raise FormStale
    return domain


def _status(error: PwresetError) -> int:
    state = STATES.get(type(error)) or FAMILY_STATES.get(error.family)
    return error.look.http_status if state is None else state.status


def _form(
    page: Page, status: int, form: ChangeForm | None = None, trouble: str = "", error: PwresetError | None = None
) -> Response:
    here = domains_here(page)
    chosen = form.domain if form is not None and form.domain in here else ""
    brand = page.brand(here[0] if len(here) == 1 else None, among=here)
    told = told_to_all(page.services)
    facts: Mapping[str, object] = {
        "domains": [(name, page.services.settings.domains[name].title or name) for name in here],
        "chosen": chosen or page.services.settings.default_domain,
        "action": page.way_to(PATH),
        "username": "" if form is None else _showable(form.username),
        "rules": rules_in_words(told.rules, brand.language),
        "suggestion": told.suggestion,
        "generator": for_generators(told.rules),
        "trouble": trouble,
        "broken": refusals_in_words(error.rules, brand.language) if isinstance(error, PasswordRefused) else (),
    }
    response = page.render("change.html", status, brand, facts)
    wait = getattr(error, "retry_after", None)
    if isinstance(wait, timedelta):
        response.headers["retry-after"] = str(max(1, ceil(wait.total_seconds())))
    return response


def _showable(username: str) -> str:
    """What was typed, so that it need not be typed again; what is no text or far too long is not shown."""
    return username if len(username) <= 256 and username.isprintable() else ""  # noqa: PLR2004 - as the use case has it
