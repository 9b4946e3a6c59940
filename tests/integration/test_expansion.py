"""The real DAG in a real Airflow on the practice cluster: refused, rejected, edited, approved, proven, and cleared."""

from __future__ import annotations

import json
from typing import Any

import pytest

from demo.airflow_api import AirflowApi
from tests.integration.conftest import CONF, CONNECTION, QUICK
from tests.support.airflow_runs import EXPAND, Run, ended_with_test
from tests.support.in_process import run_checks
from tests.support.practice import Practice
from tests.support.snapshot import segment_count, snapshot

pytestmark = [pytest.mark.sandbox, pytest.mark.airflow, pytest.mark.integration, pytest.mark.slow]


def test_a_rejected_plan_changes_nothing_and_an_approved_one_is_proven(
    airflow: AirflowApi, practice: Practice, connection: dict[str, Any], monkeypatch: pytest.MonkeyPatch
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

    # How a run ends whose checks find errors was seen above; what they find is the same in this process.
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION.upper()}", json.dumps(connection))
    errors = [finding for finding in run_checks(QUICK) if finding["severity"] == "error"]
    assert {error["subject"] for error in errors} == {"new host sdw3", "new host sdw4"}
