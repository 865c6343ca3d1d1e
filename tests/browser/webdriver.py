"""WebDriver (https://www.w3.org/TR/webdriver2/) without a library: what carries its commands, and a page driven by them.

Firefox takes them itself, by its own protocol Marionette
(https://firefox-source-docs.mozilla.org/testing/marionette/Protocol.html); WebKit by a driver of its own, over HTTP.
"""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

WITHIN = 60.0  # seconds, for whatever a browser is asked to do


class CommandRefused(Exception):
    """The browser did not do what it was asked to, and says why."""


class Wire(Protocol):
    """Carries a command, by its name in the standard, to a browser. Raises CommandRefused."""

    def send(self, command: str, **parameters: Any) -> Any: ...

    def close(self) -> None: ...


class Marionette:
    """The wire to Firefox: JSON over TCP, each message after its length in bytes."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=WITHIN)
        self._stream = self._socket.makefile("rb")
        self._number = 0
        self._read()  # what it speaks
        self.send("NewSession", acceptInsecureCerts=True)

    def send(self, command: str, **parameters: Any) -> Any:
        return self._ask(f"WebDriver:{command}", parameters)

    def in_the_browser(self, javascript: str) -> Any:
        """Run a script as a part of the browser itself, which knows more than its pages do."""
        self._ask("Marionette:SetContext", {"value": "chrome"})
        try:
            return self.send("ExecuteScript", script=javascript, args=[])
        finally:
            self._ask("Marionette:SetContext", {"value": "content"})

    def close(self) -> None:
        self._stream.close()
        self._socket.close()

    def _ask(self, command: str, parameters: dict[str, Any]) -> Any:
        self._number += 1
        message = json.dumps([0, self._number, command, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(message), message))
        _, number, error, result = self._read()
        assert number == self._number
        if error is not None:
            raise CommandRefused(f"{error['error']}: {error['message']}")
        return result.get("value", result) if isinstance(result, dict) else result

    def _read(self) -> Any:
        length = b""
        while (digit := self._stream.read(1)) != b":":
            assert digit, "Firefox has hung up"
            length += digit
        return json.loads(self._stream.read(int(length)))


class Http:
    """The wire to WebKit's driver, and through it to a browser that the driver starts."""

    PATHS: ClassVar[dict[str, tuple[str, str]]] = {
        "Navigate": ("POST", "/url"),
        "GetCurrentURL": ("GET", "/url"),
        "Back": ("POST", "/back"),
        "Refresh": ("POST", "/refresh"),
        "FindElement": ("POST", "/element"),
        "ElementClick": ("POST", "/element/{id}/click"),
        "ElementClear": ("POST", "/element/{id}/clear"),
        "ElementSendKeys": ("POST", "/element/{id}/value"),
        "ExecuteScript": ("POST", "/execute/sync"),
    }

    def __init__(self, port: int, browser: dict[str, Any]) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WITHIN)
        wanted = {"acceptInsecureCerts": True, "webkitgtk:browserOptions": browser}
        made = self._ask("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})
        self._session = f"/session/{made['sessionId']}"

    def send(self, command: str, **parameters: Any) -> Any:
        method, path = self.PATHS[command]
        return self._ask(method, self._session + path.format(**parameters), parameters)

    def close(self) -> None:
        self._ask("DELETE", self._session, {})
        self._connection.close()

    def _ask(self, method: str, path: str, parameters: dict[str, Any]) -> Any:
        self._connection.request(method, path, json.dumps(parameters) if method == "POST" else None)
        answer = self._connection.getresponse()
        value = json.loads(answer.read())["value"]
        if answer.status != http.client.OK:
            raise CommandRefused(f"{value['error']}: {value['message']}")
        return value


class Tab:
    """A browser's one page, by a person's steps. Elements are named by CSS selectors."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def open(self, url: str) -> None:
        self.wire.send("Navigate", url=url)

    @property
    def url(self) -> str:
        """What stands in the address bar."""
        url: str = self.wire.send("GetCurrentURL")
        return url

    def back(self) -> None:
        self.wire.send("Back")

    def reload(self) -> None:
        self.wire.send("Refresh")

    def click(self, css: str) -> None:
        self.wire.send("ElementClick", id=self.find(css))

    def fill(self, css: str, text: str) -> None:
        element = self.find(css)
        self.wire.send("ElementClear", id=element)
        self.wire.send("ElementSendKeys", id=element, text=text)

    def find(self, css: str) -> str:
        """The driver's name for an element."""
        found: dict[str, str] = self.wire.send("FindElement", using="css selector", value=css)
        return next(iter(found.values()))

    def look(self, javascript: str) -> Any:
        """What an expression says, asked from outside: the page's own scripts may be switched off."""
        return self.wire.send("ExecuteScript", script=f"return {javascript}", args=[])

    def until(self, javascript: str, expected: Any) -> None:
        """Wait until a page is all there and an expression says this on it. Raises AssertionError with what it said."""
        said: Any = None

        def as_expected() -> bool:
            nonlocal said
            try:
                said = self.look(f"document.readyState === 'complete' ? {javascript} : 'not all there'")
            except CommandRefused as error:  # there is none while one page goes and the next comes
                said = error
            return bool(said == expected)

        until(as_expected, lambda: f"{javascript}: {said!r}, and not {expected!r}")


def until(it_is_so: Callable[[], Any], otherwise: Callable[[], str] = lambda: "waited for in vain") -> None:
    """Wait for what comes by itself. Raises AssertionError with what it was otherwise."""
    deadline = time.monotonic() + WITHIN
    while not it_is_so():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.02)
