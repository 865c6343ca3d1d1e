"""One connection to one directory server: TCP, TLS, log-in, each within a deadline and with its trouble in words.

Everything here blocks and runs in a thread of `threads.Threads`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import time
from dataclasses import dataclass
from enum import Enum
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import ldap

from pwreset.secret import Secret

# RFC 4511, 4.14.1: the extended request "StartTLS" as message 1.
START_TLS = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x16" + b"1.3.6.1.4.1.1466.20037"
SEQUENCE, INTEGER, ENUMERATED, EXTENDED_RESPONSE = 0x30, 0x02, 0x0A, 0x78
LONGEST_ANSWER = 64 * 1024
RECEIVED_AT_ONCE = 16 * 1024
TLS_1_2 = 0x303
# X509_V_ERR_*: expired and not yet valid; name and address mismatch.
OUT_OF_TIME = frozenset({9, 10})
OTHER_NAME = frozenset({62, 64})
CA_BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")
KEEP_ALIVE = ((ldap.OPT_X_KEEPALIVE_IDLE, 60), (ldap.OPT_X_KEEPALIVE_PROBES, 3), (ldap.OPT_X_KEEPALIVE_INTERVAL, 10))


class Kind(Enum):
    """What is wrong with a server: what it is in words, and what to do."""

    NO_SUCH_HOST = ("the host name is not known", "check the address in `uris` and the DNS")
    REFUSED = ("nothing listens there", "check the address and port in `uris`, and that the server runs")
    TIMEOUT = ("no answer in time", "check the network, firewalls and the server's load; see `timeout_seconds`")
    CUT = (
        "the connection was cut",
        "check that the port is the right one for ldaps:// or ldap://, and the server's log",
    )
    NO_TLS = (
        "the server does not speak TLS",
        "give the server a certificate, or check ldaps:// against ldap:// and the port",
    )
    UNTRUSTED = ("its certificate is not signed by a CA we trust", "set `ca_file` to the CA's certificate (PEM)")
    WRONG_NAME = (
        "its certificate is for another name",
        "use the name in the certificate in `uris`, or give the server a certificate with this name",
    )
    OUT_OF_TIME = (
        "its certificate has expired or is not yet valid",
        "renew the server's certificate; check the clocks",
    )
    CA_FILE = ("`ca_file` cannot be read as PEM certificates", "check the path, its rights and its content")
    CREDENTIALS = ("it does not accept our service account", "check `bind_dn` and its password")
    BIND_REFUSED = (
        "it does not let our service account log in",
        "check the account's state and the server's TLS demands",
    )
    BASE = ("`base_dn` does not exist, or our service account may not read it", "check `base_dn` and the access rules")
    STUCK = ("too many calls to it hang", "restart the server that does not answer")
    ANSWER = ("it answered something unexpected", "look into the server's log")


OPERATORS_KINDS = frozenset(
    {Kind.UNTRUSTED, Kind.WRONG_NAME, Kind.OUT_OF_TIME, Kind.CA_FILE, Kind.CREDENTIALS, Kind.BIND_REFUSED, Kind.BASE}
)


class Trouble(Exception):
    """A server cannot be used. Never leaves the adapter."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        super().__init__(kind.value[0])

    @property
    def words(self) -> str:
        """What is wrong."""
        return self.kind.value[0]

    @property
    def advice(self) -> str:
        """What to do."""
        return self.kind.value[1]


@dataclass(frozen=True, slots=True)
class Server:
    """One of a domain's URIs, read."""

    uri: str
    host: str
    port: int
    ldaps: bool
    start_tls: bool

    @classmethod
    def read(cls, uri: str, *, start_tls: bool) -> Server:
        """The server of a URI like ldaps://ldap.example.org."""
        parts = urlsplit(uri)
        ldaps = parts.scheme == "ldaps"
        return cls(
            uri, parts.hostname or "localhost", parts.port or (636 if ldaps else 389), ldaps, start_tls and not ldaps
        )

    @property
    def encrypted(self) -> bool:
        """Whether what is sent is protected by TLS."""
        return self.ldaps or self.start_tls

    @property
    def loopback(self) -> bool:
        """Whether what is sent stays on this machine."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Trust:
    """Who vouches for the servers' certificates."""

    ca_file: str | None
    lenient_x509: bool

    def context(self) -> ssl.SSLContext:
        """Python's TLS settings. Raises Trouble."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise Trouble(Kind.CA_FILE) from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.lenient_x509:
            context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context

    def file(self) -> str | None:
        """A file for libldap, which has no notion of the system's certificates."""
        if self.ca_file is not None:
            return self.ca_file
        known = ssl.get_default_verify_paths()
        found = (path for path in (known.cafile, *CA_BUNDLES) if path and Path(path).is_file())
        return next(found, None)


def connect(server: Server, trust: Trust, seconds: float) -> Any:
    """An open connection that nobody has logged in on, within about so many seconds. Raises Trouble."""
    until = time.monotonic() + seconds
    if server.encrypted:
        _probe(server, trust, until)
    connection = None
    try:
        connection = ldap.initialize(server.uri)
        _set_options(connection, trust, until)
        if server.start_tls:
            connection.start_tls_s()
        else:
            _reach(connection, until)
        # A server that reads no more, or stops in the middle of an answer, must not hold up the event loop.
        os.set_blocking(connection.fileno(), False)
    except (ldap.LDAPError, ValueError, OSError) as error:
        close(connection)
        raise Trouble(_kind_of(error)) from error
    return connection


def certificate_shown(server: Server, seconds: float) -> bytes | None:
    """The certificate that a server shows, DER, trusted or not: to be described. None where there is none. Blocks."""
    until = time.monotonic() + seconds
    try:
        with socket.create_connection((server.host, server.port), _left(until)) as plain:
            if server.start_tls:
                _ask_for_tls(plain, until)
            return _shake_hands(plain, shows_anything(), server.host, until).getpeercert(binary_form=True)
    except (OSError, UnicodeError, Trouble):
        return None


def shows_anything() -> ssl.SSLContext:
    """For looking at a certificate only: what is sent over such a connection, anybody may read."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def log_in(connection: Any, dn: str | None, password: Secret | None, seconds: float) -> None:
    """Bind as the service account, or not at all where none is configured. Raises Trouble."""
    if dn is None:
        return
    # A DN with an empty password would be an anonymous bind that "succeeds" (RFC 4513, 5.1.2).
    if not password:
        raise Trouble(Kind.CREDENTIALS)
    try:
        message = connection.simple_bind(dn, password.reveal())
        connection.result3(message, timeout=seconds)
    except (ldap.INVALID_CREDENTIALS, ldap.NO_SUCH_OBJECT, ldap.INVALID_DN_SYNTAX) as error:
        raise Trouble(Kind.CREDENTIALS) from error
    except ldap.LDAPError as error:
        raise Trouble(_kind_of(error, otherwise=Kind.BIND_REFUSED)) from error


def close(connection: Any) -> None:
    """Close it, whatever state it is in."""
    if connection is not None:
        with contextlib.suppress(ldap.LDAPError):
            connection.unbind_ext_s()


def _set_options(connection: Any, trust: Trust, until: float) -> None:
    seconds = max(0.1, until - time.monotonic())
    connection.set_option(ldap.OPT_REFERRALS, 0)
    connection.set_option(ldap.OPT_DEREF, ldap.DEREF_NEVER)
    connection.set_option(ldap.OPT_NETWORK_TIMEOUT, seconds)
    connection.set_option(ldap.OPT_TIMEOUT, seconds)
    for option, value in KEEP_ALIVE:
        connection.set_option(option, value)
    if (file := trust.file()) is not None:
        connection.set_option(ldap.OPT_X_TLS_CACERTFILE, file)
    connection.set_option(ldap.OPT_X_TLS_REQUIRE_CERT, ldap.OPT_X_TLS_DEMAND)
    connection.set_option(ldap.OPT_X_TLS_PROTOCOL_MIN, TLS_1_2)
    connection.set_option(ldap.OPT_X_TLS_NEWCTX, 0)  # the last one: it makes the context from the others


def _reach(connection: Any, until: float) -> None:
    """Make libldap connect: it does so with the first operation only. The rootDSE may be asked for by anybody."""
    message = connection.search_ext("", ldap.SCOPE_BASE, "(objectClass=*)", ["1.1"])
    try:
        connection.result3(message, timeout=max(0.1, until - time.monotonic()))
    except (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, ldap.TIMEOUT):
        raise
    except ldap.LDAPError:
        # It may not be read by anybody, then: that is an answer too.
        return


def _kind_of(error: Exception, otherwise: Kind = Kind.ANSWER) -> Kind:
    if isinstance(error, (ldap.TIMEOUT, TimeoutError)):
        return Kind.TIMEOUT
    if isinstance(error, (ldap.SERVER_DOWN, ldap.CONNECT_ERROR, OSError)):
        return Kind.CUT
    if isinstance(error, (ldap.BUSY, ldap.UNAVAILABLE)):
        return Kind.TIMEOUT
    return Kind.CA_FILE if isinstance(error, ValueError) else otherwise


def _probe(server: Server, trust: Trust, until: float) -> None:
    """Shake hands with TLS once, with Python's own library, under our own deadline.

    libldap can hang for ever in the handshake, and tells every trouble as "can't contact LDAP server".
    """
    context = trust.context()
    try:
        with socket.create_connection((server.host, server.port), _left(until)) as plain:
            if server.start_tls:
                _ask_for_tls(plain, until)
            _shake_hands(plain, context, server.host, until)
    except ssl.SSLCertVerificationError as error:
        raise Trouble(_kind_of_certificate(error)) from error
    except TimeoutError as error:
        raise Trouble(Kind.TIMEOUT) from error
    except ConnectionRefusedError as error:
        raise Trouble(Kind.REFUSED) from error
    except socket.gaierror as error:
        raise Trouble(Kind.NO_SUCH_HOST) from error
    except ssl.SSLError as error:
        raise Trouble(Kind.CUT if isinstance(error, ssl.SSLEOFError) else Kind.NO_TLS) from error
    except (OSError, UnicodeError) as error:
        raise Trouble(Kind.CUT) from error


def _shake_hands(plain: socket.socket, context: ssl.SSLContext, host: str, until: float) -> ssl.SSLObject:
    """The handshake of TLS on a connection. Raises OSError (TimeoutError, ssl.SSLError, ...).

    `wrap_socket` would leave its socket open for the garbage collector where the other side has just hung up.
    """
    received, to_send = ssl.MemoryBIO(), ssl.MemoryBIO()
    channel = context.wrap_bio(received, to_send, server_hostname=host)
    while True:
        plain.settimeout(_left(until))
        try:
            channel.do_handshake()
        except ssl.SSLWantReadError:
            plain.sendall(to_send.read())
            if octets := plain.recv(RECEIVED_AT_ONCE):
                received.write(octets)
            else:
                received.write_eof()
        except ssl.SSLError:
            with contextlib.suppress(OSError):
                plain.sendall(to_send.read())  # the alert that says why
            raise
        else:
            plain.sendall(to_send.read())
            return channel


def _kind_of_certificate(error: ssl.SSLCertVerificationError) -> Kind:
    if error.verify_code in OUT_OF_TIME:
        return Kind.OUT_OF_TIME
    return Kind.WRONG_NAME if error.verify_code in OTHER_NAME else Kind.UNTRUSTED


def _left(until: float) -> float:
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


def _ask_for_tls(plain: socket.socket, until: float) -> None:
    """Send StartTLS and read the answer. Raises Trouble, OSError."""
    plain.sendall(START_TLS)
    answer = b""
    while (code := _result_code(answer)) is None:
        plain.settimeout(_left(until))
        more = plain.recv(4096)
        if not more or len(answer) > LONGEST_ANSWER:
            raise Trouble(Kind.CUT)
        answer += more
    if code != 0:
        raise Trouble(Kind.NO_TLS)


def _result_code(message: bytes) -> int | None:
    """The result code of an LDAP message (RFC 4511, 4.1.9), or None while it is incomplete. Raises Trouble."""
    envelope = _first(message, SEQUENCE)
    if envelope is None:
        return None
    message_id = _first(envelope[0], INTEGER)
    response = None if message_id is None else _first(message_id[1], EXTENDED_RESPONSE)
    code = None if response is None else _first(response[0], ENUMERATED)
    if code is None:
        raise Trouble(Kind.NO_TLS)
    return int.from_bytes(code[0], "big")


def _first(data: bytes, tag: int) -> tuple[bytes, bytes] | None:
    """The content of the BER element at the start of `data`, and what follows it; None while it is incomplete.

    Raises Trouble for an element of another kind: whoever answers so does not speak LDAP.
    """
    if len(data) < 2:  # noqa: PLR2004 - tag and length
        return None
    if data[0] != tag:
        raise Trouble(Kind.NO_TLS)
    length, start = data[1], 2
    # Some servers send long-form lengths (30 84 00 00 00 ..) for short elements.
    if length & 0x80:
        start += length & 0x7F
        length = int.from_bytes(data[2:start], "big")
    end = start + length
    return None if len(data) < end else (data[start:end], data[end:])
