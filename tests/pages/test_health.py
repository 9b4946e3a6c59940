"""What stands still in Airflow is told on every page, and on the page of a run that waits for it."""

from __future__ import annotations

import pytest

from greenplum_expansion.pages.access import DAGS, EXPAND, REDISTRIBUTE
from tests.pages.run_page import BASE, counted
from tests.pages.test_access import url
from tests.pages.test_related import dag


@pytest.fixture
def client(client_of):
    return client_of("USER")


def troubles(client) -> str:
    return client.get("/greenplum/trouble").text


def test_where_all_is_well_nothing_is_told(client, seeds):
    seeds.dag(*DAGS)
    dag(REDISTRIBUTE, is_paused=True)  # as it is until somebody wants its schedule
    assert troubles(client).strip() == ""


@pytest.mark.parametrize(
    ("silent", "told"),
    [({"scheduler": -600.0}, "scheduler does not answer"), ({"triggerer": -600.0}, "triggerer does not answer")],
)
def test_a_silent_part_of_airflow_is_told_on_every_page(client, seeds, silent, told):
    seeds.dag(*DAGS)
    seeds.run()
    seeds.alive(**silent)
    for path in ("/clusters", "/wizard", BASE):
        page = client.get(url(path)).text
        assert told in page
        assert "heard of last" in page
        assert page.count("does not answer") == 1


def test_a_part_that_was_never_heard_of_is_silent(client, seeds):
    seeds.clear()
    assert troubles(client).count("does not answer") == 2
    assert "heard of last" not in troubles(client)


def test_a_dag_that_is_switched_off_is_told_with_what_comes_of_it(client, seeds):
    seeds.dag(*DAGS)
    dag(EXPAND, is_paused=True)
    for path in ("/clusters", "/wizard"):
        page = client.get(url(path)).text
        assert "greenplum_expand is switched off (paused) in Airflow: expansions that are started wait" in page
        assert "/dags/greenplum_expand" in page


def test_a_run_that_waits_to_begin_says_why(client, seeds):
    seeds.run(state="queued")
    assert "waits" not in client.get(url(BASE + "/live")).text
    dag(EXPAND, is_paused=True)
    assert "It waits to begin: greenplum_expand is switched off" in client.get(url(BASE + "/live")).text
    seeds.run("greenplum_rollback", "first")
    seeds.run("greenplum_rollback", "second", state="queued")
    shown = client.get("/greenplum/runs/greenplum_rollback/second/live").text
    assert "It waits for its turn: first of greenplum_rollback is under way" in shown


def test_a_task_that_no_worker_takes_is_told(client, seeds):
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session
    from sqlalchemy import update

    from tests.pages.seeding import BEGAN

    seeds.run()
    seeds.task("survey_before", "queued")
    assert "No worker" not in client.get(url(BASE + "/live")).text
    with create_session() as session:
        session.execute(update(TaskInstance).values(queued_dttm=BEGAN.replace(year=2025)))
    assert "No worker has taken survey_before for" in client.get(url(BASE + "/live")).text
    seeds.task("back_up", "up_for_retry")
    assert "back_up failed, and is tried again by itself" in client.get(url(BASE + "/live")).text


def test_looking_costs_two_small_questions(client, seeds):
    troubles(client)
    with counted() as statements:
        troubles(client)
    assert len([statement for statement in statements if "revoked_token" not in statement]) == 2
