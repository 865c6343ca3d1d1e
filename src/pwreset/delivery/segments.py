"""How many segments an SMS takes (3GPP TS 23.038 and 23.040).

A text that fits the GSM 7-bit alphabet has 160 characters in one segment and 153 in each of several. One character
outside of it, an ellipsis or a non-breaking space, turns the whole message into UCS-2: 70 and 67, less than half. That
is why the SMS templates are written in GSM-7 and no clever typography comes near them.
"""

from __future__ import annotations

from collections.abc import Iterable

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")  # an escape and a character: two places

GSM7_SINGLE, GSM7_PART = 160, 153
UCS2_SINGLE, UCS2_PART = 70, 67
LAST_OF_ONE_UNIT = "\uffff"  # what lies above takes a surrogate pair, two places


def is_gsm7(text: str) -> bool:
    """Whether the text fits the GSM 7-bit default alphabet with its extension table."""
    return _BASIC.issuperset(text) or (_BASIC | _EXTENDED).issuperset(text)


def segments(text: str) -> int:
    """How many segments the text takes; an empty one takes one.

    >>> segments("x" * 160), segments("x" * 161), segments("x" * 70 + "\N{HORIZONTAL ELLIPSIS}")
    (1, 2, 2)
    """
    if is_gsm7(text):
        return _count((2 if character in _EXTENDED else 1 for character in text), GSM7_SINGLE, GSM7_PART)
    return _count((2 if character > LAST_OF_ONE_UNIT else 1 for character in text), UCS2_SINGLE, UCS2_PART)


def cut(text: str, most: int) -> str:
    """As much of the beginning as fits into so many segments.

    >>> cut("x" * 200, 1) == "x" * 160
    True
    """
    shortest, longest = 0, len(text)
    while shortest < longest:  # a longer text never takes fewer segments: halve
        middle = (shortest + longest + 1) // 2
        shortest, longest = (middle, longest) if segments(text[:middle]) <= most else (shortest, middle - 1)
    return text[:shortest]


def _count(widths: Iterable[int], single: int, part: int) -> int:
    """Fill segments with characters of these widths; one of two places is never cut in the middle."""
    places = list(widths)
    if sum(places) <= single:
        return 1
    count, filled = 1, 0
    for width in places:
        if filled + width > part:
            count, filled = count + 1, 0
        filled += width
    return count
