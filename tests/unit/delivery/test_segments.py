"""What an SMS costs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.delivery.segments import cut, is_gsm7, segments


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("é" * 160, 1),
        ("€" * 80, 1),
        ("€" * 81, 2),
        # 153 places hold 76 of them: the last place stays empty, since a pair is not cut.
        ("€" * 152, 2),
        ("€" * 153, 3),
        ("ç" * 70, 1),
        ("ç" * 71, 2),
        ("ç" * 134, 2),
        ("ç" * 135, 3),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("😀" * 66, 2),
        ("😀" * 67, 3),
    ],
)
def test_segments_are_counted_as_phones_do(text: str, count: int) -> None:
    assert segments(text) == count


@pytest.mark.parametrize("character", ["…", "\u2019", "\u00a0", "ç", "ê", "û", "\u2013", "\t", "`"])
def test_clever_typography_is_not_in_gsm_7(character: str) -> None:
    assert not is_gsm7(f"plain{character}text")


@given(st.text(), st.integers(1, 4))
def test_a_text_is_cut_to_the_longest_beginning_that_fits(text: str, most: int) -> None:
    kept = cut(text, most)
    assert text.startswith(kept)
    assert segments(kept) <= most
    assert kept == text or segments(text[: len(kept) + 1]) > most


@given(st.text(), st.characters())
def test_a_longer_text_never_takes_fewer_segments(text: str, more: str) -> None:
    assert segments(text + more) >= segments(text)
