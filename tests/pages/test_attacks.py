"""What somebody may try who means no good: each is refused, and what is refused says nothing and breaks nothing."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.routing import APIRoute
from starlette.websockets import WebSocketDisconnect

from greenplum_expansion.pages import access
from greenplum_expansion.pages.app import make_app
from greenplum_expansion.pages.guard import LARGEST_BODY
from greenplum_expansion.pages.rendering import HEADERS
from tests.pages.test_access import BODIES, ROUTES, send, token_of, url

GUARDED = {name.lower() for name in HEADERS}


@pytest.fixture
def run(seeds):
    seeds.dag(*access.DAGS)
    seeds.connection("dwh", password="hunter2", login="gpadmin", extra={"ssh_password": "sesame"})
    seeds.run()
    seeds.task("check_cluster.connection", "success")
    return seeds


def test_nothing_is_reached_but_by_routes_that_are_walked():
    """A mount, a websocket or a static folder would have no rule of access."""
    assert [route for route in make_app().routes if not isinstance(route, APIRoute)] == []
    assert all(route.dependencies for route in make_app().routes)
    assert {method for method, _ in ROUTES} == {"GET", "POST"}


@pytest.mark.parametrize("role", [None, "VIEWER", "ADMIN"])
@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE"])
def test_no_other_method_is_a_way_around(client_of, run, airflow, method, role):
    client = client_of(role)
    seen = {path: client.request(method, url(path)) for _, path in ROUTES}
    assert {answer.status_code for answer in seen.values()} == {405}
    assert all("GET" in answer.headers["allow"] or "POST" in answer.headers["allow"] for answer in seen.values())
    assert airflow.requests == []


@pytest.mark.parametrize("role", [None, "ADMIN"])
def test_addresses_that_nearly_fit_lead_nowhere(client_of, run, role):
    """Above all not to where the Host header says: a server that adds a slash redirects there."""
    client = client_of(role)
    for _, path in ROUTES:
        there = url(path).partition("?")[0]
        for near in (f"{there}/", f"{there}//", f"{there}%2F", there.replace("/greenplum/", "/greenplum//", 1)):
            answer = client.get(near, headers={"Host": "elsewhere.example"})
            assert answer.status_code in (401, 404), near
            assert "location" not in answer.headers
            assert answer.headers.keys() >= GUARDED


def test_no_websocket_is_opened(client_of, run):
    for _, path in ROUTES:
        with pytest.raises(WebSocketDisconnect), client_of("ADMIN").websocket_connect(url(path)):
            pass  # never reached


def test_every_answer_has_the_headers_that_guard_it(client_of, run, airflow):
    answers = []
    for role in (None, "VIEWER", "ADMIN"):
        client = client_of(role)
        token = "none" if role is None else token_of(client)
        answers += [client.get(url(path)) for method, path in ROUTES if method == "GET"]
        answers += [send(client, "POST", path, token=token) for path in BODIES]
        answers += [client.get("/greenplum/no/such/page"), client.put(url("/clusters"))]
    assert {answer.status_code for answer in answers} >= {200, 307, 401, 403, 404, 405, 409}
    for answer in answers:
        assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        kept = "/static/" in str(answer.url) and answer.status_code == 200
        assert answer.headers["cache-control"].startswith("private" if kept else "no-store")


def test_a_failure_of_ours_is_an_answer_like_others_and_tells_nothing(client_of, run, pages, monkeypatch):
    def broken(*_: Any) -> None:
        raise RuntimeError("hunter2")

    monkeypatch.setattr("greenplum_expansion.pages.routes.clusters.read_clusters", broken)
    client = client_of("OP")
    client._transport.raise_server_exceptions = False
    for accepted in ("text/html", "*/*"):
        answer = client.get(url("/clusters"), headers={"Accept": accepted})
        assert answer.status_code == 500
        assert answer.headers.keys() >= GUARDED
        assert "hunter2" not in answer.text
        assert "log" in answer.text


def test_no_page_holds_a_secret(client_of, run):
    run.question(params={"input_file": "x"})
    client = client_of("ADMIN")
    token = token_of(client)
    answers = [client.get(url(path)) for method, path in ROUTES if method == "GET"]
    answers += [send(client, "POST", path, token=token) for path in BODIES]
    for answer in answers:
        assert "hunter2" not in answer.text
        assert "sesame" not in answer.text
        assert "gpadmin@" not in answer.text


# --- acting for somebody else ---------------------------------------------------------------------------------------


def act(client: Any, token: str | None, **headers: str) -> Any:
    given = {"Content-Type": "application/json", **({access.TOKEN_HEADER: token} if token else {}), **headers}
    return client.post(url("/clusters/look"), content=json.dumps({"greenplum_conn_id": "dwh"}), headers=given)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json, text/plain",
        "",
    ],
)
def test_what_a_form_of_another_site_can_send_is_refused(client_of, run, airflow, content_type):
    client = client_of("ADMIN")
    answer = act(client, token_of(client), **{"Content-Type": content_type})
    assert answer.status_code in (415, 422)
    assert airflow.requests == []


def test_a_token_ends_after_half_a_day(client_of, run, airflow, monkeypatch):
    client = client_of("ADMIN")
    token = token_of(client)
    assert act(client, token).status_code == 200
    late = datetime.now(UTC).timestamp() + access.TOKEN_SECONDS + 60
    monkeypatch.setattr("itsdangerous.timed.time.time", lambda: late)
    answer = act(client, token)
    assert (answer.status_code, "too old" in answer.text) == (403, True)
    assert len(airflow.requests) == 1


def test_a_token_of_another_installation_is_worth_nothing(client_of, run, airflow, monkeypatch):
    client = client_of("ADMIN")
    token = token_of(client)
    monkeypatch.setenv("AIRFLOW__API__SECRET_KEY", "another-one")
    assert act(client, token).status_code == 403
    assert airflow.requests == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": ""},
        {"Origin": "null"},
        {"Origin": "http://testserver.elsewhere.example"},
        {"Origin": "http://testserver:81"},
        {"Origin": "http://elsewhere.example", "Host": "testserver"},
        {"Origin": ""},
    ],
)
def test_nothing_is_done_for_a_page_of_another_site(client_of, run, airflow, headers):
    client = client_of("ADMIN")
    assert act(client, token_of(client), **headers).status_code == 403
    assert airflow.requests == []


def test_a_large_body_is_refused_before_it_is_read(client_of, run, airflow):
    """By whoever sends it: Airflow's login is asked for only when the body was read."""
    read = []

    def body() -> Any:
        for _ in range(100):
            read.append(1)
            yield b" " * 65536

    for headers in (
        {},
        {"Content-Length": str(LARGEST_BODY + 1)},
        {"Content-Length": "-1"},
        {"Content-Length": "x"},
    ):
        answer = client_of(None).post(
            url("/wizard/step"), content=body(), headers={"Content-Type": "application/json", **headers}
        )
        assert answer.status_code == 413
        assert str(LARGEST_BODY) in answer.text
        assert answer.headers.keys() >= GUARDED
    assert airflow.requests == []
