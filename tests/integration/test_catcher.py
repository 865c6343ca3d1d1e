"""The demo's catcher: what is sent to it can be looked at, and only from this machine."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import httpx2
import pytest

from pwreset.delivery.mail import MailTransport
from pwreset.delivery.sms import HttpSmsTransport
from pwreset.demo.catcher import Catcher
from pwreset.demo.caught import KEPT
from pwreset.reset.model import Channel, Content, Envelope, Recipient
from pwreset.reset.tokens import new_id
from pwreset.settings import Mail, Sms

pytestmark = pytest.mark.servers

LINK = "https://localhost:8443/r/abc"


@pytest.fixture
async def catcher() -> AsyncIterator[Catcher]:
    async with Catcher() as running:
        yield running


async def send_mail(catcher: Catcher, *contents: Content) -> None:
    transport = MailTransport(Mail(url=catcher.smtp_url, sender="Help Desk <helpdesk@example.org>"), None)
    for content in contents:
        recipient = Recipient(Channel.MAIL, "jane@example.org")
        await transport.send(Envelope(new_id(), "EXAMPLE", recipient, content, datetime.now(UTC)))
    await transport.close()


async def send_sms(catcher: Catcher, text: str) -> None:
    transport = HttpSmsTransport(Sms(url=catcher.sms_url, sender="Example"), None)
    recipient = Recipient(Channel.SMS, "+33612345678")
    await transport.send(Envelope(new_id(), "EXAMPLE", recipient, Content("", text), datetime.now(UTC)))
    await transport.close()


async def get(url: str, **headers: str) -> httpx2.Response:
    async with httpx2.AsyncClient(trust_env=False) as client:
        return await client.get(url, headers=headers)


async def test_a_mail_is_caught_as_it_was_sent(catcher: Catcher) -> None:
    text = ".dots\n..at the\n.\nbeginning é\n"
    await send_mail(catcher, Content("Ihr Passwort für Example", text, "<html><head></head><p>é</p></html>"))
    [mail] = catcher.messages
    assert (mail.channel, mail.recipient, mail.subject) == ("mail", "jane@example.org", "Ihr Passwort für Example")
    assert mail.text == text
    assert mail.html.strip() == "<html><head></head><p>é</p></html>"


async def test_an_sms_is_caught_as_it_was_sent(catcher: Catcher) -> None:
    await send_sms(catcher, "5 € & more")
    [text] = catcher.messages
    assert (text.channel, text.sender, text.recipient, text.text) == ("sms", "Example", "+33612345678", "5 € & more")


async def test_messages_stand_newest_first_and_the_oldest_go(catcher: Catcher) -> None:
    await send_mail(catcher, *(Content(str(number), "text") for number in range(KEPT + 2)))
    assert [mail.subject for mail in catcher.messages] == [str(number) for number in range(KEPT + 1, 1, -1)]


async def test_the_page_shows_mails_in_frames_without_scripts_and_links_in_tabs_of_their_own(catcher: Catcher) -> None:
    html = f'<html><head></head><body><script>alert(1)</script><a href="{LINK}">go</a></body></html>'
    await send_mail(catcher, Content("Subject", "text", html))
    page = (await get(catcher.inbox_url)).text
    assert "allow-scripts" not in page
    assert "&lt;script&gt;alert(1)" in page
    assert "<script>alert(1)" not in page
    assert "&lt;base target=&#34;_blank&#34;&gt;" in page


async def test_links_in_texts_can_be_opened(catcher: Catcher) -> None:
    await send_sms(catcher, f"<b>Open</b> {LINK}")
    page = (await get(catcher.inbox_url)).text
    assert f'&lt;b&gt;Open&lt;/b&gt; <a href="{LINK}" target="_blank"' in page


async def test_the_page_is_there_before_any_message(catcher: Catcher) -> None:
    answer = await get(catcher.inbox_url)
    assert answer.status_code == 200
    assert "No mail yet" in answer.text


async def test_the_page_and_what_it_loads_are_served(catcher: Catcher) -> None:
    for name in ("inbox.css", "inbox.js", "count"):
        assert (await get(catcher.inbox_url + name)).status_code == 200
    assert (await get(catcher.inbox_url + "inbox.html")).status_code == 404
    assert (await get(catcher.inbox_url + "..%2fcatcher.py")).status_code == 404


async def test_a_page_of_another_name_cannot_read_it(catcher: Catcher) -> None:
    assert (await get(catcher.inbox_url, Host="evil.example")).status_code == 400


async def test_everything_listens_on_loopback_only(catcher: Catcher) -> None:
    for url in (catcher.smtp_url, catcher.sms_url, catcher.inbox_url):
        assert urlsplit(url).hostname == "127.0.0.1"
        port = urlsplit(url).port
        assert port is not None
        # The same port on another address of this machine is free.
        with socket.socket() as other:
            other.bind(("127.0.0.2", port))


async def test_an_sms_without_number_or_text_is_turned_down(catcher: Catcher) -> None:
    async with httpx2.AsyncClient(trust_env=False) as client:
        assert (await client.post(catcher.sms_url, data={"to": "+33612345678"})).status_code == 400
    assert catcher.messages == ()


async def test_commands_and_mails_may_come_in_any_pieces(catcher: Catcher) -> None:
    conversation = (
        b"EHLO me\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\nDATA\r\n"
        b"Subject: s\r\n\r\n..dot\r\n.\r\nQUIT\r\n"
    )
    parts = urlsplit(catcher.smtp_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    for octet in conversation:
        writer.write(bytes([octet]))
        await writer.drain()
    answers = (await reader.read()).split(b"\r\n")
    writer.close()
    codes = [answer[:3] for answer in answers if answer[3:4] == b" "]
    assert codes == [b"220", b"250", b"250", b"250", b"250", b"354", b"250", b"221"]
    assert [(mail.recipient, mail.text.strip()) for mail in catcher.messages] == [
        ("c@example.org", ".dot"),
        ("b@example.org", ".dot"),
    ]


async def test_a_command_out_of_turn_is_turned_down(catcher: Catcher) -> None:
    parts = urlsplit(catcher.smtp_url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    writer.write(b"RCPT TO:<b@example.org>\r\nDATA\r\nVRFY x\r\nQUIT\r\n")
    answers = (await reader.read()).split(b"\r\n")
    writer.close()
    assert [answer[:3] for answer in answers if answer] == [b"220", b"503", b"503", b"502", b"221"]
