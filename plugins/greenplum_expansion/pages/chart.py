"""A picture of bytes moved over time: what was, the windows, and what is forecast. Numbers for an SVG, nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

WIDTH, HEIGHT = 1200, 260
"""Units of the picture; it is scaled to the page as a whole, so that words in it keep their shape."""
LEFT, RIGHT, TOP, BOTTOM = 76, WIDTH - 14, 12, HEIGHT - 34
"""Where the lines are drawn; around stand the words of the axes."""

_MOST_TIMES = 7
_MOST_SIZES = 5
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_STEPS = (
    1, 2, 5, 10, 30, _MINUTE, 2 * _MINUTE, 5 * _MINUTE, 10 * _MINUTE, 30 * _MINUTE, _HOUR, 2 * _HOUR, 3 * _HOUR,
    6 * _HOUR, 12 * _HOUR, _DAY, 2 * _DAY, 7 * _DAY, 14 * _DAY, 28 * _DAY, 91 * _DAY,
)  # fmt: skip
_ROWS = 8  # of the line, told as a table

Line = list[tuple[float, float]]
Windows = Sequence[Sequence[float | None]]


@dataclass(frozen=True)
class Band:
    """A window.

    :param x, width: in units; at least one wide, so that it is seen
    :param begin, end: seconds since 1970; `end` None: it has none
    :param when: "past", "now" or "coming"
    """

    x: float
    width: float
    begin: float
    end: float | None
    when: str


@dataclass(frozen=True)
class Tick:
    """A mark of an axis: where it is in units, and what it stands for (seconds since 1970, or bytes)."""

    at: float
    value: float


@dataclass(frozen=True)
class Chart:
    """Lines as SVG's `points`; empty if there is nothing to draw.

    :param likely: from the last point to the likely end; `range` is the area between the best and the worst
    :param now: where the present is
    :param begin, end: of the time shown, in seconds since 1970
    :param form: how the times of the axis are best written: "day", "day and clock", "clock" or "second"
    :param rows: some points of the line: (seconds since 1970, bytes moved)
    :param ends: when everything may have moved: ("at best", seconds since 1970)
    """

    moved: str
    likely: str
    range: str
    now: float
    begin: float
    end: float
    bands: tuple[Band, ...]
    times: tuple[Tick, ...]
    form: str
    sizes: tuple[Tick, ...]
    rows: tuple[tuple[float, float], ...]
    ends: tuple[tuple[str, float], ...]
    size: tuple[int, int] = (WIDTH, HEIGHT)
    left: int = LEFT
    right: int = RIGHT
    top: int = TOP
    bottom: int = BOTTOM


def draw(
    points: Sequence[Sequence[float]],
    total: int,
    now: float,
    ends: Sequence[float | None] = (None, None, None),
    windows: Windows = (),
    zone: tzinfo = UTC,
) -> Chart | None:
    """None while there is no line to draw.

    :param points: (seconds since 1970, bytes moved)
    :param ends: when everything has moved, at best, likely, at worst; None: not known, or never
    :param windows: (start, end) in which tables may move, in order, end None: without one; none: not known
    :param zone: whose midnight the axis begins at
    """
    if not points or total <= 0:
        return None
    begin, last = float(points[0][0]), points[-1]
    here = (float(last[0]), float(last[1]))
    ahead = [end for end in ends if end is not None and end > here[0]] if here[1] < total else []
    if len(points) < 2 and not ahead:
        return None
    end = max(now, here[0], *ahead)
    if end - begin < 1:
        return None
    scale = _Scale(begin, end, total)
    low, likely, high = (edge if edge in ahead else None for edge in ends)
    area: Line = []
    if low is not None and high is not None:
        area = [*_forward(here, total, low, windows), *reversed(_forward(here, total, high, windows))]
    quarters = _STEPS[-1] * (1 + int((end - begin) / _STEPS[-1] / _MOST_TIMES))
    step = next((step for step in _STEPS if (end - begin) / step <= _MOST_TIMES), quarters)
    return Chart(
        moved=scale.line([(float(at), float(moved)) for at, moved in points]) if len(points) > 1 else "",
        likely=scale.line(_forward(here, total, likely, windows)) if likely is not None else "",
        range=scale.line(area),
        now=scale.across(now),
        begin=begin,
        end=end,
        bands=tuple(_bands(scale, windows, now)),
        times=tuple(Tick(scale.across(at), at) for at in _times(begin, end, step, zone)),
        form="day"
        if step >= 7 * _DAY  # a day of one zone begins on another one's clock at some hour, which is told
        else "day and clock"
        if end - begin > _DAY
        else "clock"
        if step >= _MINUTE
        else "second",
        sizes=tuple(Tick(scale.up(size), size) for size in _sizes(total)),
        rows=tuple(_rows(points)),
        ends=tuple(
            (word, at) for word, at in zip(("at best", "likely", "at worst"), (low, likely, high), strict=True) if at
        ),
    )


@dataclass(frozen=True)
class _Scale:
    begin: float
    end: float
    total: float

    def across(self, at: float) -> float:
        share = (min(max(at, self.begin), self.end) - self.begin) / (self.end - self.begin)
        return round(LEFT + share * (RIGHT - LEFT), 1)

    def up(self, moved: float) -> float:
        return round(BOTTOM - min(moved / self.total, 1.0) * (BOTTOM - TOP), 1)

    def line(self, points: Line) -> str:
        return " ".join(f"{self.across(at)},{self.up(moved)}" for at, moved in points)


def _forward(here: tuple[float, float], total: float, end: float, windows: Windows) -> Line:
    """From the last point to everything at `end`: upwards in windows, flat between them.

    Straight, where the windows are not known as far as that.
    """
    spans = [(max(here[0], start), min(end, end if stop is None else stop)) for start, stop in _known(windows)]
    spans = [(start, stop) for start, stop in spans if stop > start]
    seconds = sum(stop - start for start, stop in spans)
    if not spans or spans[-1][1] < end - 1:
        return [here, (end, total)]
    line, moved = [here], here[1]
    for start, stop in spans:
        line.append((start, moved))
        moved += (total - here[1]) * (stop - start) / seconds
        line.append((stop, moved))
    return line


def _known(windows: Windows) -> Iterator[tuple[float, float | None]]:
    for window in windows:
        start, stop = window
        if start is not None:
            yield float(start), None if stop is None else float(stop)


def _bands(scale: _Scale, windows: Windows, now: float) -> Iterator[Band]:
    """Those that are seen; one that is always open says nothing."""
    for start, stop in _known(windows):
        if start >= scale.end or (stop is not None and stop <= scale.begin) or (stop is None and start <= scale.begin):
            continue
        x = scale.across(start)
        width = max(1.0, round(scale.across(scale.end if stop is None else stop) - x, 1))
        when = "coming" if start > now else "past" if stop is not None and stop <= now else "now"
        yield Band(x, width, start, stop, when)


def _times(begin: float, end: float, step: int, zone: tzinfo) -> Iterator[float]:
    """Round moments on the clock of the zone."""
    midnight = datetime.fromtimestamp(begin, zone).replace(hour=0, minute=0, second=0, microsecond=0)
    if step < _DAY:
        at = midnight.timestamp()
        at += max(0, -(-(begin - at) // step)) * step
        while at <= end:
            yield at
            at += step
        return
    # Days are counted on the clock: some have 23 hours, some 25.
    while midnight.timestamp() <= end:
        if midnight.timestamp() >= begin:
            yield midnight.timestamp()
        midnight = (midnight.replace(tzinfo=None) + timedelta(seconds=step)).replace(tzinfo=zone)


def _sizes(total: float) -> Iterator[float]:
    """Round numbers of bytes, from 0 on."""
    unit = 1.0
    while total >= 1024 * unit:
        unit *= 1024
    step = next(
        (size * unit for size in (1, 2, 5, 10, 20, 50, 100, 200, 500) if total <= _MOST_SIZES * size * unit),
        1024 * unit,
    )
    if total < 2 * step and step == unit and unit > 1:  # so little more than one unit that it would be the only mark
        step = unit / 2
    size = 0.0
    while size <= total:
        yield size
        size += step


def _rows(points: Sequence[Sequence[float]]) -> Iterator[tuple[float, float]]:
    """The first, the last, and some between."""
    every = max(1.0, (len(points) - 1) / (_ROWS - 1))
    for number in dict.fromkeys(round(place * every) for place in range(_ROWS)):
        if number < len(points):
            yield float(points[number][0]), float(points[number][1])
