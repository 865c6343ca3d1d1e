"""TLS towards relay and gateway, and what went wrong with a connection, told in our words."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from ipaddress import ip_address

from pwreset.errors import SettingsError

# X509_V_ERR_... of OpenSSL (openssl/x509_vfy.h).
_EXPIRED = frozenset({9, 10})  # not yet valid, expired
_WRONG_NAME = frozenset({62, 64})  # host name mismatch, IP address mismatch


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a server cannot be reached: what happened, and what an operator can do about it."""

    detail: str
    advice: str
    by_certificate: bool = False


def context(ca_file: str | None, where: str) -> ssl.SSLContext:
    """A context that verifies certificate and name, with the system's CA certificates or those of a file.

    Raises SettingsError, which names the setting `where`, when the file does not load.
    """
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"{where}: {ca_file}: holds no CA certificates that can be read") from error


def is_loopback(host: str) -> bool:
    """Whether this is the machine itself, as far as its name tells."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.casefold() in ("localhost", "ip6-localhost")


def explain(error: BaseException, ca_setting: str) -> Trouble:
    """The innermost cause that we know a word for. Never the peer's text."""
    chain = _causes(error)
    for cause in chain:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return _certificate(cause, ca_setting)
    for cause in chain:
        for kind, trouble in _WORDS:
            if isinstance(cause, kind):
                return trouble
    return Trouble("no connection", "Look at the address, the port and the firewall.")


def _causes(error: BaseException) -> list[BaseException]:
    """The error and what led to it, innermost first."""
    chain: list[BaseException] = []
    following: BaseException | None = error
    while following is not None and following not in chain:
        chain.append(following)
        following = following.__cause__ or following.__context__
    return chain[::-1]


def _certificate(error: ssl.SSLCertVerificationError, ca_setting: str) -> Trouble:
    if error.verify_code in _EXPIRED:
        words, advice = (
            "its certificate has expired or is not valid yet",
            "Renew the certificate, and compare the clocks.",
        )
    elif error.verify_code in _WRONG_NAME:
        words = "its certificate is for another name"
        advice = "Use the name in the certificate as the address in the settings."
    else:
        words, advice = "its certificate is not trusted", f"Name the CA that signed it in {ca_setting}."
    return Trouble(words, advice, by_certificate=True)


_WORDS: tuple[tuple[type[BaseException], Trouble], ...] = (
    (ConnectionRefusedError, Trouble("connection refused", "Is the server running, and is the port right?")),
    (socket.gaierror, Trouble("its name is not known", "Look at the address and at the machine's DNS.")),
    (TimeoutError, Trouble("no answer in time", "Look at the address, the port and the firewall between.")),
    (ssl.SSLError, Trouble("no TLS there", "Does the port speak TLS, and a version from 1.2 on?")),
    (
        ConnectionError,
        Trouble("it closed the connection", "Does the port speak this protocol? The server's log tells more."),
    ),
)
