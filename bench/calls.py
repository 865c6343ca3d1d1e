"""The bytes of the calls, as a calling system sends them."""

from __future__ import annotations

import http.client
import json
import re
from base64 import b64encode
from dataclasses import dataclass
from urllib.parse import urlencode

from bench.load import Plan
from tests.servers.settings import MANAGER

CREDENTIALS = b64encode(f"{MANAGER['login']}:{MANAGER['password']}".encode()).decode()
LINK = b'"result":"http'
UID_LENGTH = 8
FORM_TOKEN = re.compile(r'name="form_token" value="([^"]*)"')
PASSWORD = "correct-Battery-staple-4711"


def head(length: int, *, close: bool = False) -> bytes:
    """The head of a call."""
    return (
        "POST /manag/ HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: Basic {CREDENTIALS}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\nConnection: {'close' if close else 'keep-alive'}\r\n\r\n"
    ).encode()


def send_requests(
    port: int, mode: str, callers: int, *, people: int, seconds: float, first: int, tls: bool = False
) -> Plan:
    """Send_Request for one load person after the other."""
    before = b'{"jsonrpc":"2.0","method":"PwReset.Send_Request","id":0,"params":{"username":"'
    after = b'","domain":"EXAMPLE","method":"%b"}}' % mode.encode()
    length = len(before) + UID_LENGTH + len(after)
    return Plan(
        port=port,
        callers=callers,
        seconds=seconds,
        tls=tls,
        new_connections=tls,
        head=head(length, close=tls) + before,
        tail=after,
        first=first,
        people=people,
        expect=LINK,
    )


def whole(body: object, *, close: bool = False) -> bytes:
    """One call with this body."""
    text = json.dumps(body).encode()
    return head(len(text), close=close) + text


def batch(size: int, first: int) -> bytes:
    """A batch of links."""
    return whole(
        [
            {
                "jsonrpc": "2.0",
                "method": "PwReset.Send_Request",
                "id": number,
                "params": {"username": f"u{first + number + 1:07d}", "method": "NONE"},
            }
            for number in range(size)
        ]
    )


def server_status() -> bytes:
    """The cheapest call there is."""
    return whole({"jsonrpc": "2.0", "method": "Server_Status", "id": 0})


@dataclass(frozen=True, slots=True)
class OpenedLink:
    """A link as a browser holds it after opening: the requests that open it, show its page, and set the password."""

    open: bytes
    show: bytes
    submit: bytes


def links(port: int, size: int, first: int) -> list[str]:
    """The paths of fresh links, by a batch."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    text = batch(size, first).partition(b"\r\n\r\n")[2]
    connection.request("POST", "/manag/", text, {"Authorization": f"Basic {CREDENTIALS}"})
    answers = json.loads(connection.getresponse().read())
    connection.close()
    return [answer["result"][answer["result"].index("/r/") :] for answer in answers]


def opened(port: int, paths: list[str], origin: str) -> list[OpenedLink]:
    """Open these links as a browser does, and note what it would send next."""
    host = origin.partition("//")[2]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    found = []
    for path in paths:
        connection.request("GET", path, headers={"Host": host})
        moved = connection.getresponse()
        moved.read()
        cookies = "; ".join(value.split(";")[0] for value in moved.headers.get_all("Set-Cookie", []))
        page = moved.headers["Location"].removeprefix(origin)
        connection.request("GET", page, headers={"Host": host, "Cookie": cookies})
        shown = connection.getresponse()
        text = shown.read().decode()
        token = FORM_TOKEN.search(text)
        if token is None:
            raise RuntimeError(f"the page {shown.status} has no form: {text[:500]}")
        form = urlencode({"form_token": token[1], "password": PASSWORD, "repeat": PASSWORD})
        common = f"Host: {host}\r\nCookie: {cookies}\r\n"
        found.append(
            OpenedLink(
                open=f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode(),
                show=f"GET {page} HTTP/1.1\r\n{common}\r\n".encode(),
                submit=(
                    f"POST {page} HTTP/1.1\r\n{common}Origin: {origin}\r\n"
                    "Content-Type: application/x-www-form-urlencoded\r\n"
                    f"Content-Length: {len(form)}\r\n\r\n{form}"
                ).encode(),
            )
        )
    connection.close()
    return found
