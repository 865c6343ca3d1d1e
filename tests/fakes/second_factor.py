"""People's pages where links ask for more than themselves: with transports, and as two nodes on one store."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html import unescape
from typing import Any

import httpx2
import msgspec
from starlette.routing import Router

from pwreset.reset.dispatch import Outbox
from pwreset.reset.limits import MemoryCounters
from pwreset.reset.model import Asker, Channel, Origin, SendRequest, User
from pwreset.reset.pace import Quota
from pwreset.reset.send import send as send_link
from pwreset.reset.services import Services
from pwreset.reset.tokens import read_token
from pwreset.secret import Secret
from pwreset.settings import Mfa
from pwreset.web import pages
from tests.fakes.otp import FakeOneTimePasswords
from tests.fakes.pages import HERE, JANE, PagesWorld, settings_with
from tests.fakes.person import form_token_of
from tests.fakes.transport import FakeTransport

ASKER = Asker(Origin.OPERATOR, "root", "local", "0")
CODE = re.compile(r"\b([0-9]{6,8})\b")
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


@dataclass
class FactorWorld(PagesWorld):
    """`mfa` and `domain` are settings of EXAMPLE, `changes` of the whole file."""

    mfa: Mapping[str, Any] = field(default_factory=lambda: {"factors": ("code", "radius")})
    domain: Mapping[str, Any] = field(default_factory=dict)
    address: str = HERE

    def __post_init__(self) -> None:
        settings = settings_with(self.address)
        raw: dict[str, Any] = {"radius": {"servers": ["127.0.0.1:1812"]}, **self.mfa}
        example = msgspec.structs.replace(settings.domains["EXAMPLE"], mfa=msgspec.convert(raw, Mfa), **self.domain)
        self.settings = msgspec.structs.replace(settings, domains={**settings.domains, "EXAMPLE": example})
        super().__post_init__()
        self.mail, self.sms = FakeTransport(Channel.MAIL), FakeTransport(Channel.SMS)
        self.otp = FakeOneTimePasswords({"jdoe": "246802", "jroe": "975310"})
        self.services = self._node()
        self.app = Router([*pages.routes(self.services)], default=pages.not_found(self.services))

    def _node(self) -> Services:
        return replace(
            self.services,
            transports={Channel.MAIL: self.mail, Channel.SMS: self.sms},
            one_time_passwords={"EXAMPLE": self.otp},
            outbox=Outbox(dict.fromkeys(Channel, Quota(4)), self.clock.monotonic),
        )

    def another_node(self) -> Router:
        """A second process on the same store, with nothing else in common but the keys."""
        services = replace(self._node(), counters=MemoryCounters())
        return Router([*pages.routes(services)], default=pages.not_found(services))

    async def sent_link(self, user: User = JANE, mode: str = "MAIL", *, mfa: bool = True, **changes: Any) -> Secret:
        """The token of a link as Send_Request makes it."""
        ask = SendRequest(user.login, user.domain, mode, None, None, ASKER, None, 0.0, mfa=mfa)
        sent = await send_link(replace(ask, **changes), self.services)
        token = read_token(sent.link.reveal().rpartition("/")[2])
        assert token is not None
        return token

    async def code(self, channel: Channel = Channel.SMS) -> str:
        """The newest code that went out on a channel."""
        await self.services.outbox.drain(5.0)
        envelopes = self.sms.sent if channel is Channel.SMS else self.mail.sent
        texts = [envelope.content.text for envelope in envelopes]
        found = [match[1] for text in texts if "/r/" not in text and (match := CODE.search(text))]
        return found[-1]


def fields_of(page: httpx2.Response, action: str) -> dict[str, str]:
    """The hidden fields of the form that is sent to `.../<action>`."""
    form = page.text.partition(f'/{action}" ')[2].partition("</form>")[0]
    return {name: unescape(value) for name, value in HIDDEN.findall(form)}


async def press(browser: httpx2.AsyncClient, page: httpx2.Response, action: str, **fields: str) -> httpx2.Response:
    """Send one of the page's forms, `code` or `factor`, and follow to what it leads to."""
    tab = "/".join(page.request.url.path.split("/")[:3])
    sent = {**fields_of(page, action), **fields}
    sent.setdefault("form_token", form_token_of(page))
    answer = await browser.post(f"{tab}/{action}", data=sent, headers={"origin": str(browser.base_url).rstrip("/")})
    return await browser.get(answer.headers["location"]) if answer.status_code == 303 else answer


def is_form(page: httpx2.Response) -> bool:
    """Whether this is the form for a new password."""
    return 'name="password"' in page.text
