"""A redistribution played through in advance: when each table moves, how many windows it takes, what fits in none.

The very scheduler that will run is asked, with a clock that jumps; so the forecast shown at the approval and the run
follow the same rules.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from greenplum_expansion.planning.moves import Move, Rates
from greenplum_expansion.planning.scheduler import MoveQueue, WindowRules
from greenplum_expansion.planning.windows import Calendar, Window

Actual = Callable[[Move], float]


@dataclass(frozen=True)
class PlayedMove:
    """One attempt: `ended` is when it was done, or cancelled."""

    move: Move
    started: datetime
    ended: datetime
    done: bool


@dataclass(frozen=True)
class Played:
    """What came of it.

    :param windows: in which something moved
    :param never: moves that fit no window, or that no window was left for
    """

    attempts: Sequence[PlayedMove]
    windows: Sequence[Window]
    never: Sequence[Move]

    @property
    def finished(self) -> datetime | None:
        """When the last move was done; None if nothing moved."""
        return max((attempt.ended for attempt in self.attempts if attempt.done), default=None)

    @property
    def seconds_thrown_away(self) -> float:
        """Of all sessions together: work of moves that were cancelled."""
        return sum((a.ended - a.started).total_seconds() for a in self.attempts if not a.done)

    @property
    def seconds_moving(self) -> float:
        return sum((a.ended - a.started).total_seconds() for a in self.attempts)


def play(
    moves: Sequence[Move],
    calendar: Calendar,
    rules: WindowRules,
    now: datetime,
    *,
    rates: Rates | None = None,
    actual: Actual | None = None,
    most_windows: int = 3650,
) -> Played:
    """Move `moves` in their order, in the windows of `calendar` from `now` on.

    :param actual: how long a move really takes (seconds); without it, as long as is likely
    """
    queue = MoveQueue(moves, rules, rates)
    forecast = queue.rates
    real = actual or (lambda move: forecast.expect(move).likely)
    attempts: list[PlayedMove] = []
    used: list[Window] = []
    after, barren = now, 0
    for window in islice(calendar.windows(now), most_windows):
        if queue.is_empty:
            break
        if window.end <= after:  # a move without a limit has taken all of it
            continue
        played = _play_window(queue, window, max(after, window.start), real, learn=actual is not None)
        attempts += played
        if played:
            used.append(window)
        # A window of full length in which nothing could begin: nothing that is left ever will.
        barren = 0 if played else barren + (window.seconds >= rules.longest_window)
        if barren or not window.has_end:
            break
        after = max([window.end, *(attempt.ended for attempt in played)])
    return Played(attempts, used, queue.left())


def _play_window(queue: MoveQueue, window: Window, start: datetime, real: Actual, *, learn: bool) -> list[PlayedMove]:
    """One window, from `start` on; what is under way at the end of its grace is cancelled, unless it fits no window."""
    attempts: list[PlayedMove] = []
    under_way: list[tuple[float, int, Move, float]] = []
    now, begun = 0.0, 0
    end = window.seconds_left(start) if window.has_end else float("inf")
    queue.open_window()
    while True:
        while move := queue.next_move(end - now):
            begun += 1
            heapq.heappush(under_way, (now + real(move), begun, move, now))
        if not under_way:
            return attempts
        ends, _, move, began = heapq.heappop(under_way)
        limit = float("inf") if queue.may_overrun(move) else end + queue.rules.grace
        now = min(ends, limit)
        done = ends <= limit
        attempts.append(PlayedMove(move, start + timedelta(seconds=began), start + timedelta(seconds=now), done))
        if not done:
            queue.cancelled(move, now - began)
        elif learn:
            queue.finished(move, ends - began)
        else:
            queue.given_up(move)
