"""An expansion of a cluster with a user tablespace: the .ts file is made, and what would break it is found before."""

from __future__ import annotations

import pytest

from tests.support.practice import Practice
from tests.support.whole_dag import DagRunHere

pytestmark = pytest.mark.sandbox

NEW_HOSTS = ["sdw3=10.77.0.23", "sdw4=10.77.0.24"]
BEFORE = ("check_cluster.connection", "check_cluster.claim")
LOCATIONS = "SELECT gp_segment_id, tblspc_loc FROM gp_tablespace_location({}) ORDER BY 1"


@pytest.fixture(scope="module")
def with_tablespace(practice: Practice) -> Practice:
    """The practice cluster with tablespace fastts, which lies elsewhere on content 1."""
    for host in ("mdw", "smdw", "sdw1", "sdw2"):
        practice.run("mkdir -p /data/ts1 /data/ts2", host)
    practice.run("psql -qd demo -c \"CREATE TABLESPACE fastts LOCATION '/data/ts1' WITH (content1='/data/ts2')\"")
    for host in ("sdw3", "sdw4"):
        practice.run("mkdir -p /data/primary /data/mirror", host)
    return practice


@pytest.fixture
def cluster(with_tablespace: Practice, monkeypatch: pytest.MonkeyPatch) -> Practice:
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", with_tablespace.state.connection.read_text())
    return with_tablespace


def begin(*tasks: str, **conf: object) -> DagRunHere:
    """A run in which these tasks have succeeded, after those that every run needs."""
    conf = {"greenplum_conn_id": "practice", "new_hosts": NEW_HOSTS, "approval": False, **conf}
    run = DagRunHere("greenplum_expand", conf, "tablespaces")
    run.run_tasks(*BEFORE, *tasks)
    return run


@pytest.mark.proves("tablespace-locations")
def test_a_tablespace_made_after_the_plan_stops_gpexpand_before_it_begins(cluster: Practice) -> None:
    run = begin("make_plan", "approve_plan")
    for host in ("mdw", "smdw", "sdw1", "sdw2"):
        cluster.run("mkdir -p /data/later", host)
    cluster.run("psql -qd demo -c \"CREATE TABLESPACE later LOCATION '/data/later'\"")

    assert run.execute("add_segments") == "failed"
    assert "a tablespace was created or dropped since the plan was made" in run.errors["add_segments"]
    assert cluster.run("cat $MASTER_DATA_DIRECTORY/gpexpand.status 2>/dev/null").stdout == ""
    cluster.run("psql -qd demo -c 'DROP TABLESPACE later'")


def test_a_wish_for_an_unknown_tablespace_is_found_with_the_places(cluster: Practice) -> None:
    run = begin("check_new_hosts.places", tablespace_locations=["slowts=/data/ts9"])
    findings = run.xcoms["check_new_hosts.places", "findings"]
    assert "directories are given for tablespace slowts, but the cluster's tablespaces are: fastts" in {
        finding["problem"] for finding in findings
    }


@pytest.mark.proves("tablespace-locations", "planned-directories-free")
def test_new_segments_get_the_tablespace_unless_something_lies_in_its_place(cluster: Practice) -> None:
    run = begin("check_new_hosts.places", "exchange_keys", tablespace_locations=["fastts=/data/ts9"])
    for place in run.xcoms["check_new_hosts.places", "return_value"]:
        assert set(place["tablespace_directories"]) <= set(place["directories"])
        assert len(place["tablespace_directories"]) == 4

    # Left behind by an expansion that was rolled back: gpexpand would move the files one level too deep.
    cluster.run("mkdir -p /data/ts9/12", "sdw3")
    assert run.execute("make_plan") == "failed"
    assert (
        "sdw3:/data/ts9/12: it is to become the tablespace of a new segment, but it exists" in run.errors["make_plan"]
    )

    cluster.run("rmdir /data/ts9/12", "sdw3")
    run.run_tasks("make_plan", "approve_plan", "add_segments")
    oid = cluster.run("psql -Atd demo -c \"SELECT oid FROM pg_tablespace WHERE spcname = 'fastts'\"").stdout.strip()
    found = cluster.run(f'psql -Atd demo -c "{LOCATIONS.format(oid)}"').stdout.split()
    new = [f"{content}|/data/ts9" for content in (4, 5, 6, 7)]
    assert found == ["-1|/data/ts1", "0|/data/ts1", "1|/data/ts2", "2|/data/ts1", "3|/data/ts1", *new]
    for host, dbids in {"sdw3": (11, 12, 15, 16), "sdw4": (13, 14, 17, 18)}.items():
        there = cluster.run("find /data/ts9 -name 'GPDB_6*'", host).stdout.split()
        assert sorted(there) == [f"/data/ts9/{dbid}/GPDB_6_301908232" for dbid in dbids]
