"""HAProxy on loopback before several nodes, with the configuration of the how-to."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from pwreset.demo.authority import Authority
from tests.servers.service import Service, free_port

HOW_TO = Path(__file__).parents[2] / "docs/how-to/several-nodes.md"
START_SECONDS = 30.0
PROGRAM = "/usr/sbin/haproxy"


class Balancer(Service):
    """What callers and people reach: takes calls as a `Service` does, and passes them on to the nodes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.scheme = "https"
        self.url = f"https://localhost:{self.port}"
        self.tls = Authority("Balancer CA").issue(folder / "balancer-tls")
        self.process: subprocess.Popen[bytes] | None = None
        self._nodes: list[int] = []

    def before(self, ports: list[int]) -> Self:
        """The nodes' ports."""
        self._nodes = ports
        return self

    def __enter__(self) -> Self:
        both = self.folder / "balancer.pem"
        both.touch(mode=0o600)
        both.write_text(self.tls.certificate.read_text() + self.tls.key.read_text())
        config = self.folder / "haproxy.cfg"
        config.write_text(_configuration(self.port, both, self._nodes))
        self.process = subprocess.Popen([PROGRAM, "-db", "-f", str(config)], stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "HAProxy has ended"
            try:
                if self.request("GET", "/healthz")[0] == 200:
                    return self
            except OSError:
                pass
            time.sleep(0.02)
        raise AssertionError("no node answers through HAProxy")

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(timeout=30)


def _configuration(port: int, certificate: Path, nodes: list[int]) -> str:
    """The how-to's, with our addresses."""
    found = re.search(r"```haproxy\n(.*?)```", HOW_TO.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    text = found[1].replace(":443 ", f"127.0.0.1:{port} ").replace("/etc/haproxy/pwreset.pem", str(certificate))
    servers = "\n".join(f"    server node{number} 127.0.0.1:{node}" for number, node in enumerate(nodes, 1))
    text = re.sub(r"(?:    server node\d .*\n)+", f"{servers}\n", text)
    return text.replace("    user haproxy\n", "").replace("    group haproxy\n", "")
