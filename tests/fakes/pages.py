"""People's pages on fakes: two directories under two addresses, links in every state, and a browser without a screen."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from starlette.routing import Router
from starlette.types import ASGIApp

from pwreset.delivery.messages import TemplateMessages
from pwreset.delivery.seal import AesGcmSealer
from pwreset.reset.dispatch import Outbox
from pwreset.reset.limits import MemoryCounters
from pwreset.reset.model import AccountState, Channel, DeliveryMode, Origin, Recipient, ResetRequest, User
from pwreset.reset.pace import Quota
from pwreset.reset.ports import Limit, Transport
from pwreset.reset.services import Services
from pwreset.reset.tokens import Keys, new_id, new_key, new_token
from pwreset.secret import Secret
from pwreset.settings import Configuration, Settings
from pwreset.web import pages
from tests.fakes.clock import FakeClock
from tests.fakes.directory import FakeDirectory, Weather
from tests.fakes.store import FakeStore

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
HERE = "https://reset.example.org"
OTHER_HERE = "https://reset.other.example"
GOOD_PASSWORD = "seven quiet lanterns by the harbour"
OLD_PASSWORD = "an old but perfectly long password"

PROTECTED = "cn=protected,dc=example,dc=org"

JANE = User(
    id="6a1c7a3e-0001",
    dn="uid=jdoe,ou=people,dc=example,dc=org",
    domain="EXAMPLE",
    login="jdoe",
    name="Jane Doe",
    given_name="Jane",
    mails=("jane.doe@example.org",),
    mobiles=("+33612345678",),
    language=None,
    state=AccountState.ACTIVE,
    protected=False,
    password_mark="20260101000000Z",
    entry_mark="20260101000000.000001Z#000000#000#000000",
)
JOHN = replace(
    JANE,
    id="6a1c7a3e-0002",
    dn="uid=jroe,ou=people,dc=example,dc=org",
    login="jroe",
    name="John Roe",
    given_name="John",
    mails=("john.roe@example.org",),
    mobiles=(),
)
OTTO = replace(
    JANE, id="6a1c7a3e-0003", dn="uid=otto,dc=other,dc=example", domain="OTHER", login="otto", name="Otto Other",
    given_name="Otto", mails=("otto@other.example",), mobiles=(),
)  # fmt: skip


def settings_with(public_url: str = HERE, changes: Mapping[str, Any] | None = None) -> Settings:
    """EXAMPLE under the server's address; OTHER under one of its own."""
    raw: dict[str, Any] = {
        "public_url": public_url,
        "default_domain": "EXAMPLE",
        "domains": {
            "EXAMPLE": {
                "uris": ["ldaps://ldap.example.org"],
                "base_dn": "dc=example,dc=org",
                "protected": [PROTECTED],
                "title": "Example Corp",
                "login_url": "https://portal.example.org/",
                "help_text": "Help desk: +33 1 23 45 67 89",
                "time_zone": "Europe/Paris",
                "change_page": True,
            },
            "OTHER": {
                "uris": ["ldaps://ldap.other.example"],
                "base_dn": "dc=other,dc=example",
                "public_url": OTHER_HERE,
            },
        },
    }
    # Refusals wait for nothing, but in the test that is about that.
    raw["limits"] = {"failed_change_seconds": 0.0}
    raw |= dict(changes or {})
    return msgspec.convert(raw, Settings)


class BuggyDirectory(FakeDirectory):
    """A directory whose adapter may have a bug. Others get their turn while it is asked, as with a real one."""

    bug = ""
    at_the_write: Weather | None = None  # how it behaves from the moment on in which a password is written

    async def find_by_id(self, user_id: str) -> User:
        await asyncio.sleep(0)
        return await super().find_by_id(user_id)

    async def set_password(self, user: User, password: Secret) -> None:
        await asyncio.sleep(0)
        if self.at_the_write is not None:
            self.tree.weather = self.at_the_write
        if self.bug:
            raise RuntimeError(self.bug)
        await super().set_password(user, password)

    async def change_own_password(self, user: User, old: Secret, new: Secret) -> None:
        if self.bug:
            raise RuntimeError(self.bug)
        await super().change_own_password(user, old, new)


class UnhurriedCounters(MemoryCounters):
    """Counters that others come between, as they do with those of a database."""

    async def take(self, key: str, limit: Limit, now: datetime) -> timedelta | None:
        await asyncio.sleep(0)
        return await super().take(key, limit, now)


@dataclass
class PagesWorld:
    """Everything the pages touch, to be looked at and upset by a test."""

    settings: Settings = field(default_factory=settings_with)
    clock: FakeClock = field(default_factory=lambda: FakeClock(NOW))
    keys: Keys = field(default_factory=lambda: Keys((new_key(),)))
    counters: MemoryCounters = field(default_factory=MemoryCounters)

    def __post_init__(self) -> None:
        self.store = FakeStore(self.clock)
        self.directories = {name: BuggyDirectory(name, domain) for name, domain in self.settings.domains.items()}
        for directory in self.directories.values():
            directory.tree.groups[PROTECTED] = []
        for user in (JANE, JOHN, OTTO):
            if user.domain in self.directories:
                self.directories[user.domain].add(user, OLD_PASSWORD)
        self.transports: dict[Channel, Transport] = {}
        self.services = Services(
            configuration=Configuration(self.settings, Path("pwreset.toml")),
            clock=self.clock,
            store=self.store,
            directories=self.directories,
            transports=self.transports,
            messages=TemplateMessages(self.settings),
            sealer=AesGcmSealer(self.keys),
            keys=self.keys,
            counters=self.counters,
            outbox=Outbox(dict.fromkeys(Channel, Quota(1))),
        )
        self.app: ASGIApp = Router([*pages.routes(self.services)], default=pages.not_found(self.services))

    async def link(
        self, user: User = JANE, hours: int = 24, sent_to: tuple[Recipient, ...] = ()
    ) -> tuple[Secret, ResetRequest]:
        """A link that is good now, and its record."""
        token = new_token()
        now = self.clock.now()
        request = self.keys.bind(
            ResetRequest(
                id=new_id(),
                digest=self.keys.digests(token)[0],
                domain=user.domain,
                user_id=user.id,
                user_login=user.login,
                user_name=user.name,
                mode=DeliveryMode.NONE,
                origin=Origin.MANAGER,
                asked_by="cn=manager",
                asked_from="192.0.2.1",
                correlation="0",
                created_at=now,
                expires_at=now + timedelta(hours=hours),
                password_mark=user.password_mark,
                sent_to=sent_to,
            )
        )
        await self.store.add(request, [], [], supersede=False)
        kept = await self.store.get(request.id)
        assert kept is not None
        return token, kept

    def protect(self, user: User = JANE) -> None:
        """This person is protected from now on."""
        self.directories[user.domain].tree.groups[PROTECTED].append(user.dn)

    def browser(self, base_url: str = HERE, address: str = "192.0.2.7", **headers: str) -> httpx2.AsyncClient:
        """A browser that keeps cookies and follows nothing by itself."""
        return httpx2.AsyncClient(
            transport=httpx2.ASGITransport(self.app, client=(address, 40000)),
            base_url=base_url,
            headers={"accept-language": "en", **headers},
        )

    def password(self, user: User = JANE) -> str:
        """The password the directory has now."""
        return self.directories[user.domain].password_of(user.id)

    def weather(self, weather: Weather) -> None:
        """How the directory of EXAMPLE behaves from now on."""
        self.directories["EXAMPLE"].tree.weather = weather

    def take_rights(self, user: User = JANE) -> None:
        """The service account may no longer write this person's password."""
        self.directories[user.domain].tree.people[user.id].writable = False

    def plant_bug(self, words: str) -> None:
        """Writing a password in EXAMPLE raises something that nobody has planned for."""
        self.directories["EXAMPLE"].bug = words
