"""What is broken in catalogs, databases or on disks is found by its check, injected into the practice cluster."""

from __future__ import annotations

import pytest

from tests.support.looking import Changes, Looks, Rows, only
from tests.support.practice import Practice

pytestmark = pytest.mark.sandbox


# --- catalog ---------------------------------------------------------------------------------------------------------


@pytest.mark.proves("gpcheckcat")
def test_a_table_listed_for_more_segments_than_there_are(practice: Practice, look: Looks, change: Changes) -> None:
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
def test_an_index_that_a_failed_build_left(look: Looks, change: Changes) -> None:
    change("CREATE TABLE public.t (id int) DISTRIBUTED BY (id)", "CREATE INDEX t_id ON public.t (id)")
    change("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'public.t_id'::regclass")
    try:
        found = only(look("databases", "invalid-indexes"), "warning")
    finally:
        change("DROP TABLE public.t")
    assert "public.t_id of public.t" in found["problem"]


@pytest.mark.proves("distribution-policies")
def test_a_table_that_lost_its_policy(look: Looks, change: Changes) -> None:
    change("CREATE TABLE public.lost (id int) DISTRIBUTED BY (id)")
    change("DELETE FROM gp_distribution_policy WHERE localoid = 'public.lost'::regclass")
    try:
        found = only(look("databases", "distribution-policies"))
    finally:
        change("DROP TABLE public.lost")
    assert "public.lost" in found["problem"]


@pytest.mark.proves("missing-files")
def test_a_table_whose_file_is_gone(practice: Practice, look: Looks, change: Changes, rows: Rows) -> None:
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
def test_a_partition_in_another_schema_than_its_root(look: Looks, change: Changes) -> None:
    change("ALTER TABLE sales.facts_1_prt_2 SET SCHEMA stage")
    try:
        found = only(look("databases", "stray-partitions"))
    finally:
        change("ALTER TABLE stage.facts_1_prt_2 SET SCHEMA sales")
    assert "stage.facts_1_prt_2" in found["problem"]


@pytest.mark.proves("empty-views")
def test_a_materialized_view_without_data(look: Looks, change: Changes) -> None:
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
def test_settings_of_one_database(look: Looks, change: Changes) -> None:
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
def test_a_database_that_allows_no_connections(look: Looks, change: Changes) -> None:
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
