"""SMS over SMPP and the like through Kannel: its sendsms interface, as an HTTP gateway that needs no description.

Kannel's user guide, chapters 6 and "SMS push (send-sms)": the message is POSTed with its facts in `X-Kannel-` headers,
so that neither the link nor the password stands in an address, which proxies log. It answers 202 with
`0: Accepted for delivery` or `3: Queued for later delivery` (the operator is away; Kannel's store keeps it), 400 for
a number that its lists deny or an operator that it has no route to, 403 for a wrong log-in, 503 when it can take nothing now.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import msgspec

from pwreset.errors import SettingsError
from pwreset.settings import Sms

SCHEMES = {"kannel": "http", "kannels": "https"}
DEFAULT_PORT = 13013
SENDSMS = "/cgi-bin/sendsms"
ACCEPTED = r"\A\s*(?:0: Accepted|3: Queued)"
# Which reports Kannel shall send (chapter "Delivery Reports"): 1 delivered, 2 failed, 4 buffered, 16 rejected. Not 8, which
# says that the operator has it: that much was known when Kannel took it.
REPORTS = "23"
_OURS = ("method", "content_type", "body", "success_status", "success_pattern", "refused_pattern")


def is_kannel(settings: Sms) -> bool:
    """Whether the address is `kannel://` or, with TLS, `kannels://`."""
    return urlsplit(settings.url or "").scheme in SCHEMES


def described(settings: Sms) -> Sms:
    """The same gateway, described for `HttpSmsTransport`. Raises SettingsError when it is described already."""
    spare = [name for name in _OURS if getattr(settings, name) != getattr(Sms(), name)]
    if spare:
        raise SettingsError(f"sms.{spare[0]}: is known of Kannel; leave it out")
    parts = urlsplit(settings.url or "")
    try:
        netloc = parts.netloc if parts.port else f"{parts.netloc.removesuffix(':')}:{DEFAULT_PORT}"
    except ValueError as error:
        raise SettingsError("sms.url: must be like kannel://127.0.0.1:13013") from error
    headers = {
        "X-Kannel-Username": "{username}",
        "X-Kannel-Password": "{password}",
        "X-Kannel-From": "{from}",
        "X-Kannel-To": "{to}",
        "X-Kannel-Coding": "{coding}",
    }
    if settings.report_url is not None:
        headers |= {"X-Kannel-DLR-Url": f"{{report_url}}?{settings.report_field}=%d", "X-Kannel-DLR-Mask": REPORTS}
    path = parts.path if parts.path.strip("/") else SENDSMS
    return msgspec.structs.replace(
        settings,
        url=parts._replace(scheme=SCHEMES[parts.scheme], netloc=netloc, path=path).geturl(),
        method="POST",
        content_type="text",
        body="{text}",
        headers={**headers, **settings.headers},
        success_status=(202,),
        success_pattern=ACCEPTED,
    )
