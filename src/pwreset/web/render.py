"""Turns what a page says into bytes: templates in the person's language, and the static files they name."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, FunctionLoader, StrictUndefined
from jinja2.defaults import DEFAULT_NAMESPACE
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from pwreset import overrides
from pwreset.languages import catalogue, direction

TEMPLATES = Path(__file__).parent / "templates"
STATIC = Path(__file__).parent / "static"

_MEDIA_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file under /static/. Its address changes with its content, so that browsers may keep it for good."""

    name: str
    body: bytes
    media_type: str

    @property
    def version(self) -> str:
        """What the address carries as `v`."""
        return hashlib.sha256(self.body).hexdigest()[:16]

    @property
    def packed(self) -> bytes | None:
        """The body by gzip; None of pictures that are packed already."""
        return _packed(self.body) if self.media_type in _MEDIA_TYPES.values() else None


@cache
def _packed(body: bytes) -> bytes:
    return gzip.compress(body, mtime=0)


@cache
def static_files() -> Mapping[str, StaticFile]:
    """All static files by name, read once."""
    return {
        path.name: StaticFile(path.name, path.read_bytes(), _MEDIA_TYPES[path.suffix])
        for path in STATIC.iterdir()
        if path.suffix in _MEDIA_TYPES
    }


def render(template: str, language: str, facts: Mapping[str, object], folders: overrides.Folders = ()) -> bytes:
    """The page, from an operator's folders where they have it.

    A fact that a template names and nobody gives is a bug and raises jinja2.UndefinedError.
    """
    page = environment(language, folders).get_template(template)
    return page.render(facts, language=language, direction=direction(language)).encode()


@cache
def environment(language: str, folders: overrides.Folders = ()) -> Environment:
    """The sandbox that pages run in, ours like an operator's."""
    sandbox = ImmutableSandboxedEnvironment(
        loader=ChoiceLoader(
            [*(FunctionLoader(partial(_own, folder)) for folder in folders), FileSystemLoader(TEMPLATES)]
        ),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    sandbox.policies["ext.i18n.trimmed"] = True
    for name in DEFAULT_NAMESPACE:
        del sandbox.globals[name]  # no range, no dict: what a page needs are its facts
    sandbox.install_gettext_translations(catalogue(language, folders), newstyle=True)  # type: ignore[attr-defined]
    sandbox.globals["static"] = _static_address
    sandbox.filters["bdi"] = _by_itself
    return sandbox


@cache
def templates() -> frozenset[str]:
    """The names of our pages and what they are made of: no other file is ever read, whatever a template names."""
    return frozenset(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html"))


def _own(folder: Path, template: str) -> tuple[str, str, None] | None:
    """An operator's template, by the names that ours have."""
    path = folder / overrides.PAGES / template
    if template not in templates() or not path.is_file():
        return None
    return overrides.read(path), str(path), None


def _static_address(name: str) -> str:
    return f"/static/{name}?v={static_files()[name].version}"


def _by_itself(text: str) -> Markup:
    """A name in a sentence, whose direction leaves the sentence's alone."""
    return Markup("<bdi>{}</bdi>").format(text)
