"""greenplum_redistribute on the practice cluster: windows, reasons to skip, who waits, and steering meanwhile."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from greenplum_expansion.redistribution import engines
from greenplum_expansion.redistribution.direct import mover as mover_module
from greenplum_expansion.redistribution.direct.mover import MoverSettings
from greenplum_expansion.triggers.steering import AllMovedTrigger, ResumedTrigger
from tests.support.half_done import CONNECTION_ID, HalfDone
from tests.support.practice import Practice
from tests.support.whole_dag import FAILED, SKIPPED, SUCCESS, UPSTREAM_FAILED, DagRunHere, first_event

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

Rows = Callable[..., list[tuple[Any, ...]]]
HOUR = timedelta(hours=1)
TABLES = tuple(f"t{number}" for number in range(6))
_PATIENCE = 240.0  # seconds; ends a hang, no verdict hangs on it


@pytest.fixture(scope="module")
def expansion(practice: Practice, rows: Rows) -> HalfDone:
    """New segments are there, no table is ranked yet; greenplum_redistribute is to move them."""
    made = HalfDone(practice)
    rows("create schema windows")
    for name in TABLES:
        rows(
            f"create table windows.{name} as select i as id, md5(i::text) as v from generate_series(1, 9000) i"
            " distributed by (id)"
        )
    made.make_ready()
    made.expansion.params["moved_by"] = "greenplum_redistribute"
    assert made.add_segments() == SUCCESS, made.expansion.errors
    return made


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for what a person would."""
    monkeypatch.setattr(mover_module, "_WAIT_AFTER_FAILURE", (0.2,))


def a_window(run_id: str = "night", **conf: Any) -> DagRunHere:
    """A run of the schedule, in the middle of its window."""
    now = datetime.now(UTC)
    return DagRunHere(
        "greenplum_redistribute", {"greenplum_conn_id": CONNECTION_ID, **conf}, run_id, window=(now - HOUR, now + HOUR)
    )


def triggered(run_id: str = "by-hand", **conf: Any) -> DagRunHere:
    return DagRunHere("greenplum_redistribute", {"greenplum_conn_id": CONNECTION_ID, **conf}, run_id)


def steer(action: str, **conf: Any) -> DagRunHere:
    made = DagRunHere("greenplum_steer", {"greenplum_conn_id": CONNECTION_ID, "action": action, **conf}, f"s-{action}")
    made.run()
    return made


def why_skipped(run: DagRunHere) -> str:
    assert run.run() == SUCCESS
    assert set(run.states.values()) == {SKIPPED}, run.explain()
    return run.reasons["probe"]


def on_all_segments(rows: Rows, name: str) -> bool:
    counted = rows(f"select count(*), count(distinct id), count(distinct gp_segment_id) from windows.{name}")
    return counted == [(9000, 9000, 8)]


def told(rows: Rows, status: str) -> list[str]:
    """Tables that are in this state by the history."""
    found = rows(
        "select fq_name from expansion_history.expand_status_detail"
        f" where fq_name like 'windows.%' and status = '{status}' order by 1",
        "postgres",
    )
    return [name for (name,) in found]


def wait(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


class Beside:
    """A task in a thread of its own."""

    def __init__(self, run: DagRunHere, go_on: Callable[[Any], Any] | None = None) -> None:
        self.result: Any = None
        task = run.dag.task_dict["redistribute.move_tables"]
        self._context, self._begin = run.context(task), go_on or task.execute
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self) -> None:
        try:
            self.result = self._begin(self._context)
        except (TaskDeferred, AirflowFailException) as ended:
            self.result = ended

    def end(self) -> Any:
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive()
        return self.result


def test_a_window_is_skipped_with_a_sentence_until_there_is_something_to_do(expansion: HalfDone) -> None:
    assert "the tables are not ranked yet, which task rank_tables" in why_skipped(a_window())

    expansion.expansion.run_tasks("rank_tables")
    run = a_window()
    run.run_facts["data_interval_end"] = datetime.now(UTC) - timedelta(minutes=1)
    assert "no time is left of its window" in why_skipped(run)

    path = f"~/greenplum-expansions/{expansion.expansion_id}/request.json"
    kept = json.loads(expansion.practice.run(f"cat {path}").stdout)
    assert kept["moved_by"] == "greenplum_redistribute"
    assert not [name for name in kept if any(word in name for word in ("password", "secret", "token"))]


def test_a_probe_that_fails_does_not_look_like_a_window_with_nothing_to_do(expansion: HalfDone) -> None:
    run = a_window()
    run.params["greenplum_conn_id"] = "of_another_airflow"
    assert run.run() == FAILED
    assert run.states == {
        "probe": FAILED,
        "redistribute.move_tables": UPSTREAM_FAILED,
        "redistribute.watch_progress": UPSTREAM_FAILED,
        "report": FAILED,
    }


def test_what_the_expansions_own_run_moves_is_left_to_it_while_it_can(expansion: HalfDone) -> None:
    expansion.expansion.params["moved_by"] = "this run"
    expansion.expansion.run_tasks("rank_tables")
    run = a_window()
    run.active_runs = {"halfdone"}
    run.states_elsewhere["halfdone", "redistribute.move_tables"] = "deferred"
    assert "run halfdone of greenplum_expand moves the tables" in why_skipped(run)

    run.states_elsewhere["halfdone", "redistribute.move_tables"] = "failed"
    run.run_tasks("probe")  # nobody moves them: this run does

    expansion.expansion.params["moved_by"] = "greenplum_redistribute"
    expansion.expansion.run_tasks("rank_tables")


def test_the_expansion_waits_without_a_worker_until_others_have_moved_all(expansion: HalfDone) -> None:
    deferred = expansion.expansion.start("redistribute.move_tables")
    assert isinstance(deferred.trigger, AllMovedTrigger)
    is_over, said = deferred.trigger._look()
    assert not is_over
    assert "tables are left" in said


def test_a_failed_table_fails_the_window_and_clearing_moves_just_that(
    expansion: HalfDone, practice: Practice, rows: Rows
) -> None:
    practice.set_fault("table.demo.windows.t0", "could not read block 7: disk error")
    run = triggered("failing", only_tables=["windows.t0", "windows.t1"])
    assert run.run() == FAILED
    (failed,) = run.xcoms["redistribute.move_tables", "failed_tables"]
    assert failed["table"] == "demo.windows.t0"
    assert "disk error" in run.errors["redistribute.move_tables"]
    report = run.xcoms["report", "report"]
    assert (report["moved"], len(report["failed"]), report["triggered_by"]) == (1, 1, "tester")
    assert on_all_segments(rows, "t1")
    assert told(rows, "FAILED") == ["windows.t0"]

    practice.clear_faults()
    assert run.execute("redistribute.move_tables") == SUCCESS, run.errors
    assert "tables not asked for in this run" in run.xcoms["redistribute.move_tables", "step"]["outcome"]
    assert on_all_segments(rows, "t0")


def test_a_window_that_is_over_ends_well_with_tables_left(expansion: HalfDone, practice: Practice, rows: Rows) -> None:
    practice.set_fault("slow-moves", "0.15")
    run = a_window("short", only_tables=[f"windows.{name}" for name in TABLES[2:]], parallel_moves=1)
    run.run_tasks("probe")
    run.run_facts["data_interval_end"] = datetime.now(UTC) + timedelta(seconds=3)  # less than two moves take
    run.run_tasks("redistribute.move_tables", "report")
    practice.clear_faults()
    assert "tables left for the next window" in run.xcoms["redistribute.move_tables", "step"]["outcome"]
    report = run.xcoms["report", "report"]
    assert report["left"] > 0
    assert report["triggered_by"] == "scheduled"
    directory = f"~/greenplum-expansions/{expansion.expansion_id}"
    assert practice.run(f"ls {directory}/redistribution_short*.json").exit_code == 0


def test_it_is_paused_resumed_and_slowed_down_while_it_moves(
    expansion: HalfDone,
    connect: Callable[..., Any],
    rows: Rows,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    patient = MoverSettings(paused_patience=1.0)
    monkeypatch.setattr(engines, "MoverSettings", lambda **given: patient)
    left = [f"windows.{name}" for name in TABLES[2:] if f"windows.{name}" not in told(rows, "COMPLETED")]
    assert len(left) > 1
    run = triggered("steered", only_tables=left, parallel_moves=1)
    run.run_tasks("probe")
    with closing(connect()) as reader, reader.cursor() as cursor:
        cursor.execute("begin; " + "; ".join(f"select count(*) from {name}" for name in left))
        moving = Beside(run)
        wait(lambda: told(rows, "IN PROGRESS"), "the first move, which waits for the reader")
        assert "another task" in why_skipped(triggered("second"))  # a worker is at the work
        assert steer("pause").states == {"steer": SUCCESS}
        wait(lambda: "Paused: nothing begins" in caplog.text, "the engine to hear of it")
        cursor.execute("commit")
    deferred = moving.end()
    assert isinstance(deferred, TaskDeferred), deferred
    assert isinstance(deferred.trigger, ResumedTrigger)
    assert told(rows, "IN PROGRESS") == []
    assert len(told(rows, "COMPLETED")) < len(TABLES)
    assert not deferred.trigger._look()[0]

    # A retry of the task finds it paused, too, and asks for no worker.
    assert isinstance(Beside(run).end(), TaskDeferred)

    assert steer("sessions", sessions=3).states == {"steer": SUCCESS}
    assert steer("resume").states == {"steer": SUCCESS}
    shown = steer("show").xcoms["steer", "return_value"]
    assert shown.startswith("not paused, 3 at a time; set by tester (run s-resume), ")
    assert deferred.trigger._look() == (True, f"Now {shown}")

    task = run.dag.task_dict["redistribute.move_tables"]
    with closing(connect()) as reader, reader.cursor() as cursor:
        cursor.execute("begin; " + "; ".join(f"select count(*) from {name}" for name in left))
        resumed = Beside(run, lambda context: task.resumed(context, {}, **(deferred.kwargs or {})))
        wait(lambda: len(told(rows, "IN PROGRESS")) > 1, "two moves at a time")
        cursor.execute("commit")
    assert resumed.end()["tables"] > 0
    assert all(on_all_segments(rows, name) for name in TABLES)
    audit = rows(
        "select action, paused, sessions, changed_by from expansion_history.expand_control order by changed_at",
        "postgres",
    )
    assert audit == [
        ("pause", True, None, "tester (run s-pause)"),
        ("sessions", True, 3, "tester (run s-sessions)"),
        ("resume", False, 3, "tester (run s-resume)"),
    ]


def test_gpexpand_is_not_begun_while_it_is_paused_and_takes_the_number_at_its_start(
    expansion: HalfDone, practice: Practice
) -> None:
    steer("pause")
    run = triggered("utility", engine="gpexpand")
    run.run_tasks("probe")
    deferred = Beside(run).end()
    assert isinstance(deferred, TaskDeferred)
    assert isinstance(deferred.trigger, ResumedTrigger)

    steer("resume")
    task = run.dag.task_dict["redistribute.move_tables"]
    with pytest.raises(TaskDeferred) as followed:
        task.resumed(run.context(task), {}, **(deferred.kwargs or {}))
    job = followed.value.trigger.job_dir
    assert "gpexpand -n 3" in practice.run(f"cat {job}/*").stdout
    event = asyncio.run(first_event(followed.value.trigger))
    assert task.job_ended(run.context(task), event, **followed.value.kwargs)["tables"] > 0


def test_with_nothing_left_the_expansion_goes_on_and_windows_are_skipped(expansion: HalfDone) -> None:
    deferred = AllMovedTrigger(CONNECTION_ID)
    assert deferred._look()[0]
    assert expansion.expansion.execute("redistribute.move_tables") == SUCCESS
    assert "nothing is left to move" in why_skipped(a_window())
    refused = steer("pause")
    assert "nothing is left to move" in refused.errors["steer"]
    expansion.practice.run("gpexpand -c", answers="n\n")
    assert "no expansion is under way" in why_skipped(a_window())
