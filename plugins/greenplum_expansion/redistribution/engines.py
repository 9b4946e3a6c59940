"""Two engines that move tables for one window, behind one interface.

*direct* moves over standing sessions of this process, and is done when its call returns. *gpexpand* is a detached job
on the coordinator: its call returns at once, with the job to follow, and `finish` says afterwards what came of it.
"""

from __future__ import annotations

import hashlib
import logging
import shlex
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from greenplum_expansion.cluster.state import Phase
from greenplum_expansion.errors import ActionRefused
from greenplum_expansion.hooks.busy import BUSY
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.facts import (
    SCHEMA_DATABASE,
    read_expansion_state,
    read_gpexpand_options,
    read_topology,
    read_version,
)
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.remote import Script
from greenplum_expansion.planning.moves import Move, Rates
from greenplum_expansion.planning.progress import Progress
from greenplum_expansion.planning.scheduler import MoveQueue, WindowRules
from greenplum_expansion.planning.windows import Window
from greenplum_expansion.redistribution import engine, history, inheritance
from greenplum_expansion.redistribution.control import ReadControl, Watch, nobody_steers, wait_until_alone
from greenplum_expansion.redistribution.direct.books import ExpansionBooks
from greenplum_expansion.redistribution.direct.loading import load
from greenplum_expansion.redistribution.direct.mover import Moved, Mover, MoverSettings
from greenplum_expansion.redistribution.direct.session import Attempt, Outcome

log = logging.getLogger(__name__)

JOB = "move_tables"
_WAIT_FOR_LEFT_SESSIONS = 600.0  # seconds
_NET = 600.0  # seconds behind a window's end after which the server itself cancels a move that we could not


def anything(dbname: str, fq_name: str) -> bool:
    """Every table may move."""
    return True


@dataclass(frozen=True)
class Order:
    """How tables are to be moved.

    :param analyze: gather statistics of each after its move
    :param lock_patience: seconds a move waits for its lock, while every new reader of the table waits behind it
    :param wanted: says by database and name (as gpexpand lists it) which tables may move
    :param rates: how fast tables are believed to move
    :param groups: names of the tables that should move in one window, by database and OID
    """

    rules: WindowRules
    analyze: bool = False
    lock_patience: float = 5.0
    wanted: Callable[[str, str], bool] = anything
    rates: Rates = field(default_factory=Rates)
    groups: Mapping[tuple[str, int], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Follow:
    """A job on the coordinator has been begun; what comes of it `finish` tells when it has ended."""

    job_dir: str


class Engine(Protocol):
    """Moves tables in rank order for one window; may be called again, at any time, after any kind of end."""

    def run_window(self, window: Window) -> Moved | Follow:
        """Move what may begin in this window; :raises ExpansionError: nothing could be begun."""

    def finish(self, job_log: str) -> Moved:
        """What a job that was followed came to."""

    def stop(self) -> None:
        """End at once, with nothing left running in the server. From a signal, or from another thread."""


class DirectEngine:
    """Moves in this process.

    :param read_control: what a person has set meanwhile; asked every two seconds
    :param rates_learned: told at a window's end how fast tables moved
    """

    def __init__(
        self,
        hook: GreenplumHook,
        expansion_id: str,
        order: Order,
        *,
        read_control: ReadControl = nobody_steers,
        rates_learned: Callable[[Rates], None] = lambda rates: None,
    ) -> None:
        self.hook = hook
        self.expansion_id = expansion_id
        self.order = order
        self.read_control = read_control
        self.rates_learned = rates_learned
        self._mover: Mover | None = None
        self._stopped = False

    def run_window(self, window: Window) -> Moved:
        """Moves until the window is over or nothing is left."""
        with BUSY:
            return self._move(window)

    def _move(self, window: Window) -> Moved:
        hook, books = self.hook, ExpansionBooks(self.hook, self.expansion_id)
        with_children = read_version(hook).flavor.moves_children_with_parents
        make_ready(hook, self.expansion_id)
        if with_children and self.order.wanted is not anything:
            inheritance.require_whole_families(hook, self.order.wanted)
        session = books.session()
        hook.query("mark_not_started", connection=session)
        hook.query("mark_interrupted", connection=session)
        began = str(hook.query("begin_moving", connection=session)[0]["updated"])
        history.note_begin(hook, self.expansion_id, session)
        try:
            work = load(hook, books, with_children=with_children, wanted=self.order.wanted, groups=self.order.groups)
            books.families = work.families
            now = time.time()
            books.record([Attempt(move, now, 0.0, Outcome.MOVED) for move in work.unneeded], [])
            before = engine.read_progress(hook)
            mover = Mover(
                MoveQueue(work.moves, self.order.rules, self.order.rates),
                work.targets,
                self._connect_until(window),
                books,
                settings=MoverSettings(analyze=self.order.analyze),
                say=_Saying(before),
            )
            with Watch(hook, began, self.read_control) as watch:
                mover.control = watch
                self._mover = mover
                if self._stopped:  # told so while everything was made ready
                    mover.stop()
                moved = mover.run(window.end.timestamp() if window.has_end else None)
            self.rates_learned(mover.queue.rates)
            books.settle()
            self._end(began, books.session())
        finally:
            self._mover = None
            books.close()
        return moved

    def finish(self, job_log: str) -> Moved:
        """A direct window has no job."""
        raise ActionRefused(
            f"Expansion {self.expansion_id}", "a job ended that this engine has not begun", "clear this task"
        )

    def stop(self) -> None:
        """Cancel what is under way; `run_window` returns when it has ended in the server."""
        self._stopped = True
        if self._mover is not None:
            self._mover.stop()

    def _end(self, began: str, session: Any) -> None:
        written = self.hook.query("end_moving", {"began": began}, connection=session)
        if not written:
            log.warning("Somebody else moves tables by now; how it ends is theirs to say")
        elif written[0]["status"] == "EXPANSION COMPLETE":
            history.note_completed(self.hook, self.expansion_id)

    def _connect_until(self, window: Window) -> Callable[[str], Any]:
        options = session_options(self.order, window)

        def connect(dbname: str) -> Any:
            return self.hook.connect(dbname, application_name=application(self.expansion_id), options=options)

        return connect


class GpexpandEngine:
    """Has gpexpand move; what is under way at the window's end it cancels, and that work is lost."""

    def __init__(self, hook: GreenplumHook, expansion_id: str, order: Order) -> None:
        self.hook = hook
        self.expansion_id = expansion_id
        self.order = order
        self.directory = ExpansionDirectory(hook, expansion_id)

    def run_window(self, window: Window) -> Follow:
        """Starts a gpexpand that ends with the window; joins one that is at work already."""
        hook = self.hook
        if not self.directory.job_runs(JOB):
            make_ready(hook, self.expansion_id)
            if read_version(hook).flavor.moves_children_with_parents:
                _tell(inheritance.pass_by(hook))
            history.describe_tables(hook, self.expansion_id)
            with hook.connected(SCHEMA_DATABASE) as connection:
                history.note_begin(hook, self.expansion_id, connection)
        end = local_time(hook, window.end) if window.has_end else ""
        sessions = self.order.rules.sessions
        command = engine.command(sessions, self.order.analyze, read_gpexpand_options(hook), end)
        return Follow(self.directory.start_job(JOB, command).job_dir)

    def finish(self, job_log: str) -> Moved:
        """What gpexpand has left, with the errors of its log."""
        hook = self.hook
        state = read_expansion_state(hook)
        if read_version(hook).flavor.moves_children_with_parents and not state.phase.is_running:
            for name in inheritance.settle(hook, read_topology(hook).segment_count):
                log.error("Not moved with the table it inherits from: %s", name)
            state = read_expansion_state(hook)
        tables = engine.read_tables_left(hook, job_log)
        failed = {table.table: table.error for table in tables if table.error}
        history.catch_up(hook, self.expansion_id)
        history.note_failures(hook, self.expansion_id, failed)
        if state.phase is Phase.COMPLETE and not tables:
            history.note_completed(hook, self.expansion_id)
        ended = engine.END_REACHED in job_log
        left = [Move("", 0, table.table, 0) for table in tables if table.table not in failed]
        progress = engine.read_progress(hook)
        return Moved(
            moved=progress.tables_done,
            bytes=progress.bytes_done,
            failed=failed,
            left=left,
            stopped="" if ended or not left else f"gpexpand ended before its time: {state.because}",
        )

    def stop(self) -> None:
        """Whoever follows the job ends it."""


def make_ready(hook: GreenplumHook, expansion_id: str) -> None:
    """Nothing moves, and gpexpand's list and the history say what is true.

    Sessions of ours that a killed worker has left are ended, those of others waited for.

    :raises ActionRefused: another worker moves tables; or somebody else's session still does after ten minutes
    """
    wait_until_alone(hook)
    end_left_movers(hook, expansion_id)
    engine.wait_for_left_sessions(hook, _WAIT_FOR_LEFT_SESSIONS)
    _tell(engine.reconcile(hook, read_topology(hook).segment_count))
    history.open_history(hook, expansion_id)


def end_left_movers(hook: GreenplumHook, expansion_id: str, seconds: float = 300.0) -> None:
    """End sessions in which an earlier worker has moved tables, and wait until they are gone.

    :raises ActionRefused: one is still there after so many seconds: it undoes what it had begun
    """
    deadline = time.monotonic() + seconds
    told: set[int] = set()
    with hook.connected() as connection:
        while rows := hook.query("end_movers", {"application": application(expansion_id)}, connection=connection):
            for row in rows:
                if row["pid"] not in told:
                    log.info("Ending the session %s in %s, left by an earlier worker", row["pid"], row["dbname"])
            told |= {row["pid"] for row in rows}
            if time.monotonic() > deadline:
                raise ActionRefused(
                    "Moving the tables",
                    f"{len(rows)} sessions of an earlier worker are told to end, and still undo what they had begun",
                    "clear this task when they are gone from pg_stat_activity",
                )
            time.sleep(0.2)


def application(expansion_id: str) -> str:
    """Under which name the sessions that move tables of this expansion are known to the server (63 bytes at most)."""
    return f"greenplum_expansion move {hashlib.sha256(expansion_id.encode()).hexdigest()[:16]}"


def session_options(order: Order, window: Window) -> dict[str, str]:
    """Settings of a session that moves tables; docs/decisions tells what was measured."""
    options = {
        "lock_timeout": f"{max(1, round(order.lock_patience * 1000))}ms",
        "client_min_messages": "error",
        # gpexpand's statements are not for it, and looking up a name is quicker without.
        "optimizer": "off",
    }
    if window.has_end and not order.rules.oversize:
        left = window.end.timestamp() - time.time() + order.rules.grace + _NET
        options["statement_timeout"] = f"{max(1, round(left))}s"
    return options


def local_time(hook: GreenplumHook, moment: datetime) -> str:
    """A moment as the coordinator's clock shows it: gpexpand's option -e means that."""
    script = Script(f"date -d @{shlex.quote(str(int(moment.timestamp())))} '+%Y-%m-%d %H:%M:%S'", "ask for local time")
    return hook.coordinator().run(script).stdout.strip()


class _Saying:
    """A line of progress in the task's own log."""

    def __init__(self, before: Progress) -> None:
        self._before = before
        self._began = time.monotonic()

    def __call__(self, moved: Moved, moving: list[Move]) -> None:
        before = self._before
        done = before.tables_done + moved.moved + moved.gone
        names = tuple(f"{move.dbname}.{move.fq_name}" for move in moving[:8])
        now = Progress(done, before.tables_total, before.bytes_done + moved.bytes, before.bytes_total, names)
        log.info("Progress: %s", now.say(before, time.monotonic() - self._began))


def _tell(sentences: list[str]) -> None:
    for sentence in sentences[:1000]:
        log.info("%s", sentence)
    if len(sentences) > 1000:
        log.info("… and %d more", len(sentences) - 1000)
