"""kill -9 between the directory's write and ours, and just before the directory's: each once, exactly there, on both stores."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from tests.servers.databases import store_settings
from tests.servers.person import PersonBrowser
from tests.servers.postgres import Database
from tests.servers.proxy import Proxy
from tests.servers.service import Service, running
from tests.servers.settings import MANAGER, lab_settings
from tests.servers.slapd import LabSlapd, dn_of, password_of
from tests.servers.smtp import SmtpServer

pytestmark = pytest.mark.servers

PASSWORD_MODIFY = b"1.3.6.1.4.1.4203.1.11.1"  # RFC 3062
NEW_PASSWORD = "a sunny river walk in May"


@dataclass
class Between:
    """The service with a proxy in its way to the directory, which sees what is said since nothing is encrypted."""

    service: Service
    slapd: LabSlapd
    relay: SmtpServer
    proxy: Proxy

    async def link_for(self, uid: str) -> str:
        answer, _ = await asyncio.to_thread(
            self.service.call, "PwReset.Send_Request", {"username": uid, "method": "NONE"}, **MANAGER
        )
        return str(answer["result"])

    async def status_of(self, link: str) -> int:
        return (await asyncio.to_thread(PersonBrowser(self.service).open, link)).status

    async def submit_and_kill(self, link: str, when: Callable[[], bool]) -> None:
        """Submit the form, and kill the service as soon as this is true."""
        person = PersonBrowser(self.service)
        page = await asyncio.to_thread(person.open, link)
        submission = asyncio.create_task(asyncio.to_thread(person.submit, page, NEW_PASSWORD))
        await poll(lambda: asyncio.to_thread(when))
        self.service.kill()
        await asyncio.gather(submission, return_exceptions=True)


async def poll(condition: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # type: ignore[misc] # an awaitable of a truth
            await asyncio.sleep(0.01)


@pytest.fixture(params=["sqlite", "postgres"])
async def between(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, slapd: LabSlapd
) -> AsyncIterator[Between]:
    folder = tmp_path_factory.mktemp("between")
    database: Database | None = request.getfixturevalue("database") if request.param == "postgres" else None
    with SmtpServer() as relay:
        async with Proxy(slapd.uri) as proxy:
            domain = {"uris": [proxy.uri], "start_tls": False, "allow_plain_ldap": True, "timeout_seconds": 0.5}
            # Waiting asks for the page more often than a person may.
            more = {"domains": {"EXAMPLE": domain}, "limits": {"page_requests_per_address_per_minute": 0}}
            store = {"store": store_settings(database, folder)} if database else {}
            service = Service(folder, lab_settings(folder, slapd, relay=relay, more={**more, **store}))
            with running(service):
                yield Between(service, slapd, relay, proxy)


async def test_killed_after_the_directorys_write_the_link_is_used_and_the_person_is_told(
    between: Between, person: str
) -> None:
    link = await between.link_for(person)
    between.proxy.hold_the_answer_to = PASSWORD_MODIFY
    await between.submit_and_kill(link, lambda: between.slapd.accepts(dn_of(person), NEW_PASSWORD))
    between.proxy.hold_the_answer_to = between.proxy.passes = None
    await asyncio.to_thread(between.service.start)
    await asyncio.to_thread(between.relay.wait_for, f"{person}@example.org")
    assert await between.status_of(link) == 410
    assert [mail.recipient for mail in between.relay.messages] == [f"{person}@example.org"]


async def test_killed_before_the_directorys_write_the_link_is_good_again(between: Between, person: str) -> None:
    link = await between.link_for(person)
    between.proxy.stall_before = PASSWORD_MODIFY
    await between.submit_and_kill(link, lambda: between.proxy.stalled)
    between.proxy.stall_before = None
    await asyncio.to_thread(between.service.start)

    async def good_again() -> bool:
        return await between.status_of(link) == 200

    await poll(good_again)
    assert between.slapd.accepts(dn_of(person), password_of(person))
    assert between.relay.messages == []
