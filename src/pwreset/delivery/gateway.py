"""An SMS gateway's request, described in the settings, and how facts are put into it.

A placeholder is replaced once, by data in the encoding of its place: quoted in a URL, encoded in a form, a string in
JSON, escaped in XML. What a text holds can neither add a field nor be replaced again.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit
from xml.sax.saxutils import escape as escape_xml

import msgspec

from pwreset.delivery import tls
from pwreset.delivery.segments import is_gsm7
from pwreset.errors import SettingsError
from pwreset.secret import Secret
from pwreset.settings import Sms

PLACEHOLDERS = ("to", "to_digits", "from", "text", "coding", "id", "report_url", "username", "password")
GSM7, UCS2 = "0", "2"  # 3GPP TS 23.038, as SMPP and Kannel name them
_WORD = re.compile(r"\{([a-z_]+)\}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e]*\Z")
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_DEFAULT_FIELDS = {"to": "{to}", "from": "{from}", "text": "{text}"}
_MEDIA_TYPES = {
    "form": "application/x-www-form-urlencoded",
    "json": "application/json",
    "text": "text/plain; charset=utf-8",
}

Facts = Mapping[str, str]


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One HTTP request, ready to be sent. Not shown: it holds a link, and perhaps a password."""

    url: str
    headers: Mapping[str, str]
    body: bytes | None


class Gateway:
    """The description, read and checked. Raises SettingsError with what is wrong with it."""

    def __init__(self, settings: Sms, password: Secret | None) -> None:
        parts = urlsplit(settings.url or "")
        self.host, self.secure = parts.hostname or "", parts.scheme == "https"
        _check_url(settings)
        self.port = parts.port or (443 if self.secure else 80)
        self.name = f"{parts.scheme}://{self.host}:{self.port}"
        self._settings = settings
        self._password = password
        self._headers = self._all_headers()
        self._write_body = self._body_writer()
        self._check_placeholders()

    def request(self, to: str, text: str, message_id: str, report_url: str = "") -> Request:
        """The request for one message. Raises ValueError when a header cannot hold a fact."""
        facts = {
            "to": to,
            "to_digits": to.removeprefix("+"),
            "from": self._settings.sender,
            "text": text,
            "coding": GSM7 if is_gsm7(text) else UCS2,
            "id": message_id,
            "report_url": report_url,
            "username": self._settings.username or "",
            "password": self._password.reveal() if self._password else "",
        }
        headers = {name: _fill(value, facts, _header_safe) for name, value in self._headers.items()}
        url = _fill(self._settings.url or "", facts, lambda value: quote(value, safe=""))
        return Request(url, headers, self._write_body(facts))

    def _all_headers(self) -> dict[str, str]:
        """Those of the settings, and ours where the settings say nothing else."""
        headers = dict(self._settings.headers)
        named = {name.lower() for name in headers}
        for name, value in headers.items():
            if not _HEADER_NAME.match(name) or not _HEADER_VALUE.match(value):
                raise SettingsError(f"sms.headers: {name!r} cannot be sent")
        if self._settings.method != "GET" and "content-type" not in named:
            headers["Content-Type"] = _MEDIA_TYPES[self._settings.content_type]
        if "idempotency-key" not in named:
            # Known to many gateways (IETF draft-ietf-httpapi-idempotency-key-header): a message tried again after an
            # answer was lost is not sent twice.
            headers["Idempotency-Key"] = "{id}"
        if self._settings.username is not None and "authorization" not in named and not self._names_username():
            login = f"{self._settings.username}:{self._password.reveal() if self._password else ''}"
            headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
        return headers

    def _names_username(self) -> bool:
        described = [self._settings.url or "", *self._settings.headers.values(), *_texts(self._settings.body)]
        return any("{username}" in text for text in described)

    def _body_writer(self) -> Callable[[Facts], bytes | None]:
        body, kind = self._settings.body, self._settings.content_type
        if self._settings.method == "GET":
            if body is not None:
                raise SettingsError("sms.body: GET has no body; put {to} and {text} into sms.url")
            return lambda _facts: None
        if body is None:
            body = "{text}" if kind == "text" else _DEFAULT_FIELDS
        if kind == "json":
            return _json_writer(body)
        if kind == "form":
            return _form_writer(body)
        if not isinstance(body, str):
            raise SettingsError("sms.body: is a text when content_type is text")
        xml = "xml" in next((value for name, value in self._headers.items() if name.lower() == "content-type"), "")
        encode = (lambda value: escape_xml(value, {'"': "&quot;", "'": "&apos;"})) if xml else _as_it_is
        return lambda facts: _fill(body, facts, encode).encode()

    def _check_placeholders(self) -> None:
        described = [self._settings.url or "", *self._settings.headers.values(), *_texts(self._settings.body)]
        for text in described:
            for word in _WORD.findall(text):
                if word == "report_url" and self._settings.report_url is None:
                    raise SettingsError("sms: {report_url} stands for nothing without sms.report_url")
                if word not in PLACEHOLDERS:
                    raise SettingsError(f"sms: {{{word}}} stands for nothing; there are {', '.join(PLACEHOLDERS)}")
        if (self._settings.body is not None or self._settings.method == "GET") and not any(
            "{text}" in text for text in described
        ):
            raise SettingsError("sms: {text} stands nowhere, neither in sms.url nor in sms.body")


def _check_url(settings: Sms) -> None:
    try:
        parts = urlsplit(settings.url or "")
        _ = parts.port
    except ValueError as error:
        raise SettingsError("sms.url: is no address") from error
    if parts.scheme not in ("https", "http") or not parts.hostname or "{" in parts.netloc:
        raise SettingsError("sms.url: must be like https://gateway.example.org/send")
    if parts.username is not None or parts.password is not None:
        raise SettingsError("sms.url: holds no log-in; use sms.username and sms.password_file")
    if parts.scheme == "http" and not tls.is_loopback(parts.hostname) and not settings.allow_plain_http:
        raise SettingsError("sms.url: http:// is for loopback; use https://, or set allow_plain_http = true")


def _texts(body: dict[str, str] | str | None) -> list[str]:
    if body is None:
        return []
    return [body] if isinstance(body, str) else list(body.values())


def _json_writer(body: dict[str, str] | str) -> Callable[[Facts], bytes]:
    """A template that is a text is read as JSON first, so that data fills strings and never changes the structure."""
    try:
        template = msgspec.json.decode(body) if isinstance(body, str) else body
    except msgspec.DecodeError as error:
        raise SettingsError("sms.body: is not JSON; placeholders stand inside of strings") from error
    return lambda facts: msgspec.json.encode(_fill_tree(template, facts))


def _form_writer(body: dict[str, str] | str) -> Callable[[Facts], bytes]:
    if isinstance(body, str):
        return lambda facts: _fill(body, facts, quote_plus).encode()
    return lambda facts: "&".join(
        f"{quote_plus(name)}={quote_plus(_fill(value, facts, _as_it_is))}" for name, value in body.items()
    ).encode()


def _fill_tree(template: Any, facts: Facts) -> Any:
    if isinstance(template, str):
        return _fill(template, facts, _as_it_is)
    if isinstance(template, dict):
        return {name: _fill_tree(value, facts) for name, value in template.items()}
    if isinstance(template, list):
        return [_fill_tree(value, facts) for value in template]
    return template


def _fill(template: str, facts: Facts, encode: Callable[[str], str]) -> str:
    """One pass: what is put in is not looked at again."""
    return _WORD.sub(lambda match: encode(facts[match[1]]) if match[1] in facts else match[0], template)


def _as_it_is(value: str) -> str:
    return value


def _header_safe(value: str) -> str:
    if not _HEADER_VALUE.match(value):
        raise ValueError("a header holds printable ASCII only")
    return value
