"""Puts a language into a template before it is compiled.

    {% trans %}Hello {{ name }},{% endtrans %}

Jinja would look the text up and fill it in for every mail. Here the translation takes its place in the source, with the
names standing as `{{ name }}` in it, so that a message costs nothing for being translated. A translation is text: what
looks like a tag in it is shown, and in HTML it is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from html import escape

Gettext = Callable[[str], str]

TRANS = re.compile(r"\{%-?\s*trans\s*-?%\}(.*?)\{%-?\s*endtrans\s*-?%\}", re.DOTALL)
_FACT = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_KEPT = re.compile(r"\{\{\s*\w+\s*\}\}|\n")
_PLACEHOLDER = re.compile(r"%\((\w+)\)s")
# How facts stand out in HTML. `bdi` keeps a name's direction to itself.
_MARKED = {
    "name": "<bdi>{{ name }}</bdi>",
    "title": "<bdi>{{ title }}</bdi>",
    "login": "<strong><bdi>{{ login }}</bdi></strong>",
    "at": "<strong>{{ at }}</strong>",
    "expires": "<strong>{{ expires }}</strong>",
}


def texts(source: str) -> Iterator[tuple[int, str]]:
    """The texts of a template, each with the number of its line; names as `%(name)s`."""
    for found in TRANS.finditer(source):
        yield source.count("\n", 0, found.start()) + 1, _message(found[1])


def translate(source: str, gettext: Gettext, *, html: bool) -> str:
    """The source with every text in the language of `gettext`."""
    return TRANS.sub(lambda found: _template(gettext(_message(found[1])), html=html), source)


def untranslated(source: str) -> str:
    """The source with nothing left of its texts but their facts, every line where it was."""
    return TRANS.sub(lambda found: "".join(_KEPT.findall(found[1])), source)


def placeholders(text: str) -> frozenset[str]:
    """The names that a text holds."""
    return frozenset(_PLACEHOLDER.findall(text))


def _message(inner: str) -> str:
    return " ".join(_FACT.sub(r"%(\1)s", inner).split())


def _template(text: str, *, html: bool) -> str:
    """Text as template source: names become facts again, all else stands for itself."""
    parts = _PLACEHOLDER.split(text)
    for index, part in enumerate(parts):
        if index % 2:
            parts[index] = _MARKED.get(part, f"{{{{ {part} }}}}") if html else f"{{{{ {part} }}}}"
        else:
            literal = escape(part, quote=True) if html else part
            parts[index] = literal.replace("{", "{{ '{' }}")
    return "".join(parts)
