"""What other people wrote, made harmless."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.delivery.harmless import lines, one_line, unlinked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("two\nlines", "two\nlines"),
        ("two\r\nlines", "two\nlines"),
        ("old\rmac", "old\nmac"),
        ("tab\there", "tab here"),
        ("gap\n\n\n\n\nhere", "gap\n\nhere"),
        ("\u202egpj.exe", "gpj.exe"),
        ("a\u2066b\u2069c\u200bd\ufeffe", "abcde"),
        ("null\x00 bell\x07 escape\x1b[31m", "null bell escape[31m"),
        ("tag\U000e0041", "tag"),
        ("  around  \n", "around"),
    ],
)
def test_what_hides_or_reorders_text_is_dropped_and_line_breaks_stay(text: str, shown: str) -> None:
    assert lines(text) == shown


@given(st.text())
def test_nothing_invisible_is_left(text: str) -> None:
    assert all(character == "\n" or unicodedata.category(character)[0] != "C" for character in lines(text))


@given(st.text())
def test_one_line_is_one_printable_line_of_reasonable_length(text: str) -> None:
    shown = one_line(text)
    assert "\n" not in shown
    assert len(shown) <= 200
    assert not re.search(r"[\x00-\x1f\x7f\u202a-\u202e\u2066-\u2069]", shown)


@pytest.mark.parametrize(
    "text",
    [
        "https://evil.example/login",
        "HTTP://EVIL.EXAMPLE",
        "evil.example",
        "www.evil.example",
        "javascript:alert(1)",
        "somebody@evil.example",
        "evil。example",
        "192.0.2.1",
    ],
)
@pytest.mark.parametrize("gap", ["\u200b", " "])
def test_nothing_is_left_that_a_mail_program_would_make_a_link_of(text: str, gap: str) -> None:
    shown = unlinked(text, gap)
    assert not re.search(r"\w[.:@。]\S", shown)
    assert shown.replace(gap, "") == text


def test_sentences_stay_as_they_are() -> None:
    assert unlinked("Call us. Room 5: ask for Ann.") == "Call us. Room 5: ask for Ann."
