"""The Manager API on fakes: two domains on one directory server, a third elsewhere, managers, and people to be reset.

The server is the real one, on a loopback socket; what is behind it is in memory.
"""

from __future__ import annotations

import contextlib
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from pwreset.delivery.messages import TemplateMessages
from pwreset.delivery.seal import AesGcmSealer
from pwreset.errors import DeliveryDeferred, DeliveryRefused
from pwreset.metrics import Metrics
from pwreset.reset.dispatch import Outbox
from pwreset.reset.limits import MemoryCounters
from pwreset.reset.model import AccountState, Channel, Envelope, ServerHealth, User
from pwreset.reset.pace import Quota
from pwreset.reset.services import Services
from pwreset.reset.tokens import Keys, new_key
from pwreset.settings import Configuration, Settings
from pwreset.web.app import Application
from pwreset.web.health import Health
from pwreset.web.listener import Listener
from tests.fakes.clock import FakeClock
from tests.fakes.directory import FakeDirectory, FakeTree
from tests.fakes.store import FakeStore
from tests.servers.wire import listening

HOME = "EXAMPLE"
PASSWORD = "password"
PUBLIC_URL = "https://reset.example.org"
MANAGERS = "cn=managers,ou=groups,dc=example,dc=org"
LAB_MANAGERS = "cn=managers,ou=groups,dc=lab,dc=org"
FAR_MANAGERS = "cn=managers,ou=groups,dc=far,dc=net"


def person(login: str, name: str, base: str = "dc=example,dc=org", **more: Any) -> User:
    """A person with a mail address and a mobile number, unless said otherwise."""
    facts: dict[str, Any] = {
        "id": f"id-{login}-{base}",
        "dn": f"uid={login},ou=people,{base}",
        "domain": "",
        "login": login,
        "name": name,
        "mails": (f"{login}@example.org",),
        "mobiles": ("+33612345678",),
        "language": None,
        "state": AccountState.ACTIVE,
        "protected": False,
        "password_mark": "1",
        "entry_mark": "1",
    }
    return User(**(facts | more))


def settings_with(home: str = HOME, changes: Mapping[str, Any] | None = None) -> Settings:
    """The home domain is the default one; LAB lies on the same server, FAR on another."""
    shared = {"uris": ["ldaps://ldap.example.org"], "login_attributes": ["uid", "cn", "mail"]}
    raw: dict[str, Any] = {
        "public_url": PUBLIC_URL,
        "default_domain": home,
        "domains": {
            home: {
                **shared,
                "base_dn": "dc=example,dc=org",
                "managers": [MANAGERS],
                "login_suffixes": ["example.org"],
                "country": "FR",
            },
            "LAB": {
                **shared,
                "base_dn": "dc=lab,dc=org",
                "managers": [LAB_MANAGERS],
                "public_url": "https://lab.example.org",
                "max_lifetime_hours": 48,
            },
            "FAR": {
                **shared,
                "uris": ["ldaps://far.example.net"],
                "base_dn": "dc=far,dc=net",
                "managers": [FAR_MANAGERS],
            },
        },
        "mail": {"url": "smtp://127.0.0.1:2525", "sender": "Help Desk <helpdesk@example.org>"},
        "sms": {"url": "http://127.0.0.1:2526/"},
    }
    return msgspec.convert(merged(raw, changes or {}), Settings)


def merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Nested tables: the second wins."""
    whole = dict(first)
    for name, value in second.items():
        known = whole.get(name)
        whole[name] = merged(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return whole


class Post:
    """A transport that keeps what it carries; refuses or defers when told to."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self.carried: list[Envelope] = []
        self.says: str = "accepted"

    @property
    def channel(self) -> Channel:
        return self._channel

    async def send(self, envelope: Envelope) -> None:
        if self.says == "refused":
            raise DeliveryRefused("550")
        if self.says == "deferred":
            raise DeliveryDeferred("451")
        self.carried.append(envelope)

    async def health(self) -> ServerHealth:
        return ServerHealth(self._channel.value, self.says == "accepted")

    async def close(self) -> None:
        return


@dataclass
class ApiWorld:
    """Everything behind the API, to be looked at and upset by a test."""

    home: str = HOME
    changes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.settings = settings_with(self.home, self.changes)
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.tree, self.far_tree = FakeTree(), FakeTree()
        self.directories = {
            name: FakeDirectory(name, domain, self.far_tree if name == "FAR" else self.tree)
            for name, domain in self.settings.domains.items()
        }
        self._settle_people()
        self.mail, self.sms = Post(Channel.MAIL), Post(Channel.SMS)
        keys = Keys((new_key(),))
        metrics = Metrics(self.settings.domains, [channel.value for channel in Channel])
        self.services = Services(
            configuration=Configuration(self.settings, Path("pwreset.toml")),
            clock=self.clock,
            store=self.store,
            directories=self.directories,
            transports={Channel.MAIL: self.mail, Channel.SMS: self.sms},
            messages=TemplateMessages(self.settings),
            sealer=AesGcmSealer(keys),
            keys=keys,
            counters=MemoryCounters(tell=metrics.limit_hit),
            outbox=Outbox(dict.fromkeys(Channel, Quota(16))),
            metrics=metrics,
        )

    def _settle_people(self) -> None:
        home, lab, far = self.directories[self.home], self.directories["LAB"], self.directories["FAR"]
        administrator = person("administrator", "Administrator")
        both = person("both", "Manager of Both")
        for user in (administrator, both, person("jdoe", "Jane Doe"), person("jroe", "John Roe", mails=(), mobiles=())):
            home.add(user, PASSWORD)
        home.add(person("mailonly", "Mail Only", mobiles=()), PASSWORD)
        home.add(person("gone", "Gone Away", state=AccountState.DISABLED), PASSWORD)
        home.add(person("twin1", "Twin Twin"), PASSWORD)
        home.add(person("twin2", "Twin Twin"), PASSWORD)
        home.add(person("zoe", "Zoë O'Brien (*) \\"), PASSWORD)
        lab.add(person("jlab", "Jane Lab", "dc=lab,dc=org"), PASSWORD)
        far_manager = person("administrator", "Far Administrator", "dc=far,dc=net")
        far.add(far_manager, "another password")
        self.tree.groups[MANAGERS] = [administrator.dn, both.dn]
        self.tree.groups[LAB_MANAGERS] = [both.dn]
        self.far_tree.groups[FAR_MANAGERS] = [far_manager.dn]

    @property
    def links(self) -> list[str]:
        """The states of all links ever made, oldest first."""
        return [request.state.value for request in self.store.requests.values()]

    @contextlib.asynccontextmanager
    async def served(
        self, *, manager: bool = True, people: bool = True, metrics: bool = True
    ) -> AsyncIterator[Listener]:
        """The application on a loopback socket."""
        app = Application(self.services, Health(self.services), manager=manager, people=people, metrics=metrics)
        async with listening(app, self.settings.server) as listener:
            yield listener
        await self.services.outbox.drain(1)


def basic(login: str = f"{HOME}\\administrator", password: str = PASSWORD) -> bytes:
    """An `Authorization` header line."""
    return b"Authorization: Basic " + b64encode(f"{login}:{password}".encode()) + b"\r\n"


def post(body: bytes, *headers: bytes, path: bytes = b"/manag/") -> bytes:
    """A POST as bytes; each header line with its line end."""
    return (
        b"POST " + path + b" HTTP/1.1\r\nHost: pwreset\r\n" + b"".join(headers)
        + b"Content-Length: %d\r\n\r\n" % len(body) + body
    )  # fmt: skip
