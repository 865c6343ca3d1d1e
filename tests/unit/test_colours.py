from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.colours import ENOUGH, GROUND_DARK, GROUND_LIGHT, SHEET_DARK, SHEET_LIGHT, contrast, palette
from pwreset.web.render import static_files

COLOURS = st.integers(min_value=0, max_value=0xFFFFFF).map("#{:06x}".format)


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#ffffff", "#000000", 21.0),
        ("#ffffff", "#ffffff", 1.0),
        ("#767676", "#ffffff", 4.54),
        ("#0000ff", "#ffffff", 8.59),
    ],
)
def test_contrast_is_what_wcag_says(one: str, other: str, ratio: float) -> None:
    assert contrast(one, other) == pytest.approx(ratio, abs=0.01)
    assert contrast(other, one) == contrast(one, other)


@given(COLOURS)
def test_of_any_colour_a_palette_is_made_that_can_be_read(colour: str) -> None:
    made = palette(colour)
    assert made.light.accent == colour
    for shades, sheet, around in ((made.light, SHEET_LIGHT, GROUND_LIGHT), (made.dark, SHEET_DARK, GROUND_DARK)):
        for text, ground in (
            (shades.on_accent, shades.accent),
            (shades.on_accent, shades.strong),
            (shades.link, sheet),
            (shades.link, around),
            (shades.link, shades.soft),
        ):
            assert contrast(text, ground) >= ENOUGH


def test_without_a_colour_the_palette_is_ours_and_can_be_read() -> None:
    ours = palette(None)
    for shades, sheet in ((ours.light, SHEET_LIGHT), (ours.dark, SHEET_DARK)):
        assert min(contrast(shades.on_accent, shades.accent), contrast(shades.link, sheet)) >= ENOUGH


TEXTS = {
    "ink": ("sheet", "ground", "accent-soft", "alarm-soft"),
    "quiet": ("sheet", "ground"),
    "link": ("sheet", "ground", "accent-soft"),
    "on-accent": ("accent", "accent-strong"),
    "alarm": ("alarm-soft",),
    "sheet": ("quiet",),
}
EDGES = {"edge": ("sheet",), "alarm": ("sheet",), "link": ("sheet", "ground")}
ENOUGH_FOR_AN_EDGE = 3.0  # WCAG 2.2, 1.4.11


def schemes() -> list[dict[str, str]]:
    """The colours of the style sheet by name, in light and in dark."""
    css = static_files()["pages.css"].body.decode()
    light, dark = (dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", block)) for block in css.split(":root {")[1:3])
    return [light, {**light, **dark}]


@pytest.mark.parametrize("colours", schemes(), ids=["light", "dark"])
def test_the_style_sheet_s_own_colours_can_be_read(colours: dict[str, str]) -> None:
    pairs = [(text, ground) for text, grounds in TEXTS.items() for ground in grounds]
    assert [pair for pair in pairs if contrast(*(colours[name] for name in pair)) < ENOUGH] == []


@pytest.mark.parametrize("colours", schemes(), ids=["light", "dark"])
def test_the_style_sheet_s_own_edges_can_be_seen(colours: dict[str, str]) -> None:
    pairs = [(edge, ground) for edge, grounds in EDGES.items() for ground in grounds]
    assert [pair for pair in pairs if contrast(*(colours[name] for name in pair)) < ENOUGH_FOR_AN_EDGE] == []


def test_a_brand_s_shades_are_reckoned_with_the_style_sheet_s_grounds() -> None:
    assert [(colours["sheet"], colours["ground"]) for colours in schemes()] == [
        (SHEET_LIGHT, GROUND_LIGHT),
        (SHEET_DARK, GROUND_DARK),
    ]
