"""Where a message's templates come from: an operator's folders, else this package; ready to be compiled.

A source is brought into its language, gets the brand's colours, and has its style sheet inlined before Jinja sees it, so
that none of this costs anything per mail. Compiled per domain and language when first needed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath

import css_inline
from jinja2 import FunctionLoader, StrictUndefined, Template, TemplateNotFound
from jinja2.sandbox import ImmutableSandboxedEnvironment

from pwreset import overrides
from pwreset.colours import Palette, palette
from pwreset.delivery.harmless import one_line
from pwreset.delivery.translate import translate
from pwreset.languages import catalogue, direction
from pwreset.settings import Settings

TEMPLATES = Path(__file__).parent / "templates"
# What a template may be called, so that none leads out of its folder.
_OURS = re.compile(r"[a-z-]+(?:/[a-z-]+)?\.(?:txt|html|css)\Z")
_TAGS = re.compile(r"\{[{%].*?[}%]\}", re.DOTALL)
_SHADE = re.compile(r"@(light|dark)-(\w+)@")
_BETWEEN = "\0"  # in the names of templates: domain, language, path


class MessageEnvironment(ImmutableSandboxedEnvironment):
    """The sandbox that messages run in."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            loader=FunctionLoader(self._load),
            autoescape=lambda name: name is not None and name.endswith(".html"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            cache_size=-1,
        )
        self.globals.clear()  # no range, no dict: what a message needs are its facts
        self._settings = settings

    def template(self, domain: str, language: str, path: str) -> Template:
        """The compiled template. Raises jinja2.TemplateError, SettingsError, ValueError for an operator's that is wrong."""
        template = self.get_template(_BETWEEN.join((domain, language, path)))
        # They come as a chain of two dicts, which is walked name by name for each message: as long as all the rest.
        template.globals = {**template.globals, **self._brand(domain)}
        return template

    def folders(self, domain: str) -> overrides.Folders:
        """Where an operator's own files for this domain are, the first to be asked first."""
        return overrides.folders(self._settings.domains[domain].templates, self._settings.templates)

    def join_path(self, template: str, parent: str) -> str:
        """What a template extends or includes belongs to the same domain and language."""
        domain, language, _ = parent.split(_BETWEEN)
        return _BETWEEN.join((domain, language, template))

    def _brand(self, domain: str) -> Mapping[str, object]:
        """What is the same in all messages of a domain."""
        settings = self._settings.domains[domain]
        brand = settings.brand
        return {
            "brand": one_line(brand.name or settings.title or domain),
            "logo": brand.logo is not None,
            "footer": one_line(brand.footer or ""),
            "footer_links": tuple(brand.footer_links.items()),
        }

    def _load(self, name: str) -> tuple[str, str, None] | None:
        domain, language, path = name.split(_BETWEEN)
        folders = self.folders(domain)
        file, source = self._found(folders, path, language)
        if path.endswith(".html"):
            brand = self._settings.domains[domain].brand
            _, css = self._found(folders, "layout.css", language)
            source = with_styles(source, css, palette(brand.colour, brand.text_colour), str(file))
        source = translate(source, catalogue(language, folders).gettext, html=path.endswith(".html"))
        # What is the same in every mail of a language need not be filled in per mail.
        source = source.replace("{{ language }}", language).replace("{{ direction }}", direction(language))
        return source, str(file), None

    def _found(self, folders: overrides.Folders, path: str, language: str) -> tuple[Path, str]:
        """The operator's file, else ours. Raises jinja2.TemplateNotFound."""
        whole = PurePosixPath(overrides.MESSAGES, path)
        if not _OURS.match(path):
            raise TemplateNotFound(path)
        own = overrides.find(folders, str(whole.parent / language / whole.name), str(whole))
        if own is not None:
            return own, overrides.read(own).rstrip("\n")
        if not (TEMPLATES / path).is_file():
            raise TemplateNotFound(path)
        return TEMPLATES / path, _ours(path)


@cache
def _ours(path: str) -> str:
    return (TEMPLATES / path).read_text(encoding="utf-8").rstrip("\n")


@lru_cache(maxsize=256)  # the same in every language
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
