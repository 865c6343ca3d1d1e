"""What types alone cannot say about settings: addresses, networks, patterns, and what goes together.

Each function looks at one section and yields what cannot work as (place, words). The words never hold a value that
could be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE, SUPPORTED_REGIONS

from pwreset import colours
from pwreset.languages import available
from pwreset.settings import frames
from pwreset.settings.domains import BrandSettings, Domain
from pwreset.settings.messages import Mail, Sms
from pwreset.settings.second_factor import Mfa
from pwreset.settings.sections import Limits, ManagerApi, MetricsSettings, Password, Server, Settings

Problem = tuple[str, str]

HIGHEST_PORT = 65535
CATALOG_PORTS = (3268, 3269)  # [MS-ADTS] 3.1.1.3.1.10
LINK_BEHIND_THE_ADDRESS = len("/r/") + 43  # 256 bits in base64url
LONGEST_PASSWORD = 256
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_ATTRIBUTE = re.compile(r"(?:[A-Za-z][A-Za-z0-9-]*|[0-9]+(?:\.[0-9]+)+)(?:;[A-Za-z0-9-]+)*\Z")  # RFC 4512, 2.5
# 3GPP TS 23.040, 9.1.2.5: an alphanumeric address has eleven places of the GSM alphabet. These are those of its
# characters that ASCII has too, without the two-place ones; operators take hardly more.
_SENDER_NAME = re.compile(r"(?! )[A-Za-z0-9 !\"#$%&'()*+,./:;<=>?@_-]{1,11}(?<! )\Z")
_SENDER_NUMBER = re.compile(r"\+?[0-9]{3,15}\Z")
_ADDRESS = re.compile(r"[^\s@<>,;]+@[^\s@<>,;]+\Z")
_FIELD = re.compile(r"[A-Za-z0-9_.-]{1,64}\Z")
_DN = re.compile(r"\s*(?:[A-Za-z][A-Za-z0-9-]*|[0-9.]+)\s*=")


def problems(settings: Settings) -> Iterator[Problem]:
    """Everything in these settings that cannot work, in the order of the file's sections."""
    yield from _public_url("public_url", settings.public_url)
    yield from _absolute("templates", settings.templates)
    yield from _domain_names(settings)
    yield from _server(settings.server)
    yield from _store(settings.store.url)
    yield from _mail(settings.mail)
    yield from _sms(settings.sms)
    yield from _manager_api(settings.manager_api, settings.server.tls_certificate)
    yield from _metrics(settings.metrics)
    yield from _limits(settings.limits)
    yield from _link_in_sms(settings)
    yield from _password(settings.password)
    yield from _public(settings)
    for name, domain in settings.domains.items():
        yield from _domain(f"domains.{name}", domain)
        yield from frames.problems_of(f"domains.{name}.brand", domain.brand, domain.public_url or settings.public_url)


def _public(settings: Settings) -> Iterator[Problem]:
    """A page that promises messages which nothing can carry."""
    carried = {"MAIL": settings.mail.url, "SMS": settings.sms.url, "MAILSMS": settings.mail.url or settings.sms.url}
    if carried[settings.public.delivery_mode] is None:
        for name, domain in settings.domains.items():
            if domain.public:
                yield f"domains.{name}.public", f"sends by {settings.public.delivery_mode}, which has no url here"


def _password(password: Password) -> Iterator[Problem]:
    for length in password.kinds_below_length:
        if not (length.isascii() and length.isdecimal() and 1 < int(length) <= LONGEST_PASSWORD):
            yield "password.kinds_below_length", f"{length!r} is no length between 2 and {LONGEST_PASSWORD}"
    if (
        password.min_length is not None
        and password.max_length is not None
        and password.min_length > password.max_length
    ):
        yield "password", "min_length is above max_length"


def _public_url(where: str, url: str) -> Iterator[Problem]:
    parts = _split(url)
    if parts is None or parts.scheme not in ("https", "http") or parts.query or parts.fragment or parts.username:
        yield where, "must be an address like https://reset.example.org"
    elif parts.path not in ("", "/"):
        yield where, "must have no path"
    elif parts.scheme == "http" and parts.hostname not in LOOPBACK_NAMES:
        yield where, "http:// is for loopback only"


def _domain_names(settings: Settings) -> Iterator[Problem]:
    lowered = [name.casefold() for name in settings.domains]
    if len(set(lowered)) != len(lowered):
        yield "domains", "two names differ in letter case only"
    if settings.default_domain is not None and settings.default_domain.casefold() not in lowered:
        yield "default_domain", "names no domain of this file"


def _server(server: Server) -> Iterator[Problem]:
    yield from _bind("server.bind", server.bind)
    yield from _networks("server.trusted_proxies", server.trusted_proxies)
    if (server.tls_certificate is None) != (server.tls_key is None):
        yield "server", "tls_certificate and tls_key go together"


def _store(url: str) -> Iterator[Problem]:
    parts = urlsplit(url)
    if parts.scheme in ("postgresql", "postgres"):
        if parts.password is not None:
            yield "store.url", "the password belongs into store.password_file or PWRESET_STORE_PASSWORD"
    elif parts.scheme != "sqlite" or parts.netloc or not parts.path:
        yield "store.url", "must be sqlite:///PATH or postgresql://USER@HOST:PORT/DATABASE"


def _mail(mail: Mail) -> Iterator[Problem]:
    if mail.url is None:
        return
    parts = _split(mail.url)
    if parts is None or parts.scheme not in ("smtp", "smtps"):
        yield "mail.url", "must be an address like smtp://relay.example.org:25"
    elif "@" in parts.netloc:
        yield "mail.url", "must hold no log-in; use mail.username and mail.password_file"
    if mail.sender is None:
        yield "mail.sender", "is missing"


def _sms(sms: Sms) -> Iterator[Problem]:
    yield from _pattern("sms.success_pattern", sms.success_pattern)
    yield from _pattern("sms.refused_pattern", sms.refused_pattern)
    yield from _networks("sms.report_networks", sms.report_networks)
    reports = None if sms.report_url is None else _split(sms.report_url)
    if sms.report_url is not None and (
        reports is None
        or reports.scheme not in ("https", "http")
        or not reports.hostname
        or "@" in reports.netloc
        or reports.query
        or reports.fragment
        or not sms.report_url.isascii()
        or not sms.report_url.isprintable()
    ):
        yield "sms.report_url", "must be an address like https://reset.example.org"
    if not _FIELD.match(sms.report_field):
        yield "sms.report_field", "is the name of a field: letters, digits, and .-_"
    if sms.url is None:
        return
    if not _SENDER_NUMBER.match(sms.sender) and not _SENDER_NAME.match(sms.sender):
        yield "sms.sender", "is shown by phones as a number, or as a name of at most 11 plain letters, digits and signs"
    parts = _split(sms.url)
    if not sms.url.startswith(("https:", "http:", "kannels:", "kannel:")) and "://" in sms.url and "{to" in sms.url:
        return  # an address of apprise, which alone can read it
    if parts is None or parts.scheme not in ("https", "http", "kannels", "kannel"):
        yield (
            "sms.url",
            "must be an address like https://gateway.example.org/send or kannel://127.0.0.1:13013, or one of apprise with {to}",
        )
    elif "@" in parts.netloc:
        yield "sms.url", "must hold no log-in; use sms.username and sms.password_file"
    elif parts.scheme in ("http", "kannel") and not sms.allow_plain_http and not _is_loopback(parts.hostname or ""):
        yield "sms.url", f"{parts.scheme}:// off loopback needs allow_plain_http = true"


def _link_in_sms(settings: Settings) -> Iterator[Problem]:
    """An address so long that not even the link alone stays within the segments."""
    places = 160 if settings.sms.max_segments == 1 else 153 * settings.sms.max_segments
    urls = [settings.public_url, *(domain.public_url or "" for domain in settings.domains.values())]
    if settings.sms.url is not None and max(map(len, urls)) + LINK_BEHIND_THE_ADDRESS > places:
        yield "sms.max_segments", "is too small for a link with this public_url"


def _manager_api(manager_api: ManagerApi, tls_certificate: str | None) -> Iterator[Problem]:
    if manager_api.bind is not None:
        yield from _bind("manager_api.bind", manager_api.bind)
    if manager_api.client_ca is not None and tls_certificate is None:
        yield "manager_api.client_ca", "needs server.tls_certificate: certificates are shown in the handshake of TLS"
    yield from _networks("manager_api.allowed_networks", manager_api.allowed_networks)


def _metrics(metrics: MetricsSettings) -> Iterator[Problem]:
    for name, bind in (("bind", metrics.bind), ("worker_bind", metrics.worker_bind)):
        if bind is not None:
            yield from _bind(f"metrics.{name}", bind)
    yield from _networks("metrics.allowed_networks", metrics.allowed_networks)


def _limits(limits: Limits) -> Iterator[Problem]:
    for code in limits.sms_countries:
        if not (code.isascii() and code.isdecimal() and int(code) in COUNTRY_CODE_TO_REGION_CODE):
            yield "limits.sms_countries", f'{code!r} is no country calling code; write it like "33"'
    for prefix in limits.sms_per_day_by_country:
        if not (prefix.isascii() and prefix.isdecimal() and _begins_with_a_country(prefix)):
            yield "limits.sms_per_day_by_country", f"{prefix!r} begins with no country calling code; write it like 33"


def _begins_with_a_country(digits: str) -> bool:
    return any(int(digits[:length]) in COUNTRY_CODE_TO_REGION_CODE for length in (1, 2, 3))


def _domain(where: str, domain: Domain) -> Iterator[Problem]:
    if domain.public_url is not None:
        yield from _public_url(f"{where}.public_url", domain.public_url)
    for uri in domain.uris:
        yield from _directory_uri(where, uri, domain)
    if domain.dialect in ("auto", "active-directory") and all(_is_catalog(uri) for uri in domain.uris):
        words = "name the global catalog only, which writes nothing; name a domain controller's own port, 636 or 389"
        yield f"{where}.uris", words
    for setting in ("base_dn", "bind_dn", "managers_base_dn", "managers", "protected"):
        yield from _dns(f"{where}.{setting}", getattr(domain, setting))
    for setting in ("login_attributes", "mail_attributes", "mobile_attributes", "name_attributes"):
        if not all(_ATTRIBUTE.match(name) for name in getattr(domain, setting) or ()):
            yield f"{where}.{setting}", "must be names of attributes, like uid"
    if (domain.user_filter or "").count("(") != (domain.user_filter or "").count(")"):
        yield f"{where}.user_filter", "has brackets that do not match; write it like (objectClass=person)"
    if domain.report_to is not None and not _ADDRESS.match(domain.report_to):
        yield f"{where}.report_to", "must be one mail address, like security@example.org"
    yield from _place(where, domain)
    yield from _absolute(f"{where}.templates", domain.templates)
    yield from _brand(f"{where}.brand", domain.brand)
    yield from _mfa(f"{where}.mfa", domain.mfa)


def _mfa(where: str, mfa: Mfa) -> Iterator[Problem]:
    yield from _dns(f"{where}.groups", mfa.groups)
    if not mfa.factors and (mfa.groups or mfa.demand == "always"):
        yield f"{where}.factors", "is empty, but a second factor is demanded"
    if "radius" in mfa.factors and not mfa.radius.servers:
        yield f"{where}.radius.servers", "is empty, but radius is among the factors"
    for server in mfa.radius.servers:
        yield from _bind(f"{where}.radius.servers", server)
    name = mfa.radius.username_attribute
    if name is not None and not _ATTRIBUTE.match(name):
        yield f"{where}.radius.username_attribute", "must be the name of an attribute, like uid"


def _brand(where: str, brand: BrandSettings) -> Iterator[Problem]:
    yield from _absolute(f"{where}.logo", brand.logo)
    for setting in ("colour", "text_colour"):
        if (value := getattr(brand, setting)) is not None and not colours.SHAPE.match(value):
            yield f"{where}.{setting}", f"{value!r} is no colour; write it like #1d5a96"
            return
    if brand.text_colour is not None and brand.colour is None:
        yield f"{where}.text_colour", "is for text on the colour, which is not set"
    elif brand.text_colour is not None and brand.colour is not None:
        ratio = colours.contrast(brand.text_colour, brand.colour)
        if ratio < colours.ENOUGH:
            better = colours.text_on(brand.colour)
            yield f"{where}.text_colour", f"is hard to read on the colour: {ratio:.1f}:1, at least 4.5:1; try {better}"
    for words, url in brand.footer_links.items():
        if not words.strip() or urlsplit(url).scheme not in ("https", "http", "mailto", "tel"):
            yield f"{where}.footer_links", f"{url!r} is no address that people can open, like https://www.example.org"


def _absolute(where: str, path: str | None) -> Iterator[Problem]:
    if path is not None and not path.startswith("/"):
        yield where, "must be an absolute path"


def _place(where: str, domain: Domain) -> Iterator[Problem]:
    try:
        ZoneInfo(domain.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        yield f"{where}.time_zone", "is no IANA time zone"
    if domain.language not in available():
        yield f"{where}.language", f"{domain.language!r} is none of ours: {', '.join(available())}"
    if domain.country is not None and domain.country.upper() not in SUPPORTED_REGIONS:
        yield f"{where}.country", f"{domain.country!r} is no country; write its two letters of ISO 3166, like FR"


def _dns(where: str, value: str | tuple[str, ...] | None) -> Iterator[Problem]:
    """Each begins like one; whether it is there, and wholly right, only the directory can tell (`pwreset check`)."""
    for dn in (value,) if isinstance(value, str) else value or ():
        if not _DN.match(dn):
            yield where, f"{dn!r} is no DN; write it like cn=helpdesk,ou=groups,dc=example,dc=org"


def _directory_uri(where: str, uri: str, domain: Domain) -> Iterator[Problem]:
    parts = _split(uri)
    if parts is None or parts.scheme not in ("ldap", "ldaps") or "@" in parts.netloc:
        yield f"{where}.uris", "must be addresses like ldaps://ldap.example.org"
    elif parts.scheme == "ldap" and not domain.start_tls and not domain.allow_plain_ldap:
        yield f"{where}.start_tls", "ldap:// without StartTLS needs allow_plain_ldap = true"


def _is_catalog(uri: str) -> bool:
    parts = _split(uri)
    return parts is not None and parts.port in CATALOG_PORTS


def _bind(where: str, address: str) -> Iterator[Problem]:
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or int(port) > HIGHEST_PORT:
        yield where, "must be an address and a port like 0.0.0.0:8443 or [::]:8443"


def _networks(where: str, networks: tuple[str, ...]) -> Iterator[Problem]:
    for network in networks:
        try:
            ip_network(network, strict=False)
        except ValueError:
            yield where, f"{network!r} is no network"


def _pattern(where: str, pattern: str | None) -> Iterator[Problem]:
    try:
        re.compile(pattern or "")
    except re.error as error:
        yield where, f"is no regular expression: {error.msg}"


def _split(url: str) -> SplitResult | None:
    """The parts of a URL that names a host, or None."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError when it is no number
    except ValueError:
        return None
    return parts if parts.hostname else None


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
