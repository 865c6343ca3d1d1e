"""A person with a browser that has cookies and no JavaScript: opens links, fills in the form."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

from tests.servers.service import Service


@dataclass
class SeenPage:
    url: str
    status: int
    headers: dict[str, str]
    text: str
    fields: dict[str, str] = field(default_factory=dict)


class _Fields(HTMLParser):
    """The named inputs of the page's first form."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: dict[str, str] = {}
        self._forms = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self._forms += tag == "form"
        if tag == "input" and self._forms == 1 and (name := attributes.get("name")):
            self.fields[name] = attributes.get("value") or ""


class PersonBrowser:
    """Follows redirects as a browser does."""

    def __init__(self, service: Service, language: str = "en") -> None:
        self._service = service
        self._language = language
        self.cookies: dict[str, str] = {}

    def open(self, url: str) -> SeenPage:
        return self._request("GET", url)

    def submit(self, page: SeenPage, password: str, repeat: str | None = None) -> SeenPage:
        fields = page.fields | {"password": password, "repeat": password if repeat is None else repeat}
        return self._request("POST", page.url, urlencode(fields).encode())

    def press(self, page: SeenPage, action: str, **fields: str) -> SeenPage:
        """Send the page's first form to `<its tab>/<action>`."""
        tab = "/".join(urlsplit(page.url).path.split("/")[:3])
        return self._request("POST", urljoin(page.url, f"{tab}/{action}"), urlencode(page.fields | fields).encode())

    def _request(self, method: str, url: str, body: bytes | None = None) -> SeenPage:
        for _ in range(5):
            headers = {
                "Accept-Language": self._language,
                "Cookie": "; ".join(f"{k}={v}" for k, v in self.cookies.items()),
            }
            if body is not None:
                headers |= {"Content-Type": "application/x-www-form-urlencoded", "Origin": self._service.url}
            status, answer_headers, text = self._service.request(method, urlsplit(url).path, body, headers)
            self._keep_cookies(answer_headers)
            if status not in {301, 302, 303, 307}:
                parser = _Fields()
                parser.feed(text.decode())
                return SeenPage(url, status, answer_headers, text.decode(), parser.fields)
            method, body, url = "GET", None, urljoin(url, answer_headers["location"])
        raise AssertionError("redirected without end")

    def _keep_cookies(self, headers: dict[str, str]) -> None:
        for line in headers.get("set-cookie", "").split("\n"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
