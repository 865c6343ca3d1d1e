r"""Golden transcripts of the Manager API: what goes over the wire, byte by byte.

A transcript is a text file. Its lines begin with

    #   words for the reader
    @   a setting that differs from the world of tests/fakes/api.py, in TOML: `@ manager_api.failures = "error"`
    !   an event before the next request: `! directory down`, `! 61 seconds later`
    >   a line of the request's head; an empty one ends it     >>  the request's body
    <   a line of the answer's head                            <<  the answer's body

Bytes outside printable ASCII are written `\xNN`, which JSON itself never holds. `{length}` in a request stands for its body's
length. In answers, what differs each time is masked: `{date}`, `{id}`, `{token}`.

`python -m tests.wire.transcripts` plays all of them and writes the answers anew; read the difference before keeping it.
"""

from __future__ import annotations

import asyncio
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from tests.fakes.api import ApiWorld, merged
from tests.fakes.directory import Weather
from tests.servers.wire import Wire, connected

FOLDER = Path(__file__).parent / "transcripts"
MASKS = (
    (re.compile(rb"(?<=date: )[A-Z][a-z]{2}, [^\r]* GMT"), b"{date}"),
    (re.compile(rb"(?<=x-request-id: )[0-9a-f]{16}(?=\r)"), b"{id}"),
    (re.compile(rb"(?<=request id )[0-9a-f]{16}"), b"{id}"),
    (re.compile(rb"(?<=pwreset-request: )[0-9a-f]{24}(?=\r)"), b"{id}"),
    (re.compile(rb'(?<="id":")[0-9a-f]{24}(?=")'), b"{id}"),
    (re.compile(rb'(?<=/r/)[A-Za-z0-9_-]{43}(?=")'), b"{token}"),
)
LATER = re.compile(r"(\d+) seconds later")


@dataclass
class Exchange:
    """One request as written, with the lines before it, and the answer's lines."""

    before: list[str] = field(default_factory=list)
    request: list[str] = field(default_factory=list)
    answer: list[str] = field(default_factory=list)

    @property
    def events(self) -> Iterator[str]:
        return (line[2:] for line in self.before if line.startswith("! "))

    @property
    def octets(self) -> bytes:
        """The request's bytes."""
        body = b"".join(unescaped(line[3:]) for line in self.request if line.startswith(">> "))
        head = "".join(f"{line[2:]}\r\n" for line in self.request if not line.startswith(">> "))
        return unescaped(head).replace(b"{length}", b"%d" % len(body)) + body


@dataclass
class Transcript:
    """A file's exchanges."""

    exchanges: list[Exchange]
    settings: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> Transcript:
        exchanges, settings = [Exchange()], dict[str, Any]()
        for line in path.read_text(encoding="ascii").splitlines():
            kind = line[:1]
            if kind == "@":
                settings = merged(settings, tomllib.loads(line[2:]))
            if kind != "<" and exchanges[-1].answer:
                exchanges.append(Exchange())
            part = {"<": exchanges[-1].answer, ">": exchanges[-1].request}.get(kind, exchanges[-1].before)
            part.append(line)
        return cls([one for one in exchanges if one.request or one.before], settings)

    def write(self, path: Path) -> None:
        lines = [line for one in self.exchanges for line in (*one.before, *one.request, *one.answer)]
        path.write_text("\n".join(lines) + "\n", encoding="ascii")


def paths() -> list[Path]:
    return sorted(FOLDER.glob("*.txt"))


async def play(transcript: Transcript) -> list[list[str]]:
    """The answers' lines of all exchanges, on one connection as far as the server keeps it."""
    world = ApiWorld(changes=transcript.settings)
    answers = []
    async with world.served() as listener:
        for exchange in transcript.exchanges:
            for event in exchange.events:
                happen(event, world)
            if exchange.request:
                async with connected(listener.address[1]) as wire:
                    answers.append(await answer_lines(exchange.octets, wire))
            else:
                answers.append([])
    return answers


async def answer_lines(octets: bytes, wire: Wire) -> list[str]:
    await wire.send(octets)
    answer = (await wire.receive(to_head=octets.startswith(b"HEAD "))).raw
    for pattern, mask in MASKS:
        answer = pattern.sub(mask, answer)
    head, _, body = answer.partition(b"\r\n\r\n")
    lines = [f"< {escaped(line)}" for line in head.split(b"\r\n")]
    return [*lines, "<", f"<< {escaped(body)}"] if body else [*lines, "<"]


def happen(event: str, world: ApiWorld) -> None:
    later = LATER.fullmatch(event)
    if later:
        world.clock.advance(timedelta(seconds=int(later[1])))
    elif event == "directory down":
        world.tree.weather = Weather.DOWN
    elif event == "directory up":
        world.tree.weather = Weather.FINE
    elif event in {"store down", "store up"}:
        world.store.down = event == "store down"
    elif event.startswith("relay "):
        world.mail.says = event.removeprefix("relay ")
    elif event.startswith("gateway "):
        world.sms.says = event.removeprefix("gateway ")
    else:
        raise ValueError(event)


def escaped(octets: bytes) -> str:
    return "".join(chr(o) if 32 <= o < 127 else f"\\x{o:02x}" for o in octets)


def unescaped(text: str) -> bytes:
    return re.sub(rb"\\x([0-9a-f]{2})", lambda found: bytes([int(found[1], 16)]), text.encode("ascii"))


async def write_all() -> None:
    for path in paths():
        transcript = Transcript.read(path)
        for exchange, answer in zip(transcript.exchanges, await play(transcript), strict=True):
            exchange.answer = answer
        transcript.write(path)


if __name__ == "__main__":
    asyncio.run(write_all())
