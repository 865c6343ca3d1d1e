"""The counts of one kind of key, in memory, and which of them are not yet written down as they are.

Where counts outlive the process they are written down by digest: who is in a key is nobody's business. So what an
earlier process has counted is known by its digest until somebody asks for its key.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from itertools import islice

Key = str | bytes  # as it is asked for; or the digest, of what nobody has asked for since the start


def digest_of(key: str) -> str:
    """What stands for a key where counts are written down. Its kind stays in the clear."""
    kind, _, rest = key.partition(":")
    return f"{kind}:{blake2b(rest.encode(errors='surrogatepass'), digest_size=16).hexdigest()}"


@dataclass(frozen=True, slots=True)
class Kept:
    """A count as it is written down: when, oldest first, and until when the last of them counts.

    Rows are numbered by who counts, in the order in which they are first written: what is used together lies together.
    Without times: the row is to go.
    """

    row: int
    key: Key = ""
    times: tuple[datetime, ...] = ()
    until: datetime | None = None

    @property
    def digest(self) -> str:
        """What it is written under."""
        return digest_of(self.key) if isinstance(self.key, str) else self.key.decode()


class Count:
    """When something happened, oldest first; and the row that it is written in, 0 for none."""

    __slots__ = ("key", "row", "times")

    def __init__(self, key: Key, times: Iterable[datetime] = (), row: int = 0) -> None:
        self.key = key
        self.times = deque(times)
        self.row = row


class Pool:
    """The keys of one kind, the longest unused first. All of them have the same window, `per`.

    `new_row` numbers what is written down; without it nothing is.
    """

    def __init__(self, most: int, new_row: Callable[[], int] | None) -> None:
        self._most = most
        self._new_row = new_row
        self._counts: OrderedDict[Key, Count] = OrderedDict()
        self._digests = 0  # of the keys, how many are digests
        self._changed: dict[Count, None] = {}
        self._gone: deque[int] = deque()
        self._per = timedelta.max  # until somebody says

    def __len__(self) -> int:
        return len(self._counts)

    def keys(self) -> Iterable[Key]:
        """The keys, the longest unused first."""
        return self._counts.keys()

    def count(self, key: str, per: timedelta, now: datetime) -> Count:
        """What still counts. Whoever adds to it calls `changed`."""
        self._per = per
        count = self._counts.get(key)
        if count is None:
            count = self._new(key, now)
        else:
            self._counts.move_to_end(key)
        times = count.times
        if times and times[-1] > now:
            # The clock was set back. What was counted stays counted, and not for longer than from now on.
            times = count.times = deque(min(at, now) for at in times)
            self.changed(count)
        while times and times[0] + per <= now:
            times.popleft()
        return count

    def changed(self, count: Count) -> None:
        """Have it written down anew."""
        if self._new_row is not None:
            self._changed[count] = None

    def put(self, key: str, times: Iterable[datetime]) -> None:
        """Count these times under a key, oldest first, and no others."""
        self.forget(key)
        self._counts[key] = Count(key, times)

    def put_kept(self, kept: Kept, now: datetime) -> None:
        """Count what an earlier process has written down, and not for longer than from now on."""
        if kept.until is None:
            return
        self._per = kept.until - kept.times[-1]
        count = Count(kept.digest.encode(), (min(at, now) for at in kept.times), kept.row)
        self._counts[count.key] = count
        self._digests += 1
        if kept.times[-1] > now:
            self.changed(count)

    def forget(self, key: str) -> None:
        """Start this key anew."""
        count = self._counts.get(key) or self._adopted(key)
        if count is not None:
            self._drop(count)

    def drop_over(self, now: datetime, most: int) -> None:
        """Drop what counts no more, the longest unused first; at most so many."""
        for _ in range(most):
            if not self._counts or not self._oldest_is_over(now):
                return
            self._drop(self._oldest())

    def take_changes(self, most: int, longest: int) -> list[Kept]:
        """What is to be written down, the longest waiting first. It is not told again.

        What is to go is told before all else, so that no key ever stands in two rows. At most `most` of each, and none
        that happened more than `longest` times: those wait.
        """
        gone = [Kept(self._gone.popleft()) for _ in range(min(most, len(self._gone)))]
        if self._gone:
            return gone
        counts = list(islice((count for count in self._changed if len(count.times) <= longest), most))
        for count in counts:
            del self._changed[count]
        return gone + [self._kept(count) for count in counts if count.times]

    def _kept(self, count: Count) -> Kept:
        if count.row == 0 and self._new_row is not None:
            count.row = self._new_row()
        return Kept(count.row, count.key, tuple(count.times), count.times[-1] + self._per)

    def _new(self, key: str, now: datetime) -> Count:
        count = self._adopted(key)
        if count is None:
            count = self._counts[key] = Count(key)
            self._make_room(now)
        return count

    def _adopted(self, key: str) -> Count | None:
        """What was known by the digest of this key, from now on known by the key."""
        count = self._counts.pop(digest_of(key).encode(), None) if self._digests else None
        if count is not None:
            self._digests -= 1
            count.key = key
            self._counts[key] = count
        return count

    def _make_room(self, now: datetime) -> None:
        """Drop keys whose counts are over, the longest unused first: two for each new one, so that they never pile up."""
        for _ in range(2):
            if len(self._counts) <= self._most and (len(self._counts) == 1 or not self._oldest_is_over(now)):
                return
            self._drop(self._oldest())

    def _oldest(self) -> Count:
        return next(iter(self._counts.values()))

    def _oldest_is_over(self, now: datetime) -> bool:
        times = self._oldest().times
        return not times or now - times[-1] >= self._per

    def _drop(self, count: Count) -> None:
        del self._counts[count.key]
        self._changed.pop(count, None)
        if isinstance(count.key, bytes):
            self._digests -= 1
        if count.row:
            self._gone.append(count.row)
