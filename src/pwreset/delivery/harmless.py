"""Makes text that somebody else wrote harmless to show: comments, names, titles.

It is data in every template and escaped there; here goes what escaping does not touch: characters that hide or reorder
text, and links that nobody of ours has made.
"""

from __future__ import annotations

import re
import unicodedata

LONGEST_LINE = 200  # names and titles; comments are limited where they come in

_BETWEEN = re.compile(r"(?<=\S)(?=[.:@\u3002\uff0e\uff61]\S)")
_MANY_BREAKS = re.compile(r"\n{3,}")
_BREAKS = str.maketrans({"\t": " ", "\r": "\n", "\v": "\n", "\f": "\n", "\x85": "\n", "\u2028": "\n", "\u2029": "\n"})


def one_line(text: str) -> str:
    """The text on one line of reasonable length, without control, bidi and other invisible characters."""
    if text.isprintable() and len(text) <= LONGEST_LINE:
        return text
    return " ".join(lines(text).split())[:LONGEST_LINE]


def lines(text: str) -> str:
    r"""The text with its line breaks as `\n`, without control, bidi and other invisible characters.

    The whole category of format characters goes (Cf: bidi embeddings, overrides and isolates, joiners, zero widths,
    tags), since each of them can make a text show other than it is; a compound emoji falls into its parts.
    """
    if text.isprintable():
        return text
    broken = text.replace("\r\n", "\n").translate(_BREAKS).split("\n")
    return _MANY_BREAKS.sub("\n\n", "\n".join(map(_visible, broken))).strip()


def _visible(line: str) -> str:
    if line.isprintable():  # most are, and looking at each character takes its time
        return line
    return "".join(character for character in line if unicodedata.category(character)[0] != "C")


def unlinked(text: str, gap: str = "\N{ZERO WIDTH SPACE}") -> str:
    """The text with a gap before every dot, colon and at sign inside a word.

    We make no link of it; mail programs and phones would, of anything that looks like `evil.example`, `https://...`,
    `somebody@...`, whatever the markup says. None of them recognises a name with a gap in it: a zero-width space is no
    part of any host name, scheme or address, and cannot be seen. Where it would cost half of an SMS (it is not in
    GSM-7) the gap is a blank.
    """
    return _BETWEEN.sub(gap, text)
