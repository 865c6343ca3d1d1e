"""An LDAP server of our own on a socket, for directories that cannot be had: a subclass says how it answers."""

from __future__ import annotations

import contextlib
import socket
import threading
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests.servers.ber import ENUMERATED, OCTETS, SEQUENCE, SET, Item, item, number, octets, read_one

BIND, UNBIND, SEARCH, MODIFY, ABANDON, EXTENDED = 0x60, 0x42, 0x63, 0x66, 0x50, 0x77
PASSWORD_MODIFY = "1.3.6.1.4.1.4203.1.11.1"
POLICY_CONTROL = "1.3.6.1.4.1.42.2.27.8.5.1"
Attributes = dict[str, list[str]]


@dataclass
class Answer:
    """A result code (RFC 4511, appendix A.1), perhaps with a diagnostic message or an error of the password policy control."""

    code: int = 0
    policy_error: int | None = None
    text: str = ""


@dataclass
class Client:
    """Who is on the other end."""

    dn: str = ""
    controls: list[str] = field(default_factory=list)


class CutOff(Exception):
    """The server ends this connection without an answer."""


class ScriptedDirectory:
    """Entries by DN, the empty DN being the rootDSE. Use it as a context manager."""

    def __init__(self, entries: dict[str, Attributes]) -> None:
        self.entries = entries
        self.log: list[str] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    @property
    def uri(self) -> str:
        return f"ldap://127.0.0.1:{self._socket.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for one in (self._socket, *self._connections):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        for thread in self._threads:
            thread.join(10)

    # What a subclass says.

    def shown(self, entry: Attributes, names: set[str]) -> Attributes:
        """What of an entry is told to whom asks for these names, in small letters."""
        return {name: values for name, values in entry.items() if names & {name.lower(), "*"}}

    def bind(self, client: Client, dn: str, password: str) -> Answer:
        raise NotImplementedError

    def set_password(self, client: Client, dn: str, old: str | None, new: str) -> Answer:
        raise NotImplementedError

    def modify(self, client: Client, dn: str, changes: list[tuple[int, str, list[str]]]) -> Answer:
        raise NotImplementedError

    # The protocol.

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
        client, data = Client(), b""
        with connection, contextlib.suppress(OSError, CutOff):
            while received := connection.recv(65536):
                data += received
                while found := read_one(data):
                    message, data = found
                    for answer in self._answers(client, message):
                        connection.sendall(answer)

    def _answers(self, client: Client, message: Item) -> list[bytes]:
        identity, operation, *rest = message.parts
        client.controls = [control.parts[0].text for part in rest for control in part.parts]
        if operation.tag == BIND:
            _, name, password = operation.parts
            answer = self.bind(client, name.text, password.text)
            client.dn = name.text if answer.code == 0 else ""
            return [_result(identity, 0x61, client, answer)]
        if operation.tag == SEARCH:
            return [*self._found(identity, operation), _result(identity, 0x65, client, Answer())]
        if operation.tag == MODIFY:
            name, listed = operation.parts
            changes = []
            for change in listed.parts:
                kind, attribute = change.parts
                changes.append((kind.number, attribute.parts[0].text, [one.text for one in attribute.parts[1].parts]))
            return [_result(identity, 0x67, client, self.modify(client, name.text, changes))]
        if operation.tag == EXTENDED:
            return [_result(identity, 0x78, client, self._extended(client, operation))]
        assert operation.tag in {UNBIND, ABANDON}
        return []

    def _extended(self, client: Client, operation: Item) -> Answer:
        name, *value = operation.parts
        if name.text != PASSWORD_MODIFY or name.text not in self.entries[""].get("supportedExtension", []):
            return Answer(2)
        [request] = value[0].parts
        given = {part.tag: part.text for part in request.parts}
        return self.set_password(client, given[0x80], given.get(0x81), given[0x82])

    def _found(self, identity: Item, operation: Item) -> list[bytes]:
        base, scope, _, _, _, _, wanted, attributes = operation.parts
        names = {one.text.lower() for one in attributes.parts}
        found = []
        known = scope.number == 0 and base.text in self.entries
        for dn, entry in [(base.text, self.entries[base.text])] if known else self.entries.items():
            below = scope.number and dn.lower().endswith(f",{base.text}".lower())
            if (dn.lower() == base.text.lower() or below) and _matches(entry, wanted):
                parts = (
                    item(SEQUENCE, octets(name), item(SET, *map(octets, values)))
                    for name, values in self.shown(entry, names).items()
                    if name != "userPassword"
                )
                entry_item = item(0x64, octets(dn), item(SEQUENCE, *parts))
                found.append(item(SEQUENCE, item(identity.tag, identity.content), entry_item))
        return found


def _matches(entry: Attributes, wanted: Item) -> bool:
    if wanted.tag == 0x87:
        return True
    if wanted.tag in {0xA0, 0xA1}:
        return (all if wanted.tag == 0xA0 else any)(_matches(entry, part) for part in wanted.parts)
    assert wanted.tag == 0xA3
    name, value = (part.text.lower() for part in wanted.parts)
    return any(value == one.lower() for key, values in entry.items() if key.lower() == name for one in values)


def _result(identity: Item, tag: int, client: Client, answer: Answer) -> bytes:
    body = item(tag, number(answer.code, ENUMERATED), octets(""), octets(answer.text))
    controls = b""
    if answer.policy_error is not None and POLICY_CONTROL in client.controls:
        value = item(SEQUENCE, item(0x81, bytes([answer.policy_error])))
        controls = item(0xA0, item(SEQUENCE, octets(POLICY_CONTROL), item(OCTETS, value)))
    return item(SEQUENCE, item(identity.tag, identity.content), body, controls)
