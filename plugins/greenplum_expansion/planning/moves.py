"""What is to be moved, and how long a move is expected to take: a likely time and an honest range.

A move rewrites a table with its indexes. How fast that goes depends on how it is stored, so a rate is kept for each
storage class and for indexes, starts from a wide guess, from measurements or from an earlier expansion, and is
corrected by every finished move. What is learned is the ratio of real to expected time, on a logarithmic scale: twice
as long and half as long are errors of the same size.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

_MIB = 1024 * 1024
_TYPICAL = 1.28  # standard deviations: eight times in ten the real time lies within the range
_WEIGHT = 0.1  # of a new observation, as in SingleStore's rebalancing; the first ones count for more
_SPREAD_WEIGHT = 0.05  # how far moves are off is told by many: few that happened to be right say little
_LEAST_SPREAD = 0.05
_GUESS = 1.0  # spread (log scale) of a rate nobody has measured: a factor of 3.6 to either side


class Storage(StrEnum):
    """How a table's rows are kept, as far as that decides how fast they can be rewritten."""

    HEAP = "heap"
    APPEND_OPTIMIZED = "append-optimized"
    COMPRESSED = "compressed"


@dataclass(frozen=True, slots=True)
class Move:
    """One table or leaf partition that is to be rewritten over all segments.

    :param bytes: of its rows on all segments together; `index_bytes` those of its indexes, which are built anew
    :param locks: oids that the move locks against others beside its own, in the same database (children by inheritance)
    :param group: name of the tables that should move in the same window; empty if it stands alone
    """

    dbname: str
    table_oid: int
    fq_name: str
    bytes: int
    index_bytes: int = 0
    storage: Storage = Storage.HEAP
    locks: frozenset[int] = frozenset()
    group: str = ""

    @property
    def key(self) -> tuple[str, int]:
        return self.dbname, self.table_oid

    def conflicts_with(self, other: Move) -> bool:
        if self.dbname != other.dbname:
            return False
        mine, others = self.locks | {self.table_oid}, other.locks | {other.table_oid}
        return not mine.isdisjoint(others)


@dataclass(frozen=True, slots=True)
class Span:
    """Seconds something is expected to take: eight times in ten between `low` and `high`."""

    low: float
    likely: float
    high: float

    def __add__(self, other: Span) -> Span:
        """Of two that may err together; independent ones deserve a narrower range."""
        return Span(self.low + other.low, self.likely + other.likely, self.high + other.high)


@dataclass(frozen=True, slots=True)
class Volume:
    """Tables of one storage class, added up."""

    tables: int = 0
    bytes: int = 0
    index_bytes: int = 0

    def __add__(self, other: Volume) -> Volume:
        return Volume(self.tables + other.tables, self.bytes + other.bytes, self.index_bytes + other.index_bytes)


@dataclass(frozen=True, slots=True)
class Rate:
    """Bytes a second of one session, and how far single moves have been from it (standard deviation, log scale)."""

    bytes_per_second: float
    spread: float = _GUESS
    observations: float = 0
    """Moves it was learned from; one of which it explained only a part counts as that part."""

    def corrected(self, error: float, weight: float) -> Rate:
        """After a move that took exp(`error`) times as long as expected, for which this rate stands by `weight`."""
        if weight <= 0:
            return self
        # The first observations count for more than the guess they replace.
        pull = weight * max(_WEIGHT, 1 / (self.observations + 1))
        slow = weight * max(_SPREAD_WEIGHT, 1 / (self.observations + 1))
        spread = math.sqrt((1 - slow) * self.spread**2 + slow * error**2)
        return Rate(
            self.bytes_per_second * math.exp(-pull * error), max(spread, _LEAST_SPREAD), self.observations + weight
        )

    def scaled(self, factor: float) -> Rate:
        """So many times as fast."""
        return replace(self, bytes_per_second=self.bytes_per_second * factor)


def _guessed() -> dict[Storage, Rate]:
    # One session on disks of their own; the documentation calls compressed tables up to 80 % slower.
    return {
        Storage.HEAP: Rate(60 * _MIB),
        Storage.APPEND_OPTIMIZED: Rate(70 * _MIB),
        Storage.COMPRESSED: Rate(25 * _MIB),
    }


@dataclass(frozen=True)
class Rates:
    """All that is known of how fast tables move on this cluster.

    :param overhead: seconds a move takes whatever its size: locks, catalogs, two-phase commit
    """

    tables: Mapping[Storage, Rate] = field(default_factory=_guessed)
    indexes: Rate = Rate(30 * _MIB)
    overhead: float = 0.2

    def expect(self, move: Move) -> Span:
        """How long this move will take."""
        rate = self.tables[move.storage]
        rows, indexes = move.bytes / rate.bytes_per_second, move.index_bytes / self.indexes.bytes_per_second
        likely = self.overhead + rows + indexes
        spread = (self.overhead * 0.5 + rows * rate.spread + indexes * self.indexes.spread) / likely
        factor = math.exp(_TYPICAL * spread)
        return Span(likely / factor, likely, likely * factor)

    def likely(self, move: Move) -> float:
        """How long this move will take, without a range: asked of very many."""
        rows = move.bytes / self.tables[move.storage].bytes_per_second
        return self.overhead + rows + move.index_bytes / self.indexes.bytes_per_second

    def learn(self, move: Move, seconds: float) -> Rates:
        """After `move` has taken so long."""
        seconds = max(seconds, 0.001)
        rate = self.tables[move.storage]
        rows, indexes = move.bytes / rate.bytes_per_second, move.index_bytes / self.indexes.bytes_per_second
        expected = self.overhead + rows + indexes
        error = math.log(seconds / expected)
        pull = _WEIGHT * self.overhead / expected
        return replace(
            self,
            tables={**self.tables, move.storage: rate.corrected(error, rows / expected)},
            indexes=self.indexes.corrected(error, indexes / expected),
            overhead=min(max(self.overhead * math.exp(pull * error), 0.005), 30.0),
        )

    def expect_all(self, moves: Iterable[Move]) -> Span:
        """All of them one after another: errors of single moves even out, that of a rate does not."""
        total = own = common = 0.0
        for move in moves:
            rate = self.tables[move.storage]
            seconds = self.likely(move)
            total += seconds
            own += (seconds * rate.spread) ** 2
            common += seconds * rate.spread / math.sqrt(rate.observations + 1)
        return _around(total, math.sqrt(own) + common)

    def expect_volumes(self, volumes: Mapping[Storage, Volume]) -> Span:
        """The same of tables of which only sums are known; they are taken for equally large."""
        total = own = common = 0.0
        for storage, volume in volumes.items():
            rate = self.tables[storage]
            seconds = volume.tables * self.overhead + volume.bytes / rate.bytes_per_second
            seconds += volume.index_bytes / self.indexes.bytes_per_second
            total += seconds
            own += (seconds * rate.spread) ** 2 / max(1, volume.tables)
            common += seconds * rate.spread / math.sqrt(rate.observations + 1)
        return _around(total, math.sqrt(own) + common)

    def scaled(self, factor: float) -> Rates:
        """Everything so many times as fast."""
        tables = {storage: rate.scaled(factor) for storage, rate in self.tables.items()}
        return Rates(tables, self.indexes.scaled(factor), self.overhead / factor)

    def settled(self, spread: float) -> Rates:
        """As they are when some moves have been seen: no single one is farther off than that."""
        tables = {storage: replace(rate, spread=min(rate.spread, spread)) for storage, rate in self.tables.items()}
        return replace(self, tables=tables, indexes=replace(self.indexes, spread=min(self.indexes.spread, spread)))

    def to_dict(self) -> dict[str, object]:
        """To be kept for the next window and the next expansion."""
        return {
            "tables": {storage.value: _listed(rate) for storage, rate in self.tables.items()},
            "indexes": _listed(self.indexes),
            "overhead": self.overhead,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, object]) -> Rates:
        """:raises (KeyError, TypeError, ValueError): not written by `to_dict`"""
        tables, indexes, overhead = data["tables"], data["indexes"], data["overhead"]
        if not isinstance(tables, Mapping) or not isinstance(indexes, list) or not isinstance(overhead, int | float):
            raise TypeError("not the rates of an expansion")
        known = {Storage(name): Rate(*values) for name, values in tables.items()}
        return cls({**_guessed(), **known}, Rate(*indexes), float(overhead))


def _around(total: float, spread: float) -> Span:
    """`spread` in seconds."""
    if not total:
        return Span(0.0, 0.0, 0.0)
    factor = math.exp(_TYPICAL * spread / total)
    return Span(total / factor, total, total * factor)


def _listed(rate: Rate) -> list[float]:
    return [rate.bytes_per_second, rate.spread, rate.observations]
