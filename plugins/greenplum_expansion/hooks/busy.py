"""When this process was busy with the cluster: a command on a host, a statement, moves.

What is left of a task's time is what Airflow and ourselves cost (benchmarks/overhead.py). Several at once count once.
"""

from __future__ import annotations

import threading
import time
from types import TracebackType

_GAP = 0.02  # seconds; shorter pauses are not told from one another
_MOST = 300  # spans kept; the shortest pauses go first


class Busy:
    """Spans of time in which at least one thing was under way. ``with BUSY:`` around each; from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way = 0
        self._since = 0.0
        self._spans: list[tuple[float, float]] = []

    def __enter__(self) -> None:
        with self._lock:
            if not self._under_way:
                self._since = time.time()
            self._under_way += 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._under_way -= 1
            if not self._under_way:
                self._spans.append((self._since, time.time()))
                if len(self._spans) > 2 * _MOST:
                    self._spans = merged(self._spans, _MOST)

    def note(self, start: float, end: float) -> None:
        """Something ran elsewhere, on behalf of this task. Seconds since 1970."""
        with self._lock:
            self._spans.append((start, max(start, end)))

    def take(self) -> list[list[float]]:
        """``[start, end]`` of each span since the last call, in order; what is still under way is not among them."""
        with self._lock:
            spans, self._spans = self._spans, []
        return [[round(start, 2), round(end, 2)] for start, end in merged(spans, _MOST)]


def merged(spans: list[tuple[float, float]], most: int) -> list[tuple[float, float]]:
    """Spans that touch or nearly touch made one, then those with the shortest pauses between them, down to `most`."""
    joined: list[tuple[float, float]] = []
    for start, end in sorted(spans):
        if joined and start - joined[-1][1] < _GAP:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    if len(joined) <= most:
        return joined
    pauses = sorted(range(1, len(joined)), key=lambda i: joined[i][0] - joined[i - 1][1])
    closed = set(pauses[: len(joined) - most])
    kept = [joined[0]]
    for number in range(1, len(joined)):
        if number in closed:
            kept[-1] = (kept[-1][0], joined[number][1])
        else:
            kept.append(joined[number])
    return kept


BUSY = Busy()
