"""What there is to move, told in some kilobytes: what a rough forecast needs before there is a plan.

A page cannot ask the cluster, and cannot keep a hundred thousand tables. So a look leaves sums by storage class, the
largest tables one by one (they decide what fits a window and what a disk must hold twice), and how long the moves of
earlier expansions took.
"""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from greenplum_expansion.planning.forecast import add_up
from greenplum_expansion.planning.moves import Move, Storage, Volume
from greenplum_expansion.planning.rates import FinishedMove

LARGEST = 100
"""Tables told one by one: as many as may move at a time, and some more."""


@dataclass(frozen=True)
class Workload:
    """All tables of a cluster, bounded however many they are.

    :param at: when they were measured, seconds since 1970
    :param volumes: all of them by storage class; classes that do not occur are left out
    :param largest: by bytes with indexes, the largest first; what they lock beside themselves is not told
    :param finished: moves of earlier expansions, in the order in which they ended
    """

    at: float
    volumes: Mapping[Storage, Volume]
    largest: tuple[Move, ...]
    finished: tuple[FinishedMove, ...]

    @classmethod
    def measure(cls, moves: Sequence[Move], finished: Sequence[FinishedMove], at: float) -> Workload:
        """Sum up what was read of the cluster."""
        return cls(at, add_up(moves), tuple(heapq.nlargest(LARGEST, moves, key=size_of)), tuple(finished))

    @property
    def total(self) -> Volume:
        return sum(self.volumes.values(), Volume())

    @property
    def tells_all(self) -> bool:
        """Every table is among the largest."""
        return self.total.tables <= len(self.largest)

    def to_dict(self) -> dict[str, Any]:
        """For XCom, plain data; rows instead of objects, since there may be some hundred of them."""
        return {
            "at": self.at,
            "volumes": {name.value: [one.tables, one.bytes, one.index_bytes] for name, one in self.volumes.items()},
            "largest": [[m.dbname, m.fq_name, m.bytes, m.index_bytes, m.storage.value] for m in self.largest],
            "finished": [[m.storage.value, m.bytes, m.index_bytes, m.seconds] for m in self.finished],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Workload:
        """:raises (KeyError, TypeError, ValueError): not written by `to_dict`"""
        return cls(
            at=float(data["at"]),
            volumes={Storage(name): Volume(*sums) for name, sums in data["volumes"].items()},
            largest=tuple(
                Move(dbname, 0, name, size, indexes, Storage(storage))
                for dbname, name, size, indexes, storage in data["largest"]
            ),
            finished=tuple(
                FinishedMove(Storage(storage), size, indexes, seconds)
                for storage, size, indexes, seconds in data["finished"]
            ),
        )


def size_of(move: Move) -> int:
    """Bytes that are written anew: rows and indexes."""
    return move.bytes + move.index_bytes
