"""Where a message's templates come from: this package; ready to be compiled.

A source is brought into its language, gets the brand's colours, and has its style sheet inlined before Jinja sees it, so
that none of this costs anything per mail. Compiled per domain and language when first needed.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import css_inline
from jinja2 import FunctionLoader, StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pwreset.colours import OURS, Palette
from pwreset.delivery.translate import translate
from pwreset.languages import catalogue, direction

TEMPLATES = Path(__file__).parent / "templates"
_TAGS = re.compile(r"\{[{%].*?[}%]\}", re.DOTALL)
_SHADE = re.compile(r"@(light|dark)-(\w+)@")
_BETWEEN = "\0"  # in the names of templates: domain, language, path


class MessageEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox that messages run in."""

    def __init__(self) -> None:
        super().__init__(
            loader=FunctionLoader(self._load),
            autoescape=lambda name: name is not None and name.endswith(".html"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )

    def template(self, domain: str, language: str, path: str) -> Template:
        """The compiled template. Raises jinja2.TemplateError."""
        template = self.get_template(_BETWEEN.join((domain, language, path)))
        # They come as a chain of two dicts, which is walked name by name for each message: as long as all the rest.
        template.globals = dict(template.globals)
        return template

    def join_path(self, template: str, parent: str) -> str:
        """What a template extends or includes belongs to the same domain and language."""
        domain, language, _ = parent.split(_BETWEEN)
        return _BETWEEN.join((domain, language, template))

    def _load(self, name: str) -> tuple[str, str, None] | None:
        _, language, path = name.split(_BETWEEN)
        file = TEMPLATES / path
        source = _ours(path)
        if path.endswith(".html"):
            source = with_styles(source, _ours("layout.css"), OURS, path)
        source = translate(source, catalogue(language).gettext, html=path.endswith(".html"))
        # What is the same in every mail of a language need not be filled in per mail.
        source = source.replace("{{ language }}", language).replace("{{ direction }}", direction(language))
        return source, str(file), None


@cache
def _ours(path: str) -> str:
    return (TEMPLATES / path).read_text(encoding="utf-8").rstrip("\n")


def with_styles(source: str, css: str, colours: Palette, path: str) -> str:
    """HTML with its style sheet inlined, in a brand's colours.

    It is safe as long as the HTML parser leaves the template's tags alone, which it does where they stand in text and
    attribute values; anything else is refused here rather than sent. Raises ValueError.
    """
    source, css = (
        _SHADE.sub(lambda found: str(getattr(getattr(colours, found[1]), found[2])), text) for text in (source, css)
    )
    whole = source.startswith("<!doctype")
    inliner = css_inline.CSSInliner(keep_style_tags=True, load_remote_stylesheets=False, extra_css=css if whole else "")
    inlined = inliner.inline(source) if whole else inliner.inline_fragment(source, css)
    if _TAGS.findall(inlined) != _TAGS.findall(source):
        raise ValueError(f"{path}: a template tag stands where HTML does not allow one")
    return inlined
