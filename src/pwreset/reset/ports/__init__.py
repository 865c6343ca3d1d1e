"""What the rules need from outside: narrow protocols, implemented by the adapters and by the fakes in tests/fakes.

Every method may raise the port's `Unavailable` failure; what else it raises is said at the method.
"""

from __future__ import annotations

from pwreset.reset.ports.clock import Clock
from pwreset.reset.ports.counters import Counters, Limit
from pwreset.reset.ports.delivery import MessageFacts, Messages, Sealer, Transport
from pwreset.reset.ports.directory import BindOutcome, Directory
from pwreset.reset.ports.factor import OneTimePasswords, OtpAnswer, Verdict
from pwreset.reset.ports.store import Store

__all__ = [
    "BindOutcome",
    "Clock",
    "Counters",
    "Directory",
    "Limit",
    "MessageFacts",
    "Messages",
    "OneTimePasswords",
    "OtpAnswer",
    "Sealer",
    "Store",
    "Transport",
    "Verdict",
]
