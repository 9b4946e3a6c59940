"""The clusters: what is known of each, and whether an expansion of it may begin, whatever else is looked at."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from airflow.models.dagrun import DagRun
from sqlalchemy import insert

from greenplum_expansion.pages.access import DAGS, EXPAND, LOOK
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


@pytest.fixture
def looked_at(seeds):
    seeds.dag(*DAGS)
    seeds.connection("dwh")
    look(seeds, "look-at-dwh")
    return seeds


def look(seeds, run_id, state="idle", **conf):
    """A look that is over."""
    seeds.run(LOOK, run_id, "success", minutes=1, **conf)
    seeds.left("cluster", "findings", [], dag_id=LOOK, run_id=run_id)
    seeds.left("cluster", "cluster", {**SEEN, "state": state}, dag_id=LOOK, run_id=run_id)


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
