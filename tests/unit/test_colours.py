from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.colours import ENOUGH, SHEET_DARK, SHEET_LIGHT, contrast, palette

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
    for shades, sheet in ((made.light, SHEET_LIGHT), (made.dark, SHEET_DARK)):
        for text, ground in (
            (shades.on_accent, shades.accent),
            (shades.on_accent, shades.strong),
            (shades.link, sheet),
            (shades.link, shades.soft),
        ):
            assert contrast(text, ground) >= ENOUGH


def test_without_a_colour_the_palette_is_ours_and_can_be_read() -> None:
    ours = palette(None)
    for shades, sheet in ((ours.light, SHEET_LIGHT), (ours.dark, SHEET_DARK)):
        assert min(contrast(shades.on_accent, shades.accent), contrast(shades.link, sheet)) >= ENOUGH
