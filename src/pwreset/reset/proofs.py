"""Whether what a link demands beside itself was shown.

A proof is a value under our key, bound to the link and to all that was written with it, good for a quarter of an hour: any
node can check it, and a copy of the database makes none. It is looked at when the form is shown, and again when the
password is set.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pwreset.errors import SecondFactorNeeded
from pwreset.reset.model import Demand, ResetRequest
from pwreset.secret import Secret

if TYPE_CHECKING:
    from pwreset.reset.services import Services

PROOF_LIFETIME = timedelta(minutes=15)


def demanded(request: ResetRequest, now: datetime) -> Demand | None:
    """What the link demands now."""
    demand = request.demand
    return demand if demand is not None and (demand.since is None or demand.since <= now) else None


def refuse_without(proof: Secret | None, request: ResetRequest, services: Services) -> None:
    """Raise SecondFactorNeeded, unless the link demands nothing now or this proof is its own and still good."""
    now = services.clock.now()
    if demanded(request, now) is None:
        return
    if proof is None or not services.keys.is_proof(request, proof, now):
        raise SecondFactorNeeded


def new_proof(request: ResetRequest, services: Services) -> Secret:
    """What the browser keeps that has shown the second factor just now."""
    return services.keys.proof(request, services.clock.now() + PROOF_LIFETIME)
