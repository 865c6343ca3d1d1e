"""The load generator, in a process of its own: requests made beforehand, answers looked at by a substring only.

Reads a `Plan` from standard input, says `ready`, waits for a line, and writes an `Outcome`. Callers on kept connections
share one event loop; callers that make a TLS connection per call are threads, since a blocking handshake costs less.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import sys
import threading
import time
from collections.abc import Iterator

import msgspec

END_OF_HEAD = b"\r\n\r\n"
LENGTH = b"content-length:"


class Plan(msgspec.Struct, kw_only=True):
    """What to send. Either `requests`, each once, or `head` + a load person's uid + `tail`, for `seconds`."""

    port: int
    callers: int
    seconds: float = 0.0
    tls: bool = False
    new_connections: bool = False
    requests: list[bytes] = []
    head: bytes = b""
    tail: bytes = b""
    first: int = 0
    people: int = 0
    expect: bytes = b""


class Outcome(msgspec.Struct, kw_only=True):
    """What came of it; times in milliseconds."""

    answers: int
    failures: int
    seconds: float
    p50: float
    p99: float
    failure: str = ""


class Run:
    """One run: hands out requests, takes answers."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.times: list[float] = []
        self.failures = 0
        self.failure = ""
        self._requests = self._each()
        self._lock = threading.Lock()
        self.began = 0.0
        self._until = 0.0

    def start(self) -> None:
        """The clock runs from now on."""
        self.began = time.perf_counter()
        self._until = self.began + (self.plan.seconds or 1e9)

    def next(self) -> bytes | None:
        """The next request, or None when it is over."""
        if time.perf_counter() >= self._until:
            return None
        with self._lock:
            return next(self._requests, None)

    def took(self, began: float, answer: bytes) -> None:
        """An answer has come."""
        self.times.append(time.perf_counter() - began)
        if self.plan.expect not in answer:
            self.failures += 1
            self.failure = self.failure or answer[:600].decode(errors="replace")

    def outcome(self) -> Outcome:
        """The figures."""
        times = sorted(self.times) or [0.0]
        return Outcome(
            answers=len(self.times),
            failures=self.failures,
            seconds=time.perf_counter() - self.began,
            p50=times[len(times) // 2] * 1000,
            p99=times[min(len(times) - 1, int(len(times) * 0.99))] * 1000,
            failure=self.failure,
        )

    def _each(self) -> Iterator[bytes]:
        plan = self.plan
        if plan.requests:
            yield from plan.requests
            return
        number = plan.first
        while True:
            yield b"%bu%07d%b" % (plan.head, number % plan.people + 1, plan.tail)
            number += 1


def length_of(answer: bytes) -> int | None:
    """How long the whole answer is, once its head is there."""
    end = answer.find(END_OF_HEAD)
    if end < 0:
        return None
    head = answer[:end].lower()
    at = head.find(LENGTH)
    body = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    return end + len(END_OF_HEAD) + body


class Caller(asyncio.Protocol):
    """One caller on a kept connection."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._answer = b""
        self._began = 0.0
        self._transport: asyncio.Transport | None = None
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected; the first request waits for the start."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self) -> None:
        """Send the next request, or end."""
        request = self._run.next()
        assert self._transport is not None
        if request is None:
            self._transport.close()
            self._end()
            return
        self._began = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        """A piece of the answer."""
        self._answer += data
        length = length_of(self._answer)
        if length is not None and len(self._answer) >= length:
            self._run.took(self._began, self._answer)
            self._answer = b""
            self.ask()

    def connection_lost(self, exc: Exception | None) -> None:
        """The server hung up."""
        if not self.done.done():
            self._run.failures += 1
            self._run.failure = self._run.failure or f"connection lost: {exc}"
        self._end()

    def _end(self) -> None:
        if not self.done.done():
            self.done.set_result(None)


async def call_on_kept_connections(run: Run) -> None:
    """All callers in this event loop."""
    loop = asyncio.get_running_loop()
    callers = [
        (await loop.create_connection(lambda: Caller(run), "127.0.0.1", run.plan.port))[1]
        for _ in range(run.plan.callers)
    ]
    wait_for_start()
    run.start()
    for caller in callers:
        caller.ask()
    await asyncio.gather(*(caller.done for caller in callers))


def call_on_new_connections(run: Run) -> None:
    """All callers as threads; a connection, with its TLS handshake, per call."""
    # The certificate is not looked at: the caller's own work is not what is measured.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    threads = [threading.Thread(target=_call, args=(run, context)) for _ in range(run.plan.callers)]
    wait_for_start()
    run.start()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _call(run: Run, context: ssl.SSLContext) -> None:
    while (request := run.next()) is not None:
        began = time.perf_counter()
        try:
            with (
                socket.create_connection(("127.0.0.1", run.plan.port)) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as connection,
            ):
                connection.sendall(request)
                answer = b""
                while (length := length_of(answer)) is None or len(answer) < length:
                    piece = connection.recv(65536)
                    if not piece:
                        break
                    answer += piece
            run.took(began, answer)
        except OSError as error:
            run.failures += 1
            run.failure = run.failure or str(error)


def wait_for_start() -> None:
    """Say that all is prepared, and wait to be told."""
    gc.collect()
    gc.disable()
    print("ready", flush=True)
    sys.stdin.buffer.readline()


def main() -> None:
    plan = msgspec.msgpack.decode(sys.stdin.buffer.read(int(sys.stdin.buffer.readline())), type=Plan)
    run = Run(plan)
    if plan.new_connections:
        call_on_new_connections(run)
    else:
        asyncio.run(call_on_kept_connections(run))
    print(msgspec.json.encode(run.outcome()).decode(), flush=True)


if __name__ == "__main__":
    main()
