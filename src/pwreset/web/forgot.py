"""The public page, for those who have no link: a name or mail address goes in, and always the same answer comes out.

    GET  /forgot        the form
    POST /forgot        303 ->  GET /forgot/sent     whoever was named, and whatever becomes of it
    POST /forgot/renew  the same, from the page of an expired link

What is asked for is looked at when the answer is on the wire: it knows nothing that it could tell (SECURITY, rule 12).
What differs before that is told by the form alone, or by the browser's proof of work. No cookie is set.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.background import BackgroundTask
from starlette.responses import Response
from starlette.routing import Route

from pwreset import logs
from pwreset.errors import CaptchaFailed, FormStale, LinkUnknown
from pwreset.reset.asked import PublicAsk, renewable
from pwreset.reset.model import Asker, Origin
from pwreset.reset.send import LONGEST_USERNAME
from pwreset.reset.services import Services
from pwreset.reset.tokens import ID_SHAPE
from pwreset.secret import Secret
from pwreset.web.captcha import Captcha, NoCaptcha, Proof
from pwreset.web.door import FORGOT, Door, Page, address_of
from pwreset.web.forms import read_fields
from pwreset.web.proof_of_work import ProofOfWork
from pwreset.web.security import came_from, wide_networks_of

SENT = f"{FORGOT}/sent"
RENEW = f"{FORGOT}/renew"
FORM_WRONG = 422

CAPTCHAS: Mapping[str, Captcha] = {"altcha": ProofOfWork(), "none": NoCaptcha()}

log = logs.get("forgot")


def routes(services: Services) -> list[Route]:
    """The page's addresses: like any unknown address where no domain of the asked host has it."""
    return [
        Route(FORGOT, Door(services, {"GET": ask, "POST": take}, here=_is_here)),
        Route(SENT, Door(services, {"GET": sent}, here=_is_here)),
        Route(RENEW, Door(services, {"POST": renew}, here=_is_here)),
    ]


def _is_here(page: Page) -> bool:
    return bool(page.public_domains())


async def ask(page: Page) -> Response:
    """The form; changes nothing."""
    return _form(page, 200)


async def take(page: Page) -> Response:
    """Take what was typed. What is wrong with the form itself is told, and nothing of it is lost."""
    fields = await read_fields(page.request)
    _refuse_foreign(page, page.public_domains())
    name, domain = _text(fields.get("name", "")), _domain(page, fields.get("domain", ""))
    if not 1 <= len(name) <= LONGEST_USERNAME:
        return _form(page, FORM_WRONG, name=name, domain=domain, problem="name")
    if domain not in page.public_domains():
        return _form(page, FORM_WRONG, name=name, problem="domain")
    try:
        proof = await _captcha(page).proof(
            fields.get("proof", ""), page.services.keys.name_mark(domain, name), page.services
        )
    except CaptchaFailed as error:
        log.info("page refused", reason=error.reason, why=error.why)
        return _form(page, FORM_WRONG, name=name, domain=domain, problem="captcha")
    if proof is Proof.REPEATED:
        return _answer(page)
    return _answer(page, _public_ask(page, domain, name, proven=proof is Proof.GIVEN))


async def sent(page: Page) -> Response:
    """What is said in every case."""
    return page.render("forgot-sent.html", 200, page.brand(_only(page)))


async def renew(page: Page) -> Response:
    """Take the wish for a new link, from the page that an expired one showed. It needs no proof of work: the link is one."""
    fields = await read_fields(page.request)
    link = fields.get("link", "")
    request = await page.services.store.get(link) if ID_SHAPE.match(link) else None
    if request is None or request.domain not in page.public_domains() or not page.services.keys.is_bound(request):
        raise LinkUnknown
    if not page.services.keys.is_renewal_token(request.digest, fields.get("form_token", "")):
        raise FormStale
    _refuse_foreign(page, (request.domain,))
    return _answer(page, _public_ask(page, request.domain, request.user_login, proven=True, renews=request.id))


async def renewal_of(page: Page, token: Secret) -> Mapping[str, str] | None:
    """What the page of an expired link needs to offer a new one; None where it may not."""
    services = page.services
    request = await services.store.find(services.keys.digests(token))
    if request is None or not services.keys.is_bound(request) or request.domain not in page.public_domains():
        return None
    if not renewable(request, services):
        return None
    return {"action": page.way_to(RENEW), "link": request.id, "form_token": services.keys.renewal_token(request.digest)}


def _public_ask(page: Page, domain: str, name: str, *, proven: bool, renews: str = "") -> PublicAsk:
    address = address_of(page.request)
    asker = Asker(Origin.PUBLIC, address, address, logs.correlation.get())
    return PublicAsk(domain, name, wide_networks_of(address), asker, proven, renews)


def _answer(page: Page, ask: PublicAsk | None = None) -> Response:
    """The one answer. What it is an answer to is looked at behind it: the server runs the task once the answer is sent."""
    response = page.moved(SENT)
    if ask is not None:
        response.background = BackgroundTask(_put, page.services, ask)
    return response


async def _put(services: Services, ask: PublicAsk) -> None:
    services.asks.put(ask, services)


def _form(page: Page, status: int, *, name: str = "", domain: str = "", problem: str = "") -> Response:
    settings, names = page.services.settings, page.public_domains()
    facts: Mapping[str, object] = {
        "name": name[:LONGEST_USERNAME],
        "domains": [(one, settings.domains[one].title or one) for one in names] if len(names) > 1 else [],
        "domain": domain or settings.default_domain,
        "action": page.way_to(FORGOT),
        "challenge": _captcha(page).challenge(page.services),
        "problem": problem,
    }
    return page.render("forgot.html", status, page.brand(_only(page), among=names), facts)


def _captcha(page: Page) -> Captcha:
    return CAPTCHAS[page.services.settings.public.captcha]


def _only(page: Page) -> str | None:
    """The domain whose page it is, if it is one's."""
    names = page.public_domains()
    return names[0] if len(names) == 1 else None


def _domain(page: Page, wanted: str) -> str:
    names = page.public_domains()
    return names[0] if len(names) == 1 else next((name for name in names if name == wanted), "")


def _refuse_foreign(page: Page, domains: tuple[str, ...]) -> None:
    """Nothing is done for a form from another site. Raises FormStale."""
    base_url = page.services.configuration.base_url
    if not any(came_from(page.request.headers, base_url(domain)) for domain in domains):
        raise FormStale


def _text(typed: str) -> str:
    """What was typed, as text that can be kept and shown again: bytes that are no UTF-8 become signs that say so."""
    return typed.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
