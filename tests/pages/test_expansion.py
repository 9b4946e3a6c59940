"""The page of one expansion: what it shows at each moment, and how little it asks for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.models.xcom import XComModel
from sqlalchemy import delete, update

from greenplum_expansion.pages import expansion
from greenplum_expansion.planning.record import CHUNK, TableRecord
from greenplum_expansion.planning.section import Section
from tests.pages.run_page import BASE, EVIL, MOVES, PROGRESS, counted
from tests.pages.test_access import url
from tests.unit.planning.test_record import leave, many


@pytest.fixture
def client(client_of):
    return client_of("USER")


def test_the_page_tells_phases_progress_and_the_point_of_no_return(client, moving):
    page = client.get(url(BASE)).text
    assert "Moved so far: 60 %" in page
    assert "point of no return" in page
    assert re.search(r'class="phase running" aria-current="step">\s*<div[^>]*>.*?Move the tables', page, re.S)
    assert "session 9 of etl (psql)" in page
    assert '<polyline class="forecast" points=' in page
    assert "onerror=alert" not in page.replace("&lt;img src=x onerror=alert(1)&gt;", "")


def test_a_look_while_tables_move_is_five_small_questions(client, moving):
    client.get(url(BASE + "/live"))  # whatever is done once
    with counted() as statements:
        client.get(url(BASE + "/live"))
    assert asked_of(statements) == ["dag_run", "task_instance", "xcom", "xcom", "dag"]
    assert not [s for s in statements if s.startswith(("INSERT", "UPDATE", "DELETE"))]


def test_before_that_they_are_two(client, seeds):
    seeds.run()
    seeds.task("judge_findings", "running")
    with counted() as statements:
        client.get(url(BASE + "/live"))
    assert asked_of(statements) == ["dag_run", "task_instance"]


def asked_of(statements: list[str]) -> list[str]:
    """The tables that the pages ask, without what Airflow's login asks by itself."""
    tables = [re.search(r"FROM (\w+)", statement)[1] for statement in statements]
    return [table for table in tables if table != "revoked_token"]


def read_anew() -> None:
    """As a server does that has just begun."""
    expansion._unpacked.clear()


def test_parts_of_the_page_look_again_only_when_they_changed(client, moving):
    page = client.get(url(BASE)).text
    seen = dict(re.findall(r'<input name="(asks|over|version)" value="([^"]*)">', page))
    assert seen.keys() == {"asks", "over", "version"}
    assert "hx-trigger-after-swap" not in client.get(url(BASE + "/live"), params=seen).headers
    moving.task("survey_before", "success")
    news = client.get(url(BASE + "/live"), params=seen).headers["hx-trigger-after-swap"]
    assert json.loads(news) == {"found": True}
    moving.left("redistribute.watch_progress", "moved.0", leave(many(100))["moved.0"])
    assert "tables" in json.loads(client.get(url(BASE + "/live"), params=seen).headers["hx-trigger-after-swap"])


def test_a_single_window_is_watched_in_the_same_way(client, seeds):
    window = {"dag_id": "greenplum_redistribute", "run_id": "window1"}
    seeds.run(**window)
    seeds.task("redistribute.move_tables", "running", **window)
    for key, value in {"progress": PROGRESS, "moves": MOVES, **leave(many(3))}.items():
        seeds.left("redistribute.watch_progress", key, value, **window)
    page = client.get("/greenplum/runs/greenplum_redistribute/window1").text
    assert "Moved so far: 60 %" in page
    assert "tables-section" in page
    assert "3 waiting" in client.get("/greenplum/runs/greenplum_redistribute/window1/tables").text


def test_a_run_that_is_over_is_not_asked_for_again(client, seeds):
    seeds.run(state="success", minutes=90)
    assert client.get(url(BASE + "/live")).status_code == 286


def test_tables_are_searched_filtered_and_leafed_through(client, moving):
    first = client.get(url(BASE + "/tables")).text
    assert first.count("<tr><td") == 50
    assert "Page 1 of 2" in first
    found = client.get(url(BASE + "/tables"), params={"search": "orders_7", "state": "-"}).text
    assert found.count("<tr><td") == 10
    failed = client.get(url(BASE + "/tables"), params={"state": "f"}).text
    assert "canceled &lt;img" in failed
    assert "<img" not in failed
    assert client.get(url(BASE + "/tables"), params={"sort": "; drop table"}).status_code == 422


def test_a_list_that_has_changed_is_read_anew(client, moving):
    assert "60 moved" in client.get(url(BASE + "/tables")).text
    tables = [replace(t, state="c") for t in [*many(99), TableRecord("dwh", f'sales."{EVIL}"', 5)]]
    moving.left("redistribute.watch_progress", "moved.0", leave(tables)["moved.0"])
    assert "100 moved" in client.get(url(BASE + "/tables")).text


@pytest.mark.parametrize("more", [0, 1])
def test_a_list_that_is_being_left_anew_is_shown_as_it_was(client, seeds, more):
    seeds.run()
    seeds.task("redistribute.move_tables", "running")
    watching = "redistribute.watch_progress"
    old = [TableRecord("dwh", "a.first", 1, "c", 2.0), TableRecord("dwh", "a.second", 1)]
    new = [TableRecord("dwh", "a.zeroth", 1)] * more + [old[1], old[0]]

    def rows() -> list[list[str]]:
        listed = client.get(url(BASE + "/tables"))
        assert listed.status_code == 200
        return re.findall(r"dwh\.(a\.\w+)</td>.*?<span class=\"tag [a-z]+\">(\w+)</span>", listed.text, re.S)

    shown = {
        "old": [("a.first", "moved"), ("a.second", "waiting")],
        "none": [],
        "new": [(t.name, {"c": "moved", "-": "waiting"}[t.state]) for t in new],
    }
    for seen_before in (True, False):
        for key, value in leave(old).items():
            seeds.left(watching, key, value)
        if seen_before:
            assert rows() == shown["old"]
        else:
            read_anew()
        left = leave(new)
        seeds.left(watching, "tables.0", left["tables.0"])
        assert rows() == shown["old" if seen_before else "none"]
        seeds.left(watching, "moved.0", left["moved.0"])
        seeds.left(watching, "tables", left["tables"])
        assert rows() == shown["new"]


def test_of_a_list_that_goes_on_only_what_has_changed_is_read(client, seeds):
    """A hundred thousand tables are a megabyte and a half; where tables move it changes every few seconds."""
    seeds.run(run_id="long")
    before = many(CHUNK * 3)
    watching, of_run = "redistribute.watch_progress", {"run_id": "long"}
    for key, value in leave(before).items():
        seeds.left(watching, key, value, **of_run)
    with seeds.session() as session:  # some time ago
        session.execute(update(XComModel).values(timestamp=datetime.now(UTC) - timedelta(minutes=10)))
    seeds.left(watching, "moved.2", leave(before)["moved.2"], **of_run)
    address = "/greenplum/runs/greenplum_expand/long/tables"
    assert f"{3 * CHUNK:,} waiting" in client.get(address).text
    after = [replace(table, state="c" if CHUNK <= n < CHUNK + 7 else "-") for n, table in enumerate(before)]
    after[CHUNK + 9] = replace(after[CHUNK + 9], state="f", failures=2, error="deadlock")
    seeds.left(watching, "moved.1", leave(after)["moved.1"], **of_run)
    with read_values() as keys:
        page = client.get(address, params={"state": "f"}).text
    assert sorted(keys) == ["moved.1", "moved.2"]  # of the last minute: clocks differ
    assert "7 moved" in page
    assert "1 failed" in page
    assert f">{CHUNK + 10}<" in page
    renamed = [replace(table, name=f"new_{table.name}") for table in after[: CHUNK * 2]]
    with seeds.session() as session:
        session.execute(delete(XComModel))
    for key, value in leave(renamed).items():
        seeds.left(watching, key, value, **of_run)
    page = client.get(address).text
    assert "new_sales.orders_0" in page
    assert f"Page 1 of {2 * CHUNK // 50}" in page


@contextmanager
def read_values() -> Iterator[list[str]]:
    """The keys of the XComs that are read meanwhile."""
    keys: list[str] = []
    as_before = XComModel.deserialize_value

    def note(row: Any) -> Any:
        keys.append(row.key)
        return as_before(row)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(XComModel, "deserialize_value", staticmethod(note))
        yield keys


def test_a_hundred_thousand_tables_are_a_small_page(client, moving):
    moving.run(run_id="big")
    for key, value in leave(many(100_000)).items():
        moving.left("redistribute.watch_progress", key, value, run_id="big")
    page = client.get("/greenplum/runs/greenplum_expand/big")
    tables = client.get("/greenplum/runs/greenplum_expand/big/tables", params={"number": 1234})
    assert "Page 1234 of 2000" in tables.text
    style = client.get("/greenplum/static/pages.css").content + client.get("/greenplum/static/htmx.min.js").content
    assert len(page.content) + len(tables.content) + len(style) < 200_000


def test_many_tables_are_written_as_everywhere(client, moving):
    counted = {"done": 60_000, "moving": 2, "pending": 38_998, "failed": 1_000}
    moving.left("redistribute.watch_progress", "progress", {**PROGRESS, "tables": counted})
    page = client.get(url(BASE)).text
    assert "60,000 of 100,000" in page
    assert "1,000 failed" in page


def test_findings_and_sections_stand_there_as_text(client, seeds):
    seeds.run()
    found = {"severity": "warning", "subject": EVIL, "problem": EVIL, "remedy": EVIL, "check": ""}
    seeds.left("check_cluster.segments", "findings", [found])
    section = Section(EVIL, (EVIL,), (EVIL,), ((EVIL,),))
    seeds.left("survey_before", "section", {"task_id": "survey_before", **section.to_dict()})
    text = client.get(url(BASE + "/found")).text
    assert "<img" not in text
    assert text.count("&lt;img") >= 7


@pytest.fixture
def reported(seeds):
    seeds.run(state="success", minutes=90)
    report = {
        "expansion_id": "2026-11-20", "connection": f"dwh {EVIL}", "outcome": "complete", "failure": "",
        "next_action": "", "is_over": True, "is_proven": True,
        "segments": {"hosts_before": {"sdw1": 2}, "hosts_after": {"sdw1": 2, "sdw3": 2}},
        "proof": {"tables": 3, "rows": 9, "checksums": True, "differences": [], "not_moved": []},
        "steps": [{"task_id": "report", "seconds": 1.0, "outcome": EVIL}],
        "sections": [{"task_id": "a", **Section("Layout", (EVIL,)).to_dict()}],
    }  # fmt: skip
    seeds.left("report", "report", report)
    return report


def test_the_report_is_kept_as_one_file(client, reported):
    answer = client.get(url(BASE + "/report.html"))
    assert (
        answer.headers["content-disposition"]
        == 'attachment; filename="expansion-dwh_img_src_x_onerror_alert_1_-2026-11-20.html"'
    )
    assert "every table lies on all segments" in answer.text.lower()
    assert "<img" not in answer.text
    assert "<link" not in answer.text
    assert "<script" not in answer.text
    assert client.get(url(BASE + "/report.json")).json() == reported
    shown = client.get(url(BASE + "/found")).text
    assert "Report: complete" in shown
    assert "<p>Segments: 2 before, 4 after.</p>" in shown
    assert "<p>Proof: 3 tables, 9 rows; rows and checksums all equal before and after.</p>" in shown
    assert "<summary>Layout</summary>" in shown  # as the report alone tells of it


def test_below_a_prefix_every_address_has_it(client_of, moving):
    client = client_of("USER", below="/airflow")
    for path in ("/clusters", "/wizard", BASE):
        page = client.get("/airflow" + url(path)).text
        addresses = re.findall(r'(?:href|src|hx-get|data-post|data-wizard)="([^"#]+)"', page)
        assert len(addresses) > 6
        assert [address for address in addresses if not address.startswith("/airflow/")] == []
        assert "http" not in "".join(addresses)
