"""An operator's own templates and texts: taken, the domain's first, and their flaws told with file and line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest

from pwreset.delivery.messages import TemplateMessages
from pwreset.delivery.trial import try_messages
from pwreset.reset.model import Channel, Content, MessageName
from pwreset.settings import BrandSettings, Settings
from pwreset.web.brand import brand_of
from pwreset.web.render import render
from pwreset.web.trial import try_pages
from tests.unit.delivery.test_messages import FACTS, settings

Folder = Callable[[Mapping[str, str]], str]


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    def make(files: Mapping[str, str]) -> str:
        root = tmp_path_factory.mktemp("own")
        for name, text in files.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            path.chmod(0o644)
        return str(root)

    return make


def of(domain: str | None = None, everywhere: str | None = None, brand: BrandSettings | None = None) -> Settings:
    plain = settings()
    own = msgspec.structs.replace(plain.domains["EXAMPLE"], templates=domain, brand=brand or BrandSettings())
    return msgspec.structs.replace(plain, domains={"EXAMPLE": own}, templates=everywhere)


def mail(own: Settings, language: str = "en") -> Content:
    return TemplateMessages(own).render(MessageName.RESET_LINK, Channel.MAIL, language, FACTS)


def test_a_domain_s_own_template_takes_the_place_of_ours(folder: Folder) -> None:
    own = of(folder({"messages/reset-link/subject.txt": "News for {{ login }}\n"}))
    assert try_messages(own) == []
    assert mail(own).subject == "News for jane"
    assert mail(own).text == mail(of()).text


def test_a_template_for_one_language_leaves_the_others_alone(folder: Folder) -> None:
    own = of(folder({"messages/reset-link/fr/subject.txt": "Bonjour {{ login }}"}))
    assert mail(own, "fr").subject == "Bonjour jane"
    assert mail(own, "de").subject == mail(of(), "de").subject


def test_the_domain_s_folder_comes_before_the_general_one(folder: Folder) -> None:
    everywhere = folder({"messages/reset-link/subject.txt": "general", "texts/en.po": po("Open this link:", "Go:")})
    assert mail(of(None, everywhere)).subject == "general"
    own = of(folder({"messages/reset-link/subject.txt": "own"}), everywhere)
    assert mail(own).subject == "own"
    assert "Go:" in mail(own).text.splitlines()


def po(source: str, words: str) -> str:
    return f'msgid "{source}"\nmsgstr "{words}"\n'


def test_a_single_text_is_put_in_other_words_on_pages_and_in_mails(folder: Folder) -> None:
    own = of(
        folder({"texts/de.po": po("Choose a new password", "Neues Kennwort") + "\n" + po("Open this link:", "Los:")})
    )
    assert (try_messages(own), try_pages(own)) == ([], [])
    assert "Los:" in mail(own, "de").text
    brand = brand_of(own, "EXAMPLE", "de")
    from pwreset.web.trial import SAMPLE

    page = render("reset.html", "de", {**SAMPLE, "brand": brand}, brand.folders).decode()
    assert "Neues Kennwort" in page
    assert "Neues Passwort" in page


def test_an_own_page_takes_the_place_of_ours(folder: Folder) -> None:
    own = of(
        folder(
            {"pages/home.html": '{% extends "base.html" %}{% block main %}<p>{{ brand.title }} alone</p>{% endblock %}'}
        )
    )
    assert try_pages(own) == []
    brand = brand_of(own, "EXAMPLE", "en")
    assert b"Example Corp alone" in render("home.html", "en", {"brand": brand}, brand.folders)


@pytest.mark.parametrize(
    ("name", "text", "line", "words"),
    [
        ("messages/reset-link/body.txt", "Hello\n\n{{ nmae }}", 3, "'nmae' is no fact of a message"),
        ("messages/reset-link/body.txt", "Hello\n{% if x", 2, "end of statement block"),
        ("messages/reset-link/body.html", "<p>\n{% endif %}</p>", 2, "unknown tag 'endif'"),
        ("messages/reset-link/body.txt", "{% trans %}Hello\n{{ name }}{% endtrans %}\n{{ nmae }}", 3, "'nmae'"),
        ("messages/reset-link/body.txt", "Hello\n{{ name.x.y }}", 2, "has no attribute 'x'"),
        ("messages/reset-lnik/body.txt", "Hello", 1, "named like no template of ours"),
        ("mesages/reset-link/body.txt", "Hello", 1, "in none of the folders"),
        ("texts/xx.po", "", 1, "named after none of our languages"),
        ("texts/fr.po", po("Hello %(name)s,", "Salut %(nmae)s,"), 1, "%(nmae)s is not in the text"),
        ("texts/fr.po", po("Open this link:", "Ouvrez :") + "\nmsgid x\n", 4, ""),
    ],
)
def test_a_flaw_is_told_with_its_file_and_line(folder: Folder, name: str, text: str, line: int, words: str) -> None:
    [flaw] = try_messages(of(root := folder({name: text})))
    assert (flaw.file, flaw.line) == (str(Path(root) / name), line)
    assert words in flaw.words


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("<p>\n{{ nobody }}</p>", 2, "'nobody' is no fact of a page"),
        ("<p>\n\n{{ brand.titel }}</p>", 3, "has no attribute 'titel'"),
        ("{% block main %}", 1, "end of template"),
    ],
)
def test_a_flaw_of_a_page_is_told_with_its_file_and_line(folder: Folder, text: str, line: int, words: str) -> None:
    flaws = try_pages(of(root := folder({"pages/home.html": text})))
    assert {(flaw.file, flaw.line) for flaw in flaws} == {(str(Path(root) / "pages/home.html"), line)}
    assert words.lower() in flaws[0].words.lower()


def test_a_brand_is_in_the_mail(tmp_path: Path) -> None:
    brand = BrandSettings(
        name="Example",
        colour="#ffcc00",
        footer="Example Corp, 1 Main Street",
        footer_links={"Imprint": "https://www.example.org/i"},
    )
    content = mail(of(brand=brand))
    assert "background: #ffcc00;color: #000000" in content.html
    assert "Example Corp, 1 Main Street" in content.html
    assert '<a class="quiet" href="https://www.example.org/i"' in content.html
    assert "Imprint: https://www.example.org/i" in content.text.splitlines()
    assert "cid:logo" not in content.html
    assert 'src="cid:logo" alt="Example"' in mail(of(brand=msgspec.structs.replace(brand, logo="/logo.png"))).html


def test_a_logo_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "logo.svg").write_text("<svg/>")
    [flaw] = try_pages(of(brand=BrandSettings(logo=str(tmp_path / "logo.svg"))))
    assert "must be a PNG, JPEG or GIF" in flaw.words
