"""Every text of pages and messages is there in every language, whole and with what is filled in."""

from __future__ import annotations

import re
import unicodedata

import pytest

from pwreset.languages import SOURCE_LANGUAGE, available
from tools.catalogues import messages, translations

TRANSLATED = [language for language in available() if language != SOURCE_LANGUAGE]
LONG = 40
ZERO_WIDTH_NON_JOINER = "\u200c"  # part of Persian spelling
SCRIPTS = {
    "el": "GREEK",
    "bg": "CYRILLIC",
    "uk": "CYRILLIC",
    "ru": "CYRILLIC",
    "ar": "ARABIC",
    "fa": "ARABIC",
    "he": "HEBREW",
    "ja": "CJK|HIRAGANA|KATAKANA",
    "zh-Hans": "CJK",
    "zh-Hant": "CJK",
    "ko": "HANGUL",
}
# What is the same word in English.
SAME = {"de": {"Code"}, "es": {"Error:"}, "fr": {"Code"}, "it": {"Directory"}, "nb": {"For"}, "nl": {"Code"}}
PLACEHOLDER = re.compile(r"%\(\w+\)s")
BORROWED = re.compile(r"%\(\w+\)s|[Cc]ookie|JavaScript")  # what stands in Latin letters everywhere


def _forms(text: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text or ())


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_text_is_translated(language: str) -> None:
    catalogue = translations(language)
    missing = [
        message.id
        for message in messages()
        if message.id and not ((found := catalogue.get(message.id)) and all(_forms(found.string)))
    ]
    assert missing == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_translation_is_left_over_or_unsure(language: str) -> None:
    known = messages()
    assert [m.id for m in translations(language) if m.id and (m.fuzzy or m.id not in known)] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_every_translation_has_the_placeholders_of_its_source(language: str) -> None:
    for message in translations(language):
        if message.id:
            most = set(PLACEHOLDER.findall(_forms(message.id)[-1]))
            assert set(PLACEHOLDER.findall(_forms(message.string)[-1])) == most
            assert all(set(PLACEHOLDER.findall(form)) <= most for form in _forms(message.string))


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_language_has_as_many_forms_as_its_plural_rule_wants(language: str) -> None:
    catalogue = translations(language)
    counted = [m for m in catalogue if isinstance(m.id, tuple)]
    assert {len(_forms(m.string)) for m in counted} == {catalogue.num_plurals}


@pytest.mark.parametrize("language", TRANSLATED)
def test_nothing_is_left_in_english(language: str) -> None:
    same = [m.id for m in translations(language) if m.id and _forms(m.id) == _forms(m.string)]
    assert set(same) == SAME.get(language, set())


@pytest.mark.parametrize("language", TRANSLATED)
def test_no_two_texts_that_differ_in_english_are_one_by_mistake(language: str) -> None:
    """A line that has slipped by one shows in two long texts with one translation."""
    seen: dict[tuple[str, ...], object] = {}
    twice = []
    for message in translations(language):
        forms = _forms(message.string)
        if message.id and len(forms[0]) > LONG:
            if forms in seen:
                twice.append((seen[forms], message.id))
            seen[forms] = message.id
    assert twice == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_sentence_ends_as_its_source_does(language: str) -> None:
    """A full stop, a colon or nothing: what differs was cut, or belongs to another text."""
    wrong = [
        (m.id, m.string)
        for m in translations(language)
        if m.id and any(_end(form) != _end(_forms(m.id)[-1]) for form in _forms(m.string))
    ]
    assert wrong == []


def _end(text: str) -> str:
    last = text.rstrip("\u200e\u200f\u00a0 ")[-1]
    return {"。": ".", "۔": ".", "：": ":", "，": ":", "、": ":", "،": ":", ",": ":"}.get(
        last, last if last in ".:" else ""
    )


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_hold_no_characters_that_hide(language: str) -> None:
    hidden = [
        (m.id, character)
        for m in translations(language)
        if m.id
        for character in "".join(_forms(m.string))
        if unicodedata.category(character)[0] == "C" and character != ZERO_WIDTH_NON_JOINER
    ]
    assert hidden == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_language_is_written_in_its_own_script(language: str) -> None:
    """Look-alikes of another alphabet are read as the letters they seem to be, but not by screen readers and searches."""
    script = SCRIPTS.get(language, "LATIN")
    letters = [
        (m.id, character)
        for m in translations(language)
        if m.id
        for character in BORROWED.sub("", "".join(_forms(m.string)))
        if character.isalpha() and not any(unicodedata.name(character).startswith(one) for one in script.split("|"))
    ]
    assert letters == []


def test_a_text_that_is_missing_is_told() -> None:
    """What the tests above rest on."""
    catalogue = translations("de")
    catalogue.delete("Password reset")
    assert [m.id for m in messages() if m.id and not catalogue.get(m.id)] == ["Password reset"]
