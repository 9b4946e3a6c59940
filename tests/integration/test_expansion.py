"""The real DAG in a real Airflow on the practice cluster: what goes well, and everything that goes wrong once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from demo.airflow_api import AirflowApi
from tests.integration.conftest import CONNECTION, NEW_HOSTS
from tests.support.airflow_runs import EXPAND, ROLLBACK, Run, ended_with_test
from tests.support.practice import Practice
from tests.support.snapshot import hook_for, segment_count, snapshot

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.integration, pytest.mark.slow]

CONF = {"greenplum_conn_id": CONNECTION, "new_hosts": NEW_HOSTS}
QUICK = {**CONF, "hardware_check": "none", "backup": "none"}  # where neither is what the test is about


def test_a_rejected_plan_changes_nothing_and_an_approved_one_is_proven(
    airflow: AirflowApi, cluster: Practice, connection: dict[str, Any]
) -> None:
    before = snapshot(connection)

    with ended_with_test(Run.trigger(airflow, EXPAND, QUICK)) as run:
        run.answer("Reject")
        run.wait_succeeded()
        assert run.xcom("report")["outcome"] == "rejected"
        assert run.states()["add_segments"] == "skipped"
        assert snapshot(connection) == before

    with ended_with_test(Run.trigger(airflow, EXPAND, CONF)) as run:
        question = run.wait_for_question()
        assert "grows from 4 to 8 segments by the hosts sdw3, sdw4" in question["body"]
        shown = question["params"]["input_file"]["value"]
        assert "sdw3|10.77.0.23|6000|/data/primary/gpseg4|11|4|p" in shown

        with ended_with_test(Run.trigger(airflow, EXPAND, QUICK)) as second:
            assert second.wait_ended() == "failed"
            errors = second.findings(severity="error")
            assert [error["subject"] for error in errors] == ["Expansion already under way"]
            assert run.run_id in errors[0]["problem"]
            assert second.states()["roll_back"] == "skipped"

        # An edit that cannot be carried out is asked for again; one that can is what happens.
        asked = run.answer_refused("Approve", input_file=shown.replace("|11|4|p", "|99|4|p"))
        assert asked["body"].startswith("## The edited plan cannot be carried out")
        assert "|99|4|p" in asked["params"]["input_file"]["value"]
        exchanged = shown.replace("|11|4|p", "|00|4|p").replace("|12|5|p", "|11|5|p").replace("|00|4|p", "|12|4|p")
        run.answer("Approve", input_file=exchanged)
        run.wait_succeeded()
        report = run.xcom("report")
        assert report["is_proven"]
        assert report["proof"]["tables"] > 30
        assert (report["segments"]["segments_before"], report["segments"]["segments_after"]) == (4, 8)
        assert set(report["proof"]["skew_after"]["rows_by_content"]) == {str(content) for content in range(8)}
        assert all(rows > 0 for rows in report["proof"]["skew_after"]["rows_by_content"].values())
        assert "Progress: " in run.log("redistribute.watch_progress")
        after = snapshot(connection)
        assert segment_count(connection) == 8
        assert (12, 4, "p", 6000, "sdw3", "/data/primary/gpseg4") in after["postgres: instances"]
        assert not [name for name, rows in after.items() if name.endswith("schemas") and ("gpexpand",) in rows]

        # Clearing what is over does nothing but look.
        run.clear()
        run.wait_succeeded()
        skipped = ("roll_back", "approve_edit")
        assert {state for name, state in run.states().items() if not name.startswith(skipped)} == {"success"}
        assert snapshot(connection) == after

    with ended_with_test(Run.trigger(airflow, EXPAND, QUICK)) as again:
        assert again.wait_ended() == "failed"
        assert {error["subject"] for error in again.findings(severity="error")} == {"new host sdw3", "new host sdw4"}


def test_failures_end_in_a_known_state_and_the_same_run_reaches_its_end(
    airflow: AirflowApi, cluster: Practice, connection: dict[str, Any], connect: Callable[..., Any]
) -> None:
    """Taken back while it can be, finished forward when it cannot, and tables that fail are moved by a later try."""
    before = snapshot(connection)
    # gpexpand moves the tables here, and in the test above the direct engine.
    with ended_with_test(Run.trigger(airflow, EXPAND, {**QUICK, "approval": False, "engine": "gpexpand"})) as run:
        # A person marks the task failed while gpexpand builds segments: it is stopped, and what it did is taken back.
        cluster.set_fault("gpexpand.BUILD_SEGMENTS_STARTED", "hang")
        run.wait_for_task("add_segments", "deferred")
        run.wait(lambda: "BUILD_SEGMENTS_STARTED" in _status_file(cluster), "gpexpand to build segments")
        run.mark("add_segments", "failed")
        assert run.wait_ended() == "failed"
        assert Run.newest(airflow, ROLLBACK).state == "success"
        assert run.xcom("report", "report")["outcome"] == "rolled back"
        assert snapshot(connection) == before
        assert _status_file(cluster) == ""
        for host in ("sdw3", "sdw4"):
            left = cluster.run("ls -A /data/primary /data/mirror; pgrep -x postgres", host).stdout
            assert left.split() == ["/data/mirror:", "/data/primary:"], f"{host}: {left}"
        cluster.clear_faults()

        # Past the point of no return gpexpand dies, and again when the rollback runs it: nothing is taken back, and
        # the way forward is told.
        cluster.set_fault("gpexpand.SETUP_EXPANSION_SCHEMA_STARTED", "kill")
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
        cluster.clear_faults()

        # A table cannot be moved: the others are, and it is named with its error.
        cluster.set_fault("table.demo.sales.orders", "disk quota exceeded")
        run.clear("add_segments", downstream=True)
        assert run.wait_ended() == "failed"
        failed = run.xcom("redistribute.move_tables", "failed_tables")
        assert [table["table"] for table in failed] == ["demo.sales.orders"]
        assert "disk quota exceeded" in failed[0]["error"]
        assert run.states()["roll_back"] == "skipped"
        cluster.clear_faults()

        # gpexpand is killed while that table waits for its lock; the server goes on and moves it, unrecorded.
        with closing(connect()) as reader, hook_for(connection) as hook:
            reader.autocommit = False
            reader.cursor().execute("LOCK TABLE sales.orders IN ACCESS SHARE MODE")
            run.clear("redistribute.move_tables", downstream=True)
            run.wait(lambda: bool(hook.query("sessions_moving_tables")), "the move to wait")
            cluster.run("kill -9 $(cat $MASTER_DATA_DIRECTORY/gpexpand.pid)")
        assert run.wait_ended() == "failed"
        assert "redistribution crashed" in run.xcom("report", "report")["failure"]

        run.clear("redistribute.move_tables", downstream=True)
        run.wait_succeeded()
        assert "demo.sales.orders has been moved already, now recorded" in run.log("redistribute.move_tables")
        assert run.xcom("report")["is_proven"]


def _status_file(cluster: Practice) -> str:
    return cluster.run("cat $MASTER_DATA_DIRECTORY/gpexpand.status 2>/dev/null").stdout
