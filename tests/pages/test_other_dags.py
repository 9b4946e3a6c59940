"""Users who may read one of our DAGs but not another, or one connection: pages show both, so each is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from greenplum_expansion.pages.access import DAGS, EXPAND, LOOK, REDISTRIBUTE, ROLL_BACK, STEER
from greenplum_expansion.pages.records import Records
from tests.pages.scenes import Stage
from tests.pages.test_access import BODIES, ROUTES, send, token_of, url


@pytest.fixture
def stage(seeds) -> Stage:
    """Runs of every DAG, each of a cluster that nothing else names."""
    seeds.dag(*DAGS)
    stage = Stage(seeds, tables=20)
    stage.moving("of-expand", "run-of-expand")
    stage.look("of-look", "run-of-look")
    for dag_id, name in ((ROLL_BACK, "roll-back"), (REDISTRIBUTE, "redistribute"), (STEER, "steer")):
        seeds.run(dag_id, f"run-of-{name}", greenplum_conn_id=f"of-{name}")
        seeds.task("probe", "running", dag_id=dag_id, run_id=f"run-of-{name}")
    return stage


@pytest.mark.parametrize(
    ("dag_id", "name"), [(ROLL_BACK, "roll-back"), (REDISTRIBUTE, "redistribute"), (LOOK, "look"), (STEER, "steer")]
)
def test_runs_of_a_dag_that_may_not_be_read_are_nowhere(client_of, stage, forbid, airflow, dag_id, name):
    client = client_of("VIEWER")
    own = f"/greenplum/runs/{dag_id}/run-of-{name}"
    assert client.get(own).status_code == 200
    assert name == "steer" or f"of-{name}" in client.get(url("/clusters")).text
    forbid(dag_id)
    assert client.get(own).status_code == 403
    for path in ("/clusters", "/clusters/list", "/bar", "/runs/greenplum_expand/run-of-expand"):
        page = client.get(f"/greenplum{path}")
        assert page.status_code == 200
        assert f"of-{name}" not in page.text
    for part in ("related", "found", "live"):
        assert f"of-{name}" not in client.get(f"/greenplum/runs/greenplum_expand/run-of-expand/{part}").text


def test_without_the_expansion_nothing_of_it_is_reached(client_of, stage, forbid, airflow):
    client = client_of("ADMIN")
    token = token_of(client)
    forbid(EXPAND)
    for method, path in ROUTES:
        if path.startswith("/static"):
            continue
        answer = client.get(url(path)) if method == "GET" else send(client, method, path, token=token)
        assert answer.status_code == (200 if path == "/clusters/look" else 403), path
    assert [path for _, path, _ in airflow.requests] == ["/api/v2/dags/greenplum_look/dagRuns"]


@pytest.mark.parametrize(
    "path",
    [
        "/clusters?dag_id=payroll",
        "/wizard?dag_id=payroll",
        "/runs/greenplum_expand/run-of-expand?dag_id=payroll",
        "/runs/greenplum_expand/run-of-expand/live?dag_id=~",
        "/runs/greenplum_expand%2F/run-of-expand",
        "/runs/payroll%2F..%2Fgreenplum_expand/run-of-expand",
        "/runs/payroll/..%2F..%2Fgreenplum_expand%2Frun-of-expand",
        "/runs/~/run-of-expand",
        "/runs/%7E/run-of-expand",
        "/runs/greenplum_look%2Frun-of-look/found?dag_id=greenplum_look",
        "/runs/GREENPLUM_EXPAND/run-of-expand",
    ],
)
def test_no_address_takes_one_dag_for_another(client_of, stage, forbid, path):
    """Airflow's rule looks for the DAG in the path, then in the query."""
    stage.seeds.run("payroll", "run-of-expand")
    forbid(EXPAND, LOOK)
    answer = client_of("ADMIN").get(f"/greenplum{path}")
    assert answer.status_code in (403, 404)
    assert "of-expand" not in answer.text.replace("run-of-expand", "")
    assert "of-look" not in answer.text.replace("run-of-look", "")


def test_who_may_read_but_not_start_the_looking_dag_is_offered_none(client_of, stage, forbid, airflow):
    client = client_of("USER")
    token = token_of(client)
    assert "Look now" in client.get(url("/clusters")).text
    forbid(LOOK, methods=("POST",))
    assert "Look now" not in client.get(url("/clusters")).text
    for path in ("/clusters/look", "/wizard/look"):
        assert send(client, "POST", path, token=token).status_code == 403
    assert airflow.requests == []


def test_work_that_may_not_be_seen_still_keeps_an_expansion_from_beginning(client_of, stage, forbid, airflow):
    client = client_of("USER")
    stage.seeds.connection("dwh")
    stage.seeds.run(ROLL_BACK, "unseen-one", greenplum_conn_id="dwh")
    stage.look("dwh", "look-at-dwh")
    token = token_of(client)
    forbid(ROLL_BACK)
    page = client.get(url("/clusters")).text
    assert "a run works on it that you may not see" in page
    assert "unseen-one" not in page
    assert send(client, "POST", "/wizard/expand", token=token).status_code == 409
    assert airflow.requests == []


def test_a_connection_is_shown_to_who_may_read_only_that_one(client_of, stage, auth_manager, monkeypatch):
    stage.seeds.connection("own-one")
    stage.seeds.connection("other-one")

    def only_own(self: Any, *, method: str, user: Any, details: Any = None) -> bool:
        return details is not None and details.conn_id == "own-one"

    monkeypatch.setattr(type(auth_manager), "is_authorized_connection", only_own)
    page = client_of("VIEWER").get(url("/clusters")).text
    assert "own-one" in page
    assert "other-one" not in page


def test_a_question_is_shown_to_who_may_read_questions(client_of, stage, forbid):
    stage.seeds.question("approve_edit", body="The secret of the plan", run_id="run-of-expand")
    client = client_of("VIEWER")
    asked = "/greenplum/runs/greenplum_expand/run-of-expand/question"
    assert "secret of the plan" in client.get(asked).text
    forbid("HITL_DETAIL")
    answer = client.get(asked)
    assert (answer.status_code, "secret" in answer.text) == (403, False)
    assert client.get(url("/runs/{dag_id}/run-of-expand")).status_code == 200


def test_a_connection_that_may_not_be_seen_is_not_listed(client_of, stage, forbid):
    for conn_id in ("open", "closed"):
        stage.seeds.connection(conn_id, description=f"told of {conn_id}")
    client = client_of("OP")
    assert "told of closed" in client.get(url("/clusters")).text
    forbid("closed")
    page = client.get(url("/clusters")).text
    assert "told of open" in page
    assert "closed" not in page


def test_nothing_is_found_for_who_has_not_been_asked_who_they_are(stage):
    """A route whose router forgot its rule of access would find no run."""
    with stage.seeds.session() as session:
        records = Records(session)
        assert records.runs(DAGS) == []
        assert records.run(EXPAND, "run-of-expand") is None
        assert records.tasks(EXPAND, "run-of-expand") == []
        assert records.left(EXPAND, "run-of-expand", keys=("progress",)) == []
        assert records.stamps(EXPAND, "run-of-expand", ("tables",)) is None
    assert BODIES
