"""Which keys are still needed: told from what lives in the store, not from the keys' ages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pwreset.reset.model import RequestFilter, RequestState
from pwreset.reset.tokens import KEY_ID_BYTES, Key, Keys

if TYPE_CHECKING:
    from pwreset.reset.services import Services

AT_ONCE = 500
HEAD_BYTES = 2  # of a sealed body: version and length, before the key's id


async def needed(services: Services) -> dict[str, int]:
    """For each key how many living links it opens, plus 1 if a waiting message is sealed with it."""
    counts = {key.id: 0 for key in services.keys.keys}
    for state in (RequestState.PENDING, RequestState.CLAIMED):
        before = None
        while found := await services.store.list(
            RequestFilter(state=state.value, limit=AT_ONCE, before=before), services.clock.now()
        ):
            for request in found:
                for key in services.keys.keys:
                    if Keys((key,)).is_bound(request):
                        counts[key.id] += 1
            before = found[-1].sequence
    seals = await services.store.seals(HEAD_BYTES + 2 * KEY_ID_BYTES)
    for key in services.keys.keys:
        counts[key.id] += any(_seals_with(key, head) for head in seals)
    return counts


def _seals_with(key: Key, head: bytes) -> bool:
    """A longer id, written by hand, is compared as far as it goes: then the key is rather kept."""
    return key.id.encode().startswith(head[HEAD_BYTES:])
