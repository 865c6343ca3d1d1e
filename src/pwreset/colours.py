"""Colours of a brand, and what can be read on what (WCAG 2.2, success criterion 1.4.3).

An operator gives one colour. What else a page and a mail need of it, in light and in dark, is derived from it, so that
every text of ours has at least the contrast of level AA on its ground.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

ENOUGH = 4.5  # level AA for text of ordinary size
SHAPE = re.compile(r"#[0-9a-fA-F]{6}\Z")
WHITE, BLACK = "#ffffff", "#000000"
_STEPS = 50
_LINEAR_BELOW = 0.04045  # the sRGB transfer function, IEC 61966-2-1


@dataclass(frozen=True, slots=True)
class Shades:
    """What is made of a brand's colour for one ground: buttons, their text, links, and pale areas."""

    accent: str
    on_accent: str
    strong: str  # a button under the pointer
    link: str  # readable on the sheet, on the pale areas, and on what is around the sheet
    soft: str


@dataclass(frozen=True, slots=True)
class Palette:
    """The shades of a brand in light and in dark."""

    light: Shades
    dark: Shades


SHEET_LIGHT, SHEET_DARK = "#ffffff", "#1b212a"
GROUND_LIGHT, GROUND_DARK = "#eef1f5", "#12161c"  # around the sheet, where the links at the foot are
OURS = Palette(
    light=Shades(accent="#1d5a96", on_accent="#ffffff", strong="#16477a", link="#1d5a96", soft="#e4eef8"),
    dark=Shades(accent="#8fc1f2", on_accent="#0e2439", strong="#b3d6f8", link="#8fc1f2", soft="#22354a"),
)


def palette(colour: str | None, text_colour: str | None = None) -> Palette:
    """The palette of a brand's colour, `#rrggbb`; ours without one."""
    if colour is None:
        return OURS
    colour = colour.lower()
    soft, soft_dark = mixed(colour, SHEET_LIGHT, 0.1), mixed(colour, SHEET_DARK, 0.18)
    lightened = _readable_on(colour, SHEET_DARK, soft_dark, GROUND_DARK)
    return Palette(
        light=Shades(
            accent=colour,
            on_accent=(text_colour or text_on(colour)).lower(),
            strong=_further(colour, (text_colour or text_on(colour)).lower()),
            link=_readable_on(colour, SHEET_LIGHT, soft, GROUND_LIGHT),
            soft=soft,
        ),
        dark=Shades(
            accent=lightened,
            on_accent=text_on(lightened),
            strong=_further(lightened, text_on(lightened)),
            link=lightened,
            soft=soft_dark,
        ),
    )


def contrast(one: str, other: str) -> float:
    """How well two colours tell apart, 1 to 21 (WCAG 2.2, "contrast ratio").

    >>> round(contrast("#ffffff", "#000000"), 1), round(contrast("#ffffff", "#777777"), 2)
    (21.0, 4.48)
    """
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def text_on(ground: str) -> str:
    """White or black, whichever is read better; the worse of all grounds leaves 4.58."""
    return max((WHITE, BLACK), key=lambda text: contrast(text, ground))


def readable(colour: str, ground: str) -> str:
    """The colour, moved towards black or white only as far as it can be read on the ground."""
    towards = text_on(ground)
    for step in range(_STEPS + 1):
        moved = mixed(towards, colour, step / _STEPS)
        if contrast(moved, ground) >= ENOUGH:
            return moved
    return towards


def _readable_on(colour: str, *grounds: str) -> str:
    """The colour, moved as far as all of these grounds need; they are all light, or all dark."""
    for ground in grounds:
        colour = readable(colour, ground)
    return colour


def mixed(colour: str, ground: str, share: float) -> str:
    """So much of the colour, the rest of the ground."""
    pairs = zip(_channels(colour), _channels(ground), strict=True)
    return "#" + "".join(f"{round(one * share + other * (1 - share)):02x}" for one, other in pairs)


def _further(colour: str, text: str) -> str:
    """A little away from its text, so that it stays as readable."""
    return mixed(BLACK if text == WHITE else WHITE, colour, 0.2)


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= _LINEAR_BELOW else float(((value + 0.055) / 1.055) ** 2.4)


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
