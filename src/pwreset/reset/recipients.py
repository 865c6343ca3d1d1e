"""Which address of an entry is written to, one per channel, strictly read.

Directory attributes are data that somebody typed. A value is used only when it is one plain address: no display name,
no list, nothing that a relay, a mail library or a person could read in two ways.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import idna
import phonenumbers

from pwreset.reset.model import Channel, Recipient, User

LONGEST_ADDRESS = 254  # RFC 5321, sections 4.5.3.1.3 and 4.1.2, as erratum 1690 of RFC 3696 puts it
LONGEST_LOCAL_PART = 64  # octets; RFC 5321, section 4.5.3.1.1
LONGEST_DOMAIN = 253

# RFC 5322's dot-atom without `%`, `!` and `|`, which relays have read as routes and pipes. Quoted local parts
# ("a b"@example.org) are legal, unused, and a classic way to smuggle.
_ATOM = r"[A-Za-z0-9#$&'*+/=?^_`{}~-]+"
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN = re.compile(rf"(?P<local>{_ATOM}(?:\.{_ATOM})*)@(?P<domain>{_LABEL}(?:\.{_LABEL})*)\Z")
_WIDE_ATOM = rf"(?:{_ATOM}|[^\x00-\x7f])+"
_WIDE = re.compile(rf"(?P<local>{_WIDE_ATOM}(?:\.{_WIDE_ATOM})*)@(?P<domain>(?:[A-Za-z0-9.-]|[^\x00-\x7f])+)\Z")

_TYPED_NUMBER = re.compile(r"\+?[0-9 ().\-/]+\Z")  # no letters: FLOWERS is no number
_TYPOGRAPHY = str.maketrans("\u00a0\u202f\u2010\u2011\u2012\u2013", "  ----")
_E164 = re.compile(r"\+[1-9][0-9]{5,14}\Z")
LONGEST_NUMBER = 40  # as typed, with blanks, brackets and dashes
# Whoever may edit his own number must not make us call a number that he earns from; and a fixed line has no display:
# operators read the message aloud, link and all, to whoever picks up. UNKNOWN stays: countries open ranges faster than
# we release, as does FIXED_LINE_OR_MOBILE: North America does not tell them apart.
_NO_PHONE_IN_A_POCKET = frozenset(
    {
        phonenumbers.PhoneNumberType.PREMIUM_RATE,
        phonenumbers.PhoneNumberType.SHARED_COST,
        phonenumbers.PhoneNumberType.TOLL_FREE,
        phonenumbers.PhoneNumberType.PERSONAL_NUMBER,
        phonenumbers.PhoneNumberType.FIXED_LINE,
        phonenumbers.PhoneNumberType.PAGER,
        phonenumbers.PhoneNumberType.UAN,
        phonenumbers.PhoneNumberType.VOICEMAIL,
    }
)


def usable_mail(user: User) -> Recipient | None:
    """The first of the entry's mail addresses that can be written to."""
    return next((recipient for mail in user.mails if (recipient := _mail(mail)) is not None), None)


def usable_mails(user: User) -> tuple[Recipient, ...]:
    """All of the entry's mail addresses that can be written to, in the directory's order, each once."""
    return tuple(dict.fromkeys(recipient for mail in user.mails if (recipient := _mail(mail)) is not None))


def usable_mobile(user: User, country: str | None) -> Recipient | None:
    """The first of the entry's mobile numbers that can be written to, in E.164 form.

    `country` is the ISO code whose national numbers may stand without a prefix.
    """
    return next((recipient for raw in user.mobiles if (recipient := _mobile(raw, country)) is not None), None)


def usable_mobiles(user: User, country: str | None) -> tuple[Recipient, ...]:
    """All of the entry's mobile numbers that can be written to, in the directory's order, each once."""
    return tuple(dict.fromkeys(recipient for raw in user.mobiles if (recipient := _mobile(raw, country)) is not None))


def is_mail_address(address: str) -> bool:
    """Whether this is one plain addr-spec, strictly read."""
    return len(address) <= LONGEST_ADDRESS and (_is_plain(address) if address.isascii() else _is_wide(address))


def masked(recipient: Recipient) -> str:
    """An address as its owner knows it again, and nobody else learns it: `j•••@example.org`, `+33 ••••••78`."""
    if recipient.channel is Channel.SMS:
        return f"+{country_code(recipient)} ••••••{recipient.address[-2:]}"
    local, _, domain = recipient.address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


def country_code(recipient: Recipient) -> str:
    """The country calling code of a number in E.164 form: `33`. Empty when it has none that exists."""
    digits = recipient.address.removeprefix("+")
    return next(
        (digits[:length] for length in (1, 2, 3) if int(digits[:length]) in phonenumbers.COUNTRY_CODE_TO_REGION_CODE),
        "",
    )


def _mail(raw: str) -> Recipient | None:
    address = raw.strip(" ")
    return Recipient(Channel.MAIL, address) if is_mail_address(address) else None


def _is_plain(address: str) -> bool:
    match = _PLAIN.match(address)
    return match is not None and _fits(match["local"], match["domain"])


def _is_wide(address: str) -> bool:
    """An address with characters beyond ASCII (RFC 6531); invisible and compatibility characters are refused.

    The domain must be a name of IDNA 2008 as it stands. The older IDNA 2003 maps `straße.example` to
    `strasse.example`, which may be somebody else's.
    """
    match = _WIDE.match(address)
    if match is None or not address.isprintable() or unicodedata.normalize("NFKC", address) != address:
        return False
    try:
        domain = idna.encode(match["domain"].lower()).decode()
    except idna.IDNAError:
        return False
    return _fits(match["local"], domain)


def _fits(local: str, domain: str) -> bool:
    # No top-level domain is a number: 192.0.2.1 is an address of a machine, not a name.
    is_name = not domain.rpartition(".")[2].isdigit()
    return is_name and len(local.encode()) <= LONGEST_LOCAL_PART and len(domain) <= LONGEST_DOMAIN


@lru_cache(maxsize=4096)
def _mobile(raw: str, country: str | None) -> Recipient | None:
    """One number. Parsing costs some 40 microseconds, and calls for the same person come in bursts: hence the cache."""
    typed = raw.translate(_TYPOGRAPHY).strip(" ")
    if len(typed) > LONGEST_NUMBER or not _TYPED_NUMBER.match(typed):
        return None
    try:
        number = phonenumbers.parse(typed, country.upper() if country else None)
    except phonenumbers.NumberParseException:
        return None
    # "Possible" rather than "valid": countries open new ranges faster than we release.
    if not phonenumbers.is_possible_number(number):
        return None
    if number.extension or phonenumbers.number_type(number) in _NO_PHONE_IN_A_POCKET:
        return None
    address = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return Recipient(Channel.SMS, address) if _E164.match(address) else None
