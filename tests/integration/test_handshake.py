"""The handshake with a directory that hangs up just then."""

from __future__ import annotations

import gc
import socket
import struct
import time

import pytest

from pwreset.directory.connection import _shake_hands, shows_anything

RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # socket(7), SO_LINGER


def test_a_server_that_has_hung_up_leaves_no_socket_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        plain = socket.create_connection(listening.getsockname())
        accepted, _ = listening.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        accepted.close()
    with plain, pytest.raises(OSError, match=r"reset|Broken pipe"):
        _shake_hands(plain, shows_anything(), "localhost", time.monotonic() + 30)
    gc.collect()  # what was left open is told here, and a warning is an error
