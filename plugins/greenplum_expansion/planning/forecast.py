"""What a redistribution will take: time, windows, disk, and the tables that fit no window.

The scheduler that will run is played through in advance, three times: with the likely rates, and with the best and the
worst of the range. What is shown is bounded, however many tables there are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from greenplum_expansion.planning.moves import Move, Rate, Rates, Span, Storage, Volume
from greenplum_expansion.planning.rates import Believed
from greenplum_expansion.planning.scheduler import WindowRules
from greenplum_expansion.planning.simulation import Played, play, play_gpexpand
from greenplum_expansion.planning.windows import Calendar

MOST = 20  # largest tables, tables that fit nowhere and partitioned tables told of each
PREVIEWED = 200  # tables told in their order
_WINDOWS = 60  # told of, for a picture
# After some moves a rate is known about so well: what the play goes by, since the run learns, too.
_SETTLED = 0.3

Key = tuple[str, int]


@dataclass(frozen=True)
class TableTime:
    """One table: its size with indexes, how long its move takes (seconds), and when it is played to move.

    :param place: in the order of the moves, from 1
    :param window: which one it moves in, from 1; 0: none
    :param starts, ends: seconds since 1970; None if it fits no window
    """

    place: int
    name: str
    bytes: int
    low: float
    likely: float
    high: float
    window: int = 0
    starts: float | None = None
    ends: float | None = None


@dataclass(frozen=True)
class ClassForecast:
    """Tables of one storage class, or all indexes; seconds are those of one session after another.

    :param source: where the rate (bytes a second of one session) comes from
    """

    name: str
    tables: int
    bytes: int
    rate: float
    low: float
    likely: float
    high: float
    source: str


@dataclass(frozen=True)
class DiskPeak:
    """The most that is written to a filesystem before anything on it is freed, and what is free now.

    :param old, new: existing and new instances on it
    """

    host: str
    mount: str
    peak_bytes: int
    free_bytes: int
    old: int
    new: int


@dataclass(frozen=True)
class Outcome:
    """One way it may go.

    :param seconds: in which tables move, in all windows together
    :param windows: in which something moves
    :param ends: when the last table has moved (seconds since 1970); None: nothing moves
    :param never: tables that fit no window, or that no window is left for
    """

    seconds: float
    windows: int
    ends: float | None
    never: int


@dataclass(frozen=True)
class Partitioned:
    """A partitioned table and its leaves."""

    name: str
    leaves: int
    bytes: int


@dataclass(frozen=True)
class Forecast:
    """All of it, as plain data of bounded size.

    :param digest: of the plan it was made for
    :param made: seconds since 1970
    :param engine: request's word for what moves the tables
    :param longest_window: seconds; None: there is one without an end
    :param best, likely, worst: eight times in ten it goes between best and worst
    :param never: the largest of the tables that fit no window; `likely.never` counts them all
    :param never_seconds: the longest of those; 0: there are none
    :param doubtful: tables that fit a window by their likely time, and none by the worst of their range
    :param partitioned: those with most leaves; `roots` and `leaves` count them all
    :param preview: the first in the order of the moves
    :param rates: those gone by (``Rates.to_dict``)
    :param because: where they come from
    :param windows: the first in which something moves, at worst: (start, end) in seconds since 1970; end None: none
    """

    digest: str
    made: float
    zone: str
    engine: str
    order: str
    sessions: int
    grace: float
    longest_window: float | None
    oversize: bool
    tables: int
    bytes: int
    index_bytes: int
    classes: tuple[ClassForecast, ...]
    best: Outcome
    likely: Outcome
    worst: Outcome
    never: tuple[TableTime, ...]
    never_bytes: int
    never_seconds: float
    doubtful: int
    largest: tuple[TableTime, ...]
    preview: tuple[TableTime, ...]
    roots: int
    leaves: int
    partitioned: tuple[Partitioned, ...]
    disks: tuple[DiskPeak, ...]
    rates: Mapping[str, Any]
    because: tuple[str, ...]
    windows: tuple[tuple[float, float | None], ...] = ()

    def for_plan(self, digest: str, disks: Sequence[DiskPeak]) -> Forecast:
        """Of another plan for the same tables: what depends on where the segments lie."""
        return replace(self, digest=digest, disks=tuple(disks))

    def to_dict(self) -> dict[str, Any]:
        """For XCom, the report and pages: lists, as Airflow writes a tuple down with the name of its class."""
        plain: dict[str, Any] = json.loads(json.dumps(asdict(self)))
        return plain

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Forecast:
        def many(kind: Any, name: str) -> tuple[Any, ...]:
            return tuple(kind(**one) for one in data[name])

        return cls(
            **{
                **data,
                "classes": many(ClassForecast, "classes"),
                **{name: Outcome(**data[name]) for name in ("best", "likely", "worst")},
                **{name: many(TableTime, name) for name in ("never", "largest", "preview")},
                "partitioned": many(Partitioned, "partitioned"),
                "disks": many(DiskPeak, "disks"),
                "because": tuple(data["because"]),
                "windows": tuple((start, end) for start, end in data.get("windows", ())),
            }
        )


@dataclass(frozen=True)
class Question:
    """What is asked to be moved, how and when.

    :param moves: in the order in which they will be begun
    :param roots: quoted name of the partitioned table that a leaf is of
    :param zone: name of the time zone times are shown in
    :param by_gpexpand: gpexpand moves them, so what is under way at a window's end is lost
    """

    moves: Sequence[Move]
    calendar: Calendar
    rules: WindowRules
    now: datetime
    believed: Believed
    roots: Mapping[Key, str] = field(default_factory=dict)
    zone: str = "UTC"
    order: str = ""
    engine: str = ""
    by_gpexpand: bool = False


def forecast(asked: Question, *, digest: str = "", disks: Sequence[DiskPeak] = ()) -> Forecast:
    """Play it through, and gather what a person wants to know before approving."""
    return make_forecast(asked, play_likely(asked), digest=digest, disks=disks)


def play_likely(asked: Question) -> Played:
    """With the likely rates: when each table moves."""
    return _play(asked, 1.0)


def make_forecast(asked: Question, played: Played, *, digest: str = "", disks: Sequence[DiskPeak] = ()) -> Forecast:
    """The same as `forecast`, of what `play_likely` came to."""
    rates, moves = asked.believed.rates, asked.moves
    whole = rates.expect_all(moves)
    factor = whole.high / whole.likely if whole.likely else 1.0
    never = sorted(played.never, key=lambda move: -(move.bytes + move.index_bytes))
    longest = asked.rules.longest_window
    slow = _play(asked, 1 / factor)
    return Forecast(
        digest=digest,
        made=asked.now.timestamp(),
        zone=asked.zone,
        engine=asked.engine,
        order=asked.order,
        sessions=asked.rules.sessions,
        grace=asked.rules.grace,
        longest_window=None if longest == float("inf") else longest,
        oversize=asked.rules.oversize,
        tables=len(moves),
        bytes=sum(move.bytes for move in moves),
        index_bytes=sum(move.index_bytes for move in moves),
        classes=tuple(_classes(moves, asked.believed)),
        best=_outcome(_play(asked, factor)),
        likely=_outcome(played),
        worst=_outcome(slow),
        never=tuple(_told(move, rates) for move in never[:MOST]),
        never_bytes=sum(move.bytes + move.index_bytes for move in never),
        never_seconds=max(map(rates.likely, never), default=0.0),
        doubtful=_doubtful(asked, played),
        largest=tuple(_largest(asked, played)),
        preview=tuple(preview(asked, played, PREVIEWED)),
        roots=len(set(asked.roots.values())),
        leaves=len(asked.roots),
        partitioned=tuple(_partitioned(moves, asked.roots)),
        disks=tuple(disks),
        rates=rates.to_dict(),
        because=asked.believed.because,
        windows=tuple(
            (window.start.timestamp(), window.end.timestamp() if window.has_end else None)
            for window in max(played.windows, slow.windows, key=len)[:_WINDOWS]
        ),
    )


def preview(asked: Question, played: Played, most: int | None = None) -> Iterator[TableTime]:
    """Every table in its order, with the time its move is played to take place."""
    moves = asked.moves if most is None else asked.moves[:most]
    yield from _timed(asked, played, list(enumerate(moves, start=1)))


def _play(asked: Question, factor: float) -> Played:
    """With moves so many times as fast as is likely."""
    rates = asked.believed.rates.settled(_SETTLED).scaled(factor)
    if asked.by_gpexpand:
        return play_gpexpand(asked.moves, asked.calendar, asked.rules.sessions, asked.now, rates.likely)
    return play(asked.moves, asked.calendar, asked.rules, asked.now, rates=rates)


def _outcome(played: Played) -> Outcome:
    ends = played.finished
    return Outcome(
        seconds=played.seconds_open,
        windows=len(played.windows),
        ends=None if ends is None else ends.timestamp(),
        never=len(played.never),
    )


def _doubtful(asked: Question, played: Played) -> int:
    longest = asked.rules.longest_window
    if longest == float("inf"):
        return 0
    never = {move.key for move in played.never}
    spans = (asked.believed.rates.expect(move) for move in asked.moves if move.key not in never)
    return sum(span.high > longest + asked.rules.grace for span in spans)


def _largest(asked: Question, played: Played) -> Iterator[TableTime]:
    by_size = sorted(enumerate(asked.moves, start=1), key=lambda pair: -(pair[1].bytes + pair[1].index_bytes))
    return _timed(asked, played, by_size[:MOST])


def _timed(asked: Question, played: Played, moves: Iterable[tuple[int, Move]]) -> Iterator[TableTime]:
    wanted = list(moves)
    keys = {move.key for _, move in wanted}
    # A move that was cancelled is tried again: what counts is the attempt that ends it.
    done = {attempt.move.key: attempt for attempt in played.attempts if attempt.done and attempt.move.key in keys}
    for place, move in wanted:
        told = _told(move, asked.believed.rates, place)
        if attempt := done.get(move.key):
            told = replace(
                told,
                window=played.window_number(attempt.started),
                starts=attempt.started.timestamp(),
                ends=attempt.ended.timestamp(),
            )
        yield told


def _told(move: Move, rates: Rates, place: int = 0) -> TableTime:
    span = rates.expect(move)
    name = f"{move.dbname}.{move.fq_name}"
    return TableTime(place, name, move.bytes + move.index_bytes, span.low, span.likely, span.high)


def _classes(moves: Sequence[Move], believed: Believed) -> Iterator[ClassForecast]:
    rates = believed.rates
    volumes = add_up(moves)
    for storage in Storage:
        volume = volumes.get(storage)
        if volume is None:
            continue
        rows_only = Volume(volume.tables, volume.bytes)
        yield _class(
            storage.value, rows_only, rates.tables[storage], rates.expect_volumes({storage: rows_only}),
            believed.sources[storage].value,
        )  # fmt: skip
    total = sum(volume.index_bytes for volume in volumes.values())
    if total:
        indexed = sum(1 for move in moves if move.index_bytes)
        spread = Rates(dict.fromkeys(Storage, rates.indexes), rates.indexes, 0.0)
        span = spread.expect_volumes({Storage.HEAP: Volume(indexed, total)})
        yield _class("indexes", Volume(indexed, total), rates.indexes, span, believed.index_source.value)


def _class(name: str, volume: Volume, rate: Rate, span: Span, source: str) -> ClassForecast:
    return ClassForecast(
        name, volume.tables, volume.bytes, rate.bytes_per_second, span.low, span.likely, span.high, source
    )


def add_up(moves: Iterable[Move]) -> dict[Storage, Volume]:
    """Tables, bytes and bytes of indexes by storage class; those that do not occur are left out."""
    sums: dict[Storage, list[int]] = {}
    for move in moves:
        one = sums.setdefault(move.storage, [0, 0, 0])
        one[0] += 1
        one[1] += move.bytes
        one[2] += move.index_bytes
    return {storage: Volume(*one) for storage, one in sums.items()}


def _partitioned(moves: Iterable[Move], roots: Mapping[Key, str]) -> list[Partitioned]:
    found: dict[str, list[int]] = {}
    for move in moves:
        if root := roots.get(move.key):
            one = found.setdefault(f"{move.dbname}.{root}", [0, 0])
            one[0] += 1
            one[1] += move.bytes + move.index_bytes
    largest = sorted(found.items(), key=lambda item: (-item[1][0], item[0]))[:MOST]
    return [Partitioned(name, leaves, size) for name, (leaves, size) in largest]
