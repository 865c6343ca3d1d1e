"""The same bad weather on each kind of real server: what is told, what goes on, and what was written."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import ldap
import pytest

from pwreset.demo.authority import Authority, TlsFiles
from pwreset.directory.ldap import LdapDirectory
from pwreset.errors import DirectoryMisconfigured, DirectoryUnavailable, OutcomeUnclear, Unavailable
from pwreset.reset.ports import BindOutcome
from pwreset.secret import Secret
from pwreset.settings.domains import Domain
from tests.contract.directory_labs import SlapdLab
from tests.contract.dirsrv_lab import DirsrvLab
from tests.contract.samba_lab import SambaLab
from tests.servers import dirsrv_plan, samba, slapd
from tests.servers.dirsrv import LabDirsrv
from tests.servers.proxy import Proxy
from tests.servers.samba import LabSamba
from tests.servers.slapd import LabSlapd, password_of

pytestmark = pytest.mark.servers

T = TypeVar("T")
NEW = Secret("Seven quiet lanterns, at 9")
SHORT = 2.0  # a deadline that is waited for in full
LONG = 8.0  # one of which a part is waited for in full, the rest being time enough for a busy machine
GENEROUS = 60.0
LABS: dict[str, Any] = {"slapd": SlapdLab, "samba": SambaLab, "dirsrv": DirsrvLab}
SERVERS: dict[str, Any] = {"slapd": LabSlapd, "samba": LabSamba, "dirsrv": LabDirsrv}
REFERRAL = "ldap://writable.example.org"
numbers = count(1)


class Pair:
    """Two servers of one kind: `own` may be stopped, paused and reconfigured; `other` stays as it is."""

    def __init__(self, kind: str, own: Any, other: Any, folder: Path) -> None:
        self.kind, self.own, self.other = kind, own, other
        self.folder = folder
        self.lab = LABS[kind](other)
        self.authority = Authority("The CA of the weather")
        self.ca_file = folder / "all.crt"
        own_ca = self.authority.write(folder / "own.crt")
        self.ca_file.write_bytes(b"".join(file.read_bytes() for file in (own.ca_file, other.ca_file, own_ca)))
        self._made: list[LdapDirectory] = []

    def certificate(self, **how: Any) -> TlsFiles:
        return self.authority.issue(self.folder / f"tls{next(numbers)}", **how)

    def add_person(self) -> str:
        """Somebody whom both servers know."""
        login = f"w{next(numbers):05d}"
        for server in (self.own, self.other):
            if self.kind == "samba":
                server.add_person(name=login, sAMAccountName=login, password=password_of(login))
            else:
                server.add_person(uid=login)
        return login

    def dn(self, login: str) -> str:
        return f"CN={login},{samba.PEOPLE}" if self.kind == "samba" else str(self.own.dn(login))

    def place(self, *uris: str) -> dict[str, Any]:
        """The settings of the domain."""
        return {**self.lab.place(), "uris": uris, "ca_file": str(self.ca_file)}

    def directory(self, *uris: str, seconds: float = 30.0) -> LdapDirectory:
        domain = Domain(**self.place(*uris), timeout_seconds=seconds)
        self._made.append(LdapDirectory("EXAMPLE", domain, Secret(self.lab.service[1])))
        return self._made[-1]

    def on_the_wire(self, password: Secret) -> bytes:
        text = password.reveal()
        return f'"{text}"'.encode("utf-16-le") if self.kind == "samba" else text.encode()

    @contextmanager
    def paused(self) -> Iterator[None]:
        self.own.pause()
        try:
            yield
        finally:
            self.own.resume()

    @contextmanager
    def killed(self) -> Iterator[None]:
        self.own.kill()
        try:
            yield
        finally:
            self.own.start()

    @asynccontextmanager
    async def proxy(self, server: Any = None) -> AsyncIterator[Proxy]:
        """In front of `own`, or of another server; it sees what is said."""
        async with Proxy((server or self.own).ldaps_uri, self.certificate()) as proxy:
            yield proxy

    async def close(self) -> None:
        for directory in self._made:
            await directory.close()


@pytest.fixture(scope="module", params=list(SERVERS))
def two(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Any, Any]]:
    """The kind, a server of our own, and the one that all tests share."""
    other = request.getfixturevalue(request.param)
    with SERVERS[request.param](tmp_path_factory.mktemp("weather") / "directory") as own:
        yield request.param, own, other


@pytest.fixture
async def pair(two: tuple[str, Any, Any], tmp_path: Path) -> AsyncIterator[Pair]:
    made = Pair(*two, tmp_path)
    yield made
    await made.close()


async def in_time(awaitable: Awaitable[T]) -> T:
    """It must end, and within a generous deadline."""
    return await asyncio.wait_for(awaitable, GENEROUS)


async def eventually(attempt: Callable[[], Awaitable[T]]) -> T:
    """Try again until the directory is available."""
    async with asyncio.timeout(GENEROUS):
        while True:
            try:
                return await attempt()
            except Unavailable:
                await asyncio.sleep(0.05)


async def told(directory: LdapDirectory) -> dict[str, str]:
    """What is wrong with each server."""
    return {server.name: server.detail for server in await in_time(directory.health())}


# --- servers that come and go ---


async def test_a_server_that_was_restarted_is_found_again(pair: Pair) -> None:
    directory, login = pair.directory(pair.own.ldaps_uri), pair.add_person()
    user = await in_time(directory.find(login))
    with pair.killed():
        with pytest.raises(DirectoryUnavailable):
            await in_time(directory.find(login))
        assert await told(directory) == {pair.own.ldaps_uri: "nothing listens there"}
    await eventually(lambda: directory.set_password(user, NEW))
    assert pair.own.accepts(pair.dn(login), NEW.reveal())


async def test_a_server_that_hangs_is_given_up_and_found_again(pair: Pair) -> None:
    directory, login = pair.directory(pair.own.ldaps_uri, seconds=SHORT), pair.add_person()
    await eventually(lambda: directory.find(login))
    with pair.paused():
        with pytest.raises(DirectoryUnavailable):
            await in_time(directory.find(login))
        assert await told(directory) == {pair.own.ldaps_uri: "no answer in time"}
    assert (await eventually(lambda: directory.find(login))).login == login


@pytest.mark.parametrize("trouble", ["paused", "killed"])
async def test_while_one_server_is_out_everything_goes_on_at_the_other_within_the_deadline(
    pair: Pair, trouble: str
) -> None:
    directory, login = pair.directory(pair.own.ldaps_uri, pair.other.ldaps_uri, seconds=LONG), pair.add_person()
    user = await in_time(directory.find(login))
    await in_time(directory.set_password(user, Secret("A first one, 1234")))
    while None in directory._pool._shared:  # each of them will break, and none may be taken for the last word
        await in_time(directory.find(login))
    with getattr(pair, trouble)():
        here = await asyncio.wait_for(directory.find(login), LONG)
        assert await asyncio.wait_for(directory.bind(here.dn, Secret(password_of(login))), LONG) is BindOutcome.RIGHT
        await asyncio.wait_for(directory.set_password(here, NEW), LONG)
        assert pair.other.accepts(pair.dn(login), NEW.reveal())


async def test_a_server_that_takes_no_new_connections_serves_on_those_it_has(pair: Pair) -> None:
    async with pair.proxy() as proxy:
        directory, login = pair.directory(proxy.uri, pair.other.ldaps_uri), pair.add_person()
        await in_time(directory.find(login))
        await proxy.refuse()
        user = await in_time(directory.find(login))
        await in_time(directory.set_password(user, NEW))
    assert pair.other.accepts(pair.dn(login), NEW.reveal())
    assert pair.own.accepts(pair.dn(login), password_of(login))


# --- servers that are slow ---


async def test_a_slow_server_is_waited_for(pair: Pair) -> None:
    async with pair.proxy() as proxy:
        directory, login = pair.directory(proxy.uri), pair.add_person()
        proxy.delay = 0.1
        await in_time(directory.set_password(await in_time(directory.find(login)), NEW))
    assert pair.own.accepts(pair.dn(login), NEW.reveal())


async def test_a_server_slower_than_its_share_of_the_deadline_is_left_for_the_other(pair: Pair) -> None:
    async with pair.proxy() as proxy:
        directory, login = pair.directory(proxy.uri, pair.other.ldaps_uri, seconds=LONG), pair.add_person()
        await in_time(directory.find(login))
        proxy.delay = GENEROUS
        assert (await asyncio.wait_for(directory.find(login), LONG)).login == login


# --- writes that are cut ---


async def test_a_write_cut_on_its_way_is_unclear_and_shows_not_to_have_happened(pair: Pair) -> None:
    async with pair.proxy() as proxy:
        directory, login = pair.directory(proxy.uri), pair.add_person()
        user = await in_time(directory.find(login))
        proxy.cut_before = pair.on_the_wire(NEW)
        with pytest.raises(OutcomeUnclear):
            await in_time(directory.set_password(user, NEW))
        proxy.cut_before = None
        assert not await eventually(lambda: directory.took(user, NEW))
    assert pair.own.accepts(pair.dn(login), password_of(login))


async def test_a_write_whose_answer_is_lost_is_unclear_and_shows_to_have_happened(pair: Pair) -> None:
    async with pair.proxy() as proxy:
        directory, login = pair.directory(proxy.uri), pair.add_person()
        user = await in_time(directory.find(login))
        proxy.lose_the_answer_to = pair.on_the_wire(NEW)
        with pytest.raises(OutcomeUnclear):
            await in_time(directory.set_password(user, NEW))
        proxy.lose_the_answer_to = None
        assert await eventually(lambda: directory.took(user, NEW))
    assert pair.own.accepts(pair.dn(login), NEW.reveal())


async def test_a_write_that_is_never_answered_ends_as_unclear_and_is_not_repeated_elsewhere(pair: Pair) -> None:
    async with pair.proxy() as proxy:
        directory, login = pair.directory(proxy.uri, pair.other.ldaps_uri, seconds=2 * SHORT), pair.add_person()
        user = await eventually(lambda: directory.find(login))
        proxy.hold_the_answer_to = pair.on_the_wire(NEW)
        with pytest.raises(OutcomeUnclear):
            await in_time(directory.set_password(user, NEW))
    assert pair.other.accepts(pair.dn(login), password_of(login))


# --- certificates ---


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"names": ("elsewhere.example.org",), "addresses": ()}, "its certificate is for another name"),
        ({"lifetime": -timedelta(hours=1)}, "its certificate has expired or is not yet valid"),
        ({"foreign": True}, "its certificate is not signed by a CA we trust"),
    ],
)
async def test_a_server_with_a_bad_certificate_is_told_and_left_for_the_other(
    pair: Pair, how: dict[str, Any], words: str
) -> None:
    foreign = how.get("foreign", False)
    files = Authority("Nobody").issue(pair.folder / "foreign") if foreign else pair.certificate(**how)
    async with Proxy(pair.own.ldaps_uri, files) as proxy:
        directory, login = pair.directory(proxy.uri, pair.other.ldaps_uri), pair.add_person()
        await in_time(directory.set_password(await in_time(directory.find(login)), NEW))
        assert await told(directory) == {proxy.uri: words, pair.other.ldaps_uri: ""}
        alone = pair.directory(proxy.uri)
        with pytest.raises(DirectoryMisconfigured, match=words):
            await in_time(alone.find(login))
    assert pair.other.accepts(pair.dn(login), NEW.reveal())


# --- servers that do not write ---


@contextmanager
def unwilling(pair: Pair) -> Iterator[None]:
    """As an operator makes a server read-only. Active Directory has no such switch: there it is the role."""
    if pair.kind == "slapd":
        pair.own.configure(DATABASE, olcReadOnly="TRUE")
        try:
            yield
        finally:
            pair.own.configure(DATABASE, olcReadOnly="FALSE")
    elif pair.kind == "dirsrv":
        with pair.own.configured("cn=userroot,cn=ldbm database,cn=plugins,cn=config", **{"nsslapd-readonly": "on"}):
            yield
    else:
        with pair.own.read_only():
            yield


@contextmanager
def replica(pair: Pair) -> Iterator[None]:
    """A replica, which refers all changes elsewhere."""
    if pair.kind == "slapd":
        provider = (
            f"rid=001 provider=ldap://127.0.0.1:1 bindmethod=simple searchbase={slapd.BASE} "
            'type=refreshOnly interval=01:00:00:00 retry="3600 +"'
        )
        with pair.own.config() as connection:
            connection.modify_s(
                DATABASE,
                [
                    (ldap.MOD_ADD, "olcSyncrepl", [provider.encode()]),
                    (ldap.MOD_ADD, "olcUpdateRef", [REFERRAL.encode()]),
                ],
            )
        try:
            yield
        finally:
            with pair.own.config() as connection:
                connection.modify_s(
                    DATABASE, [(ldap.MOD_DELETE, name, None) for name in ("olcSyncrepl", "olcUpdateRef")]
                )
    elif pair.kind == "dirsrv":
        tree = f'cn="{dirsrv_plan.BASE}",cn=mapping tree,cn=config'
        # In this order: a state without where to refer to has no effect.
        referring = pair.own.configured(tree, **{"nsslapd-referral": f"{REFERRAL}/{dirsrv_plan.BASE}"})
        with referring, pair.own.configured(tree, **{"nsslapd-state": "referral on update"}):
            yield
    else:
        with pair.own.read_only():
            yield


DATABASE = "olcDatabase={1}mdb,cn=config"


@pytest.mark.parametrize("kept", [False, True], ids=["first-write", "later-write"])
@pytest.mark.parametrize("how", [unwilling, replica])
async def test_a_server_that_writes_nothing_is_left_for_one_that_does(
    pair: Pair, how: Callable[[Pair], Any], kept: bool
) -> None:
    login = pair.add_person()
    directory = pair.directory(pair.own.ldaps_uri, pair.other.ldaps_uri)
    if kept:
        await in_time(directory.set_password(await in_time(directory.find(login)), Secret("A first one, 1234")))
    with how(pair):
        user = await eventually(lambda: directory.find(login))
        await in_time(directory.set_password(user, NEW))
    assert pair.other.accepts(pair.dn(login), NEW.reveal())


@pytest.mark.parametrize("how", [unwilling, replica])
async def test_a_single_server_that_writes_nothing_is_told_to_the_operator_and_not_as_a_bad_password(
    pair: Pair, how: Callable[[Pair], Any]
) -> None:
    directory, login = pair.directory(pair.own.ldaps_uri), pair.add_person()
    with how(pair):
        user = await in_time(directory.find(login))
        with pytest.raises(DirectoryMisconfigured, match="read-only"):
            await in_time(directory.set_password(user, NEW))
    assert pair.own.accepts(pair.dn(login), password_of(login))
