"""The server's TLS context: TLS 1.2 and newer, ECDSA first, no session tickets."""

from __future__ import annotations

import ssl
from pathlib import Path

from pwreset.errors import SettingsError, StartError
from pwreset.settings import Server
from pwreset.settings.load import refuse_readable_by_others

# TLS 1.3 has good ones only. Of TLS 1.2's: forward secrecy and authenticated encryption.
CIPHERS_OF_TLS_1_2 = "ECDHE+aECDSA+AESGCM:ECDHE+aECDSA+CHACHA20:ECDHE+AESGCM:ECDHE+CHACHA20"


def server_context(server: Server, client_ca: str | None = None) -> ssl.SSLContext | None:
    """A fresh context with the certificate as it is on disk now; None when none is configured.

    With `client_ca` clients are asked for a certificate of these authorities; they may have none, but not a wrong one.
    Always a fresh one: loading a key of another kind into a live context would leave the old certificate in it.
    Raises StartError, in words.
    """
    if server.tls_certificate is None or server.tls_key is None:
        return None
    _refuse_open_key(Path(server.tls_key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS_OF_TLS_1_2)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # Callers that reconnect for each call never resume; making tickets for them costs a fifth of the handshake.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    try:
        # Our own answer to a key with a passphrase; OpenSSL would ask on the terminal.
        context.load_cert_chain(server.tls_certificate, server.tls_key, password=_no_passphrase)
    except (OSError, ValueError) as error:
        raise StartError(
            f"The certificate {server.tls_certificate} with the key {server.tls_key} does not load: {_why(error)}"
        ) from error
    if client_ca is not None:
        _ask_clients(context, client_ca)
    return context


def _ask_clients(context: ssl.SSLContext, client_ca: str) -> None:
    context.verify_mode = ssl.CERT_OPTIONAL
    try:
        context.load_verify_locations(client_ca)
    except (OSError, ValueError) as error:
        why = "it holds no certificates in PEM form" if isinstance(error, ssl.SSLError) else _why(error)
        raise StartError(f"manager_api.client_ca: {client_ca} does not load: {why}") from error


def _refuse_open_key(path: Path) -> None:
    try:
        refuse_readable_by_others(path)
    except SettingsError as error:
        raise StartError(str(error)) from error


def _no_passphrase() -> bytes:
    raise ValueError("the key has a passphrase; remove it, and protect the file by its mode")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return "they are no PEM files, or do not belong together"
    if isinstance(error, OSError):
        return error.strerror or "cannot be read"
    return str(error)
