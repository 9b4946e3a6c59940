"""Expansions of a real cluster that are killed on their way, and taken back: it is as before each time.

Comes before the expansion that stays. Tasks run in this process, gpexpand on the cluster.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from greenplum_expansion.hooks.remote import Script
from tests.greenplum.cluster import RealCluster
from tests.support.snapshot import hook_for
from tests.support.whole_dag import DagRunHere

pytestmark = [pytest.mark.greenplum, pytest.mark.slow, pytest.mark.timeout(0)]

CONNECTION_ID = "greenplum_test_here"
RUN_ID = "killed_on_its_way"


@pytest.fixture(scope="module")
def expansion(cluster: RealCluster) -> Iterator[DagRunHere]:
    """An expansion that is ready to add segments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(f"AIRFLOW_CONN_{CONNECTION_ID.upper()}", json.dumps(cluster.connection))
        conf = {"greenplum_conn_id": CONNECTION_ID, "new_hosts": cluster.new_hosts, "approval": False}
        made = DagRunHere("greenplum_expand", conf, run_id=RUN_ID)
        made.run_tasks(
            *("check_cluster.connection", "check_cluster.claim", "check_new_hosts.places", "exchange_keys"),
            *("make_plan", "approve_plan", "fingerprint_tables"),
        )
        yield made


def kill_at(cluster: RealCluster, stage: str) -> None:
    """SIGKILL gpexpand as soon as its status file has that line; returns when it is dead."""
    with hook_for(cluster.connection, "greenplum_killer") as hook:
        where = hook.environment().coordinator_data_directory
        script = f"""
cd -- '{where}' || exit 1
until grep -q '^{stage}:' gpexpand.status 2>/dev/null; do sleep 0.05; done
kill -9 "$(tr -dc 0-9 < gpexpand.pid)"
"""
        hook.coordinator().run(Script(script, f"kill gpexpand at {stage}"), timeout=1800)


@pytest.mark.parametrize(
    "stage",
    ["BUILD_SEGMENT_TEMPLATE_STARTED", "BUILD_SEGMENTS_STARTED", "BUILD_SEGMENTS_DONE", "UPDATE_CATALOG_STARTED"],
)
def test_a_killed_preparation_is_taken_back(cluster: RealCluster, expansion: DagRunHere, stage: str) -> None:
    before = cluster.snapshot()
    killer = threading.Thread(target=kill_at, args=(cluster, stage))
    killer.start()
    assert expansion.execute("add_segments") == "failed"
    killer.join()

    conf: dict[str, Any] = {"greenplum_conn_id": CONNECTION_ID}
    rollback = DagRunHere("greenplum_rollback", conf, run_id="rollback", active_runs=[RUN_ID])

    assert rollback.run() == "success", rollback.explain()
    assert rollback.xcoms["verify", "return_value"].startswith("the catalog is as before")
    assert " rows in " in rollback.xcoms["verify", "return_value"]
    assert cluster.snapshot() == before


def test_the_cluster_is_given_free(cluster: RealCluster, expansion: DagRunHere) -> None:
    """The run is over for Airflow now; a rollback by hand lets the next expansion have the cluster."""
    rollback = DagRunHere("greenplum_rollback", {"greenplum_conn_id": CONNECTION_ID}, run_id="rollback")

    assert rollback.run() == "success", rollback.explain()
    assert "goes on and keeps the cluster" not in rollback.xcoms["verify", "return_value"]
    with hook_for(cluster.connection, "greenplum_claim") as hook:
        claim = hook.coordinator().read_json(str(Path(hook.environment().expansions_directory) / "claim.json"))
    assert claim["released"] is True
