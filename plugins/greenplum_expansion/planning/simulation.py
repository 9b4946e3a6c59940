"""A redistribution played through in advance: when each table moves, how many windows it takes, what fits in none.

The very scheduler that will run is asked, with a clock that jumps; so the forecast shown at the approval and the run
follow the same rules. gpexpand's way is played beside it, for those who choose it and for comparison.
"""

from __future__ import annotations

import heapq
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice

from greenplum_expansion.planning.moves import Move, Rates
from greenplum_expansion.planning.scheduler import MoveQueue, WindowRules
from greenplum_expansion.planning.windows import Calendar, Window

Actual = Callable[[Move], float]


@dataclass(frozen=True, slots=True)
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

    @property
    def seconds_open(self) -> float:
        """From the first move to the last of each window, all windows together: what a clock shows."""
        spans: dict[int, tuple[datetime, datetime]] = {}
        for attempt in self.attempts:
            number = self.window_number(attempt.started)
            first, last = spans.get(number, (attempt.started, attempt.ended))
            spans[number] = min(first, attempt.started), max(last, attempt.ended)
        return sum((last - first).total_seconds() for first, last in spans.values())

    def window_number(self, moment: datetime) -> int:
        """Of the window a move was begun in at that moment, from 1."""
        return bisect_right(self.windows, moment, key=lambda window: window.start)


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
    real = actual or forecast.likely
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


def play_gpexpand(
    moves: Sequence[Move],
    calendar: Calendar,
    sessions: int,
    now: datetime,
    actual: Actual,
    *,
    most_windows: int = 3650,
) -> Played:
    """The same as gpexpand would with its option -e: in rank order whatever the time, cancelled at the window's end.

    Ends when a whole window of full length has finished nothing: the next ones would not either.

    :param actual: how long a move really takes (seconds)
    """
    left = list(moves)
    attempts: list[PlayedMove] = []
    used: list[Window] = []
    longest = calendar.longest_seconds(now)
    for window in islice(calendar.windows(now), most_windows):
        if not left:
            break
        start = max(now, window.start)
        end = window.seconds_left(start) if window.has_end else float("inf")
        played, left = _play_gpexpand_window(left, start, end, sessions, actual)
        attempts += played
        if played:
            used.append(window)
        is_barren = not any(attempt.done for attempt in played) and window.seconds >= longest
        if is_barren or not window.has_end:
            break
    return Played(attempts, used, left)


def _play_gpexpand_window(
    left: Sequence[Move], start: datetime, end: float, sessions: int, actual: Actual
) -> tuple[list[PlayedMove], list[Move]]:
    """What is tried in one window of `end` seconds, and what is left then, in its order."""
    free = [0.0] * sessions
    attempts: list[PlayedMove] = []
    undone: list[Move] = []
    for position, move in enumerate(left):
        began = heapq.heappop(free)
        if began >= end:
            undone += left[position:]
            break
        ends = began + actual(move)
        done = ends <= end
        ended = min(ends, end)
        attempts.append(PlayedMove(move, start + timedelta(seconds=began), start + timedelta(seconds=ended), done))
        if not done:
            undone.append(move)
        heapq.heappush(free, ended)
    return attempts, undone
