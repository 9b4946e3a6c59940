"""The clusters: what is known of each, and whether an expansion of it may begin, whatever else is looked at."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from airflow.models.dagrun import DagRun
from sqlalchemy import insert

from greenplum_expansion.pages.access import DAGS, EXPAND, LOOK, REDISTRIBUTE, ROLL_BACK
from tests.pages.seeding import BEGAN
from tests.pages.test_access import send, token_of, url
from tests.unit.clusters import cluster

SEEN = {
    "at": BEGAN.timestamp() + 60, "version": "Greenplum 6 (6.24.3)", "instances": cluster().to_rows(),
    "databases": [{"name": "dwh", "bytes": 5 * 2**30}], "state": "idle", "because": "nothing is there",
}  # fmt: skip


@pytest.fixture
def client(client_of):
    return client_of("USER")


def hosts_of(client) -> str:
    """What the wizard shows of one host to be added."""
    headers = {"X-Greenplum-Token": token_of(client), "Sec-Fetch-Site": "same-origin"}
    asked = {"step": "hosts", "draft": {"greenplum_conn_id": "dwh", "new_hosts": ["sdw3"]}}
    return client.post("/greenplum/wizard/preview", json=asked, headers=headers).text


@pytest.fixture
def looked_at(seeds):
    seeds.dag(*DAGS)
    seeds.connection("dwh")
    look(seeds, "look-at-dwh")
    return seeds


def look(seeds, run_id, state="idle", at=SEEN["at"]):
    """A look that is over."""
    seeds.run(LOOK, run_id, "success", minutes=1)
    seeds.left("cluster", "findings", [], dag_id=LOOK, run_id=run_id)
    seeds.left("cluster", "cluster", {**SEEN, "state": state, "at": at}, dag_id=LOOK, run_id=run_id)


def looks_at_others(seeds, count):
    """That many, all over, which have left nothing."""
    common = {
        "dag_id": LOOK, "state": "success", "run_type": "manual", "run_after": BEGAN, "start_date": BEGAN,
        "end_date": BEGAN + timedelta(minutes=1), "conf": {"greenplum_conn_id": "other"}, "clear_number": 0,
    }  # fmt: skip
    with seeds.session() as session:
        session.execute(insert(DagRun.__table__), [{**common, "run_id": f"other-{number}"} for number in range(count)])


def card(client, conn_id="dwh"):
    """What stands on the card of a cluster, and whether its expansion can be begun there."""
    page = client.get(url("/clusters/list")).text
    found = next(part for part in page.split("<section ")[1:] if f">{conn_id}</h2>" in part)
    words = " ".join(re.sub(r"<[^>]+>", " ", found).split())
    return words, '<button type="button" disabled' not in found


def test_an_expansion_that_runs_is_known_however_often_others_are_looked_at(client, looked_at, airflow):
    looked_at.run(EXPAND, "long", "running")
    looks_at_others(looked_at, 201)
    words, can_begin = card(client)
    assert "greenplum_expand is under way: run long" in words
    assert "Last expansion: none" not in words
    assert not can_begin
    assert send(client, "POST", "/wizard/expand", token=token_of(client)).status_code == 409
    assert airflow.requests == []


def test_the_last_expansion_is_known_however_often_others_are_expanded(client, looked_at):
    looked_at.run(EXPAND, "mine", "failed", minutes=5)
    looked_at.run(EXPAND, "only looks", "success", minutes=5, dry_run=True)
    for number in range(3):
        looked_at.run(EXPAND, f"another-{number}", "success", minutes=5, greenplum_conn_id="other")
    looks_at_others(looked_at, 201)
    words, _ = card(client)
    assert re.search(r"Last expansion: .* failed", words)


def test_what_was_seen_is_kept_however_often_others_are_looked_at(client, looked_at):
    looks_at_others(looked_at, 250)
    words, can_begin = card(client)
    assert "Greenplum 6 (6.24.3)" in words
    assert "Not looked at yet" not in words
    assert can_begin


def test_a_cluster_that_answers_no_more_is_shown_as_it_was_seen_last(client, looked_at):
    looked_at.run(LOOK, "in vain", "success", minutes=1)
    found = {"severity": "error", "subject": "connection dwh", "problem": "no answer", "remedy": "start it"}
    looked_at.left("cluster", "findings", [found], dag_id=LOOK, run_id="in vain")
    words, _ = card(client)
    assert "connection dwh: no answer" in words
    assert "Greenplum 6 (6.24.3)" in words


def test_a_run_without_a_connection_is_of_the_one_that_is_meant(client, looked_at):
    looked_at.run(EXPAND, "unnamed", "running", greenplum_conn_id=None)
    words, can_begin = card(client, "greenplum_default")
    assert "run unnamed" in words
    assert not can_begin


@pytest.mark.parametrize(
    ("dag_id", "state", "says"),
    [
        (
            None,
            "",
            "as was seen last: nothing is there; if that has changed, look at it again",
        ),
        (ROLL_BACK, "success", "greenplum_rollback has ended since, with success: look at it again"),
        (ROLL_BACK, "failed", "greenplum_rollback has ended since, with failed: look at it again"),
        (REDISTRIBUTE, "success", "greenplum_redistribute has ended since, with success: look at it again"),
        (EXPAND, "failed", "greenplum_expand has ended since, with failed: look at it again"),
        (EXPAND, "success", ""),
    ],
)
def test_a_cluster_seen_half_done_is_refused_until_it_is_known_better(client, seeds, airflow, dag_id, state, says):
    seeds.dag(*DAGS)
    seeds.connection("dwh")
    look(seeds, "half-done", "preparation failed")
    seeds.run(EXPAND, "only looks", "success", minutes=30, dry_run=True)
    if dag_id:
        seeds.run(dag_id, "since", state, minutes=20)
    words, can_begin = card(client)
    assert says in words
    assert can_begin == (not says)
    answer = send(client, "POST", "/wizard/expand", token=token_of(client))
    assert answer.status_code == (409 if says else 200)
    look(seeds, "again", at=BEGAN.timestamp() + 1800)
    assert card(client)[1]


@pytest.mark.parametrize("state", ["skipped", "upstream_failed", None])
def test_a_host_that_nobody_looked_at_does_not_fit(client, looked_at, state):
    looked_at.run(LOOK, "in vain", "success", minutes=1, new_hosts=["sdw3"])
    looked_at.task("host", state, dag_id=LOOK, run_id="in vain")
    shown = hosts_of(client)
    assert "fits" not in shown
    assert "not looked at" in shown


def test_a_host_that_was_looked_at_without_findings_fits(client, looked_at):
    looked_at.run(LOOK, "well", "success", minutes=1, new_hosts=["sdw3"])
    looked_at.task("host", "success", dag_id=LOOK, run_id="well", map_index=0, label="sdw3")
    assert "fits" in hosts_of(client)


def test_hosts_are_looked_up_however_often_others_are_looked_at(client, looked_at):
    looked_at.run(LOOK, "well", "success", minutes=1, new_hosts=["sdw3"])
    looked_at.task("host", "success", dag_id=LOOK, run_id="well", map_index=0, label="sdw3")
    looks_at_others(looked_at, 201)
    assert "fits" in hosts_of(client)


def test_what_was_asked_for_may_be_anything(client, looked_at):
    looked_at.run(LOOK, "strange", "running", new_hosts=5)
    looked_at.run(EXPAND, "strange", "running", dry_run="false")
    assert "not looked at" in hosts_of(client)
    page = client.get("/greenplum/runs/greenplum_expand/strange").text
    assert "only looks" not in page + client.get("/greenplum/bar").text


def test_the_wizard_offers_the_look_that_may_open_the_way(client, seeds):
    seeds.dag(*DAGS)
    seeds.connection("dwh")
    look(seeds, "half-done", "preparation failed")
    step = {"step": "meaning", "draft": {"greenplum_conn_id": "dwh"}}
    headers = {"X-Greenplum-Token": token_of(client), "Sec-Fetch-Site": "same-origin"}
    for path in ("step", "preview"):
        shown = client.post(f"/greenplum/wizard/{path}", json=step, headers=headers).text
        assert "data-look" in shown[shown.index("No expansion can begin now") :]
    seeds.run(LOOK, "under way", "running")
    shown = client.post("/greenplum/wizard/preview", json=step, headers=headers).text
    assert "data-look" not in shown
    assert "data-again>Looking at it" in shown
    seeds.run(ROLL_BACK, "at work", "running")
    assert "data-look" not in client.post("/greenplum/wizard/preview", json=step, headers=headers).text
