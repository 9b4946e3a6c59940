"""Which table moves next: as many as may at a time, none that cannot end in its window, none left for ever.

The order of the moves is the rank order of the policy chosen. A move is started if its likely time fits what is left of
the window, and its worst time (one in 200 takes longer) fits when the grace is added; else the next one in order
that fits is taken, so that smaller ones fill a window's end. What was passed over is the first choice again when the
next window opens: at that moment everything fits that ever will, so nothing starves.

A move whose worst time fits no window has its best chance when the longest one opens: then the top of its range, eight
times in ten, has to fit; and if not even that does, but its likely time, it is begun there when nothing else is left.
A move whose likely time is longer than every window is never begun, unless it was asked to move such tables in a window
of their own: then they are begun when a window opens and nothing else is left, and are not stopped.

A move that had to be cancelled is known to need longer than it got, so it cannot be cancelled window after window.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from greenplum_expansion.planning.moves import Move, Rates, Span

_LONGER = 1.25  # a move that was cancelled is expected to need that much more than it got
_SURE = 2.0  # of the range (log scale): from eight times in ten to 199 in 200 that take no longer
_OPENING = 300.0, 0.02  # seconds, and share of a window: as long as it takes until the first move begins
_BATCH_SECONDS = 4.0  # at most, for all tables of one transaction


@dataclass(frozen=True)
class WindowRules:
    """What holds in every window.

    :param sessions: moves at a time
    :param grace: seconds a move under way may go on beyond the window's end before it is cancelled
    :param longest_window: seconds; a move that needs more fits no window
    :param oversize: moves that fit no window are begun when a window opens, and run beyond its end
    :param tiny: bytes; tables that have no more together are so quick that they share one commit
    :param batch: tiny tables in one transaction, at most
    """

    sessions: int
    grace: float = 0.0
    longest_window: float = float("inf")
    oversize: bool = False
    tiny: int = 0
    batch: int = 1


class MoveQueue:
    """What has still to be moved, in rank order, and what is under way.

    Within one window what is passed over is not looked at again, since what is left of the window only shrinks: so a
    window costs as many looks as there are moves, however many are begun in it.
    """

    def __init__(self, moves: Iterable[Move], rules: WindowRules, rates: Rates | None = None) -> None:
        self.rules = rules
        self.rates = rates or Rates()
        self._pending: deque[Move] = deque(moves)
        self._passed_over: list[Move] = []
        self._blocked: list[Move] = []
        self._admitted: set[str] = set()
        self._needs_more_than: dict[tuple[str, int], float] = {}
        self._running: dict[tuple[str, int], Move] = {}
        self._locked: set[tuple[str, int]] = set()
        self._riders: set[tuple[str, int]] = set()
        self._groups = _groups(self._pending)
        self._beginning = False
        self._nothing_is_sure: bool | None = None  # asked once a window: its answer changes when a move has ended
        self._unlimited: set[tuple[str, int]] = set()

    @property
    def running(self) -> Sequence[Move]:
        return tuple(self._running.values())

    @property
    def is_empty(self) -> bool:
        """Nothing is left to be begun, in this window or another."""
        return not (self._pending or self._passed_over or self._blocked)

    def left(self) -> list[Move]:
        """All that is not under way, in rank order as far as this window has kept it."""
        return [*self._blocked, *self._passed_over, *self._pending]

    def open_window(self) -> None:
        """What was passed over is the first choice again."""
        self._pending = deque([*self._blocked, *self._passed_over, *self._pending])
        self._passed_over, self._blocked = [], []
        self._admitted.clear()
        self._beginning = True
        self._nothing_is_sure = None

    def oversize(self) -> list[Move]:
        """Moves that fit no window, by what is known now."""
        return [move for move in self.left() if self._is_oversize(move)]

    def next_move(self, seconds_left: float) -> Move | None:
        """Begin the next move, if a session is free and one fits; the caller reports its end with `finished`."""
        if len(self._running) - len(self._riders) >= self.rules.sessions:
            return None
        for position, move in enumerate(self._blocked):
            if self._fits(move, seconds_left) and not self._conflicts(move):
                del self._blocked[position]
                return self._begin(move)
        while self._pending:
            move = self._pending.popleft()
            if not self._fits(move, seconds_left) or not self._group_fits(move, seconds_left):
                self._passed_over.append(move)
            elif self._conflicts(move):
                self._blocked.append(move)
            else:
                return self._begin(move)
        return self._next_doubtful(seconds_left)

    def may_overrun(self, move: Move) -> bool:
        """It was begun as one that fits no window, so its window's end does not cancel it."""
        return move.key in self._unlimited

    def riders(self, move: Move, seconds_left: float) -> list[Move]:
        """More tiny tables for the transaction of one that was just begun: those next in order, of the same database.

        All of them together are tiny, and are expected to take a few seconds at most, since each keeps its lock until
        the last has moved; and something is left for the other sessions. The caller reports the end of each; a session
        is taken by the first one only.
        """
        found: list[Move] = []
        share = math.ceil((len(self._pending) + 1) / self.rules.sessions)
        size, seconds = move.bytes + move.index_bytes, self.expect(move).likely
        while self._pending and len(found) + 1 < min(self.rules.batch, share):
            rider = self._pending[0]
            size += rider.bytes + rider.index_bytes
            seconds += self.expect(rider).likely
            if rider.dbname != move.dbname or size > self.rules.tiny or seconds > _BATCH_SECONDS:
                break
            if not self._fits(rider, seconds_left) or self._conflicts(rider):
                break
            found.append(self._begin(self._pending.popleft()))
            self._riders.add(rider.key)
        return found

    def finished(self, move: Move, seconds: float) -> None:
        """It is done; `seconds` correct the forecast of the others."""
        self._ended(move)
        self.rates = self.rates.learn(move, seconds)

    def cancelled(self, move: Move, seconds: float) -> None:
        """Its window is over after `seconds` of work, which are lost; it is tried again in a later one."""
        self._ended(move)
        self._needs_more_than[move.key] = seconds
        self._passed_over.insert(0, move)

    def set_aside(self, move: Move) -> None:
        """It has failed, perhaps for a lock; `again` will say when it may be tried once more."""
        self._ended(move)

    def again(self, move: Move) -> None:
        """Behind all others."""
        self._pending.append(move)

    def first_again(self, move: Move) -> None:
        """Before all others: it was not its fault that it could not begin."""
        self._pending.appendleft(move)

    def given_up(self, move: Move) -> None:
        """It has failed too often, or is gone."""
        self._ended(move)

    def _ended(self, move: Move) -> None:
        begun = self._running.pop(move.key)
        self._locked.difference_update(_locks(begun))
        self._riders.discard(move.key)
        self._unlimited.discard(move.key)
        self._beginning = False

    def _begin(self, move: Move) -> Move:
        self._running[move.key] = move
        self._locked.update(_locks(move))
        return move

    def expect(self, move: Move) -> Span:
        """How long it will take, by its size and by what earlier attempts took."""
        span = self.rates.expect(move)
        least = self._needs_more_than.get(move.key)
        if least is None or span.likely > least:
            return span
        factor = least * _LONGER / span.likely
        return Span(least, span.likely * factor, span.high * factor)

    def _fits(self, move: Move, seconds_left: float) -> bool:
        if self.rates.likely(move) > seconds_left:  # most that do not fit are told by this alone
            return False
        span = self.expect(move)
        if span.likely > seconds_left:
            return False
        worst = span.likely * (span.high / span.likely) ** _SURE
        if worst <= seconds_left + self.rules.grace:
            return True
        has_no_better = worst > self.rules.longest_window + self.rules.grace and self._opens(seconds_left)
        return has_no_better and span.high <= seconds_left + self.rules.grace

    def _opens(self, seconds_left: float) -> bool:
        """Whether what is left is as much as there ever will be."""
        longest = self.rules.longest_window
        if math.isinf(longest):  # whatever its range is, it fits
            return False
        return seconds_left >= longest - max(_OPENING[0], longest * _OPENING[1])

    def _is_oversize(self, move: Move) -> bool:
        return self.expect(move).likely > self.rules.longest_window

    def _conflicts(self, move: Move) -> bool:
        if not move.locks:
            return move.key in self._locked
        return not self._locked.isdisjoint(_locks(move))

    def _group_fits(self, move: Move, seconds_left: float) -> bool:
        """Tables that are joined move in one window: the first is begun only if all of them will end in it.

        A group that fits no window is taken table by table.
        """
        if not move.group or move.group in self._admitted:
            return True
        members = self._groups[move.group]
        needed = sum(self.expect(other).likely for other in members) / self.rules.sessions
        if needed > seconds_left and needed <= self.rules.longest_window:
            return False
        self._admitted.add(move.group)
        return True

    def _next_doubtful(self, seconds_left: float) -> Move | None:
        """Only while no move of this window has ended, and only if nothing is left that is sure to fit any window.

        As a window of its own it is not stopped at its end, else it is; and then what is too long for any is left.
        """
        if not self._beginning or not self._passed_over or not self._opens_for_doubtful(seconds_left):
            return None
        if self._nothing_is_sure is None:
            longest = self.rules.longest_window
            self._nothing_is_sure = not any(self._fits(move, longest) for move in self.left())
        if not self._nothing_is_sure:
            return None
        for position, move in enumerate(self._passed_over):
            is_too_long = not self.rules.oversize and self.expect(move).likely > seconds_left
            if not is_too_long and not self._conflicts(move):
                del self._passed_over[position]
                if self.rules.oversize:
                    self._unlimited.add(move.key)
                return self._begin(move)
        return None

    def _opens_for_doubtful(self, seconds_left: float) -> bool:
        return self.rules.oversize or self._opens(seconds_left)


def _locks(move: Move) -> Collection[tuple[str, int]]:
    """What it locks while it moves; never shared by two that are under way."""
    if not move.locks:
        return (move.key,)
    return {move.key, *((move.dbname, oid) for oid in move.locks)}


def _groups(moves: Iterable[Move]) -> dict[str, list[Move]]:
    members: dict[str, list[Move]] = {}
    for move in moves:
        if move.group:
            members.setdefault(move.group, []).append(move)
    return members
