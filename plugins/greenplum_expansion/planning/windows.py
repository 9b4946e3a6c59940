"""When tables may move: windows, and the calendar they come from.

A rule names local times, as a DBA thinks of them: "from 22:00 for eight hours" ends at 06:00 on the clock of that time
zone, in the night in which clocks change, too; that window then has seven hours, or nine. A start that the clock skips
is the moment right after the skipped hour; of a time that comes twice the first is meant. What is computed is in UTC.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import takewhile
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import CroniterBadDateError, CroniterError, croniter

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ENDLESS = timedelta(days=370)  # windows that touch for longer are taken for one without an end
FOREVER = datetime.max.replace(tzinfo=UTC)
_CRON = re.compile(r"(?P<cron>\S+(?:\s+\S+){4})\s+for\s+(?P<duration>.+)", re.IGNORECASE)
_HOURS = re.compile(
    r"(?:(?P<days>[a-z]{3}(?:\s*[-,]\s*[a-z]{3})*)\s+)?(?P<start>\d{1,2}:\d\d)\s*-\s*(?P<end>\d{1,2}:\d\d)",
    re.IGNORECASE,
)
_DURATION = re.compile(r"\s*(?:(?P<hours>\d+)\s*h)?\s*(?:(?P<minutes>\d+)\s*(?:m|min))?\s*", re.IGNORECASE)
_USAGE = "write `Mon-Fri 22:00-06:00`, `22:00-06:00` or `0 22 * * 1-5 for 8h`"


@dataclass(frozen=True, order=True)
class Window:
    """A span of time in which moves may run, in UTC; `end` does not belong to it."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()

    @property
    def has_end(self) -> bool:
        return self.end < FOREVER

    def contains(self, moment: datetime) -> bool:
        return self.start <= moment < self.end

    def seconds_left(self, now: datetime) -> float:
        return (self.end - max(now, self.start)).total_seconds()


@dataclass(frozen=True)
class WindowRule:
    """Windows that come again: each begins when `cron` fires on the local clock and lasts `duration` on that clock."""

    cron: str
    duration: timedelta

    @classmethod
    def parse(cls, text: str) -> WindowRule:
        """Read ``Mon-Fri 22:00-06:00``, ``22:00-06:00`` or ``0 22 * * 1-5 for 8h``.

        :raises ValueError: with what is wrong and what to write
        """
        stripped = text.strip()
        if found := _CRON.fullmatch(stripped):
            rule = cls(" ".join(found["cron"].split()), _duration(found["duration"], stripped))
        elif found := _HOURS.fullmatch(stripped):
            rule = cls._from_hours(found["days"], found["start"], found["end"], stripped)
        else:
            raise ValueError(f"{stripped!r} is no window; {_USAGE}")
        rule._require_that_it_fires(stripped)
        return rule

    @classmethod
    def _from_hours(cls, days: str | None, start: str, end: str, text: str) -> WindowRule:
        begin, finish = _clock(start, text), _clock(end, text)
        length = (finish - begin) % timedelta(days=1) or timedelta(days=1)
        minutes = int(begin.total_seconds()) // 60
        return cls(f"{minutes % 60} {minutes // 60} * * {_cron_days(days, text)}", length)

    def _require_that_it_fires(self, text: str) -> None:
        try:
            croniter(self.cron, datetime(2026, 1, 1)).get_next(datetime)  # noqa: DTZ001 - any moment, on a local clock
        except CroniterBadDateError:
            raise ValueError(f"{text!r} names no day that ever comes") from None
        except CroniterError as error:
            raise ValueError(f"{text!r} is no cron expression ({error}); {_USAGE}") from None

    def windows(self, zone: tzinfo, after: datetime) -> Iterator[Window]:
        """All windows that end after `after` (UTC), in order of their starts."""
        # One day more, as a clock that changes makes a window longer than its duration.
        local = (after - self.duration - timedelta(days=1)).astimezone(zone).replace(tzinfo=None)
        for start in croniter(self.cron, local).all_next(datetime):
            window = Window(_utc(start, zone), _utc(start + self.duration, zone))
            if window.end > after and window.start < window.end:
                yield window


@dataclass(frozen=True)
class Calendar:
    """All windows of an expansion.

    :param rules: when windows begin and how long they last; without any there is one window without an end
    :param zone: whose clock the rules, `excluded` and the hours mean
    :param excluded: days, on that clock, on which no window begins
    :param not_before: no window begins before it (UTC); None: at once
    :param last_end: nothing moves from then on (UTC); None: no such end
    """

    rules: tuple[WindowRule, ...] = ()
    zone: tzinfo = UTC
    excluded: frozenset[date] = frozenset()
    not_before: datetime | None = None
    last_end: datetime | None = None

    def windows(self, after: datetime) -> Iterator[Window]:
        """Windows that end after `after` (UTC), in order, none touching another; may be endless."""
        begin = max(after, self.not_before) if self.not_before else after
        last = self.last_end or FOREVER
        for window in _merged(self._raw(begin)):
            if window.start >= last:
                return
            clipped = Window(max(window.start, self.not_before or window.start), min(window.end, last))
            if clipped.end > begin:
                yield clipped

    def next_window(self, now: datetime) -> Window | None:
        """The window under way at `now` (UTC), else the next one; None if none comes any more."""
        return next(self.windows(now), None)

    def count(self, begin: datetime, end: datetime) -> int:
        """How many windows there are between two moments (UTC), the ones they lie in included."""
        return sum(1 for _ in takewhile(lambda window: window.start <= end, self.windows(begin)))

    def longest_seconds(self, now: datetime, days: int = 35) -> float:
        """Length of the longest window within so many days from the next one on; infinite for one without an end."""
        lengths = [0.0]
        until: datetime | None = None
        for window in self.windows(now):
            until = until or max(now, window.start) + timedelta(days=days)
            if window.start > until:
                break
            lengths.append(window.seconds if window.has_end else float("inf"))
            if not window.has_end:
                break
        return max(lengths)

    def _raw(self, after: datetime) -> Iterator[Window]:
        if not self.rules:
            return iter((Window(after, FOREVER),))
        streams = [self._not_excluded(rule.windows(self.zone, after)) for rule in self.rules]
        return heapq.merge(*streams)

    def _not_excluded(self, windows: Iterable[Window]) -> Iterator[Window]:
        return (window for window in windows if window.start.astimezone(self.zone).date() not in self.excluded)


def parse_zone(name: str) -> tzinfo:
    """:raises ValueError: there is no such time zone"""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"there is no time zone {name!r}; write one like Europe/Berlin or UTC") from None


def _merged(windows: Iterable[Window]) -> Iterator[Window]:
    """Windows that overlap or touch, made one."""
    current: Window | None = None
    for window in windows:
        if current is None:
            current = window
        elif window.start <= current.end:
            current = Window(current.start, max(current.end, window.end))
            if current.end - current.start > _ENDLESS:
                yield Window(current.start, FOREVER)
                return
        else:
            yield current
            current = window
    if current is not None:
        yield current


def _utc(local: datetime, zone: tzinfo) -> datetime:
    return local.replace(tzinfo=zone).astimezone(UTC)


def _clock(text: str, whole: str) -> timedelta:
    hours, _, minutes = text.partition(":")
    if int(hours) > 24 or int(minutes) > 59 or (int(hours) == 24 and int(minutes)):
        raise ValueError(f"{whole!r}: {text} is no time of day; {_USAGE}")
    return timedelta(hours=int(hours), minutes=int(minutes)) % timedelta(days=1)


def _duration(text: str, whole: str) -> timedelta:
    found = _DURATION.fullmatch(text)
    length = timedelta(hours=int(found["hours"] or 0), minutes=int(found["minutes"] or 0)) if found else timedelta()
    if not timedelta() < length <= timedelta(days=7):
        raise ValueError(f"{whole!r}: {text.strip()} is no duration between one minute and 168h; {_USAGE}")
    return length


def _cron_days(days: str | None, whole: str) -> str:
    """``Mon-Fri``, ``Sat,Sun`` or ``Fri-Mon`` in cron's words; cron knows no range over the week's end."""
    if days is None:
        return "*"
    chosen: list[int] = []
    for part in re.split(r"\s*,\s*", days.strip().lower()):
        first, _, last = (word.strip() for word in part.partition("-"))
        try:
            begin, end = _DAYS.index(first), _DAYS.index(last or first)
        except ValueError:
            raise ValueError(f"{whole!r}: {part!r} is no day of the week; {_USAGE}") from None
        chosen += [(begin + step) % 7 for step in range((end - begin) % 7 + 1)]
    return ",".join(_DAYS[day] for day in dict.fromkeys(chosen))


def parse_rules(lines: Sequence[str]) -> tuple[WindowRule, ...]:
    """One rule a line; empty lines are skipped."""
    return tuple(WindowRule.parse(line) for line in lines if line.strip())
