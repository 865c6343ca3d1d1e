"""Use case: clear up submissions whose process died, or lost the directory, in the middle.

The directory's own change time decides: changed since the claim means the password was set, and the link is used, with
its notice; unchanged means that nothing happened, and the link is good again. The lease is longer than the directory's
deadline, so that a write still under way has ended by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pwreset import logs
from pwreset.errors import PwresetError, UserUnknown
from pwreset.reset import audit
from pwreset.reset.model import ResetRequest, User
from pwreset.reset.notices import password_changed_notices

if TYPE_CHECKING:
    from pwreset.reset.services import Services

AT_A_TIME = 100

log = logs.get("recover")


async def recover_claims(services: Services) -> None:
    """All claims whose lease is over, as far as their directories answer."""
    for request in await services.store.expired_claims(services.clock.now(), AT_A_TIME):
        try:
            await recover(request, services)
        except PwresetError as error:
            log.warning("claim not cleared up yet", request=request.id, reason=error.reason)
        except Exception:
            # One claim that cannot be cleared up must not keep all behind it waiting.
            log.exception("claim cannot be cleared up", request=request.id)


async def recover(request: ResetRequest, services: Services) -> None:
    """Settle or release one claim whose lease is over. Raises Unavailable; then nothing has changed."""
    now = services.clock.now()
    directory = services.directories.get(request.domain)
    try:
        user = await directory.find_by_id(request.user_id) if directory else None
    except UserUnknown:
        user = None
    was_set = user is not None and password_was_set(request, user)
    event = audit.by_service(
        audit.Event.CLAIM_RECOVERED,
        now,
        domain=request.domain,
        user=request.user_login,
        request_id=request.id,
        password_set=was_set,
    )
    if user is not None and was_set:
        await services.store.settle(
            request.id,
            now,
            password_changed_notices(request, user, now, services),
            [event],
            lease=request.claimed_until,
        )
        services.metrics.password(request.domain, "set")
        services.outbox.bell.set()
    else:
        await services.store.release(request.id, now, [event], lease=request.claimed_until)
    log.info("claim cleared up", request=request.id, password_set=was_set)


def password_was_set(request: ResetRequest, user: User) -> bool:
    """Whether the password has changed since the claim, as far as the directory tells.

    Where it keeps no change time of passwords, any change of the entry counts: a link that dies without need costs a
    new one, a used link that comes back to life costs an account.
    """
    if user.password_mark or request.password_mark:
        return user.password_mark != request.password_mark
    return user.entry_mark != request.claim_mark
