"""The pages that anybody may ask: whether the time of an answer tells whom it was about.

Two samples are compared by Mann and Whitney's test (is one mostly slower?) and by Kolmogorov and Smirnov's (do they differ
at all?), both two-sided by their normal and asymptotic approximations. The asks of all classes are mixed at random on one
kept connection, and each name is new, so that what else the machine does meets all of them.
"""

from __future__ import annotations

import http.client
import math
import random
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from statistics import median
from urllib.parse import urlencode

from tests.servers.service import Service

FORM = {"content-type": "application/x-www-form-urlencoded"}
AT_ONCE = 8
WRONG = {"present": "not the password", "password": "seven quiet lanterns", "repeat": "seven quiet lanterns"}
SETTINGS = {
    "captcha": "none",
    "asks_per_network_per_hour": 0,
    "asks_per_minute": 0,
    "asks_per_user_per_hour": 0,
    "queue": 100_000,
}


@dataclass(frozen=True, slots=True)
class Samples:
    """What was timed of one class, in milliseconds: the answer itself, and the next request, right behind it, if any."""

    answers: list[float]
    behind: list[float]


@dataclass(frozen=True, slots=True)
class Compared:
    """How likely differences as great as these are between samples of one and the same kind."""

    mann_whitney: float
    kolmogorov_smirnov: float


def timed(service: Service, classes: dict[str, Iterator[str]], count: int) -> dict[str, Samples]:
    """So many asks of each class, mixed. Raises RuntimeError when an answer is not the one."""
    plan = [name for name in classes for _ in range(count)]
    random.shuffle(plan)
    found = {name: Samples([], []) for name in classes}
    connection = service.connection()
    shapes: Counter[tuple[int, str | None, int]] = Counter()
    try:
        for name in plan:
            body = urlencode({"name": next(classes[name])}).encode()
            took, answer = _took(connection, "POST", "/forgot", body, {**FORM, "origin": service.url})
            behind, _ = _took(connection, "GET", "/forgot/sent", None, {})
            found[name].answers.append(took)
            found[name].behind.append(behind)
            shapes[answer] += 1
    finally:
        connection.close()
    if len(shapes) != 1 or next(iter(shapes))[0] != 303:
        raise RuntimeError(f"answers differ: {shapes}")
    return found


def timed_changes(service: Service, classes: dict[str, Iterator[str]], count: int) -> dict[str, Samples]:
    """So many wrong passwords for each class on the page for a change, mixed, several at once: each takes a second."""
    plan = [name for name in classes for _ in range(count)]
    random.shuffle(plan)
    asks = [(name, urlencode({**WRONG, "username": next(classes[name])}).encode()) for name in plan]

    def ask(part: Sequence[tuple[str, bytes]]) -> list[tuple[str, float, int]]:
        connection, found = service.connection(), []
        try:
            for name, body in part:
                took, answer = _took(connection, "POST", "/change", body, {**FORM, "origin": service.url})
                found.append((name, took, answer[0]))
        finally:
            connection.close()
        return found

    samples = {name: Samples([], []) for name in classes}
    with ThreadPoolExecutor(AT_ONCE) as threads:
        for part in threads.map(ask, [asks[first::AT_ONCE] for first in range(AT_ONCE)]):
            for name, took, status in part:
                if status != HTTPStatus.UNPROCESSABLE_ENTITY:
                    raise RuntimeError(f"{name}: answered {status}")
                samples[name].answers.append(took)
    return samples


def _took(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[float, tuple[int, str | None, int]]:
    """The milliseconds from the first byte sent to the last byte read, and the answer's shape."""
    began = time.perf_counter()
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    content = answer.read()
    took = (time.perf_counter() - began) * 1000
    return took, (answer.status, answer.getheader("location"), len(content) + len(str(answer.headers)))


def compare(one: Sequence[float], other: Sequence[float]) -> Compared:
    """Both tests."""
    return Compared(mann_whitney(one, other), kolmogorov_smirnov(one, other))


def mann_whitney(one: Sequence[float], other: Sequence[float]) -> float:
    """The two-sided probability, with the correction for ties."""
    ranks = _ranks([*one, *other])
    first, second = len(one), len(other)
    both = first + second
    rank_sum = sum(ranks[:first]) - first * (first + 1) / 2
    ties = sum(number**3 - number for number in Counter([*one, *other]).values())
    variance = first * second / 12 * (both + 1 - ties / (both * (both - 1)))
    if not variance:
        return 1.0
    return math.erfc(abs(rank_sum - first * second / 2) / math.sqrt(variance) / math.sqrt(2))


def _ranks(values: Sequence[float]) -> list[float]:
    """Each value's place among all, equal ones sharing the middle of theirs."""
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    begin = 0
    while begin < len(order):
        end = begin
        while end < len(order) and values[order[end]] == values[order[begin]]:
            end += 1
        for place in order[begin:end]:
            ranks[place] = (begin + end + 1) / 2
        begin = end
    return ranks


def kolmogorov_smirnov(one: Sequence[float], other: Sequence[float]) -> float:
    """The two-sided probability (Kolmogorov's limit with Stephens's correction)."""
    first, second = sorted(one), sorted(other)
    distance = max(abs(_share(first, value) - _share(second, value)) for value in (*first, *second))
    root = math.sqrt(len(first) * len(second) / (len(first) + len(second)))
    scaled = (root + 0.12 + 0.11 / root) * distance
    terms = (2 * (-1) ** (k - 1) * math.exp(-2 * k * k * scaled * scaled) for k in range(1, 101))
    return min(1.0, max(0.0, sum(terms))) if scaled > 0.2 else 1.0


def _share(ordered: Sequence[float], value: float) -> float:
    return bisect_right(ordered, value) / len(ordered)


def told(tell: Callable[[str, float], None], what: str, samples: dict[str, Samples], against: str) -> None:
    """Tell medians, and the probabilities of each class against one."""
    for name, found in samples.items():
        tell(f"{what}, {name}: answer, median ms", median(found.answers))
        if name == against:
            continue
        for part, ours, theirs in (
            ("answer", found.answers, samples[against].answers),
            ("the request behind it", found.behind, samples[against].behind),
        ):
            if not ours:
                continue
            compared = compare(ours, theirs)
            tell(f"{what}, {name} against {against}: {part}, p of Mann-Whitney, %", compared.mann_whitney * 100)
            tell(
                f"{what}, {name} against {against}: {part}, p of Kolmogorov-Smirnov, %",
                compared.kolmogorov_smirnov * 100,
            )
