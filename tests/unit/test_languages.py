from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pwreset.languages import available, choose, tell_time

WINTER = datetime(2026, 11, 24, 13, 5, tzinfo=UTC)
SUMMER = datetime(2026, 7, 1, 22, 30, tzinfo=UTC)


def test_english_comes_first() -> None:
    assert available()[0] == "en"
    assert list(available()[1:]) == sorted(available()[1:])


@pytest.mark.parametrize(
    ("wish", "chosen"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("de-CH", "de"),
        ("fr_CA", "fr"),
        ("xx, fr", "fr"),
        ("en;q=0.5, de;q=0.9", "de"),
        ("fr;q=0.3, de;q=0.7, en;q=0.5", "de"),
        ("de;q=0, fr;q=0.1", "fr"),
        ("fr,de", "fr"),
        ("  fr-FR ;  q = 0.8 , en ; q=0.7", "fr"),
        ("xx", "en"),
        ("*", "en"),
        ("", "en"),
        (None, "en"),
        ("zh-TW", "zh-Hans"),
        ("zh_CN", "zh-Hans"),
        ("zh-Hans-SG", "zh-Hans"),
        ("zh", "zh-Hans"),
        ("no", "nb"),
        ("nn-NO, en;q=0.5", "nb"),
        ("pt-BR", "pt"),
        ("pt-AO", "pt"),
        ("iw", "he"),
        ("he-IL", "he"),
        ("ar-EG-u-nu-arab", "ar"),
    ],
)
def test_the_best_wish_that_can_be_met_is_chosen(wish: str | None, chosen: str) -> None:
    assert choose(wish) == chosen


def test_the_first_wish_comes_before_the_second() -> None:
    assert choose("fr", "de") == "fr"


def test_a_wish_that_cannot_be_met_leaves_it_to_the_next() -> None:
    assert choose("xx, yy", "de") == "de"


def test_nothing_met_leaves_the_default() -> None:
    assert choose("xx", None, default="fr") == "fr"


def test_a_default_that_is_not_there_leaves_english() -> None:
    assert choose("xx", default="xx") == "en"


@pytest.mark.parametrize("wish", ["de;q=high", ";;;,,,", "de;q=", ";q=1", "\x00", "../../etc/passwd", "," * 100_000])
def test_garbage_is_passed_over(wish: str) -> None:
    assert choose(wish) == "en"


@given(st.text(max_size=600))
def test_whatever_is_wished_an_available_language_is_chosen(wish: str) -> None:
    assert choose(wish) in available()


@pytest.mark.parametrize(
    ("language", "told"),
    [
        ("en", "Tuesday, 24 November 2026, 14:05 (CET)"),
        ("fr", "mardi 24 novembre 2026, 14:05 (UTC+1)"),
        ("de", "Dienstag, 24. November 2026, 14:05 (MEZ)"),
        ("fi", "tiistai 24. marraskuuta 2026 14.05 (UTC+1)"),
        ("ja", "2026年11月24日火曜日 14:05 (UTC+1)"),
        ("ar", "الثلاثاء، 24 نوفمبر 2026، 14:05 (UTC+1)"),
        ("hu", "2026. november 24., kedd 14:05 (CET)"),
    ],
)
def test_a_time_is_told_in_the_persons_language_and_the_domains_zone(language: str, told: str) -> None:
    assert tell_time(WINTER, language, "Europe/Paris") == told


def test_summer_time_is_told() -> None:
    assert "Thursday, 2 July 2026, 00:30" in tell_time(SUMMER, "en", "Europe/Paris")
