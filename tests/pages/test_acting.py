"""What people do on the page of an expansion: try again, answer, pause, resume, move more or fewer at a time."""

from __future__ import annotations

import re

import pytest

from greenplum_expansion.pages.access import DAGS
from tests.pages.run_page import BASE, EVIL, post
from tests.pages.seeding import RUN
from tests.pages.test_access import token_of, url


@pytest.fixture
def client(client_of):
    return client_of("USER")


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
