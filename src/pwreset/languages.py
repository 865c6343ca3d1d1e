"""Which language a person reads, the catalogues, and how times and numbers are told in it.

A language is named by its tag (BCP 47): `de`, `pt-BR`, `zh-Hant`. Texts are gettext messages; the catalogues are
`locale/<language>/LC_MESSAGES/pwreset.po`, read by Babel when a language is first asked for. English is the language of
the source.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime, get_datetime_format
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import PoFileError, read_po
from babel.units import format_unit

from pwreset import overrides
from pwreset.errors import SettingsError

LOCALE = Path(__file__).parent / "locale"
SOURCE_LANGUAGE = "en"
# English in the form that is read the same everywhere: day before month, in words.
_LOCALES = {"en": "en_GB", "pt": "pt_PT"}
# Tags by which people ask for a language that we have under another: RFC 5646's registry (old tags, and what a script
# is when only the region is told), and for Norwegian the written form that its readers share.
_OTHER_TAGS = {
    "no": "nb",
    "nn": "nb",
    "iw": "he",
    "mo": "ro",
    "zh": "zh-hans",
    "zh-tw": "zh-hant",
    "zh-hk": "zh-hant",
    "zh-mo": "zh-hant",
}
# Persian is read in its own digits; in Arabic both kinds are, and ASCII's are understood from Rabat to Baghdad.
_DIGITS = {"fa": str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")}
_MINUTES_PER_HOUR = 60
_MINUTES_PER_DAY = 24 * _MINUTES_PER_HOUR
FIRST_STRONG_ISOLATE, POP_ISOLATE = "\u2068", "\u2069"


@cache
def available() -> tuple[str, ...]:
    """The languages with a catalogue, English first."""
    folders = (folder.name for folder in LOCALE.iterdir() if (folder / "LC_MESSAGES").is_dir())
    return (SOURCE_LANGUAGE, *sorted(name.replace("_", "-") for name in folders))


@cache
def _by_lower_case() -> dict[str, str]:
    return {language.lower(): language for language in available()}


@lru_cache(maxsize=4096)
def choose(*wishes: str | None, default: str = SOURCE_LANGUAGE) -> str:
    """The first available language of these wishes, each in the form of Accept-Language or preferredLanguage.

    `de-CH, de;q=0.9, en;q=0.5` (RFC 9110, section 12.5.4; RFC 2798, section 2.7) gives `de`. A wish for a language
    of several forms that names none of them gets the default's: `pt` is `pt-BR` where that is the default.
    """
    for wish in wishes:
        for tag in _by_weight(wish or ""):
            for one in _forms(tag, default):
                if one in _by_lower_case():
                    return _by_lower_case()[one]
    return default if default in available() else SOURCE_LANGUAGE


def _forms(tag: str, default: str) -> Iterator[str]:
    """What would do for a tag, the best first: RFC 4647, section 3.4, with the tags that mean the same."""
    parts = tag.strip().lower().replace("_", "-").split("-")
    if parts == default.lower().split("-")[:1]:
        yield default.lower()
    for length in range(len(parts), 0, -1):
        shorter = "-".join(parts[:length])
        yield _OTHER_TAGS.get(shorter, shorter)


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
def catalogue(language: str, folders: overrides.Folders = ()) -> gettext.NullTranslations:
    """The translations of an available language; English gives the source texts back.

    `folders` may hold an operator's own texts, `texts/<language>.po`; those of the first folder come first. Raises
    SettingsError for a file that is none.
    """
    if folders:
        own = overrides.find(folders[:1], f"{overrides.TEXTS}/{language}.po")
        rest = catalogue(language, folders[1:])
        if own is None:
            return rest
        translations = _compiled(overrides.read(own), language, str(own))
        translations.add_fallback(rest)
        return translations
    path = LOCALE / language.replace("-", "_") / "LC_MESSAGES" / "pwreset.po"
    if language == SOURCE_LANGUAGE or not path.exists():
        return gettext.NullTranslations()
    return _compiled(path.read_text(encoding="utf-8"), language, str(path))


def _compiled(text: str, language: str, where: str) -> gettext.NullTranslations:
    compiled = io.BytesIO()
    write_mo(compiled, read_texts(text, language, where))
    compiled.seek(0)
    return gettext.GNUTranslations(compiled)


def read_texts(text: str, language: str, where: str) -> Catalog:
    """A catalogue's text. Raises SettingsError, with the line, when it is none."""
    try:
        return read_po(io.StringIO(text), locale=language.replace("-", "_"), abort_invalid=True)
    except PoFileError as error:
        raise SettingsError(f"{where}:{(error.lineno or 0) + 1}: {error.args[0]}") from error


@cache
def locale_of(language: str) -> Locale:
    """Babel's locale for a language."""
    return Locale.parse(_LOCALES.get(language, language).replace("-", "_"))


@cache
def direction(language: str) -> str:
    """`ltr` or `rtl`."""
    return locale_of(language).text_direction


def isolated(text: str) -> str:
    """The text between Unicode's isolates, so that its direction leaves what stands around it alone (UAX #9)."""
    return f"{FIRST_STRONG_ISOLATE}{text}{POP_ISOLATE}"


def digits(text: str, language: str) -> str:
    """The text with its ASCII digits as the language writes them."""
    return text.translate(_DIGITS[language]) if language in _DIGITS else text


def tell_time(at: datetime, language: str, time_zone: str) -> str:
    """A date and time in words, with the zone: `Tuesday, 24 November 2026, 14:05 (CET)`."""
    return _tell_minute(at.astimezone(UTC).replace(second=0, microsecond=0), language, time_zone)


@lru_cache(maxsize=1024)
def _tell_minute(at: datetime, language: str, time_zone: str) -> str:
    """Cached, since Babel takes its time and the links of one minute mostly end in one minute."""
    local = at.astimezone(ZoneInfo(time_zone))
    locale = locale_of(language)
    # The hours are counted to 24 in every language: what a link's end is told in must not hang on two letters.
    hour = f"{local:%H.%M}" if language in {"da", "fi"} else f"{local:%H:%M}"
    told = str(get_datetime_format("medium", locale=locale))
    told = told.replace("{1}", format_date(local, "full", locale=locale)).replace("{0}", hour)
    return digits(f"{told} ({_tell_zone(local, locale)})", language)


def _tell_zone(local: datetime, locale: Locale) -> str:
    """The zone's short name, or its offset where the language has no name for it."""
    if not local.utcoffset():
        return "UTC"
    name = format_datetime(local, "zzz", locale=locale)
    return name if name.isalpha() else _offset(local)


def tell_time_briefly(at: datetime, language: str, time_zone: str) -> str:
    """A date and time for an SMS, without letters but those of the offset: `24/11 14:05 (UTC+1)`.

    Month names would not do: the û of août is not in an SMS's alphabet.
    """
    local = at.astimezone(ZoneInfo(time_zone))
    return digits(f"{local.strftime(_BRIEFLY.get(language, '%Y-%m-%d %H:%M'))} ({_offset(local)})", language)


# As each language writes a day of this year in figures (CLDR's Md skeleton). CLDR's short English form is 11/24/26,
# which half of the world reads the other way round: English gets ISO 8601, as Swedish and Persian do.
_BRIEFLY = {
    **dict.fromkeys(("fr", "es", "it", "pt", "pt-BR", "el", "ar"), "%d/%m %H:%M"),
    **dict.fromkeys(("de", "cs", "sk", "nb"), "%d.%m. %H:%M"),
    **dict.fromkeys(("da", "fi"), "%d.%m. %H.%M"),
    **dict.fromkeys(("pl", "ro", "bg", "uk", "ru", "tr", "he"), "%d.%m %H:%M"),
    **dict.fromkeys(("ja", "zh-Hans", "zh-Hant", "ko"), "%m/%d %H:%M"),
    "nl": "%d-%m %H:%M",
    "hu": "%m. %d. %H:%M",
}


def _offset(local: datetime) -> str:
    minutes = int((local.utcoffset() or timedelta()).total_seconds()) // 60
    if minutes == 0:
        return "UTC"
    hours, rest = divmod(abs(minutes), 60)
    return f"UTC{'+' if minutes > 0 else '-'}{hours}" + (f":{rest:02}" if rest else "")


def tell_duration(minutes: int, language: str) -> str:
    """A duration in its largest whole unit: `90 minutes`, `2 hours`, `1 day`."""
    if minutes % _MINUTES_PER_DAY == 0:
        number, unit = minutes // _MINUTES_PER_DAY, "duration-day"
    elif minutes % _MINUTES_PER_HOUR == 0:
        number, unit = minutes // _MINUTES_PER_HOUR, "duration-hour"
    else:
        number, unit = minutes, "duration-minute"
    return digits(format_unit(number, unit, length="long", locale=locale_of(language)), language)
