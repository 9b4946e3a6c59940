"""Moving tables, several at a time, in rank order, until nothing is left or the window is over."""

from __future__ import annotations

import heapq
import logging
import queue
import threading
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from greenplum_expansion.planning import limits
from greenplum_expansion.planning.moves import Move
from greenplum_expansion.planning.scheduler import MoveQueue
from greenplum_expansion.redistribution.direct.session import Attempt, Connect, MoverSession, Outcome, Target

log = logging.getLogger(__name__)

_LOOK_EVERY = 0.5  # seconds between two looks at the clock and the control, if no move ends
_WRITE_EVERY = 0.5  # seconds between two writes into the books
_SAY_EVERY = 10.0  # seconds between two lines of progress
_WAIT_UNREACHABLE = 5.0  # seconds before somebody knocks again
_WAIT_AFTER_FAILURE = (2.0, 10.0, 30.0, 60.0, 120.0)  # seconds before the next try


class Books(Protocol):
    """Where is written what moves, has moved and has failed. Called from one thread only."""

    def begin(self, moves: list[Move]) -> None: ...
    def record(self, attempts: list[Attempt], given_up: list[Attempt]) -> None: ...


@dataclass(frozen=True)
class Control:
    """What may be changed while tables move; takes effect with the next move.

    :param sessions: moves at a time; None: as many as were asked for
    :param stop: why everything is to end at once; empty: it is not
    """

    paused: bool = False
    sessions: int | None = None
    stop: str = ""


@dataclass
class Moved:
    """What a window came to."""

    moved: int = 0
    bytes: int = 0
    cancelled: list[Move] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """Name and last error of tables that were given up."""
    seconds_lost: float = 0.0
    gone: int = 0
    """Tables that were dropped."""
    stopped: str = ""
    """Why it ended before its time; empty: it did not."""
    unreachable: bool = False
    """It was because the cluster did not answer: another try may find it."""
    paused: bool = False
    """It ended since it was paused, with nothing under way, and nobody has resumed it for a while."""
    left: list[Move] = field(default_factory=list)
    """What has still to be moved and has not failed."""
    oversize: list[Move] = field(default_factory=list)
    """Those of `left` that fit no window."""


@dataclass(frozen=True)
class MoverSettings:
    """How the mover behaves.

    :param attempts: tries of one table, the first included, before it is given up until the next run
    :param most_sessions: whatever the control says
    :param patience: seconds without any answer of the cluster before it ends
    :param paused_patience: seconds paused, with nothing under way, before it ends: who waits longer needs no worker
    :param analyze: gather statistics of each table after its move
    """

    attempts: int = limits.MOVE_ATTEMPTS
    most_sessions: int = 96
    patience: float = 1800.0
    paused_patience: float = 60.0
    analyze: bool = False


class Mover:
    """Hands moves of a queue to sessions, one thread each.

    All decisions are made by the thread that calls `run`; the others only execute. A move's end is taken into the books
    in batches, since rows of gpexpand's list can only be updated one transaction at a time (without the global deadlock
    detector): what is not yet written when we are killed is found again by the reconciliation.
    """

    def __init__(
        self,
        moves: MoveQueue,
        targets: MutableMapping[tuple[str, int], Target],
        connect: Connect,
        books: Books,
        *,
        control: Callable[[], Control] = Control,
        settings: MoverSettings | None = None,
        say: Callable[[Moved, list[Move]], None] = lambda moved, moving: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.queue = moves
        self._sessions = moves.rules.sessions
        self.settings = settings or MoverSettings()
        self._targets = targets
        self._connect = connect
        self._books = books
        self.control = control
        self._say = say
        self._clock = clock
        self._unreachable_since: float | None = None
        self._paused_since: float | None = None
        self._knock_at = 0.0
        self._ended: queue.Queue[tuple[_Worker, list[Attempt]]] = queue.Queue()
        self._workers: list[_Worker] = []
        self._tries: dict[tuple[str, int], int] = {}
        self._waiting: list[tuple[float, int, Move]] = []
        self._begun: list[Move] = []
        self._attempts: list[Attempt] = []
        self._given_up: list[Attempt] = []
        self._stop = threading.Event()
        self._cancelling = False  # else it is somebody else who has cancelled a move

    def run(self, window_end: float | None) -> Moved:
        """Move until the queue is empty, the window is over (seconds since 1970) or `stop` is called.

        Never raises for a table; ends with every session closed, whatever happens.
        """
        moved = Moved()
        self.queue.open_window()
        written = said = self._clock()
        try:
            while True:
                now = self._clock()
                left = float("inf") if window_end is None else window_end - now
                control = self.control()
                lost = self._lost_cluster(now)
                moved.stopped, moved.unreachable = moved.stopped or control.stop or lost, bool(lost)
                if moved.stopped:
                    self._stop.set()
                if left + self.queue.rules.grace <= 0 or self._stop.is_set():
                    self._cancel_all()
                if left > 0 and not control.paused and not self._stop.is_set():
                    self._hand_out(left, now, control)
                moved.paused = self._is_paused_for_long(now, control)
                if moved.paused or self._is_over(left, control):
                    return moved
                self._take_back(moved)
                if self._clock() - written >= _WRITE_EVERY:
                    self._write()
                    written = self._clock()
                if self._clock() - said >= _SAY_EVERY:
                    self._say(moved, list(self.queue.running))
                    said = self._clock()
        finally:
            self._end(moved)

    def stop(self) -> None:
        """Cancel what is under way, at once, and come to an end. From another thread, or from a signal."""
        self._stop.set()
        self._cancel_all(even_unlimited=True)

    def _end(self, moved: Moved) -> None:
        """Nothing runs on in the server, and what has ended is written down."""
        self._cancel_all(even_unlimited=True)
        for worker in self._workers:
            worker.end()
        while any(worker.busy for worker in self._workers):
            self._take_back(moved)
        self._write()
        moved.left = self.queue.left() + [move for _, _, move in self._waiting]
        moved.oversize = self.queue.oversize()

    def _lost_cluster(self, now: float) -> str:
        since = self._unreachable_since
        if since is None or now - since < self.settings.patience or any(worker.busy for worker in self._workers):
            return ""
        return f"the cluster has not answered for {self.settings.patience:g} s"

    def _is_paused_for_long(self, now: float, control: Control) -> bool:
        if not control.paused or any(worker.busy for worker in self._workers):
            self._paused_since = None
            return False
        self._paused_since = now if self._paused_since is None else self._paused_since
        return now - self._paused_since >= self.settings.paused_patience

    def _hand_out(self, left: float, now: float, control: Control) -> None:
        while self._waiting and self._waiting[0][0] <= now:
            self.queue.again(heapq.heappop(self._waiting)[2])
        busy = sum(worker.busy for worker in self._workers)
        allowed = min(control.sessions or self._sessions, self.settings.most_sessions)
        if allowed != self.queue.rules.sessions:
            log.info("%d tables move at a time from now on", allowed)
            self.queue.rules = replace(self.queue.rules, sessions=allowed)
        if self._unreachable_since is not None:
            # One knocks, the others wait: each would only find the same.
            if now < self._knock_at:
                return
            self._knock_at = now + _WAIT_UNREACHABLE
            allowed = min(allowed, busy + 1)
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
        worker = _Worker(
            MoverSession(self._connect, self._targets, analyze=self.settings.analyze),
            self._ended,
            len(self._workers) + 1,
        )
        self._workers.append(worker)
        return worker

    def _is_over(self, left: float, control: Control) -> bool:
        if any(worker.busy for worker in self._workers):
            return False
        if left <= 0 or self._stop.is_set():
            return True
        if self.queue.is_empty and not self._waiting:
            return True
        # Nothing is under way and nothing was begun: what is left fits no longer, unless it waits for its next try.
        return not control.paused and not self._waiting and self._unreachable_since is None

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
        if attempt.outcome is Outcome.UNREACHABLE:
            self._hold(attempt)
            return
        self._unreachable_since = None
        self._attempts.append(attempt)
        if attempt.outcome is Outcome.MOVED:
            moved.moved += 1
            moved.bytes += move.bytes
            self.queue.finished(move, attempt.seconds)
            log.info("Moved %s in %.1f s%s", name, attempt.seconds, f": {attempt.error}" if attempt.error else "")
        elif attempt.outcome is Outcome.CANCELLED and self._cancelling:
            moved.cancelled.append(move)
            moved.seconds_lost += attempt.seconds
            self.queue.cancelled(move, attempt.seconds)
            log.warning("Cancelled %s after %.1f s; it stays where it was", name, attempt.seconds)
        elif attempt.outcome is Outcome.GONE:
            moved.gone += 1
            self.queue.given_up(move)
            log.info("%s no longer exists", name)
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

    def _hold(self, attempt: Attempt) -> None:
        """No session could be opened: that is not the table's fault, so it keeps its turn."""
        now = self._clock()
        if self._unreachable_since is None:
            self._unreachable_since = now
            log.warning("The cluster does not answer, nothing begins until it does: %s", attempt.error)
        self._knock_at = now + _WAIT_UNREACHABLE
        self._attempts.append(attempt)
        self.queue.set_aside(attempt.move)
        self.queue.first_again(attempt.move)

    def _cancel_all(self, *, even_unlimited: bool = False) -> None:
        self._cancelling = True
        for worker in self._workers:
            if worker.busy and (even_unlimited or not any(map(self.queue.may_overrun, worker.moves))):
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
