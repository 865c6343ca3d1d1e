"""Turns what a page says into bytes: templates in the person's language, and the static files they name."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

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


@cache
def static_files() -> Mapping[str, StaticFile]:
    """All static files by name, read once."""
    return {
        path.name: StaticFile(path.name, path.read_bytes(), _MEDIA_TYPES[path.suffix])
        for path in STATIC.iterdir()
        if path.suffix in _MEDIA_TYPES
    }


def render(template: str, language: str, facts: Mapping[str, object]) -> bytes:
    """The page. A fact that a template names and nobody gives is a bug and raises jinja2.UndefinedError."""
    page = _environment(language).get_template(template)
    return page.render(facts, language=language, direction=direction(language)).encode()


@cache
def _environment(language: str) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.policies["ext.i18n.trimmed"] = True
    environment.install_gettext_translations(catalogue(language), newstyle=True)  # type: ignore[attr-defined]
    environment.globals["static"] = _static_address
    environment.filters["bdi"] = _by_itself
    return environment


def _static_address(name: str) -> str:
    return f"/static/{name}?v={static_files()[name].version}"


def _by_itself(text: str) -> Markup:
    """A name in a sentence, whose direction leaves the sentence's alone."""
    return Markup("<bdi>{}</bdi>").format(text)
