"""Every metric, declared once, and the counters of one process. The reference page is generated from here.

No label has a person's name, an address, a DN or a token: each takes its values from the settings or from words of
ours, so that no caller can make a new one. Each process counts for itself; what is read from the store is the same in
all of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.core import Metric as PrometheusMetric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

import pwreset

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"  # Prometheus' text format
QUICK = (0.001, 0.005, 0.025, 0.1, 0.5, 2.5)  # seconds: the store, a search in the directory
PATIENT = (0.005, 0.025, 0.1, 0.5, 2.5, 10.0)  # seconds: answers to clients, relays and gateways


class Kind(Enum):
    """What kind of metric it is, in Prometheus' words."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Declared:
    """One metric. The names of counters end with `_total` in a scrape."""

    kind: Kind
    name: str
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def scraped(self) -> str:
        """The name as it is scraped."""
        return f"{self.name}_total" if self.kind is Kind.COUNTER else self.name


class Metric(Enum):
    """All metrics of ours. Those of the process (`process_...`) come on top."""

    BUILD = Declared(Kind.GAUGE, "pwreset_build_info", "Always 1; `version` is the program's.", ("version",))
    ASKS = Declared(
        Kind.COUNTER,
        "pwreset_asks",
        "Asks for a link. `origin` is `manager`, `operator` or `public` (the page on which people ask for themselves), `outcome` is `sent` or `refused`, `reason` the word of the [errors](errors.md), empty when it was sent. `domain` is empty when none of the settings was named.",
        ("origin", "domain", "outcome", "reason"),
    )
    PASSWORDS = Declared(
        Kind.COUNTER,
        "pwreset_passwords",
        "New passwords that came with a link or by `/change`. `outcome` is `set`, `refused` (by a rule), `unclear` (the directory's answer was lost; when it turns out later that the password was set, `set` is counted too) or `failed`; `reason` is the word of the errors.",
        ("domain", "outcome", "reason"),
    )
    FACTORS = Declared(
        Kind.COUNTER,
        "pwreset_second_factors",
        "Tries at the second factor of a link. `factor` is `code` or `radius`; `outcome` is `proved`, `wrong`, `locked` (wrong once more, which ended the link) or `unavailable` (no server of one-time passwords answered; it costs no try).",
        ("domain", "factor", "outcome"),
    )
    DELIVERIES = Declared(
        Kind.COUNTER,
        "pwreset_deliveries",
        "Attempts at handing a message over. `outcome` is `sent`, `deferred` (tried again later), `refused` (for good) or `abandoned` (its time or its attempts were over).",
        ("channel", "outcome"),
    )
    REPORTS = Declared(
        Kind.COUNTER,
        "pwreset_reports",
        "Delivery reports of the SMS gateway that said something new. `report` is `delivered`, `failed` or `buffered`; a long SMS has one for each part, of which the worst counts.",
        ("report",),
    )
    LOGINS = Declared(
        Kind.COUNTER,
        "pwreset_logins",
        "Log-ins of managers. `outcome` is `succeeded` (those remembered are not counted), `not-a-manager`, `wrong-password` or `password-expired`; those that a limit stopped are in `pwreset_limits_hit_total`.",
        ("outcome",),
    )
    LIMITS = Declared(
        Kind.COUNTER,
        "pwreset_limits_hit",
        "Times that something was stopped by a limit. `limit` says which: `page` (requests for pages), `asks-for-name`, `asks-for-user`, `asks-by`, `asks`, `messages-to`, `sms`, `password-tries`, `login-address`, `login-account`, `public-network`, `public-name`, `captcha` (a proof used twice) and others of the public page ...",
        ("limit",),
    )
    CALLS = Declared(
        Kind.COUNTER,
        "pwreset_calls",
        "Calls of the Manager API. `method` is its name or `unknown`; `outcome` is `ok` or the JSON-RPC error code. An ask that was refused with `false` is `ok` here.",
        ("method", "outcome"),
    )
    HTTP = Declared(
        Kind.HISTOGRAM,
        "pwreset_http_request_seconds",
        "From an HTTP request's head to the end of its answer. `route` is the path with `***` for what differs, `status` the class of the answer's status; `499` means that the client hung up.",
        ("route", "status"),
        PATIENT,
    )
    DIRECTORY_TIME = Declared(
        Kind.HISTOGRAM,
        "pwreset_directory_seconds",
        "Round trips to the directory. `operation` is `search`, `bind` or `write` (with its connection); those that failed are in it.",
        ("domain", "operation"),
        QUICK,
    )
    TRANSPORT_TIME = Declared(
        Kind.HISTOGRAM,
        "pwreset_transport_seconds",
        "Handing one message to the relay or gateway; those that failed are in it.",
        ("channel",),
        PATIENT,
    )
    STORE_TIME = Declared(
        Kind.HISTOGRAM,
        "pwreset_store_seconds",
        "One batch of work in the store. `work` is `write` (a transaction with its commit, for all that wait), `read`, `list` or `care`.",
        ("work",),
        QUICK,
    )
    STORE_UP = Declared(
        Kind.GAUGE, "pwreset_store_up", "Whether the store took a durable write just now, within two seconds."
    )
    DIRECTORY_SERVERS = Declared(
        Kind.GAUGE, "pwreset_directory_servers", "The directory servers in the settings of a domain.", ("domain",)
    )
    DIRECTORY_UP = Declared(
        Kind.GAUGE,
        "pwreset_directory_servers_up",
        "Those of them that answered just now, within two seconds.",
        ("domain",),
    )
    TRANSPORT_UP = Declared(
        Kind.GAUGE,
        "pwreset_transport_up",
        "Whether the relay (`mail`) or the gateway (`sms`) could be reached just now, within two seconds.",
        ("channel",),
    )
    LIVE_LINKS = Declared(Kind.GAUGE, "pwreset_live_links", "Links that are good. From the store.")
    CLAIMED_LINKS = Declared(
        Kind.GAUGE, "pwreset_claimed_links", "Links whose password is being set just now. From the store."
    )
    WAITING = Declared(
        Kind.GAUGE, "pwreset_waiting_messages", "Messages that wait or are under way. From the store.", ("channel",)
    )
    OLDEST = Declared(
        Kind.GAUGE,
        "pwreset_oldest_waiting_seconds",
        "How long the oldest of them has been waiting; 0 when none waits. From the store.",
        ("channel",),
    )
    ABANDONED = Declared(
        Kind.GAUGE, "pwreset_abandoned_messages", "Messages given up that are not purged yet. From the store."
    )
    UNCHAINED = Declared(
        Kind.GAUGE,
        "pwreset_audit_unchained_seconds",
        "The age of the oldest audit event that the chain does not protect yet; 0 when all are chained. From the store.",
    )


@dataclass(frozen=True, slots=True)
class Reading:
    """What is looked up when it is asked for. `counts` is None when the store did not tell."""

    store_up: bool
    counts: Mapping[str, int] | None
    directories: Mapping[str, tuple[int, int]]  # by domain: how many servers answer, out of how many
    transports: Mapping[str, bool]  # by channel


class _Counts:
    """A counter by its labels."""

    __slots__ = ("by_labels",)

    def __init__(self) -> None:
        self.by_labels: dict[tuple[str, ...], int] = {}

    def add(self, labels: tuple[str, ...], count: int = 1) -> None:
        """Count, or begin with 0."""
        self.by_labels[labels] = self.by_labels.get(labels, 0) + count


class _Times:
    """A histogram by its labels: how many fell into each bucket, and the sum of all at the end."""

    __slots__ = ("bounds", "by_labels")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.by_labels: dict[tuple[str, ...], list[float]] = {}

    def observe(self, labels: tuple[str, ...], seconds: float) -> None:
        """Count one of so many seconds."""
        cells = self.by_labels.get(labels)
        if cells is None:
            cells = self.by_labels[labels] = [0.0] * (len(self.bounds) + 2)
        cells[bisect_left(self.bounds, seconds)] += 1
        cells[-1] += seconds


class Metrics:
    """The counters of one process, in a registry of their own. All is counted on the event loop's thread.

    They are plain numbers, which the library only writes out: its own take a lock for each step, and cost a call of the
    Manager API as much as its log line. `domains` and `channels` are those of the settings: their counters are 0 from
    the start, so that the first event is seen as an increase.
    """

    def __init__(self, domains: Iterable[str] = (), channels: Iterable[str] = ()) -> None:
        self._counts = {metric: _Counts() for metric in Metric if metric.value.kind is Kind.COUNTER}
        self._times = {metric: _Times(metric.value.buckets) for metric in Metric if metric.value.kind is Kind.HISTOGRAM}
        self._count_ask, self._time_answer = self._counts[Metric.ASKS].add, self._times[Metric.HTTP].observe
        self._count_call, self._time_search = self._counts[Metric.CALLS].add, self._times[Metric.DIRECTORY_TIME].observe
        self._time_batch = self._times[Metric.STORE_TIME].observe
        self._reading: Reading | None = None
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Shown(self))
        ProcessCollector(registry=self._registry)
        for domain in domains:
            self._count_ask(("manager", domain, "sent", ""), 0)
            self._counts[Metric.PASSWORDS].add((domain, "set", ""), 0)
            self._counts[Metric.PASSWORDS].add((domain, "unclear", "outcome-unclear"), 0)
        for channel in channels:
            for outcome in ("sent", "deferred", "refused", "abandoned"):
                self._counts[Metric.DELIVERIES].add((channel, outcome), 0)
        for report in ("delivered", "failed", "buffered"):
            self._counts[Metric.REPORTS].add((report,), 0)
        for outcome in ("succeeded", "not-a-manager", "wrong-password", "password-expired"):
            self._counts[Metric.LOGINS].add((outcome,), 0)

    def asked(self, origin: str, domain: str, reason: str = "") -> None:
        """Somebody asked for a link and got it, or did not for this reason. `domain` is one of the settings or empty."""
        self._count_ask((origin, domain, "refused" if reason else "sent", reason))

    def password(self, domain: str, outcome: str, reason: str = "") -> None:
        """A new password was `set`, `refused`, `unclear` or `failed`."""
        self._counts[Metric.PASSWORDS].add((domain, outcome, reason))

    def factor_tried(self, domain: str, factor: str, outcome: str) -> None:
        """A second factor was `proved`, `wrong`, `locked` or `unavailable`."""
        self._counts[Metric.FACTORS].add((domain, factor, outcome))

    def delivered(self, channel: str, outcome: str) -> None:
        """An attempt at a message ended as `sent`, `deferred`, `refused` or `abandoned`."""
        self._counts[Metric.DELIVERIES].add((channel, outcome))

    def reported(self, report: str) -> None:
        """A delivery report said something new: `delivered`, `failed` or `buffered`."""
        self._counts[Metric.REPORTS].add((report,))

    def logged_in(self, outcome: str) -> None:
        """A manager's log-in `succeeded`, or failed for this reason."""
        self._counts[Metric.LOGINS].add((outcome,))

    def limit_hit(self, limit: str) -> None:
        """Something was stopped by a limit of this kind."""
        self._counts[Metric.LIMITS].add((limit,))

    def called(self, method: str, outcome: str) -> None:
        """A method of the Manager API was called; `method` is a documented name or `unknown`."""
        self._count_call((method, outcome))

    def answered(self, route: str, status: int, seconds: float) -> None:
        """An HTTP request was answered; `route` is a template, never what was asked for."""
        self._time_answer((route, _UNANSWERED.get(status) or f"{status // 100}xx"), seconds)

    def directory_took(self, domain: str, operation: str, seconds: float) -> None:
        """A round trip to the directory: `search`, `bind` or `write`."""
        self._time_search((domain, operation), seconds)

    def transport_took(self, channel: str, seconds: float) -> None:
        """Handing one message over."""
        self._times[Metric.TRANSPORT_TIME].observe((channel,), seconds)

    def store_took(self, work: str, seconds: float) -> None:
        """A batch of work in the store: `write`, `read`, `list` or `care`."""
        self._time_batch((work,), seconds)

    def scrape(self, reading: Reading) -> bytes:
        """All metrics in Prometheus' text format, `CONTENT_TYPE`."""
        self._reading = reading
        return generate_latest(self._registry)

    def families(self) -> Iterator[PrometheusMetric]:
        """All metrics as the library writes them. What could not be looked up is missing, never as it was before."""
        for metric, counts in self._counts.items():
            yield _counter(metric.value, counts)
        for metric, times in self._times.items():
            yield _histogram(metric.value, times)
        yield _gauge(Metric.BUILD, {(pwreset.__version__,): 1})
        if self._reading is not None:
            yield from _looked_up(self._reading)


# A client that hung up has no status of ours, and must not look like one whose request was wrong.
_UNANSWERED = {0: "499", 499: "499"}


class _Shown(Collector):
    """The metrics as the library asks for them."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[PrometheusMetric]:
        """All of them."""
        return self._metrics.families()


def _looked_up(reading: Reading) -> Iterator[PrometheusMetric]:
    yield _gauge(Metric.STORE_UP, {(): reading.store_up})
    yield _gauge(Metric.DIRECTORY_UP, {(name,): up for name, (up, _) in reading.directories.items()})
    yield _gauge(Metric.DIRECTORY_SERVERS, {(name,): count for name, (_, count) in reading.directories.items()})
    yield _gauge(Metric.TRANSPORT_UP, {(channel,): up for channel, up in reading.transports.items()})
    if reading.counts is not None:
        yield from _from_store(reading.counts)


def _from_store(counts: Mapping[str, int]) -> Iterator[PrometheusMetric]:
    yield _gauge(Metric.LIVE_LINKS, {(): counts["live_links"]})
    yield _gauge(Metric.CLAIMED_LINKS, {(): counts["claimed_links"]})
    yield _gauge(Metric.WAITING, {(channel,): counts[f"queued_{channel}"] for channel in ("mail", "sms")})
    yield _gauge(Metric.OLDEST, {(channel,): counts[f"oldest_{channel}_seconds"] for channel in ("mail", "sms")})
    yield _gauge(Metric.ABANDONED, {(): counts["abandoned_deliveries"]})
    yield _gauge(Metric.UNCHAINED, {(): counts["unchained_seconds"]})


def _counter(declared: Declared, counts: _Counts) -> CounterMetricFamily:
    family = CounterMetricFamily(declared.name, _plain(declared.meaning), labels=declared.labels)
    for labels, count in sorted(counts.by_labels.items()):
        family.add_metric(labels, count)
    return family


def _histogram(declared: Declared, times: _Times) -> HistogramMetricFamily:
    family = HistogramMetricFamily(declared.name, _plain(declared.meaning), labels=declared.labels)
    bounds = [*map(floatToGoString, times.bounds), "+Inf"]
    for labels, cells in sorted(times.by_labels.items()):
        *counts, total = cells
        family.add_metric(labels, list(zip(bounds, accumulate(counts), strict=True)), total)
    return family


def _gauge(metric: Metric, values: Mapping[tuple[str, ...], float]) -> GaugeMetricFamily:
    declared = metric.value
    family = GaugeMetricFamily(declared.name, _plain(declared.meaning), labels=declared.labels)
    for labels, value in values.items():
        family.add_metric(labels, float(value))
    return family


def _plain(meaning: str) -> str:
    """The meaning without the reference page's marks."""
    return meaning.replace("[errors](errors.md)", "errors").replace("`", "")
