"""pwreset itself as a process, from a settings file, as an operator runs it."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pwreset.demo.authority import Authority

READY_WITHIN = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Service:
    """One pwreset process; may be killed and started again on the same folder."""

    def __init__(
        self,
        folder: Path,
        settings: Mapping[str, Any],
        *,
        tls: bool = True,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.port = free_port()
        self.scheme = "https" if tls else "http"
        self.url = f"{self.scheme}://localhost:{self.port}"
        self.log = folder / "pwreset.log"
        self.config = folder / "pwreset.toml"
        self.store = folder / "pwreset.db"
        self.tls = Authority("Service CA").issue(folder / "tls")
        self.environment = {**os.environ, **(environment or {})}
        self.process: subprocess.Popen[bytes] | None = None
        server: dict[str, Any] = {"bind": f"127.0.0.1:{self.port}"}
        if tls:
            server |= {"tls_certificate": str(self.tls.certificate), "tls_key": str(self.tls.key)}
        whole = merge({"public_url": self.url, "server": server, "store": {"url": f"sqlite://{self.store}"}}, settings)
        self.config.touch(mode=0o600)
        self.config.write_text(as_toml(whole))

    def start(self) -> None:
        """Start and wait until it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pwreset", "serve", "--config", str(self.config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
            )
        deadline = time.monotonic() + READY_WITHIN
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"pwreset ended with {self.process.returncode}:\n{self.log.read_text()[-4000:]}")
            try:
                status, _, _ = self.request("GET", "/healthz")
            except OSError:
                time.sleep(0.02)
                continue
            if status == 200:
                return
        raise AssertionError(f"pwreset is not ready:\n{self.log.read_text()[-4000:]}")

    def kill(self) -> None:
        """kill -9: nothing is flushed, nobody says goodbye."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def command(self, *words: str, expect: int = 0) -> str:
        """A `pwreset` command on the same settings; its standard output."""
        done = subprocess.run(
            [sys.executable, "-m", "pwreset", *words, "--config", str(self.config)],
            capture_output=True,
            text=True,
            env=self.environment,
            timeout=60,
            check=False,
        )
        assert done.returncode == expect, f"exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def connection(self) -> http.client.HTTPConnection:
        if self.scheme == "http":
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        context = ssl.create_default_context(cafile=str(self.tls.ca))
        return http.client.HTTPSConnection("localhost", self.port, timeout=60, context=context)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        """One request on a connection of its own: status, headers in lower case, body."""
        connection = self.connection()
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            names: dict[str, str] = {}
            for name, value in answer.getheaders():
                # Cookies come in headers of the same name; a newline keeps them apart.
                known = names.get(name.lower())
                names[name.lower()] = value if known is None else f"{known}\n{value}"
            return answer.status, names, answer.read()
        finally:
            connection.close()

    def call(self, method: str, params: Any = None, *, login: str, password: str) -> tuple[Any, dict[str, str]]:
        """One JSON-RPC call: the answer's object and headers."""
        body: dict[str, Any] = {"jsonrpc": "2.0", "method": method, "id": 0}
        if params is not None:
            body["params"] = params
        credentials = b64encode(f"{login}:{password}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
        _, answer_headers, answer = self.request("POST", "/manag/", json.dumps(body).encode(), headers)
        return json.loads(answer), answer_headers


@contextmanager
def running(service: Service) -> Iterator[Service]:
    """The service, started; ended at the end, whatever happened."""
    service.start()
    try:
        yield service
    finally:
        if service.process is not None and service.process.poll() is None:
            service.process.terminate()
            try:
                service.process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                service.process.kill()
                service.process.wait()


def merge(base: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Two settings trees in one; `more` wins."""
    merged = dict(base)
    for key, value in more.items():
        known = merged.get(key)
        merged[key] = merge(known, value) if isinstance(known, Mapping) and isinstance(value, Mapping) else value
    return merged


def as_toml(settings: Mapping[str, Any], path: tuple[str, ...] = ()) -> str:
    """A settings tree as TOML."""
    plain = {key: value for key, value in settings.items() if not isinstance(value, Mapping)}
    lines = [f"[{'.'.join(json.dumps(part) for part in path)}]"] if path and plain else []
    lines += [f"{json.dumps(key)} = {json.dumps(value, ensure_ascii=False)}" for key, value in plain.items()]
    text = "\n".join(lines) + "\n"
    for key, value in settings.items():
        if isinstance(value, Mapping):
            text += as_toml(value, (*path, key))
    return text
