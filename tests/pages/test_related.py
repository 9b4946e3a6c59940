"""Runs that belong together, and the reports of all of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from greenplum_expansion.cluster.names import expansion_id
from greenplum_expansion.pages.access import DAGS, REDISTRIBUTE, ROLL_BACK
from tests.pages.run_page import BASE, EVIL
from tests.pages.seeding import RUN
from tests.pages.test_access import url

ID = expansion_id(RUN)
WINDOW = {"dag_id": REDISTRIBUTE, "run_id": "scheduled__1"}
BACK = {"dag_id": ROLL_BACK, "run_id": "back"}


@pytest.fixture
def client(client_of):
    return client_of("USER")


def page_of(run: dict[str, Any], tail: str = "") -> str:
    return f"/greenplum/runs/{run['dag_id']}/{run['run_id']}{tail}"


def window_report(**changed: Any) -> dict[str, Any]:
    began = datetime(2026, 11, 20, 22, tzinfo=UTC)
    return {
        "expansion_id": ID, "window": [began.isoformat(), (began + timedelta(hours=8)).isoformat()], "moved": 12,
        "bytes": 2**30, "failed": [{"table": EVIL, "status": "FAILED", "error": EVIL}], "left": 5, "bytes_left": 2**20,
        "state": "redistribution stopped", "steering": "not paused", "triggered_by": "scheduled", **changed,
    }  # fmt: skip


@pytest.fixture
def by_schedule(seeds):
    """An expansion whose tables greenplum_redistribute moves; two windows were for it, one for none."""
    seeds.dag(*DAGS)
    seeds.run(moved_by="greenplum_redistribute")
    seeds.task("redistribute.move_tables", "deferred")
    for run_id, found in (("scheduled__1", ID), ("scheduled__2", None), ("scheduled__3", ID)):
        seeds.run(REDISTRIBUTE, run_id, "running" if run_id == "scheduled__3" else "success")
        if found:
            seeds.left("probe", "return_value", found, dag_id=REDISTRIBUTE, run_id=run_id)
    seeds.left("report", "report", window_report(), **WINDOW)
    return seeds


def test_an_expansion_leads_to_the_windows_that_move_its_tables(client, by_schedule):
    shown = client.get(url(BASE + "/related")).text
    assert "No table moves in this run" in shown
    assert "A window is under way" in shown
    assert page_of(WINDOW) in shown
    assert "scheduled__3" in shown
    assert "scheduled__2" not in shown  # it had nothing to do
    assert '<td class="number">12</td><td class="number">1</td><td class="number">5</td>' in shown.replace("\n", "")


def test_a_window_leads_back_to_its_expansion(client, by_schedule):
    assert RUN.replace(":", "%3A").replace("+", "%2B") in client.get(page_of(WINDOW, "/related")).text
    assert "<a" not in client.get("/greenplum/runs/greenplum_redistribute/scheduled__2/related").text


def dag(dag_id: str, **values: Any) -> None:
    from airflow.models.dag import DagModel
    from airflow.utils.session import create_session

    with create_session() as session:
        session.execute(update(DagModel).where(DagModel.dag_id == dag_id).values(**values))


def test_between_windows_it_is_told_when_the_next_one_begins_or_why_none_does(client, seeds):
    seeds.dag(*DAGS)
    seeds.run(moved_by="greenplum_redistribute")
    dag(REDISTRIBUTE, next_dagrun_create_after=datetime(2026, 11, 21, 22, tzinfo=UTC))
    assert "2026-11-21 22:00:00 UTC" in client.get(url(BASE + "/related")).text
    dag(REDISTRIBUTE, is_paused=True)
    shown = client.get(url(BASE + "/related")).text
    assert "switched off (paused)" in shown
    assert "2026-11-21" not in shown


@pytest.mark.parametrize(
    ("phase", "action", "told"),
    [
        ("preparation failed", "roll back", "had not been reached: everything can be taken back"),
        ("preparation unfinished", "finish forward", "had been passed: the way is forward only"),
        ("a later word", "another action", "had not been reached"),
    ],
)
def test_a_rollback_tells_what_it_found_and_whether_there_is_a_way_back(client, seeds, phase, action, told):
    seeds.run(state="failed", minutes=9)
    seeds.run(ROLL_BACK, "back", expansion_id=ID)
    found = {"server": "normal", "phase": phase, "because": EVIL, "action": action, "next": EVIL}
    seeds.left("probe", "return_value", found, **BACK)
    shown = client.get(page_of(BACK, "/related")).text
    assert told in shown
    assert "<img" not in shown
    assert RUN.replace(":", "%3A").replace("+", "%2B") in shown
    assert page_of(BACK) in client.get(url(BASE + "/related")).text


def test_a_rollback_by_hand_is_that_of_the_newest_expansion(client, seeds):
    seeds.run(run_id="older", state="failed", minutes=1)
    seeds.run(run_id="newer", state="failed", minutes=1)
    seeds.run(ROLL_BACK, "back")
    assert "greenplum_expand/newer" in client.get(page_of(BACK, "/related")).text
    assert "back" in client.get("/greenplum/runs/greenplum_expand/newer/related").text
    assert "back" not in client.get("/greenplum/runs/greenplum_expand/older/related").text


def test_the_report_of_a_window_is_shown_and_kept(client, by_schedule):
    shown = client.get(page_of(WINDOW, "/found")).text
    assert "Report: 12 tables moved, 5 left" in shown
    assert "1 table could not be moved" in shown
    kept = client.get(page_of(WINDOW, "/report.html"))
    assert kept.headers["content-disposition"].startswith('attachment; filename="redistribution-dwh-')
    assert "2026-11-20 22:00 UTC to 2026-11-21 06:00 UTC" in kept.text
    assert kept.text.count("&lt;img") == 2
    assert "<img" not in kept.text
    assert client.get(page_of(WINDOW, "/report.json")).json()["moved"] == 12
    by_schedule.left("report", "report", window_report(left=0, failed=[], window=None), **WINDOW)
    shown = client.get(page_of(WINDOW, "/found")).text
    assert "all tables have moved" in shown
    assert "finding error" not in shown


@pytest.mark.parametrize(
    ("report", "told"),
    [
        (
            {"proven": "the catalog is as before: 4 segments"},
            ["Report: proven", "The catalog is as before: 4 segments."],
        ),
        (
            {"proven": None, "state": "preparation failed", "next": "clear task roll_back"},
            ["Report: not done, the cluster is &#39;preparation failed&#39;", "clear task roll_back"],
        ),
        ({"found": {}, "proven": None, "next": ""}, ["Nothing could be found out."]),
    ],
)
def test_the_report_of_a_rollback_is_shown_and_kept(client, seeds, report, told):
    seeds.run(ROLL_BACK, "back", state="success", minutes=9)
    found = {"server": "normal", "phase": "preparation failed", "because": "x", "action": "roll back", "next": ""}
    usual = {"found": found, "told": [EVIL], "state": "idle", "next": ""}
    seeds.left("report", "report", {**usual, **report}, **BACK)
    shown = client.get(page_of(BACK, "/found")).text
    assert [words for words in told if words not in shown] == []
    assert "<img" not in shown
    assert client.get(page_of(BACK, "/report.html")).status_code == 200
    assert client.get(page_of(BACK, "/report.json")).status_code == 200
