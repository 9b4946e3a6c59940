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
# What is asked for is allowed, but there is nothing of it: no question, no failed task, no report.
NOTHING_THERE = {"/runs/{dag_id}/{run_id}/answer": 409, "/runs/{dag_id}/{run_id}/retry": 409}
STARTING = {path for path in BODIES} | {"/wizard", "/wizard/hosts"}


def url(path: str, dag_id: str = "greenplum_expand") -> str:
    filled = path.replace("{dag_id}", dag_id).replace("{run_id}", RUN.replace("+", "%2B"))
    query = "?conn=dwh" if path == "/wizard/hosts" else ""
    return f"/greenplum{filled.replace('{name}', 'pages.css')}{query}"


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
    return seeds


def test_every_route_that_changes_something_is_listed_here():
    assert {path for method, path in ROUTES if method != "GET"} == set(BODIES)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_nobody_gets_in_without_login(client_of, expansion, airflow, method, path):
    client = client_of(None)
    answer = client.get(url(path)) if method == "GET" else send(client, method, path)
    assert answer.status_code == 401
    assert airflow.requests == []


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_a_viewer_looks_and_starts_nothing(client_of, expansion, airflow, method, path):
    client = client_of("VIEWER")
    if path in STARTING:
        answer = client.get(url(path)) if method == "GET" else send(client, method, path, token=token_of(client))
        assert answer.status_code == 403
    else:
        assert client.get(url(path)).status_code in (200, 307, 404)
        if client.get(url(path)).status_code == 404:
            assert "report" in path
    assert airflow.requests == []


@pytest.mark.parametrize("role", ["USER", "OP", "ADMIN"])
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_who_may_start_runs_may_do_everything(client_of, expansion, airflow, method, path, role):
    expansion.run("greenplum_expand", "manual__other", state="success", minutes=9, greenplum_conn_id="other")
    client = client_of(role)
    if method == "GET":
        assert client.get(url(path)).status_code == (404 if "report" in path else 307 if path == "/" else 200)
        return
    answer = send(client, method, path, token=token_of(client))
    if path == "/wizard/expand":
        assert answer.status_code == 409  # one is under way
        assert "under way" in answer.text
    else:
        assert answer.status_code == NOTHING_THERE.get(path, 200)


@pytest.mark.parametrize("path", sorted(BODIES))
def test_nothing_is_changed_without_the_token_of_this_user(client_of, expansion, airflow, path):
    client, other = client_of("ADMIN"), client_of("USER")
    for token in (None, "made.up", token_of(other)):
        answer = send(client, "POST", path, token=token)
        assert answer.status_code == 403
        assert "reload" in answer.text
    assert airflow.requests == []


@pytest.mark.parametrize("path", sorted(BODIES))
def test_nothing_is_changed_for_another_site_or_by_a_form(client_of, expansion, airflow, path):
    client = client_of("ADMIN")
    token = token_of(client)
    for site in ("cross-site", "same-site", "none"):
        assert send(client, "POST", path, token=token, **{"Sec-Fetch-Site": site}).status_code == 403
    foreign = {"Origin": "https://elsewhere.example", TOKEN_HEADER: token}
    assert client.post(url(path), json=BODIES[path], headers=foreign).status_code == 403
    own = {"Origin": "http://testserver", TOKEN_HEADER: token, "Content-Type": "application/x-www-form-urlencoded"}
    assert client.post(url(path), content="a=b", headers=own).status_code in (415, 422)
    assert airflow.requests == []


def test_no_other_dag_is_shown(client_of, expansion):
    expansion.run("payroll")
    for tail in ("", "/live", "/found", "/tables", "/question", "/report.json"):
        answer = client_of("ADMIN").get(url("/runs/{dag_id}/{run_id}" + tail, "payroll"))
        assert answer.status_code == 404


@pytest.mark.parametrize(("method", "path"), [route for route in ROUTES if route[0] == "GET"])
def test_every_answer_forbids_foreign_scripts_and_frames(client_of, expansion, method, path):
    for role in ("ADMIN", None):
        headers = client_of(role).get(url(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
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
