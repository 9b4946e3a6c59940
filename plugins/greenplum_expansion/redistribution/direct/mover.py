"""Moving tables, several at a time, in rank order, until nothing is left or the window is over."""

from __future__ import annotations

import heapq
import logging
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from greenplum_expansion.planning.moves import Move
from greenplum_expansion.planning.scheduler import MoveQueue
from greenplum_expansion.redistribution.direct.session import Attempt, Connect, MoverSession, Outcome, Target

log = logging.getLogger(__name__)

_LOOK_EVERY = 0.5  # seconds between two looks at the clock and the control, if no move ends
_WRITE_EVERY = 0.5  # seconds between two writes into the books
_WAIT_AFTER_FAILURE = (2.0, 10.0, 30.0, 60.0, 120.0)  # seconds before the next try


class Books(Protocol):
    """Where is written what moves, has moved and has failed. Called from one thread only."""

    def begin(self, moves: list[Move]) -> None: ...
    def record(self, attempts: list[Attempt], given_up: list[Attempt]) -> None: ...


@dataclass(frozen=True)
class Control:
    """What may be changed while tables move; takes effect with the next move."""

    paused: bool = False
    sessions: int | None = None


@dataclass
class Moved:
    """What a window came to."""

    moved: int = 0
    bytes: int = 0
    cancelled: list[Move] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """Name and last error of tables that were given up."""
    seconds_lost: float = 0.0


@dataclass(frozen=True)
class MoverSettings:
    """How the mover behaves.

    :param attempts: tries of one table, the first included, before it is given up until the next run
    :param most_sessions: threads that stand ready; the control may use fewer
    """

    attempts: int = 6
    most_sessions: int = 96


class Mover:
    """Hands moves of a queue to sessions, one thread each.

    All decisions are made by the thread that calls `run`; the others only execute. A move's end is taken into the books
    in batches, since rows of gpexpand's list can only be updated one transaction at a time (without the global deadlock
    detector): what is not yet written when we are killed is found again by the reconciliation.
    """

    def __init__(
        self,
        moves: MoveQueue,
        targets: Mapping[tuple[str, int], Target],
        connect: Connect,
        books: Books,
        *,
        control: Callable[[], Control] = Control,
        settings: MoverSettings | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.queue = moves
        self.settings = settings or MoverSettings()
        self._targets = targets
        self._connect = connect
        self._books = books
        self._control = control
        self._clock = clock
        self._ended: queue.Queue[tuple[_Worker, list[Attempt]]] = queue.Queue()
        self._workers: list[_Worker] = []
        self._tries: dict[tuple[str, int], int] = {}
        self._waiting: list[tuple[float, int, Move]] = []
        self._begun: list[Move] = []
        self._attempts: list[Attempt] = []
        self._given_up: list[Attempt] = []
        self._stop = threading.Event()

    def run(self, window_end: float | None) -> Moved:
        """Move until the queue is empty, the window is over (seconds since 1970) or `stop` is called.

        Never raises for a table; ends with every session closed, whatever happens.
        """
        moved = Moved()
        self.queue.open_window()
        written = self._clock()
        try:
            while True:
                now = self._clock()
                left = float("inf") if window_end is None else window_end - now
                if left + self.queue.rules.grace <= 0 or self._stop.is_set():
                    self._cancel_all()
                control = self._control()
                if left > 0 and not control.paused and not self._stop.is_set():
                    self._hand_out(left, now, control)
                if self._is_over(left, control):
                    return moved
                self._take_back(moved)
                if self._clock() - written >= _WRITE_EVERY:
                    self._write()
                    written = self._clock()
        finally:
            self._cancel_all()
            for worker in self._workers:
                worker.end()
            while any(worker.busy for worker in self._workers):
                self._take_back(moved)
            self._write()

    def stop(self) -> None:
        """Cancel what is under way and come to an end. From another thread, or from a signal."""
        self._stop.set()

    def _hand_out(self, left: float, now: float, control: Control) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            self.queue.again(heapq.heappop(self._waiting)[2])
        busy = sum(worker.busy for worker in self._workers)
        allowed = min(control.sessions or self.queue.rules.sessions, self.queue.rules.sessions)
        while busy < allowed:
            move = self.queue.next_move(left)
            if move is None:
                return
            batch = [move, *self.queue.riders(move, left)]
            self._begun += batch
            self._idle_worker().take(batch)
            busy += 1

    def _idle_worker(self) -> _Worker:
        for worker in self._workers:
            if not worker.busy:
                return worker
        worker = _Worker(MoverSession(self._connect, self._targets), self._ended, len(self._workers) + 1)
        self._workers.append(worker)
        return worker

    def _is_over(self, left: float, control: Control) -> bool:
        if any(worker.busy for worker in self._workers):
            return False
        if left <= 0 or self._stop.is_set():
            return True
        # Nothing is under way and nothing was begun: what is left fits no longer, unless it waits for its next try.
        return not control.paused and not self._waiting

    def _take_back(self, moved: Moved) -> None:
        try:
            worker, attempts = self._ended.get(timeout=_LOOK_EVERY)
        except queue.Empty:
            return
        worker.busy = False
        for attempt in attempts:
            self._judge(attempt, moved)

    def _judge(self, attempt: Attempt, moved: Moved) -> None:
        move = attempt.move
        name = f"{move.dbname}.{move.fq_name}"
        self._attempts.append(attempt)
        if attempt.outcome is Outcome.MOVED:
            moved.moved += 1
            moved.bytes += move.bytes
            self.queue.finished(move, attempt.seconds)
            log.info("Moved %s in %.1f s%s", name, attempt.seconds, f": {attempt.error}" if attempt.error else "")
        elif attempt.outcome is Outcome.CANCELLED:
            moved.cancelled.append(move)
            moved.seconds_lost += attempt.seconds
            self.queue.cancelled(move, attempt.seconds)
            log.warning("Cancelled %s after %.1f s; it stays where it was", name, attempt.seconds)
        else:
            self._tries[move.key] = tries = self._tries.get(move.key, 0) + 1
            if tries >= self.settings.attempts:
                self.queue.given_up(move)
                self._given_up.append(attempt)
                moved.failed[name] = attempt.error
                log.error("Given up %s after %d tries: %s", name, tries, attempt.error)
                return
            wait = _WAIT_AFTER_FAILURE[min(tries, len(_WAIT_AFTER_FAILURE)) - 1]
            self.queue.set_aside(move)
            heapq.heappush(self._waiting, (self._clock() + wait, tries, move))
            log.warning("%s was not moved, try %d: %s; tried again in %.0f s", name, tries, attempt.error, wait)

    def _cancel_all(self) -> None:
        for worker in self._workers:
            if worker.busy and not any(map(self.queue.may_overrun, worker.moves)):
                worker.session.cancel()

    def _write(self) -> None:
        begun, attempts, given_up = self._begun, self._attempts, self._given_up
        self._begun, self._attempts, self._given_up = [], [], []
        ended = {attempt.move.key for attempt in attempts}
        begun = [move for move in begun if move.key not in ended]  # begun and ended between two writes
        if begun:
            self._books.begin(begun)
        if attempts:
            self._books.record(attempts, given_up)


class _Worker:
    """A thread with a session; takes a batch of moves, hands back its attempts."""

    def __init__(self, session: MoverSession, ended: queue.Queue[tuple[_Worker, list[Attempt]]], number: int) -> None:
        self.session = session
        self.busy = False
        self.moves: list[Move] = []
        self._given: queue.Queue[list[Move] | None] = queue.Queue()
        self._ended = ended
        threading.Thread(target=self._work, name=f"mover-{number}", daemon=True).start()

    def take(self, moves: list[Move]) -> None:
        self.moves = moves
        self.busy = True
        self._given.put(moves)

    def end(self) -> None:
        """Let the thread end after what it does now."""
        self._given.put(None)

    def _work(self) -> None:
        while (moves := self._given.get()) is not None:
            try:
                attempts = self.session.run(moves)
            except Exception as error:  # noqa: BLE001 - a thread that died silently would be waited for for ever
                now = time.time()
                attempts = [
                    Attempt(move, now, 0.0, Outcome.FAILED, f"{type(error).__name__}: {error}") for move in moves
                ]
            self._ended.put((self, attempts))
        self.session.close()
