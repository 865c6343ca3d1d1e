"""A real SMS gateway on loopback: an HTTP server that keeps what it gets and answers as told."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

PATIENCE = 30.0  # seconds; only a broken service gets there


@dataclass(frozen=True)
class CapturedRequest:
    """One HTTP request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}

    @property
    def fields(self) -> dict[str, Any]:
        """The form's or JSON object's fields."""
        if self.headers.get("content-type", "").startswith("application/json"):
            return dict(json.loads(self.body))
        return {name: values[0] for name, values in parse_qs(self.body.decode()).items()}

    @property
    def to(self) -> str:
        return str(self.fields.get("to", ""))

    @property
    def text(self) -> str:
        return str(self.fields.get("text", ""))


@dataclass(frozen=True)
class Script:
    """How a number is answered."""

    status: int = 200
    body: str = "accepted"
    hang: bool = False
    location: str | None = None


class GatewayServer:
    """The gateway. Everybody may ask from any thread: `requests`, `wait_for`, `answer`."""

    def __init__(self, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1") -> None:
        self._tls = tls
        self._host = host
        self._arrived = threading.Condition()
        self._requests: list[CapturedRequest] = []
        self._scripts: dict[str, Script] = {}
        self._released = threading.Event()
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self._host}:{self.port}/sms"

    def __enter__(self) -> Self:
        self.start_again()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start_again(self) -> None:
        """Listen; on the same port as before."""
        self._released.clear()
        self._server = _Server(self, self.port, self._tls)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def stop(self) -> None:
        """Stop listening; the port stays known."""
        if self._server is None or self._thread is None:
            return
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.hang_up()
        self._thread.join()
        self._server = self._thread = None

    @property
    def requests(self) -> list[CapturedRequest]:
        with self._arrived:
            return list(self._requests)

    def wait_for(self, number: str, count: int = 1) -> CapturedRequest:
        """The so-manieth message to a number."""
        deadline = time.monotonic() + PATIENCE
        with self._arrived:
            while True:
                found = [request for request in self._requests if request.to == number]
                if len(found) >= count:
                    return found[count - 1]
                if not self._arrived.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"{len(found)} of {count} messages to {number}")

    def answer(
        self, number: str, *, status: int = 200, body: str = "accepted", hang: bool = False, location: str | None = None
    ) -> None:
        """How messages to this number are answered from now on; those that fail are not kept."""
        self._scripts[number] = Script(status, body, hang, location)

    def script_for(self, request: CapturedRequest) -> Script:
        """Found by the number anywhere in the request, since settings put it anywhere."""
        wanted = request.body.decode(errors="replace") + request.path
        digits = {number: number.removeprefix("+") for number in self._scripts}
        script = next((self._scripts[number] for number, plain in digits.items() if plain in wanted), Script())
        if script.hang:
            self._released.wait(PATIENCE)
        return script

    def keep(self, request: CapturedRequest) -> None:
        with self._arrived:
            self._requests.append(request)
            self._arrived.notify_all()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, gateway: GatewayServer, port: int, tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.gateway = gateway
        self.connections: list[socket.socket] = []
        if tls is not None:
            # The handshake belongs to the connection's own thread.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connections.append(connection)
        return connection, address

    def hang_up(self) -> None:
        """Connections outlive the listener otherwise, each in its thread."""
        for connection in self.connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that hang up are part of the tests."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = PATIENCE
    server: _Server

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        request = CapturedRequest(
            self.command,
            self.path,
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(length),
        )
        script = self.server.gateway.script_for(request)
        if script.status < 300 and not script.hang:
            self.server.gateway.keep(request)
        body = script.body.encode()
        self.send_response(script.status)
        self.send_header("Content-Length", str(len(body)))
        if script.location:
            self.send_header("Location", script.location)
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_PUT = do_POST  # noqa: N815

    def log_message(self, *_: object) -> None:
        """Tests look at what was kept."""
