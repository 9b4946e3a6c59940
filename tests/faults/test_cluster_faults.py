"""Each check of the cluster finds its fault, injected into the practice cluster; what it needs runs, nothing else."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import pytest

from tests.support.in_process import find
from tests.support.practice import Practice

pytestmark = pytest.mark.sandbox

REQUEST = {"greenplum_conn_id": "practice", "new_hosts": ["sdw3=10.77.0.23", "sdw4=10.77.0.24"]}
INSTANCE = "/opt/sandbox/bin/python -m sandbox.database.instance"
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


# --- segments --------------------------------------------------------------------------------------------------------


@pytest.mark.proves("standby-in-sync")
def test_a_standby_that_is_dead_though_the_catalog_says_it_is_up(practice: Practice, look: Looks) -> None:
    practice.run("read -r pid < $MASTER_DATA_DIRECTORY/postmaster.pid; kill -9 $pid", "smdw")
    try:
        found = only(look("segments", "standby-in-sync"))
    finally:
        practice.run(f"{INSTANCE} start --datadir $MASTER_DATA_DIRECTORY", "smdw")
    assert "it does not follow the coordinator" in found["problem"]
    assert "gpinitstandby -n" in found["remedy"]


@pytest.mark.proves("segments-up")
def test_a_mirror_that_is_down(practice: Practice, look: Looks) -> None:
    practice.run("read -r pid < /data/mirror/gpseg1/postmaster.pid; kill -9 $pid", "sdw2")
    try:
        found = only(look("segments", "segments-up"))
    finally:
        practice.reset()
    assert "mirror of content 1" in found["subject"]


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
    assert "1 have changed a catalog and not committed" in warned["problem"]
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
@pytest.mark.parametrize(("host", "what"), [("sdw3", "new instances"), ("mdw", "gpexpand's template")])
def test_a_disk_without_room(practice: Practice, look: Looks, host: str, what: str) -> None:
    practice.sandbox("fault", "disk-full", host, "12")
    try:
        found = [f for f in look("capacity", "disk-space") if f["severity"] == "error"]
    finally:
        practice.sandbox("fault", "clear", f"disk-full.{host}")
    (error,) = found
    assert error["subject"] == f"{host}:/data"
    assert what in error["problem"]
    assert "free " in error["remedy"]
