"""Certificates of one test run: right, expired and misnamed ones."""

from __future__ import annotations

import ssl
from datetime import timedelta
from pathlib import Path

from pwreset.demo.authority import LIFETIME
from pwreset.demo.authority import Authority as SigningAuthority


class Authority:
    """Makes contexts for servers; `ca_file` is what clients trust."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._authority = SigningAuthority("Test CA")
        self.ca_file = self._authority.write(folder / "ca.pem")

    def server(self, *, name: str = "localhost", expired: bool = False) -> ssl.SSLContext:
        """A server's context with a certificate for this name and 127.0.0.1 (only for `localhost`)."""
        files = self._authority.issue(
            self._folder / f"{name}-{'expired' if expired else 'good'}",
            names=(name,),
            addresses=("127.0.0.1",) if name == "localhost" else (),
            lifetime=-timedelta(hours=1) if expired else LIFETIME,
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(files.certificate, files.key)
        return context
