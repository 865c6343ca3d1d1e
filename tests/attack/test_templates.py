"""SECURITY, rule 15: what others write is data in every template, and an operator's templates reach nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import TemplateError

from pwreset.delivery.messages import TemplateMessages
from pwreset.delivery.trial import try_messages
from pwreset.reset.model import Channel, MessageName
from pwreset.settings import Settings
from pwreset.web.trial import try_pages
from tests.unit.delivery.test_messages import FACTS, JANE, MESSAGES, settings

# Ways out of a template that have worked elsewhere.
PAYLOADS = [
    "{{ 7 * 191 }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ name.__class__.__init__.__globals__ }}",
    "{{ self.__init__.__globals__.__builtins__ }}",
    "{{ name.format.__globals__ }}",
    "{{ '{0.__class__}'.format(name) }}",
    "{{ ('{0.__class__.__mro__}' | string).format(name) }}",
    "{{ name | attr('__class__') }}",
    "{{ name['__class__'] }}",
    "{{ cycler.__init__.__globals__.os.popen('id').read() }}",
    "{{ lipsum.__globals__['os'].environ }}",
    "{{ joiner.__init__.__globals__ }}",
    "{{ range(999999999) | list }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}{{ x }}{% endfor %}",
    "{% include '/etc/passwd' %}",
    "{% include '../../../../../etc/passwd' %}",
    "{% extends '../layout.html' %}",
    "{% import 'os' as os %}{{ os }}",
    "{{ settings }}",
    "{{ config }}",
    "{{ footer_links.append(1) }}",
]
Written = Callable[[str, str], Settings]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Settings whose domain has this file in its folder."""

    def write(name: str, text: str) -> Settings:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o644)
        plain = settings()
        domain = msgspec.structs.replace(plain.domains["EXAMPLE"], templates=str(tmp_path))
        return msgspec.structs.replace(plain, domains={"EXAMPLE": domain})

    return write


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_in_what_others_write_is_shown_as_it_was_written(payload: str) -> None:
    hostile = replace(FACTS, comments=payload, user=replace(JANE, login=payload))
    content = MESSAGES.render(MessageName.RESET_LINK, Channel.MAIL, "en", hostile)
    assert payload in content.text
    assert "1337" not in content.text + content.html
    assert "<class" not in content.text + content.html


@pytest.mark.parametrize("payload", PAYLOADS[1:])
@pytest.mark.parametrize("file", ["body.txt", "body.html", "subject.txt"])
def test_an_operator_s_message_reaches_nothing_beyond_its_facts(written: Written, file: str, payload: str) -> None:
    own = written(f"messages/reset-link/{file}", f"Hello\n{payload}")
    flaws = try_messages(own)
    assert flaws
    assert all(flaw.file.endswith(f"messages/reset-link/{file}") for flaw in flaws)
    assert {flaw.line for flaw in flaws} <= {1, 2}
    with pytest.raises((TemplateError, TypeError, AttributeError, ValueError)):
        TemplateMessages(own).render(MessageName.RESET_LINK, Channel.MAIL, "en", FACTS)


@pytest.mark.parametrize("payload", [one for one in PAYLOADS[1:] if "name" not in one and "footer_links" not in one])
def test_an_operator_s_page_reaches_nothing_beyond_its_facts(written: Written, payload: str) -> None:
    assert try_pages(written("pages/home.html", f"<p>\n{payload}</p>"))


@pytest.mark.parametrize(
    "payload", ["{{ 7 * 191 }}", "{% include '/etc/passwd' %}", "<b>bold</b>", "%(name)s {{ name }}"]
)
def test_a_text_of_an_operator_s_is_text_and_no_template(written: Written, payload: str) -> None:
    own = written("texts/en.po", f'msgid "Hello %(name)s,"\nmsgstr "Hi {payload} %(name)s,"\n')
    assert try_messages(own) == []
    content = TemplateMessages(own).render(MessageName.RESET_LINK, Channel.MAIL, "en", FACTS)
    assert content.text.startswith(f"Hi {payload.replace('%(name)s', 'Jane Doe')} Jane Doe,")
    assert "<b>bold" not in content.html
    assert "1337" not in content.html


@given(st.text(alphabet="{}%#'\"<>() abx=&;-", max_size=60))
def test_a_translation_is_never_compiled(words: str) -> None:
    from jinja2.sandbox import SandboxedEnvironment

    from pwreset.delivery.translate import translate

    source = translate("{% trans %}x{% endtrans %}", lambda _: words, html=False)
    assert SandboxedEnvironment(keep_trailing_newline=True).from_string(source).render() == words


def test_a_template_that_others_may_change_is_not_used(written: Written, tmp_path: Path) -> None:
    own = written("messages/reset-link/subject.txt", "Mine")
    (tmp_path / "messages/reset-link/subject.txt").chmod(0o666)
    [flaw] = try_messages(own)
    assert "others may change it" in flaw.words
