"""The task bar: what it says of each run, when it lets go of it, and what it costs."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import update

from greenplum_expansion.pages.access import DAGS
from greenplum_expansion.pages.bar import CLOSED_COOKIE
from tests.pages.run_page import BASE, PROGRESS, counted
from tests.pages.seeding import RUN
from tests.pages.test_access import url


@pytest.fixture
def client(client_of):
    return client_of("USER")


@pytest.fixture
def moving(seeds):
    seeds.dag(*DAGS)
    seeds.run()
    seeds.task("check_cluster.connection", "success")
    seeds.task("redistribute.move_tables", "running")
    seeds.task("redistribute.watch_progress", "deferred")
    seeds.left("redistribute.watch_progress", "progress", PROGRESS)
    return seeds


def ended(run_id: str, state: str, hours: float) -> None:
    """So many hours ago."""
    from airflow.models.dagrun import DagRun
    from airflow.utils.session import create_session

    with create_session() as session:
        values = {"state": state, "end_date": datetime.now(UTC) - timedelta(hours=hours)}
        session.execute(update(DagRun).where(DagRun.run_id == run_id).values(**values))


def told(client) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", client.get("/greenplum/bar").text).split())


def test_it_names_what_is_under_way_on_every_page(client, moving):
    for path in ("/clusters", "/wizard"):
        page = client.get(url(path)).text
        assert "Expansion of dwh" in page
        assert "Move the tables, 60 % moved" in page
        assert url(BASE).replace(":", "%3A") in page


def test_the_page_of_a_run_tells_of_it_itself(client, moving):
    page = client.get(url(BASE)).text
    assert 'class="bar' not in page
    address = re.search(r'hx-get="(/greenplum/bar\?[^"]+)"', page)[1]
    assert 'class="bar' not in client.get(address).text
    moving.run("greenplum_rollback", "other", greenplum_conn_id="other")
    assert "Rollback of other" in client.get(address).text


@pytest.mark.parametrize(
    ("task", "state", "says"),
    [
        ("approve_plan", "awaiting_input", "waits for an answer (Plan and approval)"),
        ("judge_findings", "failed", "failed at Check cluster and new hosts"),
        ("drain_sessions", "up_for_retry", "Add the segments"),
    ],
)
def test_it_says_what_is_asked_and_what_failed(client, seeds, task, state, says):
    seeds.run()
    seeds.task("survey_before", "running")
    seeds.task(task, state)
    assert says in told(client)


def test_many_tasks_of_a_phase_are_one_word(client, seeds):
    seeds.run()
    for number in range(40):
        seeds.task("check_new_hosts.host", "running", map_index=number)
    assert told(client).count("Check cluster and new hosts") == 1


def test_a_pause_is_told(client, moving):
    steered = {"paused": True, "by": "alice", "since": ""}
    moving.left("redistribute.watch_progress", "progress", {**PROGRESS, "steered": steered})
    assert "Move the tables, paused , 60 % moved" in told(client)


def test_how_it_ended_is_told_for_a_day(client, moving):
    ended(RUN, "success", 23)
    assert "Expansion of dwh : done" in told(client)
    ended(RUN, "success", 25)
    assert told(client) == ""
    ended(RUN, "failed", 1)
    assert "failed" in told(client)
    moving.run(run_id="again")  # what ended before the last is no news
    assert "failed" not in told(client)


def test_a_window_that_ended_well_is_no_news(client, seeds):
    for run_id, state in (("tonight", "success"), ("before", "failed")):
        seeds.run("greenplum_redistribute", run_id)
        ended(run_id, state, 2)
    assert "Redistribution of dwh : failed" in told(client)
    seeds.run("greenplum_redistribute", "last")
    ended("last", "success", 1)
    assert told(client) == ""


def test_what_was_closed_comes_back_with_news(client, moving):
    mark = re.search(r'data-close="([^"]+)"', client.get("/greenplum/bar").text)[1]
    client.cookies.set(CLOSED_COOKIE, f"another.{mark}")
    assert told(client) == ""
    assert 'class="bar' not in client.get("/greenplum/clusters").text
    moving.left("redistribute.watch_progress", "progress", {**PROGRESS, "rate": 5})
    assert told(client) == ""  # a percent more is no news
    moving.question("approve_edit")
    assert "waits for an answer" in told(client)


def test_it_costs_one_question(client, moving):
    moving.run("greenplum_rollback", "other", greenplum_conn_id="other")
    told(client)
    with counted() as statements:
        told(client)
    assert len([statement for statement in statements if "revoked_token" not in statement]) == 1  # who is logged in


def test_what_goes_on_is_told_however_much_has_ended_since(client, moving):
    for number in range(13):
        moving.run("greenplum_redistribute", f"night-{number}")
        ended(f"night-{number}", "success", 13 - number)
    assert "Expansion of dwh : Move the tables, 60 % moved" in told(client)


def test_what_goes_on_is_told_beside_any_number_of_failures(client, moving):
    for number in range(13):
        moving.run(run_id=f"failed-{number}", greenplum_conn_id=f"cluster-{number}")
        ended(f"failed-{number}", "failed", 1)
    shown = told(client)
    assert "Expansion of dwh : Move the tables, 60 % moved" in shown
    assert shown.count("failed") == 4


def test_what_was_closed_makes_room(client, moving):
    for number in range(9):
        moving.run(run_id=f"failed-{number}", greenplum_conn_id=f"cluster-{number}")
        ended(f"failed-{number}", "failed", 1)
    for left in (4, 1):
        marks = re.findall(r'data-close="([^"]+)"', client.get("/greenplum/bar").text)
        closed = [mark for mark in marks if mark != marks[0]]  # what goes on stands first, and stays
        client.cookies.set(CLOSED_COOKIE, ".".join([*client.cookies.get(CLOSED_COOKIE, "").split("."), *closed]))
        shown = told(client)
        assert "Expansion of dwh : Move the tables" in shown
        assert shown.count(": failed") == left
