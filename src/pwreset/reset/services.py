"""What every use case is given: built once by `pwreset.wiring`, and by the tests from fakes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pwreset.errors import DomainMissing, DomainUnknown
from pwreset.metrics import Metrics
from pwreset.reset.breached import BreachedList, starter_list
from pwreset.reset.dispatch import Outbox
from pwreset.reset.managers import LogIns
from pwreset.reset.model import Channel
from pwreset.reset.policy import Policy, policy_of
from pwreset.reset.ports import Clock, Counters, Directory, Messages, OneTimePasswords, Sealer, Store, Transport
from pwreset.reset.queue import AskQueue
from pwreset.reset.tokens import Keys
from pwreset.settings import Configuration, Settings


@dataclass(frozen=True, slots=True)
class Services:
    """Settings and adapters. `directories` is keyed by the domains' configured names."""

    configuration: Configuration
    clock: Clock
    store: Store
    directories: Mapping[str, Directory]
    transports: Mapping[Channel, Transport]
    messages: Messages
    sealer: Sealer
    keys: Keys
    counters: Counters
    outbox: Outbox
    asks: AskQueue = field(default_factory=AskQueue)
    log_ins: LogIns = field(default_factory=LogIns)
    breached: BreachedList = field(default_factory=starter_list)
    metrics: Metrics = field(default_factory=Metrics)
    one_time_passwords: Mapping[str, OneTimePasswords] = field(default_factory=dict)  # of the domains that have them

    @property
    def settings(self) -> Settings:
        """The settings file."""
        return self.configuration.settings

    @property
    def policy(self) -> Policy:
        """Our own rules for passwords."""
        return policy_of(self.settings.password)

    def domain_name(self, wanted: str | None) -> str:
        """The configured name of a domain, without regard to letter case. Raises DomainUnknown, DomainMissing."""
        name = wanted or self.settings.default_domain
        if name is None:
            raise DomainMissing
        for configured in self.directories:
            if configured.casefold() == name.casefold():
                return configured
        raise DomainUnknown(name)
