"""Each check of the cluster finds its fault, injected into the practice cluster; what it needs runs, nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.hooks.cluster_facts import read_replication
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.greenplum import GreenplumHook
from tests.support.in_process import find
from tests.support.looking import REQUEST, Changes, Looks, Rows, fault, only, wait_until
from tests.support.practice import Practice
from tests.support.snapshot import hook_for

pytestmark = pytest.mark.sandbox
INSTANCE = "/opt/sandbox/bin/python -m sandbox.database.instance"


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.proves("max-connections")
def test_too_few_connections_for_the_wished_moves(practice: Practice, look: Looks) -> None:
    with fault(practice, "setting.max_connections", "40"):
        found = only(look("settings", "max-connections", parallel_moves=20))
        assert "it is 40; moving 20 tables at a time needs 41" in found["problem"]
        assert "move at most 19 tables at a time" in found["remedy"]
        assert look("settings", "max-connections", parallel_moves=4) == []


@pytest.mark.proves("max-locks")
def test_too_few_locks_for_the_largest_partitioned_table(
    practice: Practice, look: Looks, connection: dict[str, Any]
) -> None:
    """As many sessions as that table has partitions: one lock for each falls just short, two suffice."""
    with hook_for(connection) as hook:
        tables = max(
            row["tables"] for name in hook.databases() for row in hook.query("largest_partition_tree", dbname=name)
        )
    with (
        fault(practice, "setting.max_connections", str(tables)),
        fault(practice, "setting.max_prepared_transactions", "0"),
    ):
        with fault(practice, "setting.max_locks_per_transaction", "1"):
            found = only(look("settings", "max-locks"))
        with fault(practice, "setting.max_locks_per_transaction", "2"):
            assert look("settings", "max-locks") == []
    assert f"has {tables} partitions, locked all together; the lock table holds {tables} locks" in found["problem"]
    assert "gpconfig -c max_locks_per_transaction -v 2," in found["remedy"]


@pytest.mark.proves("interconnect")
def test_an_interconnect_through_proxies(practice: Practice, look: Looks) -> None:
    with fault(practice, "setting.gp_interconnect_type", "proxy"):
        found = only(look("settings", "interconnect"))
    assert "gpconfig -c gp_interconnect_type -v UDPIFC" in found["remedy"]


@pytest.mark.proves("user-tablespaces")
def test_a_tablespace_of_users(practice: Practice, look: Looks, change: Changes) -> None:
    for host in ("mdw", "smdw", "sdw1", "sdw2"):
        practice.run("mkdir -p /data/fast", host)
    change("CREATE TABLESPACE fast LOCATION '/data/fast'")
    try:
        found = only(look("settings", "user-tablespaces"), "note")
    finally:
        change("DROP TABLESPACE fast")
    assert "users made fast" in found["problem"]


@pytest.mark.proves("heap-checksums")
def test_a_standby_without_checksums(practice: Practice, look: Looks) -> None:
    directory = "$MASTER_DATA_DIRECTORY"
    tool = "$(ls -d /usr/lib/postgresql/*/bin | tail -n 1)/pg_checksums"
    practice.run(f"{INSTANCE} stop --datadir {directory} && {tool} --disable -D {directory}", "smdw")
    try:
        found = only(look("settings", "heap-checksums"))
    finally:
        practice.run(f"{tool} --enable -D {directory} && {INSTANCE} start --datadir {directory}", "smdw")
    assert "they are on on the coordinator, but off on standby" in found["problem"]


@pytest.mark.proves("heap-checksums")
def test_control_data_that_cannot_be_read(practice: Practice, look: Looks) -> None:
    control = "/data/mirror/gpseg0/global/pg_control"
    practice.run(f"mv {control} {control}.away", "sdw2")
    try:
        found = only(look("settings", "heap-checksums"))
    finally:
        practice.run(f"mv {control}.away {control}", "sdw2")
    assert "mirror of content 0" in found["subject"]
    assert "pg_controldata could not read /data/mirror/gpseg0" in found["problem"]


# --- connection, state -----------------------------------------------------------------------------------------------


@pytest.mark.proves("version", "flavor")
@pytest.mark.parametrize(
    ("version", "check", "said"),
    [
        ("PostgreSQL 8.3.23 (Greenplum Database 5.29.1 build x) on x86_64", "flavor", "it is not supported"),
        ("EnterpriseDB 15.4 on x86_64", "version", "of no version known here: EnterpriseDB 15.4"),
    ],
)
def test_a_server_of_another_kind(look: Looks, change: Changes, version: str, check: str, said: str) -> None:
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
    """Let the check read the catalog as it is after these statements, in a transaction that is not committed.

    The faults themselves cannot be had here: mirrors of the practice cluster are in sync or down, never up and behind;
    it has no gpinitstandby and no gpmovemirrors; and fts acts upon rows that only say so.
    """

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
        assert look("activity", "catalog-changes", sessions="wait") == []
        protected = only(look("activity", "catalog-changes", sessions="wait", protected_roles=["gpadmin"]), "warning")
        connection.rollback()
    assert "(etl) in demo, idle in transaction" in noted["problem"]
    assert "1 in a transaction that has changed a catalog" in warned["problem"]
    assert "neither waited for nor ended" in protected["remedy"]
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
def test_a_base_backup_of_a_primary(practice: Practice, look: Looks, rows: Rows) -> None:
    copy = practice.start("exec pg_basebackup -D /tmp/copy -h sdw1 -p 6000 --max-rate=32k -X none -c fast", "sdw2")
    try:
        wait_until(lambda: bool(rows("SELECT 1 FROM gp_stat_replication WHERE application_name = 'pg_basebackup'")))
        found = only(look("activity", "base-backup"))
    finally:
        practice.run("pkill -x pg_basebackup", "sdw2")
        practice.finish(copy)
        practice.run("rm -rf /tmp/copy", "sdw2")
    assert found["subject"] == "content 0"
