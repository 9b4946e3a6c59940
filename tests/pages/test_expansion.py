"""The page of one expansion: what it shows at each moment, how little it asks for, and what people do with it."""

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
from sqlalchemy import delete, event, update

from greenplum_expansion.pages import expansion
from greenplum_expansion.pages.access import DAGS
from greenplum_expansion.planning.record import CHUNK, TableRecord
from greenplum_expansion.planning.section import Section
from tests.pages.seeding import BEGAN, RUN
from tests.pages.test_access import token_of, url
from tests.unit.planning.test_record import leave, many

BASE = "/runs/{dag_id}/{run_id}"
EVIL = "<img src=x onerror=alert(1)>"
NOW = BEGAN.timestamp()
PROGRESS = {
    "at": NOW + 600, "tables": {"done": 60, "moving": 2, "pending": 37, "failed": 1},
    "bytes": {"done": 6 * 2**30, "moving": 2**30, "pending": 3 * 2**30, "failed": 0}, "rate": 2**20,
    "seconds_left": [60, 120, 240], "windows_left": None, "ends": [NOW + 900, NOW + 1000, NOW + 2000], "names": [],
}  # fmt: skip
MOVES = {
    "at": NOW + 600,
    "sessions": [{"pid": 77, "table": f"dwh.sales.{EVIL}", "seconds": 8.0, "waits_for": "session 9 of etl (psql)"}],
    "points": [[NOW, 0], [NOW + 300, 2 * 2**30], [NOW + 600, 6 * 2**30]],
}


@pytest.fixture
def moving(seeds):
    """Tables are being moved."""
    seeds.dag(*DAGS)
    seeds.run()
    seeds.task("check_cluster.connection", "success")
    seeds.task("add_segments", "success", begin=1)
    seeds.task("redistribute.move_tables", "running", begin=2)
    watching = "redistribute.watch_progress"
    seeds.task(watching, "deferred", begin=2)
    seeds.left(watching, "progress", PROGRESS)
    seeds.left(watching, "moves", MOVES)
    tables = [replace(table, state="c", seconds=2.0) if n < 60 else table for n, table in enumerate(many(99))]
    tables.append(TableRecord("dwh", f'sales."{EVIL}"', 5, "f", None, 5, f"canceled {EVIL}"))
    for key, value in leave(tables).items():
        seeds.left(watching, key, value)
    return seeds


@pytest.fixture
def client(client_of):
    return client_of("USER")


def post(client: Any, path: str, body: Any) -> Any:
    headers = {"X-Greenplum-Token": token_of(client), "Sec-Fetch-Site": "same-origin"}
    return client.post(url(BASE + path), json=body, headers=headers)


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


class counted:  # noqa: N801 - a context manager, used like a function
    """The statements sent to Airflow's database meanwhile."""

    def __enter__(self) -> list[str]:
        from airflow.settings import engine

        self.engine, self.seen = engine, []
        event.listen(self.engine, "before_cursor_execute", self._note)
        return self.seen

    def __exit__(self, *_: object) -> None:
        event.remove(self.engine, "before_cursor_execute", self._note)

    def _note(self, _c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        self.seen.append(" ".join(statement.split()))


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


def test_a_failed_table_is_shown_with_its_error_and_can_be_tried_again(client, seeds, airflow):
    seeds.run(state="failed", minutes=9)
    seeds.task("redistribute.move_tables", "failed")
    seeds.task("report", "failed")
    seeds.left("redistribute.move_tables", "failed_tables", [{"table": "dwh.a.b", "status": "FAILED", "error": EVIL}])
    page = client.get(url(BASE)).text
    assert "dwh.a.b" in page
    assert "&lt;img" in page
    assert "<strong>Move the tables</strong>" in page  # not only by the id of its task
    assert page.count("Try again") == 1  # not for the report, which failed because of it
    assert post(client, "/retry", {"task_id": "redistribute.move_tables"}).status_code == 200
    ((_, path, body),) = airflow.requests
    assert path == "/api/v2/dags/greenplum_expand/clearTaskInstances"
    # What watches beside it would else show for ever what it saw last.
    assert body["task_ids"] == ["redistribute.move_tables", "redistribute.watch_progress"]
    assert (body["dag_run_id"], body["include_downstream"], body["dry_run"]) == (RUN, True, False)


def test_of_a_task_for_each_host_only_those_that_failed_are_tried_again(client, seeds, airflow):
    seeds.run(state="failed", minutes=9)
    for number, state in enumerate(("success", "failed", "failed")):
        seeds.task("prepare_hosts.software", state, map_index=number, label=f"sdw{number}")
    page = client.get(url(BASE)).text
    assert page.count(">Try again<") == 1
    for number in (1, 2):
        assert f'/tasks/prepare_hosts.software/mapped/{number}">Its log' in page
    assert post(client, "/retry", {"task_id": "prepare_hosts.software"}).status_code == 200
    ((_, _, body),) = airflow.requests
    assert body["task_ids"] == [["prepare_hosts.software", 1], ["prepare_hosts.software", 2]]
    assert body["include_downstream"] is True


def test_what_was_found_is_checked_again_and_not_only_judged(client, seeds, airflow):
    seeds.run(state="failed", minutes=9)
    seeds.task("check_cluster.claim", "success")
    seeds.task("check_new_hosts.host", "success")
    seeds.task("judge_findings", "failed")
    seeds.task("survey_before", "upstream_failed")
    assert "Check again" in client.get(url(BASE)).text
    assert post(client, "/retry", {"task_id": "judge_findings"}).status_code == 200
    ((_, _, body),) = airflow.requests
    assert sorted(body["task_ids"]) == ["check_cluster.claim", "check_new_hosts.host", "judge_findings"]


def test_only_what_failed_is_tried_again(client, moving, airflow):
    answer = post(client, "/retry", {"task_id": "add_segments"})
    assert answer.status_code == 409
    assert "has not failed" in answer.text
    assert airflow.requests == []


@pytest.fixture
def asking(seeds):
    seeds.run()
    seeds.question(
        params={"input_file": {"value": f"sdw3|{EVIL}", "schema": {"title": "Input file", "type": "string"}}},
        body=f"**Grow**\n\n{EVIL}\n\n[click](javascript:alert(1))\n\n| a | b |\n| --- | --- |\n| 1 | 2 |",
    )
    return seeds


def test_the_approval_is_given_in_place(client, asking, airflow):
    question = client.get(url(BASE + "/question")).text
    assert "Input file" in question
    assert "<table>" in question
    assert "<img" not in question
    assert "href" not in question
    mark = re.search(r'data-mark="([^"]+)"', question)[1]
    edited = {"input_file": "sdw3|sdw3|6000|/data/gpseg4|12|4|p", "not_asked_for": "x"}
    assert post(client, "/answer", {"mark": mark, "option": "Approve", "inputs": edited}).status_code == 200
    ((method, path, body),) = airflow.requests
    assert (method, path.split("/")[-4:]) == ("PATCH", ["taskInstances", "approve_plan", "-1", "hitlDetails"])
    assert body == {"chosen_options": ["Approve"], "params_input": {"input_file": edited["input_file"]}}


def test_an_answer_to_an_older_question_is_refused(client, asking, airflow):
    assert post(client, "/answer", {"mark": "approve_plan.-1.0", "option": "Approve"}).status_code == 409
    mark = re.search(r'data-mark="([^"]+)"', client.get(url(BASE + "/question")).text)[1]
    assert post(client, "/answer", {"mark": mark, "option": "Sure"}).status_code == 422
    assert airflow.requests == []


def test_a_viewer_reads_the_question_but_gets_no_button(client_of, asking):
    question = client_of("VIEWER").get(url(BASE + "/question")).text
    assert "Input file" in question
    assert "<button" not in question
    assert "readonly" in question


@pytest.mark.parametrize(
    ("body", "sent"),
    [
        ({"action": "pause"}, {"action": "pause"}),
        ({"action": "resume"}, {"action": "resume"}),
        ({"action": "sessions", "sessions": 2}, {"action": "sessions", "sessions": 2}),
    ],
)
def test_steering_starts_the_dag_that_steers(client, moving, airflow, body, sent):
    assert post(client, "/steer", body).status_code == 200
    ((_, path, asked),) = airflow.requests
    assert path == "/api/v2/dags/greenplum_steer/dagRuns"
    assert asked["conf"] == {"greenplum_conn_id": "dwh", **sent}


@pytest.mark.parametrize("body", [{"action": "sessions"}, {"action": "pause", "sessions": 2}, {"action": "stop"}])
def test_steering_without_sense_is_refused(client, moving, airflow, body):
    assert post(client, "/steer", body).status_code == 422
    assert airflow.requests == []


@pytest.mark.parametrize(
    ("dag_id", "state"),
    [
        ("greenplum_look", "running"),
        ("greenplum_rollback", "running"),
        ("greenplum_expand", None),
        ("greenplum_expand", "success"),
        ("greenplum_redistribute", "failed"),
    ],
)
def test_only_tables_that_move_are_steered(client, seeds, airflow, dag_id, state):
    seeds.dag(*DAGS)
    seeds.run(dag_id)
    seeds.task("redistribute.move_tables", state, dag_id=dag_id)
    headers = {"X-Greenplum-Token": token_of(client), "Sec-Fetch-Site": "same-origin"}
    answer = client.post(url(BASE + "/steer", dag_id), json={"action": "pause"}, headers=headers)
    assert answer.status_code == 409
    assert "moves no tables now" in answer.text
    assert airflow.requests == []


@pytest.mark.parametrize(("method", "what"), [("PUT", "TASK_INSTANCE"), ("POST", "RUN")])
def test_the_buttons_that_steer_are_for_whom_the_route_lets(client, moving, airflow, forbid, method, what):
    assert 'id="pause"' in client.get(url(BASE)).text
    forbid(what, methods=(method,))
    assert 'id="pause"' not in client.get(url(BASE)).text
    assert post(client, "/steer", {"action": "pause"}).status_code == 403
    assert airflow.requests == []


def test_nothing_of_a_run_that_is_over_is_steered(client, seeds, airflow):
    seeds.dag(*DAGS)
    seeds.run(state="success", minutes=3)
    assert post(client, "/steer", {"action": "pause"}).status_code == 409
    assert airflow.requests == []


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
