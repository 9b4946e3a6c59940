"""While tables move: how far it is, and when it may be done, by what has been learned of this cluster up to now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from greenplum_expansion.planning.moves import Rates, Span, Storage, Volume
from greenplum_expansion.planning.plan import human_bytes
from greenplum_expansion.planning.progress import human_seconds
from greenplum_expansion.planning.windows import Calendar

_DONE = ("COMPLETED", "NO LONGER EXISTS")
_NAMES = 8  # of moving tables
_MOST_WINDOWS = 3650
_NONE = Volume()


@dataclass(frozen=True)
class Standing:
    """Tables by what has become of them.

    :param left: what is pending or under way, by storage class
    :param names: of the tables under way
    """

    done: Volume = _NONE
    moving: Volume = _NONE
    pending: Volume = _NONE
    failed: Volume = _NONE
    left: Mapping[Storage, Volume] = field(default_factory=dict)
    names: tuple[str, ...] = ()

    @classmethod
    def from_rows(cls, rows: Iterable[Mapping[str, Any]], names: Sequence[str] = ()) -> Standing:
        """From rows ``{status, storage, tables, bytes, index_bytes}`` (redistribution_volumes.sql)."""
        sums = {"done": _NONE, "moving": _NONE, "pending": _NONE, "failed": _NONE}
        left: dict[Storage, Volume] = {}
        for row in rows:
            volume = Volume(row["tables"], row["bytes"], row["index_bytes"])
            kind = _kind(row["status"])
            sums[kind] += volume
            if kind in ("moving", "pending"):
                storage = Storage(row["storage"])
                left[storage] = left.get(storage, _NONE) + volume
        return cls(**sums, left=left, names=tuple(names))

    @property
    def total(self) -> Volume:
        return self.done + self.moving + self.pending + self.failed

    @property
    def is_over(self) -> bool:
        """Nothing is under way or waits for its turn."""
        return not (self.moving.tables or self.pending.tables)


@dataclass(frozen=True)
class Outlook:
    """What is still to be expected.

    :param left: seconds in which tables move, eight times in ten; pauses between windows are not in it
    :param windows: still needed, at best, likely, at worst; None: there is one without an end
    :param ends: when the last table has moved; None: no window is left for that
    """

    left: Span
    windows: tuple[int, int, int] | None
    ends: tuple[datetime | None, datetime | None, datetime | None]


def look_ahead(standing: Standing, rates: Rates, calendar: Calendar, sessions: int, now: datetime) -> Outlook:
    """When what is left will have moved, with so many sessions in these windows.

    :param now: UTC
    """
    work = rates.expect_volumes(standing.left)
    return look_ahead_for(Span(work.low / sessions, work.likely / sessions, work.high / sessions), calendar, now)


def look_ahead_for(left: Span, calendar: Calendar, now: datetime) -> Outlook:
    """The same for so many seconds of moving, all sessions together."""
    found = [_end_of(calendar, now, seconds) for seconds in (left.low, left.likely, left.high)]
    window = calendar.next_window(now)
    has_end = window is None or window.has_end
    low, likely, high = (count for _, count in found)
    first, middle, last = (end for end, _ in found)
    return Outlook(left, (low, likely, high) if has_end else None, (first, middle, last))


def _end_of(calendar: Calendar, now: datetime, seconds: float) -> tuple[datetime | None, int]:
    """When so many seconds of moving are over, and in how many windows; None: not in any that comes."""
    for number, window in enumerate(calendar.windows(now), start=1):
        start = max(now, window.start)
        if not window.has_end or seconds <= window.seconds_left(now):
            return start + timedelta(seconds=seconds), number if seconds else 0
        seconds -= window.seconds_left(now)
        if number >= _MOST_WINDOWS:
            break
    return None, 0


def say(standing: Standing, outlook: Outlook, rate: float | None) -> str:
    """One line for the log.

    :param rate: bytes a second that all sessions together have moved lately; None: nothing has ended yet
    """
    total, done = standing.total, standing.done
    parts = [f"{done.tables} of {total.tables} tables", f"{human_bytes(done.bytes)} of {human_bytes(total.bytes)}"]
    if standing.failed.tables:
        parts.append(f"{standing.failed.tables} failed")
    if rate:
        parts.append(f"{human_bytes(rate)}/s")
    if not standing.is_over:
        left = outlook.left
        between = f"{human_seconds(left.low)} to {human_seconds(left.high)}"
        parts.append(f"about {human_seconds(left.likely)} of moving left ({between})")
        if outlook.windows is not None:
            parts.append(_windows(outlook.windows))
        if likely := outlook.ends[1]:
            parts.append(f"done about {likely:%Y-%m-%d %H:%M} UTC")
    if standing.names:
        parts.append("moving " + ", ".join(standing.names[:_NAMES]))
    return ", ".join(parts)


def to_dict(standing: Standing, outlook: Outlook, rates: Rates, rate: float | None, now: datetime) -> dict[str, Any]:
    """For pages, some hundred bytes: tables and bytes by what became of them, rates, and what is to be expected."""
    kinds = {name: getattr(standing, name) for name in ("done", "moving", "pending", "failed")}
    return {
        "at": now.timestamp(),
        "tables": {name: volume.tables for name, volume in kinds.items()},
        "bytes": {name: volume.bytes for name, volume in kinds.items()},
        "rate": rate,
        "session_rates": {storage.value: one.bytes_per_second for storage, one in rates.tables.items()},
        "seconds_left": [outlook.left.low, outlook.left.likely, outlook.left.high],
        "windows_left": None if outlook.windows is None else list(outlook.windows),
        "ends": [None if end is None else end.timestamp() for end in outlook.ends],
        "names": list(standing.names[:_NAMES]),
    }


def say_rates(rates: Rates) -> str:
    """How fast tables move by what is known, for the log: one session each, by storage class."""
    known = [
        f"{storage.value} {human_bytes(rate.bytes_per_second)}/s a session"
        for storage, rate in rates.tables.items()
        if rate.observations >= 1
    ]
    return ", ".join([*known, f"{rates.overhead:.2g} s for each table"])


def _kind(status: str) -> str:
    if status in _DONE:
        return "done"
    if status == "IN PROGRESS":
        return "moving"
    return "failed" if status == "FAILED" else "pending"


def _windows(count: tuple[int, int, int]) -> str:
    low, likely, high = count
    if not likely:
        return "in more windows than come"
    between = "" if low == likely == high else f" ({low} to {high or 'more than come'})"
    return f"in {likely} window{'s' if likely > 1 else ''}{between}"
