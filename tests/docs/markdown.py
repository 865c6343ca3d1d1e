"""What the documents consist of, for the tests: files, links, code blocks marked as to be tried."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_LINK = re.compile(r"(?<!`)\[[^\]]*\]\(([^)\s]+)\)|<img[^>]* src=\"([^\"]+)\"")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
_TOML = re.compile(r"^ *```toml\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(
    r"^<!-- test: (?P<name>[\w-]+) -->\n```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A code block with `<!-- test: NAME -->` above it."""

    name: str
    language: str
    text: str


def documents() -> list[Path]:
    """Every document of the repository."""
    return sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def links(path: Path) -> Iterator[str]:
    """The links of a document that lead to files of the repository."""
    for match in _LINK.finditer(_FENCE.sub("", path.read_text(encoding="utf-8"))):
        link = match[1] or match[2]
        if not re.match(r"[a-z]+:", link):
            yield link


def anchors(path: Path) -> set[str]:
    """What a link may name behind `#`, as the usual renderers make it from headings."""
    headings = _HEADING.findall(_FENCE.sub("", path.read_text(encoding="utf-8")))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def blocks(path: Path) -> dict[str, Block]:
    """The marked code blocks of a document by name."""
    found = (
        Block(match["name"], match["language"], match["text"])
        for match in _BLOCK.finditer(path.read_text(encoding="utf-8"))
    )
    return {block.name: block for block in found}


def settings_examples() -> list[tuple[str, str]]:
    """Every TOML block of the documents with where it stands."""
    return [
        (f"{path.relative_to(ROOT)}:{number}", textwrap.dedent(match[1]))
        for path in documents()
        for number, match in enumerate(_TOML.finditer(path.read_text(encoding="utf-8")), 1)
    ]
