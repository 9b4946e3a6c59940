"""Each check of the cluster finds its fault, injected into the practice cluster; what it needs runs, nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.hooks.cluster_facts import read_replication
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.greenplum import GreenplumHook
from tests.support.in_process import find
from tests.support.practice import Practice
from tests.support.snapshot import hook_for

pytestmark = pytest.mark.sandbox

REQUEST = {"greenplum_conn_id": "practice", "new_hosts": ["sdw3=10.77.0.23", "sdw4=10.77.0.24"]}
Looks = Callable[..., list[dict[str, str]]]


@pytest.fixture(scope="module", autouse=True)
def healthy(practice: Practice) -> Iterator[None]:
    """Nothing of an earlier test is in the cluster, and nothing of these stays."""
    practice.clear_faults()
    practice.reset()
    yield
    practice.clear_faults()
    practice.reset()


@pytest.fixture
def look(practice: Practice, monkeypatch: pytest.MonkeyPatch) -> Looks:
    """What one task of check_cluster finds under one check's id."""
    monkeypatch.setenv("AIRFLOW_CONN_PRACTICE", practice.state.connection.read_text())

    def look_at(task: str, check: str, **request: Any) -> list[dict[str, str]]:
        found = find({**REQUEST, **request}, f"check_cluster.{task}")
        return [finding for finding in found if finding["check"] == check]

    return look_at


@pytest.fixture
def connection(practice: Practice) -> dict[str, Any]:
    """The practice cluster as an Airflow connection."""
    known: dict[str, Any] = json.loads(practice.state.connection.read_text())
    return known


@pytest.fixture
def change(connect: Callable[..., Any]) -> Callable[..., None]:
    """Statements as superuser, catalogs included."""

    def execute(*statements: str, database: str = "demo") -> None:
        with closing(connect(database)) as connection, connection.cursor() as cursor:
            cursor.execute("SET allow_system_table_mods = on")
            for statement in statements:
                cursor.execute(statement)

    return execute


@contextmanager
def fault(practice: Practice, name: str, value: str) -> Iterator[None]:
    practice.sandbox("fault", "set", name, value)
    try:
        yield
    finally:
        practice.sandbox("fault", "clear", name)


def wait_until(condition: Callable[[], bool]) -> None:
    """Return when it holds; a minute without it is a hang."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it does not come"


def only(findings: list[dict[str, str]], severity: str = "error") -> dict[str, str]:
    """The one finding there should be."""
    assert [finding["severity"] for finding in findings] == [severity], findings
    return findings[0]


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.proves("max-connections")
def test_too_few_connections_for_the_wished_moves(practice: Practice, look: Looks) -> None:
    with fault(practice, "setting.max_connections", "40"):
        found = only(look("settings", "max-connections", parallel_moves=20))
        assert "it is 40; moving 20 tables at a time needs 41" in found["problem"]
        assert "move at most 19 tables at a time" in found["remedy"]
        assert look("settings", "max-connections", parallel_moves=4) == []


@pytest.mark.proves("max-locks")
def test_too_few_locks_for_the_largest_partitioned_table(practice: Practice, look: Looks) -> None:
    with fault(practice, "setting.max_locks_per_transaction", "0"):
        found = only(look("settings", "max-locks"))
    assert "partitions, locked all together; the lock table holds 0 locks" in found["problem"]
    assert "gpconfig -c max_locks_per_transaction -v 1," in found["remedy"]


@pytest.mark.proves("interconnect")
def test_an_interconnect_through_proxies(practice: Practice, look: Looks) -> None:
    with fault(practice, "setting.gp_interconnect_type", "proxy"):
        found = only(look("settings", "interconnect"))
    assert "gpconfig -c gp_interconnect_type -v UDPIFC" in found["remedy"]


@pytest.mark.proves("user-tablespaces")
def test_a_tablespace_of_users(practice: Practice, look: Looks, change: Callable[..., None]) -> None:
    for host in ("mdw", "smdw", "sdw1", "sdw2"):
        practice.run("mkdir -p /data/fast", host)
    change("CREATE TABLESPACE fast LOCATION '/data/fast'")
    try:
        found = only(look("settings", "user-tablespaces"), "note")
    finally:
        change("DROP TABLESPACE fast")
    assert "users made fast" in found["problem"]


@pytest.mark.proves("heap-checksums")
def test_a_mirror_without_checksums(practice: Practice, look: Looks) -> None:
    """A directory without control data cannot be told from one that cannot be read, so that is found, too."""
    control = "/data/mirror/gpseg0/global/pg_control"
    practice.run(f"mv {control} {control}.away", "sdw2")
    try:
        found = only(look("settings", "heap-checksums"))
    finally:
        practice.run(f"mv {control}.away {control}", "sdw2")
    assert "mirror of content 0" in found["subject"]
    assert "pg_controldata could not read /data/mirror/gpseg0" in found["problem"]
    assert look("settings", "heap-checksums") == []


# --- connection, state -----------------------------------------------------------------------------------------------


@pytest.mark.proves("version", "flavor")
@pytest.mark.parametrize(
    ("version", "check", "said"),
    [
        ("PostgreSQL 8.3.23 (Greenplum Database 5.29.1 build x) on x86_64", "flavor", "it is not supported"),
        ("EnterpriseDB 15.4 on x86_64", "version", "of no version known here: EnterpriseDB 15.4"),
    ],
)
def test_a_server_of_another_kind(
    look: Looks, change: Callable[..., None], version: str, check: str, said: str
) -> None:
    answering = "CREATE OR REPLACE FUNCTION pg_catalog.version() RETURNS text LANGUAGE sql STABLE AS $x$ SELECT {} $x$"
    change("ALTER FUNCTION pg_catalog.version() RENAME TO version_kept", database="postgres")
    try:
        change(answering.format(f"'{version}'::text"), database="postgres")
        found = only([finding for finding in look("connection", check) if finding["severity"] != "note"])
    finally:
        change("DROP FUNCTION IF EXISTS pg_catalog.version()", database="postgres")
        change("ALTER FUNCTION pg_catalog.version_kept() RENAME TO version", database="postgres")
    assert said in found["problem"]


@pytest.mark.proves("expansion-state")
def test_an_expansion_that_was_left_half_done(practice: Practice, look: Looks) -> None:
    practice.run("echo UNINITIALIZED:None > $MASTER_DATA_DIRECTORY/gpexpand.status")
    try:
        found = only(look("expansion_state", "expansion-state"))
    finally:
        practice.run("rm $MASTER_DATA_DIRECTORY/gpexpand.status")
    assert "preparation failed" in found["problem"]


# --- segments --------------------------------------------------------------------------------------------------------


@pytest.fixture
def catalog_says(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the check read the catalog as it is after these statements, which fts would soon correct."""

    def say(*statements: str) -> None:
        def read(hook: GreenplumHook) -> Topology:
            with hook.connected(autocommit=False) as connection, connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return Topology.from_rows(hook.query("segment_configuration", connection=connection))

        monkeypatch.setattr("greenplum_expansion.operators.checks.cluster.read_probed_topology", read)

    return say


@pytest.mark.proves(
    *("segments-up", "preferred-roles", "standby-in-sync", "gpstate-segments", "gpstate-standby", "software-version")
)
def test_a_primary_and_the_standby_are_dead(
    practice: Practice, look: Looks, connection: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster = "greenplum_expansion.operators.checks.cluster"
    with hook_for(connection) as hook:
        topology, replication = read_topology(hook), read_replication(hook)
    practice.run("read -r pid < $MASTER_DATA_DIRECTORY/postmaster.pid; kill -9 $pid", "smdw")
    practice.sandbox("fault", "segment-down", "1")
    try:
        down = only(look("segments", "segments-up"))
        roles = look("segments", "preferred-roles")
        standby = only(look("segments", "standby-in-sync"))
        # As if the coordinator had not heard of it yet: what gpstate sees on the hosts is told then.
        monkeypatch.setattr(f"{cluster}.read_probed_topology", lambda hook: topology)
        monkeypatch.setattr(f"{cluster}.read_replication", lambda hook: replication)
        seen = {finding["check"]: finding for finding in find(REQUEST, "check_cluster.segments")}
    finally:
        practice.reset()
    assert "primary of content 1" in down["subject"]
    assert [finding["problem"] for finding in roles] == [
        "it acts as mirror, not in its preferred role",
        "it acts as primary, not in its preferred role",
    ]
    assert "it does not follow the coordinator" in standby["problem"]
    assert "gpinitstandby -n" in standby["remedy"]
    assert set(seen) == {"gpstate-segments", "gpstate-standby", "software-version"}
    assert "Segments with Primary and Mirror Roles Switched" in seen["gpstate-segments"]["problem"]
    assert "sdw1 /data/primary/gpseg1 6001 unable to retrieve version" in seen["software-version"]["problem"]


@pytest.mark.proves("pairs-in-sync")
def test_a_pair_that_is_not_in_sync(look: Looks, catalog_says: Callable[..., None]) -> None:
    catalog_says("UPDATE gp_segment_configuration SET mode = 'n' WHERE content = 1")
    assert only(look("segments", "pairs-in-sync"))["subject"] == "content 1"


@pytest.mark.proves("standby-present")
def test_a_cluster_without_a_standby(look: Looks, catalog_says: Callable[..., None]) -> None:
    catalog_says("DELETE FROM gp_segment_configuration WHERE content = -1 AND role = 'm'")
    assert "gpinitstandby" in only(look("segments", "standby-present"), "warning")["remedy"]


@pytest.mark.proves("mirror-layout")
def test_mirrors_in_no_pattern(look: Looks, catalog_says: Callable[..., None]) -> None:
    catalog_says(
        "UPDATE gp_segment_configuration SET hostname = 'smdw' WHERE content IN (1, 3) AND preferred_role = 'm'"
    )
    found = only(look("segments", "mirror-layout"), "warning")
    assert "gpstate calls their layout grouped, by the catalog it is spread" in found["problem"]


# --- activity --------------------------------------------------------------------------------------------------------


@pytest.mark.proves("active-sessions", "catalog-changes")
def test_a_transaction_that_has_changed_a_catalog(look: Looks, connect: Callable[..., Any]) -> None:
    with closing(connect(application_name="etl")) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute("CREATE TABLE public.unfinished (id int) DISTRIBUTED BY (id)")
        noted = only(look("activity", "active-sessions"), "note")
        warned = only(look("activity", "catalog-changes"), "warning")
        assert look("activity", "catalog-changes", protected_roles=["gpadmin"]) == []
        assert look("activity", "catalog-changes", sessions="wait") == []
        connection.rollback()
    assert "(etl) in demo, idle in transaction" in noted["problem"]
    assert "1 in a transaction that has changed a catalog" in warned["problem"]
    assert look("activity", "catalog-changes") == []


@pytest.mark.proves("long-transactions")
def test_a_transaction_that_is_open_for_long(
    look: Looks, connect: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenplum_expansion.checks.activity.LONG_TRANSACTION", 0.0)
    with closing(connect()) as connection, connection.cursor() as cursor:
        connection.autocommit = False
        cursor.execute("SELECT 'secret'")
        found = only(look("activity", "long-transactions"), "warning")
        connection.rollback()
    assert "pg_terminate_backend(" in found["remedy"]
    assert "secret" not in json.dumps(found)


@pytest.mark.proves("other-utilities")
def test_a_utility_on_the_coordinator(practice: Practice, look: Looks) -> None:
    """A process of that name, as gpbackup would be one."""
    copied = "cp $(readlink -f $(command -v sleep)) /tmp/gpbackup && exec -a /usr/local/bin/gpbackup /tmp/gpbackup 600"
    running = practice.start(f"bash -c '{copied}'")
    try:
        wait_until(lambda: practice.run("pgrep -x gpbackup").exit_code == 0)
        found = only(look("activity", "other-utilities"))
    finally:
        practice.run("pkill -x gpbackup; rm -f /tmp/gpbackup")
        practice.finish(running)
    assert found["subject"] == "gpbackup"
    assert "on mdw), and it holds a lock on every table it saves" in found["problem"]


@pytest.mark.proves("other-utilities")
def test_a_utility_elsewhere_by_its_session(look: Looks, connect: Callable[..., Any]) -> None:
    with closing(connect(application_name="gpbackup_20261120073015")):
        found = only(look("activity", "other-utilities"))
    assert "session" in found["problem"]
    assert look("activity", "other-utilities") == []


@pytest.mark.proves("base-backup")
def test_a_base_backup_of_a_primary(
    practice: Practice, look: Looks, rows: Callable[..., list[tuple[Any, ...]]]
) -> None:
    copy = practice.start("exec pg_basebackup -D /tmp/copy -h sdw1 -p 6000 --max-rate=32k -X none -c fast", "sdw2")
    try:
        wait_until(lambda: bool(rows("SELECT 1 FROM gp_stat_replication WHERE application_name = 'pg_basebackup'")))
        found = only(look("activity", "base-backup"))
    finally:
        practice.run("pkill -x pg_basebackup", "sdw2")
        practice.finish(copy)
        practice.run("rm -rf /tmp/copy", "sdw2")
    assert found["subject"] == "content 0"


# --- catalog ---------------------------------------------------------------------------------------------------------


@pytest.mark.proves("gpcheckcat")
def test_a_table_listed_for_more_segments_than_there_are(
    practice: Practice, look: Looks, change: Callable[..., None]
) -> None:
    change("CREATE TABLE public.wide (id int) DISTRIBUTED BY (id)")
    change("UPDATE gp_distribution_policy SET numsegments = 9 WHERE localoid = 'public.wide'::regclass")
    try:
        found = only(look("catalog", "gpcheckcat", catalog_check="full"))
        policies = only(look("databases", "distribution-policies"))
    finally:
        change("UPDATE gp_distribution_policy SET numsegments = 4 WHERE localoid = 'public.wide'::regclass")
        change("DROP TABLE public.wide")
    assert "tests that failed: distribution_policy" in found["problem"]
    assert "on the coordinator" in found["remedy"]
    assert "public.wide (9)" in policies["problem"]


@pytest.mark.proves("gpcheckcat")
def test_a_long_gpcheckcat_is_followed_without_a_worker(look: Looks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenplum_expansion.operators.checks.catalog._AT_ONCE", -1.0)
    found = only(look("catalog", "gpcheckcat"), "note")
    assert "tests on 3 databases found no catalog issue" in found["problem"]


@pytest.mark.proves("gpcheckcat-skipped")
def test_a_catalog_nobody_looked_at(look: Looks) -> None:
    assert "gpcheckcat -A -O" in only(look("catalog", "gpcheckcat-skipped", catalog_check="skip"), "warning")["remedy"]


# --- databases -------------------------------------------------------------------------------------------------------


@pytest.mark.proves("invalid-indexes")
def test_an_index_that_a_failed_build_left(look: Looks, change: Callable[..., None]) -> None:
    change("CREATE TABLE public.t (id int) DISTRIBUTED BY (id)", "CREATE INDEX t_id ON public.t (id)")
    change("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.t_id'::regclass")
    try:
        found = only(look("databases", "invalid-indexes"), "warning")
    finally:
        change("DROP TABLE public.t")
    assert "public.t_id of public.t" in found["problem"]


@pytest.mark.proves("distribution-policies")
def test_a_table_that_lost_its_policy(look: Looks, change: Callable[..., None]) -> None:
    change("CREATE TABLE public.lost (id int) DISTRIBUTED BY (id)")
    change("DELETE FROM gp_distribution_policy WHERE localoid = 'public.lost'::regclass")
    try:
        found = only(look("databases", "distribution-policies"))
    finally:
        change("DROP TABLE public.lost")
    assert "public.lost" in found["problem"]


@pytest.mark.proves("missing-files")
def test_a_table_whose_file_is_gone(
    practice: Practice, look: Looks, change: Callable[..., None], rows: Callable[..., list[tuple[Any, ...]]]
) -> None:
    change("CREATE TABLE public.gone (id int) DISTRIBUTED BY (id)")
    statement = "SELECT relfilenode FROM gp_dist_random('pg_class') WHERE relname = 'gone' AND gp_segment_id = 0"
    ((number,),) = rows(statement)
    practice.run(f"find /data/primary/gpseg0/base -name {number} -size 0 -exec mv {{}} {{}}.away \\;", "sdw1")
    try:
        found = only(look("databases", "missing-files"))
    finally:
        practice.run("for f in /data/primary/gpseg0/base/*/*.away; do mv $f ${f%.away}; done", "sdw1")
        change("DROP TABLE public.gone")
    assert "public.gone on content 0" in found["problem"]


@pytest.mark.proves("stray-partitions")
def test_a_partition_in_another_schema_than_its_root(look: Looks, change: Callable[..., None]) -> None:
    change("ALTER TABLE sales.facts_1_prt_2 SET SCHEMA stage")
    try:
        found = only(look("databases", "stray-partitions"))
    finally:
        change("ALTER TABLE stage.facts_1_prt_2 SET SCHEMA sales")
    assert "stage.facts_1_prt_2" in found["problem"]


@pytest.mark.proves("empty-views")
def test_a_materialized_view_without_data(look: Looks, change: Callable[..., None]) -> None:
    filled = "UPDATE pg_class_real SET relispopulated = {} WHERE oid = 'sales.mv_orders'::regclass"
    change(filled.format("false"))
    try:
        found = only(look("databases", "empty-views"), "warning")
    finally:
        change(filled.format("true"))
    assert "sales.mv_orders" in found["problem"]


@pytest.mark.proves("unlogged-tables")
def test_an_unlogged_table(look: Looks) -> None:
    assert "stage.unlogged_t" in only(look("databases", "unlogged-tables"), "warning")["problem"]


@pytest.mark.proves("synchronous-commit", "timeouts", "read-only")
def test_settings_of_one_database(look: Looks, change: Callable[..., None]) -> None:
    settings = {"synchronous_commit": "local", "statement_timeout": "5min", "default_transaction_read_only": "on"}
    change(*(f"ALTER DATABASE demo SET {name} = '{value}'" for name, value in settings.items()))
    try:
        commit = only(look("databases", "synchronous-commit"), "warning")
        timeout = only(look("databases", "timeouts"), "warning")
        read_only = only(look("databases", "read-only"))
    finally:
        reset = ["SET default_transaction_read_only = off"]
        change(*reset, *(f"ALTER DATABASE demo RESET {name}" for name in settings))
    assert "synchronous_commit is local" in commit["problem"]
    assert "statement_timeout is 5min" in timeout["problem"]
    assert "gpexpand can move no table there" in read_only["problem"]


@pytest.mark.proves("closed-databases")
def test_a_database_that_allows_no_connections(look: Looks, change: Callable[..., None]) -> None:
    change("CREATE DATABASE closed", database="postgres")
    change("UPDATE pg_database SET datallowconn = false WHERE datname = 'closed'", database="postgres")
    try:
        found = only(look("databases", "closed-databases"))
    finally:
        change("UPDATE pg_database SET datallowconn = true WHERE datname = 'closed'", database="postgres")
        change("DROP DATABASE closed", database="postgres")
    assert found["subject"] == "database closed"


# --- capacity --------------------------------------------------------------------------------------------------------


@pytest.mark.proves("disk-space")
@pytest.mark.parametrize(
    ("host", "megabytes", "what"),
    [("sdw3", "12", "new instances"), ("mdw", "12", "gpexpand's template"), ("sdw1", "3", "new copies of demo.")],
)
def test_a_disk_without_room(practice: Practice, look: Looks, host: str, megabytes: str, what: str) -> None:
    practice.sandbox("fault", "disk-full", host, megabytes)
    try:
        found = [f for f in look("capacity", "disk-space") if f["severity"] == "error"]
    finally:
        practice.sandbox("fault", "clear", f"disk-full.{host}")
    (error,) = found
    assert error["subject"] == f"{host}:/data"
    assert what in error["problem"]
    assert "free " in error["remedy"]
