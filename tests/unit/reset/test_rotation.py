"""New keys for old ones, on fakes: what lives goes on, what nothing needs may go."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from pwreset import key_file
from pwreset.errors import LinkUnknown, SettingsError
from pwreset.reset.model import Channel
from pwreset.reset.redeem import open_link
from pwreset.reset.rotation import needed
from pwreset.reset.tokens import AUDIT, Keys, new_key, read_keys, write_keys
from pwreset.reset.worker import chain
from tests.fakes.world import World

TODAY = "2026-03-01"


async def test_a_link_made_with_an_older_key_still_opens() -> None:
    world = World()
    token = await world.token()
    world.services.keys.renew(world.services.keys.rotated(TODAY))
    assert (await open_link(token, world.services)).request.user_login == "jane"


async def test_a_message_sealed_with_an_older_key_is_still_sent() -> None:
    world = World()
    await world.send(wait=0.0, hand_over=False)
    world.services.keys.renew(world.services.keys.rotated(TODAY))
    [delivery] = await world.store.take_deliveries(
        Channel.MAIL, world.clock.now(), world.clock.now() + timedelta(seconds=90), 1
    )
    await world.services.outbox.start(delivery, world.services)
    assert [envelope.recipient.address for envelope in world.mail.sent] == ["jane@example.org"]


async def test_a_key_is_needed_as_long_as_a_link_of_it_lives() -> None:
    world = World()
    old = world.services.keys.newest.id
    await world.token()
    world.services.keys.renew(world.services.keys.rotated(TODAY))
    new = world.services.keys.newest.id
    assert await needed(world.services) == {new: 0, old: 1}
    world.clock.advance(timedelta(days=2))
    assert await needed(world.services) == {new: 0, old: 0}


async def test_a_key_is_needed_as_long_as_a_message_sealed_with_it_waits() -> None:
    world = World()
    old = world.services.keys.newest.id
    sent = await world.send(wait=0.0, hand_over=False)
    world.services.keys.renew(world.services.keys.rotated(TODAY))
    assert (await needed(world.services))[old] == 2
    await world.store.revoke(sent.request_id, world.clock.now(), "revoked-by-hand", [])
    assert (await needed(world.services))[old] == 0


async def test_a_retired_key_opens_nothing_but_still_proves_the_audit_trail() -> None:
    world = World()
    token = await world.token()
    await chain(world.services)
    old = world.services.keys.newest
    keys = world.services.keys.rotated(TODAY).without(old.id)
    world.services.keys.renew(read_keys(write_keys(keys)))
    with pytest.raises(LinkUnknown):
        await open_link(token, world.services)
    assert await world.store.verify_audit(world.services.keys.audit_keys()) is None
    assert old.value not in [key.value for key in (*keys.keys, *keys.retired)]
    assert keys.retired[0].value == old.derive(AUDIT)


async def test_a_waiting_key_opens_but_does_not_make() -> None:
    keys = Keys((new_key(),))
    prepared = keys.prepared(TODAY)
    assert prepared.newest == keys.newest
    rotated = prepared.rotated(TODAY)
    assert rotated.newest.id == prepared.keys[1].id
    assert [key.waiting for key in rotated.keys] == [False, False]


def test_a_key_file_reads_back_as_it_was_written() -> None:
    keys = Keys((new_key(TODAY), new_key())).prepared(TODAY)
    keys = keys.without(keys.keys[1].id)
    assert read_keys(write_keys(keys)) == keys


@pytest.mark.parametrize("rest", ["later", "waiting waiting", "2026-13", "waiting audit-only"])
def test_a_line_with_other_words_is_no_key(rest: str) -> None:
    with pytest.raises(ValueError, match="line 1 is no key"):
        read_keys(write_keys(Keys((new_key(),))).strip() + f" {rest}\n")


def test_a_key_file_is_changed_in_one_step_and_stays_its_owners(tmp_path: Path) -> None:
    path, keys = tmp_path / "keys", Keys((new_key(),))
    key_file.make(path, keys)
    before = path.stat().st_ino
    key_file.replace(path, keys.rotated(TODAY))
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_ino != before
    assert len(key_file.read(path).keys) == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_key_file_is_never_made_over_another(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    key_file.make(path, Keys((new_key(),)))
    with pytest.raises(SettingsError):
        key_file.make(path, Keys((new_key(),)))


async def test_a_running_process_takes_up_what_the_file_says_and_keeps_its_keys_when_it_is_wrong(
    tmp_path: Path,
) -> None:
    path, keys = tmp_path / "keys", Keys((new_key(),))
    key_file.make(path, keys)
    watch = asyncio.create_task(key_file.watch(path, keys, seconds=0.001))
    await asyncio.sleep(0)  # it has seen the file as it is
    changed = keys.rotated(TODAY)
    key_file.replace(path, changed)
    async with asyncio.timeout(30):
        while keys.newest != changed.newest:
            await asyncio.sleep(0.001)
    path.write_text("nonsense")
    again = changed.rotated(TODAY)
    await asyncio.sleep(0.05)
    assert keys.newest == changed.newest
    key_file.replace(path, again)
    async with asyncio.timeout(30):
        while keys.newest != again.newest:
            await asyncio.sleep(0.001)
    watch.cancel()
    with suppress(asyncio.CancelledError):
        await watch
