"""Who gets in where: every route without login, as viewer, as user, as operator."""

from __future__ import annotations

import re

import pytest
from fastapi.routing import APIRoute

from greenplum_expansion.pages.access import DAGS, TOKEN_HEADER
from greenplum_expansion.pages.app import make_app
from tests.pages.seeding import RUN

ROUTES = sorted(
    (method, route.path) for route in make_app().routes if isinstance(route, APIRoute) for method in route.methods
)
DRAFT = {"greenplum_conn_id": "dwh", "new_hosts": ["sdw3", "sdw4"]}
BODIES = {
    "/clusters/look": {"greenplum_conn_id": "dwh"},
    "/wizard/step": {"step": "meaning", "draft": DRAFT},
    "/wizard/preview": {"step": "tables", "draft": DRAFT},
    "/wizard/look": {"step": "hosts", "draft": DRAFT},
    "/wizard/expand": {"draft": DRAFT, "kind": "expand"},
    "/runs/{dag_id}/{run_id}/answer": {"mark": "none", "option": "Approve"},
    "/runs/{dag_id}/{run_id}/retry": {"task_id": "judge_findings"},
    "/runs/{dag_id}/{run_id}/steer": {"action": "pause"},
}
# What is asked for is allowed, but nothing of it is there: no question, no failed task; and one expansion is under way.
REFUSED_BY_STATE = {
    "/runs/{dag_id}/{run_id}/answer": 409,
    "/runs/{dag_id}/{run_id}/retry": 409,
    "/wizard/expand": 409,
}
LOOKING = {
    "/": 307,
    "/runs/{dag_id}/{run_id}/report.json": 404,  # there is none yet
    "/runs/{dag_id}/{run_id}/report.html": 404,
}
STARTING = {*BODIES, "/wizard"}


def url(path: str, dag_id: str = "greenplum_expand") -> str:
    filled = path.replace("{dag_id}", dag_id).replace("{run_id}", RUN.replace("+", "%2B"))
    return f"/greenplum{filled.replace('{name}', 'pages.css')}"


def token_of(client) -> str:
    page = client.get("/greenplum/clusters")
    assert page.status_code == 200
    return re.search(r'name="greenplum-token" content="([^"]+)"', page.text)[1]


def send(client, method: str, path: str, *, token: str | None = None, **headers: str):
    given = {"Sec-Fetch-Site": "same-origin", **({TOKEN_HEADER: token} if token else {}), **headers}
    return client.request(method, url(path), json=BODIES[path], headers=given)


@pytest.fixture
def expansion(seeds):
    seeds.dag(*DAGS)
    seeds.connection("dwh")
    seeds.run()
    seeds.task("check_cluster.connection", "success")
    seeds.task("redistribute.move_tables", "running")
    return seeds


def test_every_route_that_changes_something_is_listed_here():
    assert {path for method, path in ROUTES if method != "GET"} == set(BODIES)


def test_nobody_gets_in_without_login(client_of, expansion, airflow):
    client = client_of(None)
    seen = {
        (method, path): (client.get(url(path)) if method == "GET" else send(client, method, path)).status_code
        for method, path in ROUTES
    }
    assert seen == dict.fromkeys(ROUTES, 401)
    assert airflow.requests == []


def test_a_viewer_looks_and_starts_nothing(client_of, expansion, airflow):
    client = client_of("VIEWER")
    token = token_of(client)
    seen = {
        (method, path): (client.get(url(path)) if method == "GET" else send(client, method, path, token=token))
        for method, path in ROUTES
    }
    assert {route: answer.status_code for route, answer in seen.items()} == {
        (method, path): 403 if path in STARTING else LOOKING.get(path, 200) for method, path in ROUTES
    }
    assert airflow.requests == []


@pytest.mark.parametrize("role", ["USER", "OP", "ADMIN"])
def test_who_may_start_runs_may_do_everything(client_of, expansion, airflow, role):
    client = client_of(role)
    token = token_of(client)
    seen = {
        (method, path): (client.get(url(path)) if method == "GET" else send(client, method, path, token=token))
        for method, path in ROUTES
    }
    assert {route: answer.status_code for route, answer in seen.items()} == {
        (method, path): LOOKING.get(path, REFUSED_BY_STATE.get(path, 200)) for method, path in ROUTES
    }
    assert "under way" in seen["POST", "/wizard/expand"].text
    # What was allowed was asked of Airflow, as this user.
    started = [path.split("/")[-2] for _, path, _ in airflow.requests]
    assert sorted(started) == ["greenplum_look", "greenplum_look", "greenplum_steer"]
    assert all("_token=" in cookie for cookie in airflow.cookies)


def test_nothing_is_changed_without_the_token_of_this_user(client_of, expansion, airflow):
    client, other = client_of("ADMIN"), client_of("USER")
    tokens = (None, "made.up", token_of(other))
    seen = [send(client, "POST", path, token=token) for path in BODIES for token in tokens]
    assert {answer.status_code for answer in seen} == {403}
    assert all("reload" in answer.text for answer in seen)
    assert airflow.requests == []


def test_nothing_is_changed_for_another_site_or_by_a_form(client_of, expansion, airflow):
    client = client_of("ADMIN")
    token = token_of(client)
    foreign = [{"Sec-Fetch-Site": site} for site in ("cross-site", "same-site", "none")]
    foreign.append({"Origin": "https://elsewhere.example"})
    for headers in foreign:
        answers = [
            client.post(url(path), json=BODIES[path], headers={TOKEN_HEADER: token, **headers}) for path in BODIES
        ]
        assert {answer.status_code for answer in answers} == {403}
    form = {"Origin": "http://testserver", TOKEN_HEADER: token, "Content-Type": "application/x-www-form-urlencoded"}
    assert {client.post(url(path), content="a=b", headers=form).status_code for path in BODIES} <= {415, 422}
    assert airflow.requests == []


def test_no_other_dag_is_shown(client_of, expansion):
    expansion.run("payroll")
    for tail in ("", "/live", "/found", "/tables", "/question", "/report.json"):
        answer = client_of("ADMIN").get(url("/runs/{dag_id}/{run_id}" + tail, "payroll"))
        assert answer.status_code == 404


def test_every_answer_forbids_foreign_scripts_and_frames(client_of, expansion):
    for client in (client_of("ADMIN"), client_of(None)):
        for path in (path for method, path in ROUTES if method == "GET"):
            headers = client.get(url(path)).headers
            policy = headers["content-security-policy"]
            assert "default-src 'none'" in policy, path
            assert "script-src 'self';" in policy
            assert "frame-ancestors 'self'" in policy
            assert "unsafe" not in policy
            assert headers["x-content-type-options"] == "nosniff"


def test_a_viewer_without_the_right_to_connections_sees_only_clusters_that_runs_name(client_of, expansion):
    expansion.connection("secret_cluster", password="hunter2", host="mdw")
    assert "secret_cluster" not in client_of("VIEWER").get("/greenplum/clusters").text
    seen = client_of("OP").get("/greenplum/clusters").text
    assert "secret_cluster" in seen
    assert "hunter2" not in seen
