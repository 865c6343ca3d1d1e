"""Message templates: a folder per message, its texts translated by the catalogues, filled with facts.

    templates/<message>/subject.txt  body.txt  body.html  sms.txt

Facts are data: they go into compiled templates as plain strings, HTML escapes them, and what other people wrote has been
made harmless first (`harmless`). Templates run in Jinja's sandbox, and a name that no fact has is an error rather than a
hole in the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from jinja2 import Template
from markupsafe import Markup

from pwreset.delivery.harmless import lines, one_line, unlinked
from pwreset.delivery.segments import cut, segments
from pwreset.delivery.sources import MessageEnvironment
from pwreset.languages import choose, direction, isolated, tell_time, tell_time_briefly
from pwreset.reset.model import Channel, Content, MessageName
from pwreset.reset.ports import MessageFacts
from pwreset.settings import Settings

_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")


@dataclass(frozen=True, slots=True)
class _Message:
    """The compiled templates of one message in one language."""

    subject: Template
    text: Template
    html: Template
    sms: Template


class TemplateMessages:
    """Implements `pwreset.reset.ports.Messages` with the templates of this package."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._environment = MessageEnvironment(settings)
        self._compiled: dict[tuple[MessageName, str, str], _Message] = {}

    def render(self, name: MessageName, channel: Channel, language: str | None, facts: MessageFacts) -> Content:
        """A message in the best fitting language of its templates."""
        chosen = choose(language, default=self._settings.domains[facts.domain].language)
        message = self._message(name, chosen, facts.domain)
        values = self._values(chosen, channel, facts)
        if channel is Channel.SMS:
            return Content("", self._short(message.sms, values, facts.comments), language=chosen)
        comments = unlinked(lines(facts.comments))
        marked = Markup("<br>").join(comments.split("\n")) if comments else ""
        plain = _told_apart(values)
        subject = message.subject.render(plain)
        return Content(
            subject=subject,
            text=message.text.render({**plain, "comments": comments}),
            html=message.html.render({**values, "comments": marked, "subject": subject}),
            language=chosen,
        )

    def _message(self, name: MessageName, language: str, domain: str) -> _Message:
        """Compiled when first needed, and kept."""
        known = self._compiled.get((name, language, domain))
        if known is None:
            known = self._compiled[name, language, domain] = _Message(
                *(
                    self._environment.template(domain, language, f"{name.value}/{file}")
                    for file in ("subject.txt", "body.txt", "body.html", "sms.txt")
                )
            )
        return known

    def _values(self, language: str, channel: Channel, facts: MessageFacts) -> dict[str, str]:
        """What templates may show, but for the comments, which differ by channel."""
        domain = self._settings.domains[facts.domain]
        zone, user = domain.time_zone, facts.user
        tell = tell_time_briefly if channel is Channel.SMS else tell_time
        return {
            "language": language,
            "direction": direction(language),
            "title": one_line(domain.title or facts.domain),
            "help_text": one_line(domain.help_text or ""),
            "name": unlinked(one_line(user.name or user.login)),
            # Not unlinked: people copy it into a log-in form, and a zero-width space in it would lock them out.
            "login": one_line(user.login),
            "link": facts.link.reveal() if facts.link else "",
            "not_me": facts.not_me.reveal() if facts.not_me else "",
            "handed_over": "yes" if facts.handed_over else "",
            "at": tell(facts.at, language, zone),
            "code": facts.code.reveal() if facts.code else "",
            "bound": self._bound(facts) if channel is Channel.SMS else "",
            "expires": tell(facts.expires_at, language, zone) if facts.expires_at else "",
        }

    def _bound(self, facts: MessageFacts) -> str:
        """The last line of an SMS by which a phone offers its code on the page of our host alone.

        https://wicg.github.io/sms-one-time-codes/
        """
        url = self._settings.domains[facts.domain].public_url or self._settings.public_url
        return f"@{urlsplit(url).hostname} #{facts.code.reveal()}" if facts.code else ""

    def _short(self, template: Template, values: Mapping[str, str], comments: str) -> str:
        """The SMS within the segments that may be paid for: without the comments, the help, the "it was not me", in this order, where it grows too long.

        What is left of a long title then is the link alone, or of a notice its beginning.
        """
        most = self._settings.sms.max_segments
        text = ""
        if values["bound"]:
            return self._short_code(template, values)
        for less in (
            {"comments": unlinked(lines(comments), gap=" ")},
            {"comments": ""},
            {"comments": "", "help_text": ""},
            {"comments": "", "help_text": "", "not_me": ""},
        ):
            text = template.render({**values, **less}).strip()
            if segments(text) <= most:
                return text
        return values["link"] or cut(text, most)

    def _short_code(self, template: Template, values: Mapping[str, str]) -> str:
        """The SMS with a code: in one segment, or what phones read it by goes first, then all but the code."""
        whole = template.render({**values, "comments": ""}).strip()
        plain = template.render({**values, "comments": "", "bound": ""}).strip()
        most = max(1, self._settings.sms.max_segments)
        if segments(whole) == 1:
            return whole
        return plain if segments(plain) <= most else values["code"]


def _told_apart(values: Mapping[str, str]) -> Mapping[str, str]:
    """The facts for plain text: names of the other direction than the text's keep theirs to themselves.

    HTML says so with `bdi`. A login stays as it is: people copy it, and an isolate in it would lock them out.
    """
    right_to_left = values["direction"] == "rtl"
    turned = {
        fact: isolated(values[fact])
        for fact in ("name", "title")
        if right_to_left or not (values[fact].isascii() or _RIGHT_TO_LEFT.search(values[fact]) is None)
    }
    return {**values, **turned} if turned else values
