"""The LDAP adapter when servers are down, silent, slow, untrusted or cut in the middle."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from pwreset.demo.authority import Authority
from pwreset.directory.ldap import LdapDirectory
from pwreset.errors import DirectoryMisconfigured, DirectoryUnavailable, OutcomeUnclear, PasswordRefused, Unavailable
from pwreset.reset.findings import Part, State
from pwreset.reset.model import AccountState
from pwreset.reset.policy import Rule, RuleCode
from pwreset.reset.ports import BindOutcome
from pwreset.secret import Secret
from pwreset.settings.domains import Domain
from tests.servers.proxy import Proxy
from tests.servers.slapd import (
    ADMIN_DN,
    ADMIN_PASSWORD,
    PEOPLE,
    POLICIES,
    READONLY_DN,
    READONLY_PASSWORD,
    SERVICE_DN,
    SERVICE_PASSWORD,
    LabSlapd,
    dn_of,
    password_of,
    policy_dn,
)

pytestmark = pytest.mark.servers

T = TypeVar("T")
NEW = Secret("seven quiet lanterns")
PASSWORD_MODIFY = b"1.3.6.1.4.1.4203.1.11.1"
SHORT = 2.0  # a deadline that is waited for in full
GENEROUS = 60.0


class Directories:
    """Makes adapters and closes them."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack

    def on(
        self, server: LabSlapd, *uris: str, seconds: float = 30.0, password: str = SERVICE_PASSWORD, **settings: Any
    ) -> LdapDirectory:
        values: dict[str, Any] = {
            "uris": uris or (server.ldaps_uri,),
            "base_dn": PEOPLE,
            "bind_dn": SERVICE_DN,
            "ca_file": str(server.ca_file),
            "timeout_seconds": seconds,
        }
        directory = LdapDirectory("EXAMPLE", Domain(**(values | settings)), Secret(password))
        self._stack.push_async_callback(directory.close)
        return directory

    def plain(self, server: LabSlapd, proxy: Proxy) -> LdapDirectory:
        """Without TLS on loopback, so that the proxy sees what is said."""
        return self.on(server, proxy.uri, start_tls=False, allow_plain_ldap=True)


@pytest.fixture
async def directories() -> AsyncIterator[Directories]:
    async with AsyncExitStack() as stack:
        yield Directories(stack)


@asynccontextmanager
async def tls_server(certificate: Path, key: Path) -> AsyncIterator[str]:
    """A server that speaks TLS and no LDAP; its ldaps:// address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # the client may cut the connection, that is what it is here for
            await reader.read(1)
        writer.close()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"ldaps://127.0.0.1:{server.sockets[0].getsockname()[1]}"


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


async def advice_of(directory: LdapDirectory) -> str:
    [server] = await in_time(directory.health())
    assert not server.ok
    return server.detail


# --- which server is written to ---


async def test_a_read_only_server_is_left_for_one_that_writes(
    own_slapd: LabSlapd, tmp_path: Path, directories: Directories
) -> None:
    own_slapd.configure("olcDatabase={1}mdb,cn=config", olcReadOnly="TRUE")
    with LabSlapd(tmp_path / "writable") as writable:
        directory = directories.on(own_slapd, own_slapd.uri, writable.uri, start_tls=False, allow_plain_ldap=True)
        await in_time(directory.set_password(await directory.find("jdoe"), NEW))
        assert writable.accepts(dn_of("jdoe"), NEW.reveal())


async def test_a_connection_for_writes_that_broke_while_it_rested_costs_no_write(
    own_slapd: LabSlapd, directories: Directories
) -> None:
    directory = directories.on(own_slapd)
    user = await directory.find("jdoe")
    await in_time(directory.set_password(user, NEW))
    own_slapd.kill()
    own_slapd.start()
    await eventually(lambda: directory.find("jdoe"))
    await in_time(directory.set_password(user, Secret("eight quiet lanterns")))
    assert own_slapd.accepts(dn_of("jdoe"), "eight quiet lanterns")


# --- servers that are not there, or not who they should be ---


async def test_a_refused_connection_is_told(slapd: LabSlapd, directories: Directories) -> None:
    directory = directories.on(slapd, "ldaps://127.0.0.1:1")
    with pytest.raises(DirectoryUnavailable):
        await in_time(directory.find("jdoe"))
    assert await advice_of(directory) == "nothing listens there"


async def test_an_unknown_host_is_told(slapd: LabSlapd, directories: Directories) -> None:
    assert await advice_of(directories.on(slapd, "ldaps://nowhere.invalid")) == "the host name is not known"


async def test_a_certificate_for_another_name_is_refused(slapd: LabSlapd, directories: Directories) -> None:
    directory = directories.on(slapd, slapd.wrong_name_uri)
    with pytest.raises(DirectoryMisconfigured, match="another name"):
        await in_time(directory.find("jdoe"))
    assert await advice_of(directory) == "its certificate is for another name"


@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
async def test_a_certificate_of_another_ca_is_refused(slapd: LabSlapd, directories: Directories, scheme: str) -> None:
    uri = slapd.ldaps_uri if scheme == "ldaps" else slapd.uri
    directory = directories.on(slapd, uri, ca_file=str(slapd.other_ca_file))
    with pytest.raises(DirectoryMisconfigured, match="CA"):
        await in_time(directory.find("jdoe"))
    assert await advice_of(directory) == "its certificate is not signed by a CA we trust"


async def test_without_a_ca_file_the_systems_cas_are_asked(slapd: LabSlapd, directories: Directories) -> None:
    assert await advice_of(directories.on(slapd, ca_file=None)) == "its certificate is not signed by a CA we trust"


async def test_an_expired_certificate_is_refused(slapd: LabSlapd, directories: Directories, tmp_path: Path) -> None:
    expired = Authority("Test CA").issue(tmp_path / "tls", lifetime=-timedelta(hours=1))
    async with tls_server(expired.certificate, expired.key) as uri:
        directory = directories.on(slapd, uri, ca_file=str(expired.ca))
        assert await advice_of(directory) == "its certificate has expired or is not yet valid"


async def test_a_server_that_speaks_no_ldap_is_refused(
    slapd: LabSlapd, directories: Directories, tmp_path: Path
) -> None:
    files = Authority("Test CA").issue(tmp_path / "tls")
    async with tls_server(files.certificate, files.key) as uri:
        directory = directories.on(slapd, uri, ca_file=str(files.ca))
        assert await advice_of(directory) == "the connection was cut"


async def test_ldaps_on_the_port_of_ldap_is_told(slapd: LabSlapd, directories: Directories) -> None:
    directory = directories.on(slapd, slapd.uri.replace("ldap:", "ldaps:"))
    assert await advice_of(directory) in {"the connection was cut", "the server does not speak TLS"}


async def test_a_missing_ca_file_is_told(slapd: LabSlapd, directories: Directories) -> None:
    directory = directories.on(slapd, ca_file="/nonexistent/ca.crt")
    assert await advice_of(directory) == "`ca_file` cannot be read as PEM certificates"


@pytest.mark.parametrize("password", ["wrong", ""])
async def test_wrong_credentials_of_the_service_account_are_told(
    slapd: LabSlapd, directories: Directories, password: str
) -> None:
    directory = directories.on(slapd, password=password)
    with pytest.raises(DirectoryMisconfigured, match="service account"):
        await in_time(directory.find("jdoe"))
    assert await advice_of(directory) == "it does not accept our service account"


async def test_a_missing_base_is_told(slapd: LabSlapd, directories: Directories) -> None:
    directory = directories.on(slapd, base_dn="ou=nowhere,dc=example,dc=org")
    with pytest.raises(DirectoryMisconfigured, match="nowhere"):
        await in_time(directory.find("jdoe"))
    assert await advice_of(directory) == "`base_dn` does not exist, or our service account may not read it"


# --- servers that are silent ---


@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
async def test_a_server_that_accepts_and_says_nothing_is_given_up(
    slapd: LabSlapd, directories: Directories, scheme: str
) -> None:
    async with Proxy(slapd.ldaps_uri if scheme == "ldaps" else slapd.uri) as proxy:
        proxy.answers = 0
        directory = directories.on(slapd, proxy.uri, seconds=SHORT)
        with pytest.raises(DirectoryUnavailable):
            await in_time(directory.find("jdoe"))


@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
async def test_a_server_that_falls_silent_after_the_probe_is_given_up(
    slapd: LabSlapd, directories: Directories, scheme: str
) -> None:
    async with Proxy(slapd.ldaps_uri if scheme == "ldaps" else slapd.uri) as proxy:
        proxy.answers = 1
        directory = directories.on(slapd, proxy.uri, seconds=SHORT)
        with pytest.raises(DirectoryUnavailable):
            await in_time(directory.find("jdoe"))


@pytest.mark.parametrize("tls", [True, False])
@pytest.mark.parametrize("passed", [0, 3, 40])
async def test_a_server_that_stops_in_the_middle_of_an_answer_holds_up_nobody(
    slapd: LabSlapd, directories: Directories, passed: int, tls: bool
) -> None:
    async with Proxy(slapd.ldaps_uri if tls else slapd.uri) as proxy:
        other = directories.on(slapd)
        directory = directories.on(slapd, proxy.uri, seconds=SHORT, start_tls=False, allow_plain_ldap=not tls)
        await in_time(directory.find("jdoe"))
        proxy.passes = passed
        stuck = asyncio.create_task(directory.find("jdoe"))
        # The event loop reads the halved answer itself; if that blocked, this would not end.
        assert (await in_time(other.find("zoe"))).login == "zoe"
        with pytest.raises(DirectoryUnavailable):
            await in_time(stuck)


@pytest.mark.parametrize("tls", [True, False])
async def test_a_server_that_reads_no_more_holds_up_nobody(
    slapd: LabSlapd, directories: Directories, tls: bool
) -> None:
    async with Proxy(slapd.ldaps_uri if tls else slapd.uri) as proxy:
        other = directories.on(slapd)
        directory = directories.on(slapd, proxy.uri, seconds=SHORT, start_tls=False, allow_plain_ldap=not tls)
        await in_time(directory.find("jdoe"))
        proxy.reads = False
        # More than all the buffers on the way take; if sending blocked, this would not end.
        stuck = [asyncio.create_task(directory.find("x" * 100_000)) for _ in range(100)]
        assert (await in_time(other.find("zoe"))).login == "zoe"
        ended = await in_time(asyncio.gather(*stuck, return_exceptions=True))
        assert {type(one) for one in ended} == {DirectoryUnavailable}


async def test_where_all_servers_hang_a_call_ends_within_the_deadline(
    slapd: LabSlapd, directories: Directories
) -> None:
    async with Proxy(slapd.ldaps_uri) as first, Proxy(slapd.ldaps_uri) as second:
        directory = directories.on(slapd, first.uri, second.uri, seconds=2 * SHORT)
        await in_time(directory.find("jdoe"))
        first.passes = 0
        second.answers = 0
        # Each attempt has its own deadline; one after the other they would take nearly twice as long.
        with pytest.raises(DirectoryUnavailable):
            await asyncio.wait_for(directory.find("jdoe"), 3 * SHORT)


async def test_a_hanging_server_is_given_up_and_found_again(own_slapd: LabSlapd, directories: Directories) -> None:
    directory = directories.on(own_slapd, seconds=SHORT)
    await in_time(directory.find("jdoe"))
    own_slapd.pause()
    with pytest.raises(DirectoryUnavailable):
        await in_time(directory.find("jdoe"))
    own_slapd.resume()
    assert (await eventually(lambda: directory.find("jdoe"))).login == "jdoe"


async def test_health_of_a_silent_server_ends(slapd: LabSlapd, directories: Directories) -> None:
    async with Proxy(slapd.ldaps_uri) as proxy:
        proxy.answers = 0
        assert await advice_of(directories.on(slapd, proxy.uri, seconds=SHORT)) == "no answer in time"


# --- servers that come and go ---


async def test_a_restarted_server_is_found_again(own_slapd: LabSlapd, directories: Directories) -> None:
    directory = directories.on(own_slapd)
    await in_time(directory.find("jdoe"))
    own_slapd.kill()
    with pytest.raises(DirectoryUnavailable):
        await in_time(directory.find("jdoe"))
    own_slapd.start()
    assert (await eventually(lambda: directory.find("jdoe"))).login == "jdoe"


async def test_a_search_cut_in_the_middle_is_made_again(slapd: LabSlapd, directories: Directories) -> None:
    async with Proxy(slapd.ldaps_uri) as proxy:
        directory = directories.on(slapd, proxy.uri)
        await in_time(directory.find("jdoe"))
        proxy.cut()
        assert (await in_time(directory.find("jdoe"))).login == "jdoe"


async def test_the_second_server_serves_while_the_first_is_down(slapd: LabSlapd, directories: Directories) -> None:
    directory = directories.on(slapd, "ldaps://127.0.0.1:1", slapd.ldaps_uri)
    assert (await in_time(directory.find("jdoe"))).login == "jdoe"


async def test_the_second_server_serves_while_the_first_says_nothing(slapd: LabSlapd, directories: Directories) -> None:
    async with Proxy(slapd.ldaps_uri) as silent:
        silent.answers = 0
        directory = directories.on(slapd, silent.uri, slapd.ldaps_uri, seconds=2 * SHORT)
        assert (await in_time(directory.find("jdoe"))).login == "jdoe"
        assert await in_time(directory.bind(dn_of("jdoe"), Secret(password_of("jdoe")))) is BindOutcome.RIGHT


async def test_the_second_server_takes_over_when_the_first_dies(slapd: LabSlapd, directories: Directories) -> None:
    async with Proxy(slapd.ldaps_uri) as first:
        directory = directories.on(slapd, first.uri, slapd.ldaps_uri)
        await in_time(directory.find("jdoe"))
        await first.stop()
        assert (await in_time(directory.find("jdoe"))).login == "jdoe"


async def test_health_tells_each_server(slapd: LabSlapd, directories: Directories) -> None:
    servers = await in_time(directories.on(slapd, "ldaps://127.0.0.1:1", slapd.ldaps_uri).health())
    assert [(server.name, server.ok) for server in servers] == [
        ("ldaps://127.0.0.1:1", False),
        (slapd.ldaps_uri, True),
    ]


async def test_many_callers_survive_a_restart(own_slapd: LabSlapd, directories: Directories) -> None:
    directory = directories.on(own_slapd)

    async def ask() -> bool:
        try:
            return (await directory.find("jdoe")).login == "jdoe"
        except Unavailable:
            return False

    await directory.find("jdoe")
    asking = [asyncio.create_task(ask()) for _ in range(100)]
    own_slapd.kill()
    await in_time(asyncio.gather(*asking))
    own_slapd.start()
    assert (await eventually(lambda: directory.find("jdoe"))).login == "jdoe"


# --- writing ---


async def test_a_lost_answer_to_a_write_leaves_the_outcome_unclear(
    slapd: LabSlapd, directories: Directories, person: str
) -> None:
    async with Proxy(slapd.uri) as proxy:
        directory = directories.plain(slapd, proxy)
        user = await in_time(directory.find(person))
        proxy.lose_the_answer_to = NEW.reveal().encode()
        with pytest.raises(OutcomeUnclear):
            await in_time(directory.set_password(user, NEW))
    assert slapd.accepts(dn_of(person), NEW.reveal())


async def test_a_write_cut_on_its_way_leaves_the_outcome_unclear(
    slapd: LabSlapd, directories: Directories, person: str
) -> None:
    async with Proxy(slapd.uri) as proxy:
        directory = directories.plain(slapd, proxy)
        user = await in_time(directory.find(person))
        proxy.cut_before = NEW.reveal().encode()
        with pytest.raises(OutcomeUnclear):
            await in_time(directory.set_password(user, NEW))
    assert slapd.accepts(dn_of(person), password_of(person))


async def test_a_write_that_cannot_begin_is_not_unclear(slapd: LabSlapd, directories: Directories, person: str) -> None:
    async with Proxy(slapd.ldaps_uri) as proxy:
        directory = directories.on(slapd, proxy.uri)
        user = await in_time(directory.find(person))
        await proxy.stop()
        with pytest.raises(DirectoryUnavailable):
            await in_time(directory.set_password(user, NEW))


async def test_an_answer_lost_after_the_write_is_a_success(
    slapd: LabSlapd, directories: Directories, person: str
) -> None:
    async with Proxy(slapd.uri) as proxy:
        directory = directories.plain(slapd, proxy)
        user = await in_time(directory.find(person))
        proxy.cut_before = b"\x30\x0a\x04\x08pwdReset"  # the look at `must change` that follows the write
        await in_time(directory.set_password(user, NEW))
    assert slapd.accepts(dn_of(person), NEW.reveal())


async def test_without_rfc_3062_the_password_is_replaced_under_the_same_policy(
    slapd: LabSlapd, directories: Directories, person: str
) -> None:
    async with Proxy(slapd.uri) as proxy:
        proxy.rewrites = (PASSWORD_MODIFY, b"1.3.6.1.4.1.4203.1.11.9")
        proxy.cut_before = PASSWORD_MODIFY  # asking for it all the same would not come through
        directory = directories.plain(slapd, proxy)
        user = await in_time(directory.find(person))
        with pytest.raises(PasswordRefused) as caught:
            await in_time(directory.set_password(user, Secret("short")))
        assert caught.value.rules == (Rule(RuleCode.MIN_LENGTH, 8),)
        await in_time(directory.set_password(user, NEW))
    assert slapd.accepts(dn_of(person), NEW.reveal())


async def test_no_password_is_written_over_a_clear_connection_off_loopback(
    slapd: LabSlapd, directories: Directories, person: str
) -> None:
    # 127.1 leads to this machine, but nothing in the address says that it must.
    uri = slapd.uri.replace("127.0.0.1", "127.1")
    directory = directories.on(slapd, uri, start_tls=False, allow_plain_ldap=True)
    user = await in_time(directory.find(person))
    with pytest.raises(DirectoryMisconfigured, match="TLS"):
        await in_time(directory.set_password(user, NEW))
    assert slapd.accepts(dn_of(person), password_of(person))


async def test_a_read_only_directory_is_told_to_the_operator_and_not_as_a_bad_password(
    own_slapd: LabSlapd, directories: Directories
) -> None:
    directory = directories.on(own_slapd)
    user = await in_time(directory.find("jdoe"))
    own_slapd.configure("olcDatabase={1}mdb,cn=config", olcReadOnly="TRUE")
    with pytest.raises(DirectoryMisconfigured, match="read-only"):
        await in_time(directory.set_password(user, NEW))


# --- what an account may do ---


async def test_the_rootdn_as_service_account_is_told(slapd: LabSlapd, directories: Directories) -> None:
    directory = directories.on(slapd, bind_dn=ADMIN_DN, password=ADMIN_PASSWORD)
    told = {one.part: one for one in await in_time(directory.examine(()))}
    assert (told[Part.ACCOUNT].state, "rootdn" in told[Part.ACCOUNT].detail) == (State.FAILED, True)


async def test_an_account_that_may_only_read_is_told(slapd: LabSlapd, directories: Directories) -> None:
    directory = directories.on(slapd, bind_dn=READONLY_DN, password=READONLY_PASSWORD)
    findings = await in_time(directory.examine([await directory.find("jdoe")]))
    assert [one.state for one in findings if one.part is Part.RIGHTS] == [State.FAILED]


async def test_the_service_account_itself_gets_no_link(slapd: LabSlapd, directories: Directories, person: str) -> None:
    directory = directories.on(slapd, bind_dn=dn_of(person).upper(), password=password_of(person))
    assert (await in_time(directory.find(person))).protected


async def test_a_directory_that_wants_tls_is_used_over_tls(tmp_path: Path, directories: Directories) -> None:
    with LabSlapd(tmp_path / "directory", require_tls=True) as server:
        assert (await in_time(directories.on(server, server.uri).find("jdoe"))).login == "jdoe"
        plain = directories.on(server, server.uri, start_tls=False, allow_plain_ldap=True)
        assert await advice_of(plain) == "it does not let our service account log in"


async def test_a_server_that_takes_a_log_in_without_password_for_one_is_not_asked(
    own_slapd: LabSlapd, directories: Directories
) -> None:
    own_slapd.configure("cn=config", olcAllows="bind_anon_dn")
    assert await in_time(directories.on(own_slapd).bind(dn_of("jdoe"), Secret(""))) is BindOutcome.WRONG


# --- locks ---


async def test_a_lock_that_ends_by_itself_ends(slapd: LabSlapd, directories: Directories) -> None:
    uid = slapd.add_person(pwdPolicySubentry=policy_dn("shortlock"))
    slapd.fail_to_log_in(dn_of(uid), 5)
    directory = directories.on(slapd, unlock=False)
    async with asyncio.timeout(GENEROUS):
        while (await directory.find(uid)).state is not AccountState.ACTIVE:
            await asyncio.sleep(0.1)


async def test_a_lock_without_an_end_stays(slapd: LabSlapd, directories: Directories, person: str) -> None:
    slapd.fail_to_log_in(dn_of(person), 5)
    assert (await directories.on(slapd).find(person)).state is AccountState.LOCKED


async def test_an_account_whose_time_is_over_is_disabled(slapd: LabSlapd, directories: Directories) -> None:
    uid = slapd.add_person(pwdEndTime="20200101000000Z")
    assert (await directories.on(slapd).find(uid)).state is AccountState.DISABLED


async def test_a_servers_hint_that_an_account_is_locked_does_not_make_a_password_right(
    tmp_path: Path, directories: Directories
) -> None:
    with LabSlapd(tmp_path / "directory", use_lockout=True) as server:
        server.fail_to_log_in(dn_of("jdoe"), 5)
        outcome = await directories.on(server).bind(dn_of("jdoe"), Secret(password_of("jdoe")))
    assert outcome is BindOutcome.WRONG


async def test_without_a_policy_that_can_be_read_nothing_is_told(own_slapd: LabSlapd, directories: Directories) -> None:
    directory = directories.on(own_slapd)
    user = await in_time(directory.find("jdoe"))
    own_slapd.hide(POLICIES)
    assert await in_time(directory.rules(user)) == ()


async def test_a_binary_value_is_dropped(slapd: LabSlapd, directories: Directories, person: str) -> None:
    slapd.change_raw(dn_of(person), "jpegPhoto", b"\xff\xd8\xff\xe0")
    directory = directories.on(slapd, mail_attributes=("jpegPhoto", "mail"))
    assert (await in_time(directory.find(person))).mails == (f"{person}@example.org",)


async def test_nobody_is_found_where_what_identifies_people_is_hidden(
    own_slapd: LabSlapd, directories: Directories
) -> None:
    own_slapd.hide_attribute("entryUUID")
    with pytest.raises(DirectoryMisconfigured):
        await in_time(directories.on(own_slapd).find("jdoe"))
