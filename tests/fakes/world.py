"""The use cases on fakes: one domain, one relay, one gateway, a clock that stands still."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec

from pwreset.delivery.messages import TemplateMessages
from pwreset.delivery.seal import AesGcmSealer
from pwreset.reset.dispatch import Outbox
from pwreset.reset.limits import MemoryCounters
from pwreset.reset.model import AccountState, Asker, Channel, Origin, SendRequest, SentLink, User
from pwreset.reset.pace import Quota
from pwreset.reset.send import send
from pwreset.reset.services import Services
from pwreset.reset.tokens import Keys, new_key, read_token
from pwreset.secret import Secret
from pwreset.settings import Configuration, Settings
from tests.fakes.clock import FakeClock
from tests.fakes.directory import BASE, SERVICE_DN, FakeDirectory
from tests.fakes.store import FakeStore
from tests.fakes.transport import FakeTransport

PASSWORD = "a sunny river walk in May"
OLD_PASSWORD = "an older word of mine"
MANAGERS = "cn=managers,ou=groups,dc=example,dc=org"
PROTECTED = "cn=protected,ou=groups,dc=example,dc=org"
ASKER = Asker(Origin.MANAGER, f"uid=boss,{BASE}", "192.0.2.7", "correlation-1")


def a_user(uid: str, **changes: Any) -> User:
    """A person with a mail address and a mobile number."""
    user = User(
        id=f"uuid-{uid}",
        dn=f"uid={uid},{BASE}",
        domain="EXAMPLE",
        login=uid,
        name=f"{uid.capitalize()} Person",
        mails=(f"{uid}@example.org",),
        mobiles=("+33612345678",),
        language="en",
        state=AccountState.ACTIVE,
        protected=False,
        password_mark="20260101000000Z",
        entry_mark="entry-0",
    )
    return replace(user, **changes)


@dataclass
class World:
    """Everything the use cases touch, to be looked at and upset by a test."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    domain: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        raw: dict[str, Any] = {
            "public_url": "https://reset.example.org",
            "default_domain": "EXAMPLE",
            "domains": {
                "EXAMPLE": {
                    "uris": ["ldaps://ldap.example.org"],
                    "base_dn": BASE,
                    "bind_dn": SERVICE_DN,
                    "managers": [MANAGERS],
                    "protected": [PROTECTED],
                    **self.domain,
                }
            },
        }
        self.settings = msgspec.convert(raw | dict(self.changes), Settings)
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.directory = FakeDirectory("EXAMPLE", self.settings.domains["EXAMPLE"])
        self.directory.tree.groups |= {MANAGERS: [f"uid=boss,{BASE}"], PROTECTED: [f"uid=root,{BASE}"]}
        self.mail, self.sms = FakeTransport(Channel.MAIL), FakeTransport(Channel.SMS)
        keys = Keys((new_key(),))
        self.services = Services(
            configuration=Configuration(self.settings, Path("pwreset.toml")),
            clock=self.clock,
            store=self.store,
            directories={"EXAMPLE": self.directory},
            transports={Channel.MAIL: self.mail, Channel.SMS: self.sms},
            messages=TemplateMessages(self.settings),
            sealer=AesGcmSealer(keys),
            keys=keys,
            counters=MemoryCounters(),
            outbox=Outbox(dict.fromkeys(Channel, Quota(4)), self.clock.monotonic),
        )
        for uid in ("jane", "john", "boss", "root"):
            self.add(a_user(uid))

    def services_with(self, outbox: Outbox) -> Services:
        """The same services with another outbox."""
        return replace(self.services, outbox=outbox)

    def add(self, user: User) -> User:
        self.directory.add(user, OLD_PASSWORD)
        return user

    async def send(self, username: str = "jane", *, wait: float = 5.0, **changes: Any) -> SentLink:
        """Ask for a link; MAIL unless `mode` says otherwise."""
        ask = SendRequest(
            username=username,
            domain=None,
            mode="MAIL",
            lifetime_hours=None,
            comments=None,
            asker=ASKER,
            scope=frozenset(["EXAMPLE"]),
            wait_until=self.clock.monotonic() + wait,
        )
        return await send(replace(ask, **changes), self.services)

    async def token(self, username: str = "jane", **changes: Any) -> Secret:
        """The token of a fresh link that was sent nowhere."""
        return token_of(await self.send(username, mode="NONE", **changes))

    async def audit(self) -> list[str]:
        """The names of the audit events so far."""
        return [event.name for event in await self.store.audit(0, 1000)]


def token_of(sent: SentLink) -> Secret:
    """The token in a link."""
    token = read_token(sent.link.reveal().rpartition("/")[2])
    assert token is not None
    return token
