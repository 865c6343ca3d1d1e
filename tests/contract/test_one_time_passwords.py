"""What a server of one-time passwords must do: run on the fake and on a real FreeRADIUS."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from pwreset.errors import FactorUnavailable
from pwreset.radius.client import RadiusServers
from pwreset.reset.ports import OneTimePasswords, Verdict
from pwreset.secret import Secret
from pwreset.settings import Radius
from tests.fakes.otp import FakeOneTimePasswords
from tests.servers.freeradius import CAROL, CAROLS, CAROLS_TOKEN, JANE, JANES, QUESTION, SECRET, FreeRadius


@dataclass
class Lab:
    """A server, and how to take it away."""

    server: OneTimePasswords
    fake: FakeOneTimePasswords | None = None
    real: FreeRadius | None = None

    def take_away(self) -> None:
        if self.fake is not None:
            self.fake.down = True
        if self.real is not None:
            self.real.stop()


@pytest.fixture(scope="module")
def freeradius() -> Iterator[FreeRadius]:
    with FreeRadius() as server:
        yield server


@pytest.fixture(params=["fake", "freeradius"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    if request.param == "fake":
        fake = FakeOneTimePasswords({JANE: JANES, CAROL: CAROLS}, {CAROL: CAROLS_TOKEN})
        yield Lab(fake, fake=fake)
        return
    real: FreeRadius = request.getfixturevalue("freeradius")
    settings = Radius(servers=(real.address,), timeout_seconds=2.0, attempts=1)
    yield Lab(RadiusServers("EXAMPLE", settings, Secret(SECRET)), real=real)
    if real._process is None:
        real.start()


async def test_the_right_password_is_right(lab: Lab) -> None:
    assert (await lab.server.try_password(JANE, Secret(JANES))).verdict is Verdict.RIGHT


@pytest.mark.parametrize("typed", ["246803", "", " ", "ü" * 60, "x" * 200, "\udcff"])
async def test_any_other_password_is_wrong(lab: Lab, typed: str) -> None:
    assert (await lab.server.try_password(JANE, Secret(typed))).verdict is Verdict.WRONG


@pytest.mark.parametrize("name", ["nobody", "", "jane\n", "x" * 300, "jane*"])
async def test_an_unknown_name_is_wrong(lab: Lab, name: str) -> None:
    assert (await lab.server.try_password(name, Secret(JANES))).verdict is Verdict.WRONG


async def test_one_more_question_is_asked_and_answered(lab: Lab) -> None:
    question = await lab.server.try_password(CAROL, Secret(CAROLS))
    assert (question.verdict, question.prompt) == (Verdict.MORE, QUESTION)
    assert question.state
    answer = await lab.server.try_password(CAROL, Secret(CAROLS_TOKEN), question.state)
    assert answer.verdict is Verdict.RIGHT


async def test_a_wrong_answer_to_the_question_is_wrong(lab: Lab) -> None:
    question = await lab.server.try_password(CAROL, Secret(CAROLS))
    answer = await lab.server.try_password(CAROL, Secret("135792"), question.state)
    assert answer.verdict is Verdict.WRONG


async def test_a_server_that_is_away_is_unavailable_and_never_right(lab: Lab) -> None:
    lab.take_away()
    with pytest.raises(FactorUnavailable):
        await lab.server.try_password(JANE, Secret(JANES))


async def test_health_tells_whether_it_answers(lab: Lab) -> None:
    assert [one.ok for one in await lab.server.health()] == [True]
    lab.take_away()
    assert [one.ok for one in await lab.server.health()] == [False]


@contextmanager
def dead(kind: str) -> Iterator[str]:
    """An address where nothing listens, or where a server listens that never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        if kind == "silent":
            yield address
            return
    yield address


@pytest.mark.parametrize("kind", ["not there", "silent"])
async def test_the_next_server_is_asked_where_one_does_not_answer(freeradius: FreeRadius, kind: str) -> None:
    with dead(kind) as first:
        settings = Radius(servers=(first, freeradius.address), timeout_seconds=2.0, attempts=1)
        servers = RadiusServers("EXAMPLE", settings, Secret(SECRET))
        assert (await servers.try_password(JANE, Secret(JANES))).verdict is Verdict.RIGHT
        assert [one.ok for one in await servers.health()] == [False, True]
