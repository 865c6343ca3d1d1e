"""Tries an operator's message templates and texts before anybody gets one: what is wrong, in which file and line.

Each file is read, parsed, looked at for names that no fact has, and then rendered with sample data for every domain and
language in Jinja's sandbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath

from jinja2 import TemplateError, TemplateSyntaxError, meta, nodes

from pwreset import overrides
from pwreset.delivery.messages import TemplateMessages
from pwreset.delivery.sources import TEMPLATES, MessageEnvironment
from pwreset.delivery.translate import placeholders, untranslated
from pwreset.errors import SettingsError
from pwreset.languages import available, read_texts
from pwreset.overrides import Flaw, flaw_of
from pwreset.reset.model import AccountState, Channel, MessageName, User
from pwreset.reset.ports import MessageFacts
from pwreset.secret import Secret
from pwreset.settings import Settings

FACTS = frozenset(
    [
        "language",
        "direction",
        "title",
        "help_text",
        "name",
        "login",
        "link",
        "at",
        "expires",
        "comments",
        "code",
        "bound",
        "brand",
        "logo",
        "footer",
        "footer_links",
    ]
)
ONLY_IN_HTML = frozenset({"subject"})


def try_messages(settings: Settings) -> list[Flaw]:
    """What is wrong with the operator's message templates and texts, all of it. Never raises an expected failure."""
    flaws: list[Flaw] = []
    environment = MessageEnvironment(settings)
    messages = TemplateMessages(settings)
    for domain in settings.domains:
        if not environment.folders(domain):
            continue
        language = settings.domains[domain].language
        others = [one for one in available() if one != language]
        # What is wrong in one language mostly is in all.
        found = [*_files(environment, domain)] or [*_rendered(messages, domain, [language])]
        flaws += found or _rendered(messages, domain, others)
    return list(dict.fromkeys(flaws))


def _files(environment: MessageEnvironment, domain: str) -> Iterator[Flaw]:
    for folder in environment.folders(domain):
        if not folder.is_dir():
            yield Flaw(str(folder), 0, "is no folder")
        for path, name in overrides.files((folder,)):
            try:
                text = overrides.read(path)
                if name.startswith(f"{overrides.MESSAGES}/"):
                    yield from _template(environment, path, text, name.removeprefix(f"{overrides.MESSAGES}/"))
                elif name.startswith(f"{overrides.TEXTS}/"):
                    yield from _texts(path, text)
                elif not name.startswith(f"{overrides.PAGES}/"):
                    yield Flaw(str(path), 1, "is in none of the folders messages, pages, texts, and is not used")
            except SettingsError as error:
                yield _told(error, path)


def _template(environment: MessageEnvironment, path: Path, text: str, name: str) -> Iterator[Flaw]:
    parts = PurePosixPath(name).parts
    ours = "/".join((*parts[:-2], parts[-1])) if len(parts) > 1 and parts[-2] in available() else name
    if not (TEMPLATES / ours).is_file():
        yield Flaw(str(path), 1, "is named like no template of ours, and is not used")
        return
    if path.suffix == ".css":
        return
    try:
        tree = environment.parse(untranslated(text), name, str(path))
    except TemplateSyntaxError as error:
        yield Flaw(str(path), error.lineno, error.message or "cannot be parsed")
        return
    known = FACTS | ONLY_IN_HTML if path.suffix == ".html" else FACTS
    for unknown in sorted(meta.find_undeclared_variables(tree) - known):
        line = min(one.lineno for one in tree.find_all(nodes.Name) if one.name == unknown)
        yield Flaw(str(path), line, f"{unknown!r} is no fact of a message; there are: {', '.join(sorted(known))}")


def _texts(path: Path, text: str) -> Iterator[Flaw]:
    language = path.stem
    if path.suffix != ".po" or language not in available():
        yield Flaw(str(path), 1, f"is named after none of our languages: {', '.join(available())}")
        return
    for message in read_texts(text, language, str(path)):
        one = message.id if isinstance(message.id, str) else message.id[-1]
        forms = [message.string] if isinstance(message.string, str) else list(message.string or ())
        for form in forms if one else ():
            if form and (wrong := placeholders(form) - placeholders(one)):
                yield Flaw(str(path), message.lineno or 1, f"%({min(wrong)})s is not in the text that it stands for")


def _rendered(messages: TemplateMessages, domain: str, languages: Iterable[str]) -> Iterator[Flaw]:
    for name in MessageName:
        for language in languages:
            for channel in Channel:
                try:
                    messages.render(name, channel, language, _sample(domain, name))
                except SettingsError as error:
                    yield _told(error, Path(f"{name.value}/{language}"))
                except (TemplateError, ValueError, TypeError, ArithmeticError, LookupError, AttributeError) as error:
                    yield flaw_of(error, f"{name.value}/{language}")


def _sample(domain: str, name: MessageName) -> MessageFacts:
    at = datetime(2026, 11, 24, 13, 5, tzinfo=UTC)
    user = User(
        id="0",
        dn="uid=sample",
        domain=domain,
        login="sample.person@example.org",
        name="Sample <Person> & Co",
        mails=(),
        mobiles=(),
        language=None,
        state=AccountState.ACTIVE,
        protected=False,
        password_mark="",
        entry_mark="",
    )
    notice = MessageFacts(
        domain=domain, user=user, at=at, not_me=Secret(f"https://reset.example.org/not-me/{'x' * 43}")
    )
    if name is MessageName.RESET_CODE:
        return replace(notice, not_me=None, expires_at=at + timedelta(minutes=10), code=Secret("314159"))
    if name not in (MessageName.RESET_LINK, MessageName.ASKED_LINK):
        return notice
    link = Secret(f"https://reset.example.org/r/{'x' * 43}")
    not_me = notice.not_me if name is MessageName.ASKED_LINK else None
    return replace(
        notice, not_me=not_me, expires_at=at + timedelta(days=1), link=link, comments="A sample note,\nin two lines."
    )


def _told(error: SettingsError, path: Path) -> Flaw:
    """A failure that names its file in its own words."""
    place, _, words = str(error).partition(": ")
    file, _, line = place.rpartition(":")
    return Flaw(file, int(line), words) if line.isdecimal() else Flaw(place or str(path), 1, words or str(error))
