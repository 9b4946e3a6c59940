"""What tasks left may be of another version, or kept elsewhere by an XCom backend: a page says so, and stands."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import Any

import pytest
from airflow.models.xcom import XComModel
from sqlalchemy import select

from greenplum_expansion.pages.access import DAGS
from greenplum_expansion.planning.section import Section
from tests.pages.run_page import BASE
from tests.pages.scenes import LOOK, MOVE, WATCH, Stage
from tests.pages.test_access import token_of, url

ELSEWHERE = "s3://xcoms/greenplum_expand/run/progress.json"
STRANGE: tuple[Any, ...] = (
    ELSEWHERE,
    7,
    None,
    [],
    {},
    [{}],
    [None],
    [1],
    [ELSEWHERE],
    {"tables": 7},
    {"at": 1.0, "version": "6", "instances": [], "databases": [], "state": "idle"},
    {"another": "version"},
    {"tables": ELSEWHERE, "bytes": [1], "seconds_left": 5, "ends": {}, "sessions": ["x"], "points": [["a", "b"]]},
    {"tables": {"done": "many"}, "bytes": {"done": None}, "windows": [[1]], "steered": "no", "chunks": -1},
    {"at": 1, "instances": [1], "databases": "x", "sections": 3, "steps": None},
)
EVIL = "<script>alert(1)</script>"
OF_THE_LIST = ("tables", "tables.0", "moved.0")
PARTS = ("", "/live", "/tables", "/ahead", "/found", "/question", "/related")


@pytest.fixture
def stage(seeds) -> Stage:
    seeds.dag(*DAGS)
    stage = Stage(seeds, tables=40)
    stage.moving("dwh", "odd")
    stage.look("dwh", "look")
    return stage


@pytest.fixture
def client(client_of):
    return client_of("OP")


def parts(client: Any) -> dict[str, Any]:
    run = "/greenplum/runs/greenplum_expand/odd"
    return {part: client.get(run + part, headers={"HX-Request": "true"} if part else {}) for part in PARTS}


@pytest.mark.parametrize(
    ("task_id", "key"),
    [
        (WATCH, "progress"),
        (WATCH, "moves"),
        (WATCH, "tables"),
        (WATCH, "tables.0"),
        (WATCH, "moved.0"),
        (MOVE, "failed_tables"),
        ("judge_findings", "findings"),
        ("survey_before", "section"),
        ("make_plan", "return_value"),
        ("report", "report"),
    ],
)
def test_the_page_of_a_run_stands_whatever_was_left(client, stage, task_id, key):
    told = f"What <code>{task_id}</code> left as <code>{'tables' if key in OF_THE_LIST else key}</code>"
    stage.seeds.task("approve_edit", "awaiting_input", run_id="odd")
    for value in STRANGE:
        stage.seeds.left(task_id, key, value, run_id="odd")
        seen = parts(client)
        assert {answer.status_code for answer in seen.values()} == {200}, value
        assert "Move the tables" in seen[""].text
        assert value != ELSEWHERE or any(told in answer.text for answer in seen.values())
        for tail in ("json", "html"):
            report = client.get(f"/greenplum/runs/greenplum_expand/odd/report.{tail}")
            assert report.status_code == (422 if key == "report" else 404), value


def test_a_forecast_that_cannot_be_read_is_told(client, stage):
    stage.waiting("dwh", "ahead")
    for value in STRANGE:
        stage.seeds.left("make_plan", "forecast", value, run_id="ahead")
        answer = client.get("/greenplum/runs/greenplum_expand/ahead/ahead", headers={"HX-Request": "true"})
        assert (answer.status_code, "left as <code>forecast</code>" in answer.text) == (200, True), value


@pytest.mark.parametrize(
    "dag_id", ["greenplum_rollback", "greenplum_redistribute", "greenplum_look", "greenplum_steer"]
)
def test_reports_of_other_dags_are_other_ones(client, stage, dag_id):
    run = {"dag_id": dag_id, "run_id": "other"}
    stage.seeds.run(state="success", minutes=9, **run)
    reports = {
        "greenplum_rollback": {
            "found": {},
            "proven": "as before <b>",
            "told": ["a", EVIL],
            "state": "idle",
            "next": "",
        },
        "greenplum_redistribute": {
            "moved": 7,
            "bytes": 2**30,
            "failed": [],
            "left": 1,
            "bytes_left": 5,
            "window": ["2026-11-20T20:00:00+00:00", None],
            "expansion_id": "x",
            "steering": EVIL,
            "triggered_by": "a",
        },
    }
    for value in (*STRANGE, reports.get(dag_id, {})):
        stage.seeds.left("report", "report", value, **run)
        for part in PARTS:
            found = client.get(f"/greenplum/runs/{dag_id}/other{part}", headers={"HX-Request": "true"})
            assert found.status_code in (200, 286), value
        kept = client.get(f"/greenplum/runs/{dag_id}/other/report.html").status_code
        assert kept == (200 if dag_id in reports and value == reports[dag_id] else 422), value
    shown = client.get(f"/greenplum/runs/{dag_id}/other/found").text
    words = {"greenplum_rollback": "As before &lt;b&gt;.", "greenplum_redistribute": "7 tables moved, 1 left"}
    assert words.get(dag_id, "") in shown
    assert EVIL not in shown


@pytest.mark.parametrize("key", ["cluster", "findings of the cluster", "findings of a host", "workload"])
def test_the_clusters_and_the_wizard_stand_whatever_a_look_left(client, stage, key):
    task_id = {"findings of the cluster": "cluster", "findings of a host": "host"}.get(key, key)
    look = {"dag_id": LOOK, "run_id": "look", "map_index": 0 if task_id == "host" else -1}
    draft = {"greenplum_conn_id": "dwh", "new_hosts": ["sdw5", "sdw6=10.0.0.6"]}
    for value in STRANGE:
        stage.seeds.left(task_id, key.partition(" ")[0], value, **look)
        clusters = client.get("/greenplum/clusters")
        assert clusters.status_code == 200, value
        assert "dwh" in clusters.text
        token = re.search(r'name="greenplum-token" content="([^"]+)"', clusters.text)[1]
        for step in ("meaning", "hosts", "places", "tables", "review"):
            headers = {"X-Greenplum-Token": token, "Sec-Fetch-Site": "same-origin"}
            answer = client.post(url("/wizard/step"), json={"step": step, "draft": draft}, headers=headers)
            assert answer.status_code == 200, (step, value)


def test_a_run_that_was_asked_for_nonsense_is_shown(client, stage):
    for number, conf in enumerate(
        [{"greenplum_conn_id": 5}, {"new_hosts": 7}, {"time_zone": ["x"]}, {"parallel_moves": "m"}]
    ):
        stage.seeds.run(run_id=f"nonsense{number}", **conf)
        stage.seeds.run("greenplum_look", run_id=f"nonsense{number}", state="success", minutes=1, **conf)
        for part in PARTS:
            assert client.get(f"/greenplum/runs/greenplum_expand/nonsense{number}{part}").status_code == 200
    assert client.get("/greenplum/clusters").status_code == 200
    headers = {"X-Greenplum-Token": token_of(client), "Sec-Fetch-Site": "same-origin"}
    asked = {"step": "hosts", "draft": {"greenplum_conn_id": "dwh", "new_hosts": ["sdw5"]}}
    assert client.post("/greenplum/wizard/preview", json=asked, headers=headers).status_code == 200


def test_tuples_are_read_as_airflow_writes_them_down(client, seeds):
    """Its own database has them with the name of their class, unlike what a task in this process leaves."""
    seeds.run()
    section = Section("Hardware", ("a line",), ("host", "MB/s"), (("sdw3", "105"),))
    seeds.left("measure_hardware", "section", {"task_id": "measure_hardware", **asdict(section)})
    with seeds.session() as session:
        assert "__classname__" in json.dumps(session.scalar(select(XComModel.value)))
    text = client.get(url(BASE + "/found")).text
    assert "a line" in text
    assert "<td>105</td>" in text
