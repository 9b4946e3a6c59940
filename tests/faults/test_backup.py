"""back_up on the practice cluster: a backup that was interrupted never counts, one that is complete can be restored."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from greenplum_expansion.operators.backup import BackUpOperator
from greenplum_expansion.operators.checks.cluster import CheckCapacityOperator, ClaimClusterOperator
from tests.support.one_task import OneRun
from tests.support.practice import Practice

pytestmark = pytest.mark.sandbox

NEW = ["sdw3=10.77.0.23", "sdw4=10.77.0.24"]
SMALL = ["demo.hr", 'demo."Größe ☃".*', "demo.Mixed Case.*"]  # schemas that are dumped and restored in seconds
BACKUPS, EXPANSIONS = "/home/gpadmin/greenplum-backups", "/home/gpadmin/greenplum-expansions"


@pytest.fixture
def run(cluster: Practice, request: pytest.FixtureRequest) -> Iterator[Callable[..., OneRun]]:
    def make(**conf: Any) -> OneRun:
        wanted = {"greenplum_conn_id": "practice", "new_hosts": NEW, "backup_objects": SMALL, **conf}
        made = OneRun(wanted, run_id=request.node.name)
        made.xcoms["connection", "return_value"] = True
        made.run(ClaimClusterOperator(task_id="claim", connection_task="connection"))
        return made

    yield make
    cluster.clear_faults()
    cluster.run(f"rm -rf {BACKUPS} {EXPANSIONS}")


def task() -> BackUpOperator:
    return BackUpOperator(task_id="back_up")


def partials(cluster: Practice) -> list[str]:
    return cluster.run(f"ls -d {BACKUPS}/*.partial 2>/dev/null; true").stdout.split()


def finished(cluster: Practice) -> list[str]:
    return cluster.run(f"ls -d {BACKUPS}/*/manifest.json 2>/dev/null; true").stdout.split()


def wait_for(cluster: Practice, command: str) -> None:
    """Until a shell command on mdw succeeds."""
    done = cluster.run(f"for i in $(seq 600); do {command} && exit 0; sleep 0.1; done; exit 1")
    assert done.exit_code == 0, f"never: {command}"


def test_everything_can_be_restored_and_is_listed_with_its_hash(run, cluster):
    made = run()
    told = made.run(task())
    directory = told["directory"]
    assert [(a["what"], a["tables"], a["expected"]) for a in told["archives"]] == [
        ("1 schemas of database demo", 3, 3),
        ("3 tables of database demo", 3, 3),
    ]
    listed = cluster.run(f"cd {directory} && sha256sum --quiet -c SHA256SUMS && wc -l < SHA256SUMS")
    assert listed.exit_code == 0, listed.stdout + listed.stderr
    assert int(listed.stdout) == told["files"]
    assert cluster.run(f"find {directory} {told['snapshot']['directory']} ! -perm /077 | wc -l").stdout.strip() != "0"
    assert cluster.run(f"find {directory} {told['snapshot']['directory']} -perm /077").stdout == ""
    assert "PASSWORD 'SCRAM" in cluster.run(f"cat {directory}/globals.sql").stdout
    assert "SCRAM" not in cluster.run(f"cat {EXPANSIONS}/*/job_back_up_1/log {EXPANSIONS}/*/snapshot/*.json").stdout
    assert not partials(cluster)

    cluster.run('psql -d postgres -c "create database again"')
    try:
        # As pg_dump does it: an archive of single tables holds no schemas.
        cluster.run("psql -d again -f -", answers='create schema "Größe ☃"; create schema "Mixed Case";')
        for archive in told["archives"]:
            cluster.run(f"pg_restore -d again --jobs 2 {directory}/data/{archive['label']}")
        for table in ("hr.employees", 'hr."Select"', "hr.bloaty", '"Größe ☃"."顧客"', '"Größe ☃"."Straße ""7"""'):
            # Rows compared as text, whatever their order: a checksum of all of them.
            statement = f"select count(*), sum(hashtext(t::text)::bigint) from {table} t"
            before, after = (
                cluster.run("psql -At -f - -d " + dbname, answers=statement).stdout for dbname in ("demo", "again")
            )
            assert before == after, table
            assert not before.startswith("0|"), table
    finally:
        cluster.run('psql -d postgres -c "drop database again"')


def test_the_catalogs_snapshot_is_taken_in_any_case(run, cluster):
    made = run(backup="none")
    told = made.run(task())
    assert told["choice"] == "none"
    assert "directory" not in told
    snapshot = told["snapshot"]["directory"]
    segments = json.loads(cluster.run(f"cat {snapshot}/gp_segment_configuration.json").stdout)
    assert len(segments) == 10
    policies = json.loads(cluster.run(f"cat {snapshot}/gp_distribution_policy.json").stdout)["demo"]
    assert any(p["fq_name"] == "sales.orders" and p["distributed_by"] == "DISTRIBUTED BY (id)" for p in policies)
    names = cluster.run(f"tar -tzf {snapshot}/configuration_sdw1.tar.gz").stdout
    assert "data/primary/gpseg0/pg_hba.conf" in names
    assert "data/primary/gpseg1/postgresql.conf" in names
    left = made.left(task(), "findings")
    assert [finding["check"] for finding in left] == ["backup-choice"], "the approval must show it"
    assert not finished(cluster)


def test_schema_and_settings_hold_no_rows(run, cluster):
    told = run(backup="schema and settings").run(task())
    assert told["archives"] == []
    assert "CREATE TABLE sales.orders" in cluster.run(f"cat {told['directory']}/schema.sql").stdout
    assert cluster.run(f"ls {told['directory']}/data 2>&1").exit_code != 0


@pytest.mark.proves("backup-space")
def test_a_destination_without_room_is_refused_before_anything_is_written(run, cluster):
    cluster.sandbox("fault", "disk-full", "mdw", "1")
    made = run(backup_directory="/data/backups", backup_objects=[])
    with pytest.raises(AirflowFailException, match="needed, 0 B of") as refused:
        made.run(task())
    assert "choose 'schema and settings' if a fresh backup of your own exists" in str(refused.value)
    assert cluster.run("ls -d /data/backups 2>&1").exit_code != 0
    checked = CheckCapacityOperator(task_id="capacity", connection_task="connection")
    made.run(checked)
    assert "backup-space" in [f["check"] for f in made.left(checked, "findings") if f["severity"] == "error"]


@pytest.mark.proves("backup-destination")
def test_a_destination_that_cannot_be_is_refused(run, cluster):
    cluster.run("ln -sfn /data/master/gpseg-1 /home/gpadmin/elsewhere; touch /home/gpadmin/afile")
    made = run()
    for path, said in (
        ("/data/master/gpseg-1/backups", "it lies in the data directory of the coordinator"),
        ("/home/gpadmin/elsewhere/b", "it lies in the data directory of the coordinator"),
        ("/etc/backups", "cannot be made or written by the cluster's user"),
        ("/home/gpadmin/afile/b", "is no directory"),
    ):
        made.params["backup_directory"] = path
        with pytest.raises(AirflowFailException, match=said):
            made.run(task())
    cluster.run("rm -f /home/gpadmin/elsewhere /home/gpadmin/afile")


@pytest.mark.proves("backup-selection")
def test_a_name_that_matches_nothing_is_told(run):
    with pytest.raises(AirflowFailException, match=r"Backup of demo\.slaes: no database, schema or table"):
        run(backup_objects=["demo.hr", "demo.slaes"]).run(task())


@pytest.mark.proves("backup-choice")
def test_leaving_out_rows_is_told_to_who_approves(run):
    made = run(backup="none")
    checked = CheckCapacityOperator(task_id="capacity", connection_task="connection")
    made.run(checked)
    (found,) = [f for f in made.left(checked, "findings") if f["check"] == "backup-choice"]
    assert found["severity"] == "warning"


def test_dry_run_writes_nothing(run, cluster):
    told = run(dry_run=True).run(task())
    assert told["dry_run"]
    assert any("can be used" in line for line in told["estimate"])
    assert not cluster.run(f"ls {BACKUPS} {EXPANSIONS}/*/snapshot 2>/dev/null").stdout


def test_a_worker_killed_after_the_start_finds_its_backup_at_work(run, cluster):
    cluster.set_fault("pg_dump", "hang")
    made = run()
    first = made.start(task())
    assert isinstance(first, TaskDeferred)
    wait_for(cluster, f"ls {BACKUPS}/*.partial/data/*/*.gz >/dev/null 2>&1")
    second = made.start(task())
    assert isinstance(second, TaskDeferred)
    assert second.trigger.job_dir == first.trigger.job_dir
    assert not finished(cluster)
    cluster.clear_faults()
    told = made.resume(task(), second)
    assert finished(cluster) == [f"{told['directory']}/manifest.json"]
    assert cluster.run(f"ls -d {EXPANSIONS}/*/job_back_up_*").stdout.split() == [first.trigger.job_dir]


def test_a_dump_that_dies_is_no_backup_and_the_retry_begins_anew(run, cluster):
    cluster.set_fault("pg_dump", "kill")
    made = run()
    with pytest.raises(AirflowFailException, match="FAILED: pg_dump of 1 schemas of database demo"):
        made.run(task())
    assert partials(cluster)
    assert not finished(cluster)
    cluster.clear_faults()
    told = made.run(task())
    assert [a["tables"] for a in told["archives"]] == [3, 3]
    assert not partials(cluster)


def test_a_job_killed_with_everything_it_started_is_no_backup(run, cluster):
    cluster.set_fault("pg_dump", "hang")
    made = run()
    deferred = made.start(task())
    wait_for(cluster, f"ls {BACKUPS}/*.partial/data/*/*.gz >/dev/null 2>&1")
    cluster.run(f"read -r pid rest < {deferred.trigger.job_dir}/supervisor; kill -9 -- -$pid")
    with pytest.raises(AirflowFailException, match="is lost"):
        made.resume(task(), deferred)
    assert not finished(cluster)
    cluster.clear_faults()
    made.run(task())
    assert len(finished(cluster)) == 1
    assert not partials(cluster)


def test_a_worker_killed_before_the_manifest_only_ends_what_is_written(run, cluster):
    made = run()
    deferred = made.start(task())
    wait_for(cluster, f"[ -e {deferred.trigger.job_dir}/exit_code ]")
    (partial,) = partials(cluster)
    stamp = cluster.run(f"stat -c %Y {partial}/SHA256SUMS").stdout
    told = made.run(task())
    assert cluster.run(f"stat -c %Y {told['directory']}/SHA256SUMS").stdout == stamp, "nothing was written anew"
    assert cluster.run(f"ls -d {EXPANSIONS}/*/job_back_up_*").stdout.split() == [deferred.trigger.job_dir]


def test_clearing_a_finished_backup_changes_nothing(run, cluster):
    made = run()
    first = made.run(task())
    second = made.run(task())
    assert first["finished"] == second["finished"]
    assert len(cluster.run(f"ls -d {EXPANSIONS}/*/job_back_up_*").stdout.split()) == 1


def test_what_lies_at_the_destination_and_is_not_ours_is_left_alone(run, cluster):
    made = run()
    made.run(task())
    (manifest,) = finished(cluster)
    directory = manifest.removesuffix("/manifest.json")
    cluster.run(f"mv {directory} {directory}.partial; echo somebody > {directory}.partial/OWNER")
    with pytest.raises(AirflowFailException, match="is not of this expansion"):
        made.run(task())
    assert cluster.run(f"ls {directory}.partial/globals.sql").exit_code == 0


def test_a_lock_in_the_way_is_waited_for(run, cluster, connect):
    """Whoever has locked a table keeps the backup waiting, not failing; the room for its answer is ten minutes."""
    with connect() as blocker:
        blocker.autocommit = False
        with blocker.cursor() as cursor:
            cursor.execute("lock table hr.employees in access exclusive mode")
        made = run()
        deferred = made.start(task())
        wait_for(cluster, f"ls {BACKUPS}/*.partial/schema.sql >/dev/null 2>&1")
        assert not finished(cluster)
        blocker.rollback()
    assert made.resume(task(), deferred)["archives"][0]["tables"] == 3


def test_names_of_every_kind_reach_no_shell(run, cluster, connect):
    hostile = ["$(touch /tmp/executed)", "; touch /tmp/executed", "`touch /tmp/executed`", 'it\'s "x"', "a.b", "-rf *"]
    with connect() as session, session.cursor() as cursor:
        for name in hostile:
            quoted = '"' + name.replace('"', '""') + '"'
            cursor.execute(f"create schema {quoted}")
            cursor.execute(f"create table {quoted}.{quoted} (id int) distributed by (id)")
    try:
        patterns = ['demo."' + name.replace('"', '""') + '"' for name in hostile[:3]]
        patterns += ['demo."{0}"."{0}"'.format(name.replace('"', '""')) for name in hostile[3:]]
        told = run(backup_objects=patterns).run(task())
        assert [a["tables"] for a in told["archives"]] == [3, 3]
        assert cluster.run("ls /tmp/executed").exit_code != 0
    finally:
        with connect() as session, session.cursor() as cursor:
            for name in hostile:
                cursor.execute('drop schema "' + name.replace('"', '""') + '" cascade')
