"""How a domain looks on people's pages: its name, logo and colours, and the files that browsers ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from pwreset import overrides
from pwreset.colours import Shades, palette
from pwreset.logo import read_logo
from pwreset.settings import BrandSettings, Settings
from pwreset.web.render import StaticFile

_VARIABLES = {
    "accent": "accent",
    "accent-strong": "strong",
    "accent-soft": "soft",
    "on-accent": "on_accent",
    "link": "link",
}


@dataclass(frozen=True, slots=True)
class Brand:
    """Under whose name a page speaks, and in which language. Empty where the domain is not known."""

    language: str
    title: str = ""
    help_text: str = ""
    login_url: str = ""
    name: str = ""
    logo: str = ""  # the addresses of files of ours
    stylesheet: str = ""
    footer: str = ""
    footer_links: tuple[tuple[str, str], ...] = ()
    frames: tuple[str, ...] = ()  # the origins whose pages may show ours in a frame
    inline: bool = False  # whether this page is for a frame: without head and foot
    folders: overrides.Folders = ()


def brand_of(settings: Settings, domain: str | None, language: str) -> Brand:
    """The brand of a domain; without one, what is the same for all."""
    if domain is None:
        return Brand(language, folders=overrides.folders(settings.templates))
    own = settings.domains[domain]
    logo, sheet = _logo(own.brand), _stylesheet(own.brand)
    return Brand(
        language=language,
        title=own.title or domain,
        help_text=own.help_text or "",
        login_url=own.login_url or "",
        name=own.brand.name or own.title or domain,
        logo=f"/brand/{logo.name}" if logo else "",
        stylesheet=f"/brand/{sheet.name}" if sheet else "",
        footer=own.brand.footer or "",
        footer_links=tuple(own.brand.footer_links.items()),
        frames=own.brand.embed_origins,
        folders=overrides.folders(own.templates, settings.templates),
    )


def brand_files(settings: Settings) -> Mapping[str, StaticFile]:
    """The logos and style sheets of all domains by name. Raises SettingsError when a logo cannot be used."""
    brands = [domain.brand for domain in settings.domains.values()]
    files = [file for brand in brands for file in (_logo(brand), _stylesheet(brand)) if file is not None]
    return {file.name: file for file in files}


def _logo(brand: BrandSettings) -> StaticFile | None:
    if brand.logo is None:
        return None
    logo = read_logo(brand.logo)
    return StaticFile(f"{logo.version}.{logo.ending}", logo.body, logo.media_type)


def _stylesheet(brand: BrandSettings) -> StaticFile | None:
    return None if brand.colour is None else _sheet(brand.colour, brand.text_colour)


@cache
def _sheet(colour: str, text_colour: str | None) -> StaticFile:
    shades = palette(colour, text_colour)
    css = f"{_rule(shades.light)}\n@media (prefers-color-scheme: dark) {{\n{_rule(shades.dark)}\n}}\n"
    nameless = StaticFile("", css.encode(), "text/css; charset=utf-8")
    return StaticFile(f"{nameless.version}.css", nameless.body, nameless.media_type)


def _rule(shades: Shades) -> str:
    lines = (f"  --{variable}: {getattr(shades, shade)};" for variable, shade in _VARIABLES.items())
    return ":root {\n" + "\n".join(lines) + "\n}"
