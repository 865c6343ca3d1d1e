"""Message templates: a folder per message and language, filled with facts.

    templates/<message>/<language>/subject.txt  body.txt  body.html  sms.txt

A language is there for a message when its folder is. Facts are data: they go into compiled templates as plain strings,
HTML escapes them, and what other people wrote has been made harmless first (`harmless`). Templates run in Jinja's
sandbox, and a name that no fact has is an error rather than a hole in the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import css_inline
from jinja2 import FunctionLoader, StrictUndefined, Template
from jinja2.sandbox import SandboxedEnvironment
from markupsafe import Markup

from pwreset.delivery.harmless import lines, one_line, unlinked
from pwreset.delivery.segments import segments
from pwreset.languages import SOURCE_LANGUAGE, choose, tell_time, tell_time_briefly
from pwreset.reset.model import Channel, Content, MessageName
from pwreset.reset.ports import MessageFacts
from pwreset.settings import Settings

TEMPLATES = Path(__file__).parent / "templates"
_TAGS = re.compile(r"\{[{%].*?[}%]\}", re.DOTALL)


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
        self._environment = SandboxedEnvironment(
            loader=FunctionLoader(_source),
            autoescape=lambda name: name is not None and name.endswith(".html"),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        self._compiled: dict[tuple[MessageName, str], _Message] = {}

    def render(self, name: MessageName, channel: Channel, language: str | None, facts: MessageFacts) -> Content:
        """A message in the best fitting language of its templates."""
        chosen = self._language(name, language, facts.domain)
        message = self._message(name, chosen)
        values = self._values(chosen, channel, facts)
        if channel is Channel.SMS:
            return Content("", self._short(message.sms, values, facts.comments), language=chosen)
        subject = message.subject.render(values)
        comments = unlinked(lines(facts.comments))
        marked = Markup("<br>").join(comments.split("\n")) if comments else ""
        return Content(
            subject=subject,
            text=message.text.render({**values, "comments": comments}),
            html=message.html.render({**values, "comments": marked, "subject": subject}),
            language=chosen,
        )

    def _language(self, name: MessageName, wish: str | None, domain: str) -> str:
        default = self._settings.domains[domain].language
        there = _languages(name)
        return next((one for one in (choose(wish, default=default), default) if one in there), SOURCE_LANGUAGE)

    def _message(self, name: MessageName, language: str) -> _Message:
        """Compiled when first needed, and kept."""
        known = self._compiled.get((name, language))
        if known is None:
            folder = f"{name.value}/{language}"
            load = self._load
            known = self._compiled[name, language] = _Message(
                subject=load(f"{folder}/subject.txt"),
                text=load(f"{folder}/body.txt"),
                html=load(f"{folder}/body.html"),
                sms=load(f"{folder}/sms.txt"),
            )
        return known

    def _load(self, path: str) -> Template:
        template = self._environment.get_template(path)
        # They come as a chain of two dicts, which is walked name by name for each message: as long as all the rest.
        template.globals = dict(template.globals)
        return template

    def _values(self, language: str, channel: Channel, facts: MessageFacts) -> dict[str, str]:
        """What templates may show, but for the comments, which differ by channel."""
        domain = self._settings.domains[facts.domain]
        zone, user = domain.time_zone, facts.user
        tell = tell_time_briefly if channel is Channel.SMS else tell_time
        return {
            "language": language,
            "title": one_line(domain.title or facts.domain),
            "help_text": one_line(domain.help_text or ""),
            "name": unlinked(one_line(user.name or user.login)),
            # Not unlinked: people copy it into a log-in form, and a zero-width space in it would lock them out.
            "login": one_line(user.login),
            "link": facts.link.reveal() if facts.link else "",
            "at": tell(facts.at, language, zone),
            "expires": tell(facts.expires_at, language, zone) if facts.expires_at else "",
        }

    def _short(self, template: Template, values: Mapping[str, str], comments: str) -> str:
        """The SMS, with the comments only while it stays within the segments that may be paid for."""
        if comments:
            text = template.render({**values, "comments": unlinked(lines(comments), gap=" ")}).strip()
            if segments(text) <= self._settings.sms.max_segments:
                return text
        return template.render({**values, "comments": ""}).strip()


@cache
def _languages(name: MessageName) -> frozenset[str]:
    return frozenset(folder.name for folder in (TEMPLATES / name.value).iterdir() if folder.is_dir())


def _source(path: str) -> str | None:
    """A template's source; HTML with its style sheet inlined.

    Inlining before the template is compiled costs nothing per mail. It is safe as long as the HTML parser leaves the
    template's tags alone, which it does where they stand in text and attribute values; anything else is refused here
    rather than sent.
    """
    file = TEMPLATES / path
    if not file.is_file():
        return None
    source = file.read_text(encoding="utf-8").rstrip("\n")
    if file.suffix != ".html":
        return source
    css = (TEMPLATES / "layout.css").read_text(encoding="utf-8")
    whole = source.startswith("<!doctype")
    inliner = css_inline.CSSInliner(keep_style_tags=True, load_remote_stylesheets=False, extra_css=css if whole else "")
    inlined = inliner.inline(source) if whole else inliner.inline_fragment(source, css)
    if _TAGS.findall(inlined) != _TAGS.findall(source):
        raise ValueError(f"{path}: a template tag stands where HTML does not allow one")
    return inlined
