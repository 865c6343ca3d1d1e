"""The HTTP side of `/manag/`: who may call, what is read, and with which status the answer goes out.

The order is part of the contract: network, certificate, verb, size, `Authorization`, log-in, JSON. Whatever is refused, the request's
body is read to its end first: a caller that is still sending would lose the answer with the connection.
"""

from __future__ import annotations

from math import ceil

from starlette.types import Receive, Scope

from pwreset import logs
from pwreset.errors import BadCredentials, CertificateMissing, NetworkNotAllowed, PwresetError, TooManyFailures
from pwreset.logs import correlation
from pwreset.reset.managers import log_in
from pwreset.reset.model import Asker, Manager, Origin
from pwreset.reset.services import Services
from pwreset.web.access import UNKNOWN, Networks
from pwreset.web.answer import JSON, NO_SNIFF, NO_STORE, Answer, RawHeaders
from pwreset.web.basic import CHALLENGE, read_basic
from pwreset.web.health import Health
from pwreset.web.manager import Caller, ManagerApi, as_failure
from pwreset.web.protocol import CLIENT_CERTIFICATE
from pwreset.web.rpc import INVALID_REQUEST, Failure, Reply, error_body, id_in

PATHS = frozenset({"/manag/", "/manag"})
LARGEST_BODY = 1024 * 1024
DRAINED_AT_MOST = 8 * LARGEST_BODY
HEADERS: RawHeaders = [JSON, NO_STORE, NO_SNIFF]
CLOSE = (b"connection", b"close")
CHALLENGED = (b"www-authenticate", CHALLENGE.encode())
UNAUTHORIZED = 401
UNLISTED_PROXY = (
    "A proxy on this machine forwards calls, so nobody knows whom they come from. Put its address, 127.0.0.1 or ::1, into"
    " server.trusted_proxies, and let it set X-Forwarded-For."
)

log = logs.get("web")


class BodyTooLarge(Exception):
    """The body is larger than 1 MiB. `drained`: it has been read to its end all the same."""

    def __init__(self, *, drained: bool) -> None:
        self.drained = drained
        super().__init__("The body is larger than 1 MiB")


class ClientGone(Exception):
    """The client hung up before its request was complete."""


class ManagerEndpoint:
    """Answers the requests for `/manag/`."""

    def __init__(self, services: Services, health: Health) -> None:
        self._services = services
        self._api = ManagerApi(services, health)
        self._allowed = Networks(services.settings.manager_api.allowed_networks)
        self._wants_certificate = services.settings.manager_api.client_ca is not None
        self._unauthorized = services.settings.manager_api.unauthorized_status
        self._wait = services.settings.delivery.wait_seconds

    async def answer(self, scope: Scope, receive: Receive, address: str, *, safe: bool) -> Answer:
        """The answer to one request. `safe`: it came over HTTPS, or may do without.

        Raises ClientGone, and whatever nobody has planned for.
        """
        wait_until = self._services.clock.monotonic() + self._wait
        try:
            body: bytes | BodyTooLarge = await _read_body(scope["headers"], receive)
        except BodyTooLarge as error:
            body = error
        if not self._allowed.hold(address):
            if address == UNKNOWN:
                log.warning("call through a proxy that is not trusted", advice=UNLISTED_PROXY)
            return refuse(403, as_failure(NetworkNotAllowed()))
        if not safe:
            return refuse(403, Failure(INVALID_REQUEST, "HTTPS is required"))
        if self._wants_certificate and CLIENT_CERTIFICATE not in scope:
            return refuse(403, as_failure(CertificateMissing()))
        if scope["method"] != "POST":
            return refuse(405, Failure(INVALID_REQUEST, "Only POST is served here"), (b"allow", b"POST"))
        if isinstance(body, BodyTooLarge):
            return refuse(413, Failure(INVALID_REQUEST, str(body)), *(() if body.drained else (CLOSE,)))
        return await self._logged_in(scope["headers"], body, address, wait_until)

    async def _logged_in(self, headers: RawHeaders, body: bytes, address: str, wait_until: float) -> Answer:
        credentials = read_basic(headers)
        if credentials is None:
            return _refuse_call(401, Failure(INVALID_REQUEST, "Authorization required"), body, CHALLENGED)
        try:
            manager = await log_in(credentials, address, self._services)
        except BadCredentials as error:
            challenge = (CHALLENGED,) if self._unauthorized == UNAUTHORIZED else ()
            return _refuse_call(self._unauthorized, as_failure(error), body, *challenge)
        except TooManyFailures as error:
            retry_after = b"%d" % max(1, ceil(error.retry_after.total_seconds()))
            return _refuse_call(429, as_failure(error), body, (b"retry-after", retry_after))
        except PwresetError as error:
            return _refuse_call(200, as_failure(error), body)
        return _as_answer(await self._api.dispatcher.answer(body, _caller(manager, address, wait_until)))


def refuse(status: int, failure: Failure, *more: tuple[bytes, bytes]) -> Answer:
    """A refusal of the whole HTTP request, as a JSON-RPC error."""
    return Answer(status, error_body(failure), [*HEADERS, *more])


def _refuse_call(status: int, failure: Failure, body: bytes, *more: tuple[bytes, bytes]) -> Answer:
    """A refusal that tells the id of the call, if there was a single one."""
    return Answer(status, error_body(failure, id_in(body)), [*HEADERS, *more])


def _caller(manager: Manager, address: str, wait_until: float) -> Caller:
    asker = Asker(origin=Origin.MANAGER, name=manager.dn, address=address, correlation=correlation.get())
    return Caller(manager, asker, wait_until)


def _as_answer(reply: Reply) -> Answer:
    if reply.body is None:
        return Answer(204, b"", [NO_STORE])
    if not reply.headers:
        return Answer(200, reply.body, HEADERS)
    return Answer(
        200, reply.body, [*HEADERS, *((name.lower().encode(), value.encode("ascii")) for name, value in reply.headers)]
    )


async def _read_body(headers: RawHeaders, receive: Receive) -> bytes:
    """The body. Raises BodyTooLarge, ClientGone."""
    for name, value in headers:
        if name == b"content-length" and int(value) > DRAINED_AT_MOST:
            raise BodyTooLarge(drained=False)
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > DRAINED_AT_MOST:
            raise BodyTooLarge(drained=False)
        if size <= LARGEST_BODY:
            chunks.append(chunk)
        more = message.get("more_body", False)
    if size > LARGEST_BODY:
        raise BodyTooLarge(drained=True)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)
