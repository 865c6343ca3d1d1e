"""Which language a person reads, the catalogues, and how times and rules are told in it.

Texts are gettext messages; the catalogues are `locale/<language>/LC_MESSAGES/pwreset.po`, read by Babel when a language
is first asked for. English is the language of the source.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LOCALE = Path(__file__).parent / "locale"
SOURCE_LANGUAGE = "en"
# English in the form that is read the same everywhere: day before month, in words.
_LOCALES = {"en": "en_GB"}


@cache
def available() -> tuple[str, ...]:
    """The languages with a catalogue, English first."""
    return (SOURCE_LANGUAGE, *sorted(folder.name for folder in LOCALE.iterdir() if (folder / "LC_MESSAGES").is_dir()))


@lru_cache(maxsize=4096)
def choose(*wishes: str | None, default: str = SOURCE_LANGUAGE) -> str:
    """The first available language of these wishes, each in the form of Accept-Language or preferredLanguage.

    `de-CH, de;q=0.9, en;q=0.5` (RFC 9110, section 12.5.4; RFC 2798, section 2.7) gives `de`.
    """
    for wish in wishes:
        for tag in _by_weight(wish or ""):
            base = tag.split("-")[0].split("_")[0].lower()
            if base in available():
                return base
    return default if default in available() else SOURCE_LANGUAGE


def _by_weight(wish: str) -> Sequence[str]:
    weighted: list[tuple[float, int, str]] = []
    for position, part in enumerate(wish[:500].split(",")):
        tag, _, parameter = part.strip().partition(";")
        name, _, number = parameter.strip().partition("=")
        try:
            weight = float(number) if name.strip() == "q" else 1.0
        except ValueError:
            continue
        if tag and weight > 0:
            weighted.append((-weight, position, tag))
    return [tag for _, _, tag in sorted(weighted)]


@cache
def catalogue(language: str) -> gettext.NullTranslations:
    """The translations of an available language; English gives the source texts back."""
    path = LOCALE / language / "LC_MESSAGES" / "pwreset.po"
    if language == SOURCE_LANGUAGE or not path.exists():
        return gettext.NullTranslations()
    compiled = io.BytesIO()
    with path.open("rb") as file:
        write_mo(compiled, read_po(file, locale=language))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def tell_time(at: datetime, language: str, time_zone: str) -> str:
    """A date and time in words, with the zone: `Tuesday 24 November 2026, 14:05 (UTC)`."""
    return _tell_minute(at.astimezone(UTC).replace(second=0, microsecond=0), language, time_zone)


@lru_cache(maxsize=1024)
def _tell_minute(at: datetime, language: str, time_zone: str) -> str:
    """Cached, since Babel takes its time and the links of one minute mostly end in one minute."""
    local = at.astimezone(ZoneInfo(time_zone))
    locale = _LOCALES.get(language, language)
    return f"{format_date(local, 'full', locale=locale)}, {local:%H:%M} ({_tell_zone(local, locale)})"


def _tell_zone(local: datetime, locale: str) -> str:
    """The zone's short name, or its offset where the language has no name for it."""
    if not local.utcoffset():
        return "UTC"
    name = format_datetime(local, "zzz", locale=locale)
    return name if name[0].isalpha() else format_datetime(local, "ZZZZ", locale=locale)


def tell_time_briefly(at: datetime, language: str, time_zone: str) -> str:
    """A date and time for an SMS, without letters but those of the offset: `24/11 14:05 (UTC+1)`.

    Month names would not do: the û of août is not in an SMS's alphabet.
    """
    local = at.astimezone(ZoneInfo(time_zone))
    return f"{local.strftime(_BRIEFLY.get(language, '%Y-%m-%d %H:%M'))} ({_offset(local)})"


# CLDR's short English form is 11/24/26, which half of the world reads the other way round: English gets ISO 8601.
_BRIEFLY = {"fr": "%d/%m %H:%M", "de": "%d.%m. %H:%M"}


def _offset(local: datetime) -> str:
    minutes = int((local.utcoffset() or timedelta()).total_seconds()) // 60
    if minutes == 0:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")
