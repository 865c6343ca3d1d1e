"""Every text of people's pages is there in every language."""

from __future__ import annotations

import re

import pytest

from pwreset.languages import SOURCE_LANGUAGE, available
from tools.catalogues import messages, translations

TRANSLATED = [language for language in available() if language != SOURCE_LANGUAGE]
PLACEHOLDER = re.compile(r"%\(\w+\)s")


def _forms(text: str | tuple[str, ...] | list[str] | None) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text or ())


def test_french_and_german_are_there() -> None:
    assert available() == ("en", "de", "fr")


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
