"""A rough forecast from sums, quick enough to be made while somebody types; the plan's own plays every table through.

Sums do not know how tables fill windows, nor of joins, locks and important tables. What one large table does is seen,
though: nothing ends before the longest move has, and what is longer than every window does not move in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from greenplum_expansion.planning.moves import Move, Rates, Span, Storage, Volume
from greenplum_expansion.planning.outlook import Outlook, look_ahead_for
from greenplum_expansion.planning.rates import Believed, Shape, believe
from greenplum_expansion.planning.scheduler import WindowRules
from greenplum_expansion.planning.windows import Calendar
from greenplum_expansion.planning.workload import Workload, size_of

SHOWN = 10
"""Tables that fit no window, told by name."""


@dataclass(frozen=True)
class Oversized:
    """A table whose move likely takes longer than every window: `size` with indexes, `takes` in seconds."""

    name: str
    size: int
    takes: Span


@dataclass(frozen=True)
class Estimate:
    """What moving all tables comes to, roughly.

    :param total: all tables, those that fit no window, too
    :param outlook: of those that fit one
    :param longest_window: seconds; None: there is one without an end
    :param oversized: the largest of those that fit no window; `oversized_count` and `oversized_bytes` are of all that
        are known, and there may be more if `oversized_are_more`
    :param second_copies: bytes that are written anew before anything is freed, on all hosts together, mirrors included
    :param a_host: the same on each host, if rows lie evenly
    :param believed: rates, and where they come from
    """

    total: Volume
    outlook: Outlook
    longest_window: float | None
    oversized: tuple[Oversized, ...]
    oversized_count: int
    oversized_bytes: int
    oversized_are_more: bool
    second_copies: int
    a_host: int
    believed: Believed


def estimate(
    workload: Workload, shape: Shape, calendar: Calendar, rules: WindowRules, now: datetime, *, hosts: int
) -> Estimate:
    """What the workload takes on a cluster of this shape in these windows.

    :param hosts: all that have segments in the end
    :param rules: their sessions are those of the shape
    :param now: UTC
    """
    believed = believe(shape, workload.finished, None)
    rates, longest = believed.rates, rules.longest_window
    fit = [move for move in workload.largest if rates.likely(move) <= longest]
    never = [move for move in workload.largest if rates.likely(move) > longest]
    # Those to be moved in a window of their own take no more of the others' windows.
    work = rates.expect_volumes(_without(workload, never))
    copies = sum(size_of(move) for move in workload.largest[: rules.sessions]) * (2 if shape.mirrored else 1)
    return Estimate(
        total=workload.total,
        outlook=look_ahead_for(_shared(work, rates, fit, rules.sessions), calendar, now),
        longest_window=None if longest == float("inf") else longest,
        oversized=tuple(Oversized(_name(move), size_of(move), rates.expect(move)) for move in never[:SHOWN]),
        oversized_count=len(never),
        oversized_bytes=sum(map(size_of, never)),
        oversized_are_more=bool(never) and not fit and not workload.tells_all,
        second_copies=copies,
        a_host=copies // max(1, hosts),
        believed=believed,
    )


def _without(workload: Workload, never: Sequence[Move]) -> dict[Storage, Volume]:
    left = dict(workload.volumes)
    for move in never:
        left[move.storage] += Volume(-1, -move.bytes, -move.index_bytes)
    return left


def _shared(work: Span, rates: Rates, moves: Sequence[Move], sessions: int) -> Span:
    """The time of all sessions together; it is not over before the longest move is."""
    longest = max(map(rates.expect, moves), key=lambda span: span.likely, default=Span(0.0, 0.0, 0.0))
    return Span(
        max(work.low / sessions, longest.low),
        max(work.likely / sessions, longest.likely),
        max(work.high / sessions, longest.high),
    )


def _name(move: Move) -> str:
    return f"{move.dbname}.{move.fq_name}"
