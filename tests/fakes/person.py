"""What a person does in a browser without JavaScript: opens a link, reads the form, sends it."""

from __future__ import annotations

import re
from html import unescape

import httpx2

from pwreset.secret import Secret

FORM_TOKEN = re.compile(r'name="form_token" value="([^"]*)"')
TITLE = re.compile(r"<title>(.*?)</title>", re.DOTALL)


async def open_link(browser: httpx2.AsyncClient, token: Secret) -> httpx2.Response:
    """Open a link and follow it to its page."""
    moved = await browser.get(f"/r/{token.reveal()}")
    assert moved.status_code == 303
    return await browser.get(moved.headers["location"])


async def send(
    browser: httpx2.AsyncClient,
    page: httpx2.Response,
    password: str,
    repeat: str | None = None,
    *,
    form_token: str | None = None,
    headers: dict[str, str] | None = None,
) -> httpx2.Response:
    """Send the form that this page showed."""
    fields = {
        "form_token": form_token_of(page) if form_token is None else form_token,
        "password": password,
        "repeat": password if repeat is None else repeat,
    }
    sent = {"origin": str(browser.base_url).rstrip("/")} if headers is None else headers
    return await browser.post(page.request.url.path, data=fields, headers=sent)


def form_token_of(page: httpx2.Response) -> str:
    """What ties the form to its link."""
    found = FORM_TOKEN.search(page.text)
    assert found is not None
    return unescape(found[1])


def title_of(page: httpx2.Response) -> str:
    """What the browser's tab says."""
    found = TITLE.search(page.text)
    assert found is not None
    return unescape(found[1])
