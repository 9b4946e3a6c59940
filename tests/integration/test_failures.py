"""The real DAG in a real Airflow on the practice cluster: what goes wrong while segments are added and tables move."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from demo.airflow_api import AirflowApi
from tests.integration.conftest import QUICK
from tests.support.airflow_runs import EXPAND, ROLLBACK, Run, ended_with_test
from tests.support.practice import Practice
from tests.support.snapshot import hook_for, segment_count, snapshot

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.integration, pytest.mark.slow]


def test_failures_end_in_a_known_state_and_the_same_run_reaches_its_end(
    airflow: AirflowApi, practice: Practice, connection: dict[str, Any], connect: Callable[..., Any]
) -> None:
    """Taken back while it can be, finished forward when it cannot, and tables that fail are moved by a later try."""
    before = snapshot(connection)
    # gpexpand moves the tables here, and in test_expansion.py the direct engine.
    with ended_with_test(Run.trigger(airflow, EXPAND, {**QUICK, "approval": False, "engine": "gpexpand"})) as run:
        # A person marks the task failed while gpexpand builds segments: it is stopped, and what it did is taken back.
        practice.set_fault("gpexpand.BUILD_SEGMENTS_STARTED", "hang")
        run.wait_for_task("add_segments", "deferred")
        run.wait(lambda: "BUILD_SEGMENTS_STARTED" in _status_file(practice), "gpexpand to build segments")
        run.mark("add_segments", "failed")
        assert run.wait_ended() == "failed"
        assert Run.newest(airflow, ROLLBACK).state == "success"
        assert run.xcom("report", "report")["outcome"] == "rolled back"
        assert snapshot(connection) == before
        assert _status_file(practice) == ""
        for host in ("sdw3", "sdw4"):
            left = practice.run("ls -A /data/primary /data/mirror; pgrep -x postgres", host).stdout
            assert left.split() == ["/data/mirror:", "/data/primary:"], f"{host}: {left}"
        practice.clear_faults()

        # Past the point of no return gpexpand dies, and again when the rollback runs it: nothing is taken back, and
        # the way forward is told.
        practice.set_fault("gpexpand.SETUP_EXPANSION_SCHEMA_STARTED", "kill")
        run.clear("add_segments", downstream=True)
        assert run.wait_ended() == "failed"
        rollback = Run.newest(airflow, ROLLBACK)
        assert rollback.state == "failed"
        assert rollback.xcom("probe")["action"] == "finish forward"
        assert rollback.states()["finish_forward"] == "failed", "gpexpand is killed once more"
        report = run.xcom("report", "report")
        assert report["outcome"] == "stopped"
        assert "clear task add_segments" in report["next_action"]
        assert segment_count(connection) == 8
        practice.clear_faults()

        # A table cannot be moved: the others are, and it is named with its error.
        practice.set_fault("table.demo.sales.orders", "disk quota exceeded")
        run.clear("add_segments", downstream=True)
        assert run.wait_ended() == "failed"
        failed = run.xcom("redistribute.move_tables", "failed_tables")
        assert [table["table"] for table in failed] == ["demo.sales.orders"]
        assert "disk quota exceeded" in failed[0]["error"]
        assert run.states()["roll_back"] == "skipped"
        practice.clear_faults()

        # gpexpand is killed while that table waits for its lock; the server goes on and moves it, unrecorded.
        with closing(connect()) as reader, hook_for(connection) as hook:
            reader.autocommit = False
            reader.cursor().execute("LOCK TABLE sales.orders IN ACCESS SHARE MODE")
            run.clear("redistribute.move_tables", downstream=True)
            run.wait(lambda: bool(hook.query("sessions_moving_tables")), "the move to wait")
            practice.run("kill -9 $(cat $MASTER_DATA_DIRECTORY/gpexpand.pid)")
        assert run.wait_ended() == "failed"
        assert "redistribution crashed" in run.xcom("report", "report")["failure"]

        run.clear("redistribute.move_tables", downstream=True)
        run.wait_succeeded()
        assert "demo.sales.orders has been moved already, now recorded" in run.log("redistribute.move_tables")
        assert run.xcom("report")["is_proven"]


def _status_file(practice: Practice) -> str:
    return practice.run("cat $MASTER_DATA_DIRECTORY/gpexpand.status 2>/dev/null").stdout
