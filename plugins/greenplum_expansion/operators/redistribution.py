"""Redistribution: waiting for windows, and having an engine move tables in each of them."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from airflow.providers.standard.triggers.temporal import DateTimeTrigger
from airflow.sdk import BaseOperator

from greenplum_expansion.errors import ExpansionError, RemoteError, StepFailed
from greenplum_expansion.hooks.facts import read_expansion_state, read_topology
from greenplum_expansion.operators.forecasting import read_rates
from greenplum_expansion.operators.notices import tell_window_closed, tell_window_opened
from greenplum_expansion.operators.recording import leave_record
from greenplum_expansion.operators.run import (
    ExpansionRun,
    expansion_run,
    note_followed,
    record_step,
    started_now,
    this_airflow,
)
from greenplum_expansion.planning import limits
from greenplum_expansion.planning.decisions import Action, decide_move_tables, decide_wait_for_moves
from greenplum_expansion.planning.joins import find_joins
from greenplum_expansion.planning.outlook import say_rates
from greenplum_expansion.planning.ranking import RankedTable, matches
from greenplum_expansion.planning.windows import FOREVER, Window
from greenplum_expansion.redistribution import engine, engines, history
from greenplum_expansion.redistribution.direct.mover import Moved
from greenplum_expansion.redistribution.steering import Steering, control_reader, read_steering
from greenplum_expansion.request import Engine, ExpansionRequest, TableOrder
from greenplum_expansion.triggers.jobs import UNREACHABLE
from greenplum_expansion.triggers.progress import RedistributionTrigger
from greenplum_expansion.triggers.steering import AllMovedTrigger, ResumedTrigger

log = logging.getLogger(__name__)

FAILED_TABLES_KEY = "failed_tables"
_SHOWN = 20
_KEPT = 1000  # failed tables told of in the XCom
_LOG_TAIL = 4 * 1024 * 1024  # bytes


class RedistributeOperator(BaseOperator):
    """Move all tables, window after window; between windows, and while somebody has paused it, without a worker.

    If the request leaves the moves to greenplum_redistribute, none is begun here: the task waits, without a worker,
    until nothing is left, and goes on as if it had moved the tables itself.

    Probes the expansion's state before each window. Ready, stopped or crashed: what a killed worker has left in the
    server is ended, gpexpand's list is compared with the databases, and what is left is moved. A gpexpand of this
    expansion still at work: it is followed. Nothing left: succeed, touch nothing. Anything else is refused.

    With engine *direct* tables move in this task's process, which holds a worker during a window; told to end, it
    cancels its moves in the server. With *gpexpand* a detached job on the coordinator moves them, and is followed.

    Fails if tables are left that could not be moved, or that no window is left for; each failed one has a line in the
    log and stands, with its error, under the XCom key "failed_tables". Clearing the task moves just what is left.

    :param patience: time to follow a job of gpexpand
    :return: tables and bytes moved in all
    """

    ui_color = "#f7dcc0"

    def __init__(self, *, patience: timedelta = limits.GPEXPAND_MOVES, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.patience = patience
        self._engine: engines.Engine | None = None
        self._told_to_end = False

    def execute(self, context: Mapping[str, Any]) -> Any:
        return self._go_on(context, started_now())

    def open_run(self, context: Mapping[str, Any]) -> AbstractContextManager[ExpansionRun]:
        """What this run is about."""
        return expansion_run(context)

    def looked_on(self, context: Mapping[str, Any], event: Any, started: float) -> Any:
        """greenplum_redistribute has moved all, or something stands against it; what is true is looked at anew."""
        return self._go_on(context, started)

    def resumed(self, context: Mapping[str, Any], event: Any, started: float) -> Any:
        """Somebody has resumed the moves, or the window is over."""
        return self._go_on(context, started)

    def window_opened(self, context: Mapping[str, Any], event: Any, started: float) -> Any:
        """The moment has come for which was waited; what is true now is looked at anew."""
        return self._go_on(context, started)

    def job_ended(self, context: Mapping[str, Any], event: dict[str, Any], started: float, until: float | None) -> Any:
        """gpexpand has ended, or cannot be asked after."""
        note_followed(event)
        with self.open_run(context) as run:
            if event["state"] == UNREACHABLE:
                raise StepFailed(run.subject, event["message"], "clear this task: it finds the job and follows it")
            self.log.info("%s", event["message"])
            moved = make_engine(run, Engine.GPEXPAND).finish(run.hook.job(event["job_dir"]).read_log_tail(_LOG_TAIL))
            self._judge(context, run, moved, _followed(started, until))
        after = None if until is None else datetime.fromtimestamp(until, UTC)
        return self._go_on(context, started, after=after, failed=moved.failed)

    def on_kill(self) -> None:
        """Cancel what is under way in the server; Airflow gives five seconds for it."""
        self._told_to_end = True
        if self._engine is not None:
            self._engine.stop()

    def _go_on(
        self,
        context: Mapping[str, Any],
        started: float,
        *,
        after: datetime | None = None,
        failed: Mapping[str, str] | None = None,
    ) -> Any:
        """Window after window.

        :param after: the end of the last one, in which nothing more is begun
        :param failed: tables that were given up in the last one, with their errors
        """
        with self.open_run(context) as run:
            run.require_claim()
            emptied = False
            while True:
                state = read_expansion_state(run.hook)
                presence = run.directory.require_plan().presence(read_topology(run.hook))
                if run.waits_for_schedule and decide_wait_for_moves(state, presence):
                    self._look_on(run, started)
                decision = decide_move_tables(run.subject, state, run.directory.job_runs(engines.JOB), presence)
                self.log.info("Decision: %s, because %s", decision.action, decision.because)
                if decision.action is Action.DONE:
                    if not emptied:
                        leave_record(context, run)
                    return self._done(context, run, started)
                if emptied:
                    return self.others_are_left(context, run, started)
                now = datetime.now(UTC)
                window = run.calendar().next_window(max(now, after) if after else now)
                follows = decision.action is Action.FOLLOW
                if window is None and not follows:
                    return self.nothing_comes(context, run, started, failed or {})
                if window is not None and window.start > now and not follows:
                    self._wait_for(run, window, started)
                steering = read_steering(run.hook, run.expansion_id)
                if steering.paused and not follows:
                    self._wait_until_resumed(run, steering, window, started)
                choice = Engine.GPEXPAND if follows else run.request.engine
                self._engine = make_engine(run, choice, steering)
                if window is not None and not follows:
                    tell_window_opened(run, window)
                result = self._engine.run_window(window or Window(now, now))
                until = window.end.timestamp() if window is not None and window.has_end else None
                if isinstance(result, engines.Follow):
                    self._follow(run, result, started, until)
                else:
                    self._judge(context, run, result, window or Window(now, FOREVER))
                    emptied, failed = not result.left, result.failed
                paused = not isinstance(result, engines.Follow) and result.paused
                after = window.end if window is not None and window.has_end and not paused else None

    def _wait_for(self, run: ExpansionRun, window: Window, started: float) -> None:
        self.log.info("The next window begins at %s and ends at %s", window.start, window.end)
        history.note_schedule(run.hook, run.expansion_id, window.start)
        self.defer(
            trigger=DateTimeTrigger(moment=window.start),
            method_name="window_opened",
            kwargs={"started": started},
        )

    def _look_on(self, run: ExpansionRun, started: float) -> None:
        """Leave the moves to the other DAG, and hold no worker meanwhile."""
        self.log.info(
            "greenplum_redistribute moves the tables: one run a window of its schedule, if it is switched on, or when "
            "somebody triggers it. This task goes on when nothing is left"
        )
        self.defer(
            trigger=AllMovedTrigger(run.request.greenplum_conn_id),
            method_name="looked_on",
            kwargs={"started": started},
        )

    def _wait_until_resumed(self, run: ExpansionRun, steering: Steering, window: Window | None, started: float) -> None:
        self.log.info("Nothing is begun: %s. greenplum_steer resumes it; until then no worker is held", steering)
        until = window.end.timestamp() if window is not None and window.has_end else None
        self.defer(
            trigger=ResumedTrigger(run.request.greenplum_conn_id, run.expansion_id, until),
            method_name="resumed",
            kwargs={"started": started},
        )

    def _follow(self, run: ExpansionRun, job: engines.Follow, started: float, until: float | None) -> None:
        self.log.info("gpexpand runs in %s", job.job_dir)
        self.defer(
            trigger=RedistributionTrigger(run.request.greenplum_conn_id, job.job_dir),
            method_name="job_ended",
            kwargs={"started": started, "until": until},
            timeout=self.patience,
        )

    def _judge(self, context: Mapping[str, Any], run: ExpansionRun, moved: Moved, window: Window) -> None:
        """Go on with the next window, or fail with what stands against it."""
        failed = [{"table": name, "status": "FAILED", "error": error} for name, error in moved.failed.items()]
        context["ti"].xcom_push(key=FAILED_TABLES_KEY, value=failed[:_KEPT])
        leave_record(context, run)
        self.log.info(
            "%d tables moved, %d failed, %d cancelled at the end (%.0f s of work lost), %d left",
            *(moved.moved, len(failed), len(moved.cancelled), moved.seconds_lost, len(moved.left)),
        )
        for table in failed:
            self.log.error("Not moved: %s (FAILED) %s", table["table"], table["error"])
        if self._told_to_end:
            raise RemoteError(run.subject, "the task was told to end; its moves are cancelled", "clear this task")
        if moved.unreachable:
            raise RemoteError(run.subject, moved.stopped, "clear this task when the cluster answers again")
        if not moved.paused:  # like what is tried again above, a pause does not close the window
            tell_window_closed(run, window, moved)
        if moved.stopped:
            raise StepFailed(run.subject, moved.stopped, "clear this task when that is over: it moves what is left")
        if failed and not moved.left:
            raise failure(run, moved.failed)
        if moved.left and not moved.paused and len(moved.oversize) == len(moved.left) and not moved.moved:
            raise _fits_nowhere(run, moved)
        if moved.left and not window.has_end and not moved.paused:
            raise StepFailed(
                run.subject,
                f"{len(moved.left)} tables could not be begun: {_names(moved)}",
                "look at this task's log, then clear it: only these are moved",
            )

    def _done(self, context: Mapping[str, Any], run: ExpansionRun, started: float) -> dict[str, Any]:
        progress = engine.read_progress(run.hook)
        record_step(
            context, started, f"{progress.tables_done} tables moved" if progress.tables_done else "nothing left"
        )
        return {"tables": progress.tables_done, "bytes": progress.bytes_done}

    def others_are_left(self, context: Mapping[str, Any], run: ExpansionRun, started: float) -> Any:
        """All tables that were asked for have moved. :raises StepFailed: the expansion is not complete"""
        left = engine.read_tables_to_move(run.hook)
        raise StepFailed(
            run.subject,
            f"what was to move has moved; {len(left)} tables are left, as only some were asked for",
            f"when the others may move, {_trigger()}; then clear this task with what follows",
        )

    def nothing_comes(
        self, context: Mapping[str, Any], run: ExpansionRun, started: float, failed: Mapping[str, str]
    ) -> Any:
        """There is no further window. :raises StepFailed: the expansion is not complete"""
        left = engine.read_tables_to_move(run.hook)
        raise StepFailed(
            run.subject,
            f"{len(left)} tables have not moved, and no window comes any more",
            f"when they may move, {_trigger()}; then clear this task with what follows",
        )


def _followed(started: float, until: float | None) -> Window:
    """The window in which a job was followed; without an end it is known by when its task began."""
    start = datetime.fromtimestamp(started, UTC)
    return Window(start, FOREVER if until is None else max(start, datetime.fromtimestamp(until, UTC)))


def make_engine(run: ExpansionRun, choice: Engine, steering: Steering | None = None) -> engines.Engine:
    """The engine that is asked for, with what the request says of moves.

    :param steering: what somebody has set meanwhile: gpexpand takes it at its start, the direct engine looks by itself
    """
    order = read_order(run)
    if choice is Engine.GPEXPAND:
        if steering is not None and steering.sessions is not None:
            order = replace(order, rules=replace(order.rules, sessions=steering.sessions))
        return engines.GpexpandEngine(run.hook, run.expansion_id, order)
    return engines.DirectEngine(
        run.hook,
        run.expansion_id,
        order,
        read_control=control_reader(run.hook, run.expansion_id),
        # Kept they are in the history, of which the next window and a retry learn them again.
        rates_learned=lambda rates: log.info("Learned by now: %s", say_rates(rates)),
    )


def read_order(run: ExpansionRun) -> engines.Order:
    """How tables are to be moved, from the request and, where it depends on the tables, from the cluster."""
    request = run.request
    groups: Mapping[tuple[str, int], str] = {}
    if request.order is TableOrder.JOINED_TOGETHER:
        tables = engine.read_tables_to_move(run.hook)
        groups = find_joins(tables, engine.read_distribution_keys(run.hook, tables), request.join_groups).groups
    now = datetime.now(UTC)
    rules = request.window_rules(request.parallel_moves, now)
    return engines.Order(
        rules=replace(rules, longest_window=run.longest_window(now)),
        analyze=request.analyze,
        lock_patience=float(request.lock_patience_seconds),
        wanted=partial(_is_wanted, request) if request.only_tables else engines.anything,
        rates=read_rates(run),
        groups=groups,
    )


def _is_wanted(request: ExpansionRequest, dbname: str, fq_name: str) -> bool:
    table = RankedTable(dbname, 0, fq_name, 0)
    return any(matches(table, pattern) for pattern in request.only_tables)


def failure(run: ExpansionRun, failed: Mapping[str, str]) -> ExpansionError:
    named = "; ".join(f"{name}: {error}" for name, error in list(failed.items())[:_SHOWN])
    return StepFailed(
        f"{len(failed)} tables of {run.subject} have not moved",
        named + ("; and more, see the log" if len(failed) > _SHOWN else ""),
        "mend what the errors say, then clear this task with what follows: only these are moved",
    )


def _trigger() -> str:
    """What a person does to have tables moved that no run will move by itself."""
    return (
        f"trigger greenplum_redistribute (button 'Trigger' of {this_airflow().rstrip('/')}/dags/greenplum_redistribute)"
    )


def _fits_nowhere(run: ExpansionRun, moved: Moved) -> ExpansionError:
    return StepFailed(
        run.subject,
        f"{len(moved.left)} tables are forecast to take longer than any window: {_names(moved)}",
        f"when they may move, {_trigger()}, without an end; then clear this task with what follows; next time choose "
        "that such tables move in a window of their own",
    )


def _names(moved: Moved) -> str:
    names = ", ".join(f"{move.dbname}.{move.fq_name}".lstrip(".") for move in moved.left[:_SHOWN])
    return names + (" and more" if len(moved.left) > _SHOWN else "")
