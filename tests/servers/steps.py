"""An SMTP relay that does something at one exact step of a conversation: once, before it goes on or instead of it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from enum import Enum
from types import TracebackType
from typing import Self


class At(Enum):
    """The steps in the life of a mail as a relay sees it, in their order."""

    CONNECTED = "connected"  # before the greeting
    HELLO = "hello"
    SENDER = "sender"
    RECIPIENT = "recipient"
    DATA = "data"
    BEGUN = "begun"  # the message's first line is here
    COMPLETE = "complete"  # the final dot is here, and nothing is taken yet
    TAKEN = "taken"  # the relay has the mail, its yes is not told yet
    ANSWERED = "answered"  # its yes is told


class SteppingRelay:
    """Keeps the recipients of the mails it took. `once` sets what is done at a step; True from it hangs up."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._taken: list[str] = []
        self._step: tuple[At, Callable[[], bool]] | None = None
        self._lock = threading.Lock()
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self._socket.getsockname()[1]}?starttls=off"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(10)

    def once(self, step: At, act: Callable[[], bool]) -> None:
        """The next time that a conversation comes to this step, do this."""
        with self._lock:
            self._step = (step, act)

    def taken(self, recipient: str) -> int:
        """How many mails to this address the relay has."""
        return self._taken.count(recipient)

    def hang_up(self) -> None:
        """End all conversations."""
        for one in self._connections:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._connections.clear()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._connections.append(connection)
            thread = threading.Thread(target=self._serve, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError), connection.makefile("rb") as lines:
            self._talk(connection, lines.readline)

    def _talk(self, connection: socket.socket, line: Callable[[], bytes]) -> None:
        if self._at(At.CONNECTED):
            return
        connection.sendall(b"220 relay.test\r\n")
        recipient = ""
        while command := line():
            verb = command[:4].upper()
            step = {b"EHLO": At.HELLO, b"MAIL": At.SENDER, b"RCPT": At.RECIPIENT, b"DATA": At.DATA}.get(verb)
            if step is not None and self._at(step):
                return
            if verb == b"RCPT":
                recipient = command.partition(b"<")[2].partition(b">")[0].decode()
            if verb == b"DATA":
                connection.sendall(b"354 go on\r\n")
                if self._take(connection, line, recipient):
                    return
            elif verb == b"QUIT":
                connection.sendall(b"221 bye\r\n")
                return
            else:
                connection.sendall(b"250-relay.test\r\n250 PIPELINING\r\n" if verb == b"EHLO" else b"250 ok\r\n")

    def _take(self, connection: socket.socket, line: Callable[[], bytes], recipient: str) -> bool:
        """Read a message and say yes. True: hang up."""
        text = line()
        if not text or self._at(At.BEGUN):
            return True
        while text != b".\r\n":
            text = line()
            if not text:
                return True
        if self._at(At.COMPLETE):
            return True
        self._taken.append(recipient)
        if self._at(At.TAKEN):
            return True
        connection.sendall(b"250 taken\r\n")
        return self._at(At.ANSWERED)

    def _at(self, step: At) -> bool:
        with self._lock:
            if self._step is None or self._step[0] is not step:
                return False
            act, self._step = self._step[1], None
        return act()
