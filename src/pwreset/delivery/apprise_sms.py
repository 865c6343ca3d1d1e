"""SMS through one of the services that apprise knows, by its apprise URL.

Apprise answers yes or no, and says why only in its log, in words that differ by service; what most of them have in
common is the HTTP status at the end: `error=401`. So:

- yes: sent.
- no, with a 4xx that is not about our settings nor passing (see `sms`): refused.
- no, with any other status or none (no connection, a service's own refusal within a 200): deferred. A number that a
  service refuses in such words is tried until the link expires: nothing tells it apart from a fault of ours.

Apprise blocks: each message has a thread, and a thread that hangs holds up its own place only. Its logs, and those of the
HTTP library below it, hold addresses with keys, numbers and texts: they go nowhere.
"""

from __future__ import annotations

import asyncio
import logging
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from pwreset.delivery import tls
from pwreset.delivery.gateway import PLACEHOLDERS
from pwreset.delivery.sms import is_final, reached
from pwreset.errors import DeliveryDeferred, DeliveryRefused, SettingsError
from pwreset.reset.model import Channel, Envelope, ServerHealth
from pwreset.secret import Secret
from pwreset.settings import Sms

if TYPE_CHECKING:
    from apprise import NotifyBase

THREADS = 16
SAMPLE = "+33612345678"
_WORD = re.compile(r"\{([a-z_]+)\}")
_STATUS = re.compile(r"error=(\d{3})\b")
_LOGGERS = ("apprise", "urllib3", "requests", "requests_oauthlib")
_attempt = threading.local()


class _Statuses(logging.Handler):
    """Keeps of apprise's log the HTTP status that an attempt of this thread ended with, and nothing else."""

    def emit(self, record: logging.LogRecord) -> None:
        if found := _STATUS.search(record.getMessage()):
            _attempt.status = int(found[1])


class AppriseSmsTransport:
    """Implements `pwreset.reset.ports.Transport`. Raises SettingsError when the address cannot work."""

    def __init__(self, settings: Sms, password: Secret | None) -> None:
        _import()
        self._settings = settings
        self._password = password
        self._scheme = urlsplit(settings.url or "").scheme
        _tame_the_logs()
        self._check()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="apprise")

    @property
    def channel(self) -> Channel:
        """SMS."""
        return Channel.SMS

    async def send(self, envelope: Envelope) -> None:
        """Hand one message over. Raises DeliveryDeferred, DeliveryRefused."""
        loop = asyncio.get_running_loop()
        work = loop.run_in_executor(self._threads, self._send, envelope.recipient.address, envelope.content.text)
        try:
            async with asyncio.timeout(self._settings.timeout_seconds):
                sent, status = await work
        except TimeoutError:
            raise DeliveryDeferred(f"no answer in time from {self._scheme} (apprise)") from None
        except Exception as error:  # noqa: BLE001 - a plug-in's bug; its words may hold the address
            raise DeliveryDeferred(f"{self._scheme} (apprise) failed: {type(error).__name__}") from None
        if sent:
            return
        if status is not None and is_final(status):
            raise DeliveryRefused(f"{self._scheme} (apprise) refused the message (HTTP {status})")
        told = f"HTTP {status}" if status else "it did not say why, or could not be reached"
        raise DeliveryDeferred(f"{self._scheme} (apprise) did not take the message ({told})")

    async def health(self) -> ServerHealth:
        """Connect to the host where the address names one, and leave again; of other services only that it can be read.

        Never raises.
        """
        name = f"apprise {self._scheme}"
        service: Any = self._service(SAMPLE)
        host, secure = _host(service), self._secure(service)
        if not host:
            return ServerHealth(name, ok=True)
        port = getattr(service, "port", None) or (443 if secure else 80)
        context = tls.context(None, "sms.ca_file") if secure else None
        return await reached(name, host, port, context, self._settings.timeout_seconds)

    async def close(self) -> None:
        """Leave the threads; one that hangs ends with its own deadline."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _send(self, to: str, text: str) -> tuple[bool, int | None]:
        """In a thread: whether it was taken, and the HTTP status if it was not."""
        service = self._service(to)
        if service is None:
            return False, None
        _attempt.status = None
        sent = bool(service.notify(body=text, title=""))
        return sent, _attempt.status

    def _service(self, to: str) -> NotifyBase | None:
        from apprise import Apprise, AppriseAsset

        facts = {
            "to": to,
            "to_digits": to.removeprefix("+"),
            "from": self._settings.sender,
            "username": self._settings.username or "",
            "password": self._password.reveal() if self._password else "",
        }
        url = _WORD.sub(lambda match: quote(facts.get(match[1], ""), safe=""), self._settings.url or "")
        asset = AppriseAsset(secure_logging=True, async_mode=False, http_redirects=False, storage_mode="memory")
        service: Any = Apprise.instantiate(url, asset=asset, suppress_exceptions=True)
        if service is None:
            return None
        service.socket_connect_timeout = service.socket_read_timeout = self._settings.timeout_seconds
        return service  # type: ignore[no-any-return] # apprise types it loosely

    def _check(self) -> None:
        url = self._settings.url or ""
        words = set(_WORD.findall(url))
        if unknown := words - (set(PLACEHOLDERS) - {"text", "coding", "id"}):
            raise SettingsError(f"sms.url: {{{min(unknown)}}} stands for nothing in an apprise URL")
        if not words & {"to", "to_digits"}:
            raise SettingsError("sms.url: {to} or {to_digits} stands nowhere in the apprise URL")
        service: Any = self._service(SAMPLE)
        if service is None:
            raise SettingsError(f"sms.url: apprise cannot read this as an address of {self._scheme}")
        if not service.verify_certificate:
            raise SettingsError("sms.url: verify=no sends links to anybody; leave it out")
        if service.redirects:
            raise SettingsError("sms.url: redirect=yes sends links where another says; leave it out")
        if not self._secure(service) and not tls.is_loopback(_host(service)) and not self._settings.allow_plain_http:
            raise SettingsError(
                f"sms.url: {self._scheme}:// is plain HTTP off loopback; it needs allow_plain_http = true"
            )

    def _secure(self, service: Any) -> bool:
        """Whether the scheme is one with TLS: plug-ins that speak without have it as `protocol`."""
        plain = service.protocol or ()
        return self._scheme not in ((plain,) if isinstance(plain, str) else plain)


def _host(service: Any) -> str:
    """The host that the address names; empty for services whose host the plug-in knows itself."""
    return str(service.host or "") if any("{host" in template for template in service.templates) else ""


def _import() -> None:
    """It takes half a second: only where it is wanted."""
    try:
        import apprise  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            "sms.url: for an apprise URL install pwreset[apprise] (requirements-apprise.lock)"
        ) from error


def _tame_the_logs() -> None:
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.handlers = [_Statuses() if name == "apprise" else logging.NullHandler()]
        # Their debug lines hold whole requests: they are not even made.
        logger.setLevel(logging.WARNING)
