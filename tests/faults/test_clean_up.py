"""clean_up on the practice cluster: what is asked is read first, the lists are kept, and what is left is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from greenplum_expansion.hooks.dialogue import talk
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.operators.checks.cluster import ClaimClusterOperator
from greenplum_expansion.operators.finish import CleanUpOperator
from greenplum_expansion.operators.run import open_run
from tests.support.one_task import OneRun
from tests.support.practice import Practice

pytestmark = pytest.mark.sandbox

EXPANSIONS = "/home/gpadmin/greenplum-expansions"
# As gpexpand leaves it; only the columns that its clean-up reads.
SCHEMA = (
    "create schema gpexpand",
    "create table gpexpand.status (status text, updated timestamp)",
    """create table gpexpand.status_detail (dbname text, fq_name text, table_oid oid, root_partition_oid oid, rank int,
        external_writable bool, status text, expansion_started timestamp, expansion_finished timestamp,
        source_bytes numeric, rel_storage text)""",
    "insert into gpexpand.status values ('SETUP', now() - interval '2 h'), ('SETUP DONE', now() - interval '1 h')",
    """insert into gpexpand.status_detail
        values ('demo', 'sales.orders', 1, null, 1, false, 'COMPLETED', now(), now(), 10, 'h')""",
)


@pytest.fixture
def run(cluster: Practice, connect: Callable[..., Any], request: pytest.FixtureRequest) -> Iterator[OneRun]:
    """An expansion whose tables have all moved."""
    made = OneRun({"greenplum_conn_id": "practice", "new_hosts": ["sdw3=10.77.0.23"]}, run_id=request.node.name)
    made.xcoms["connection", "return_value"] = True
    made.run(ClaimClusterOperator(task_id="claim", connection_task="connection"))
    with open_run(made.context(task())) as opened:
        opened.directory.ensure()
    with closing(connect("postgres")) as session, session.cursor() as cursor:
        for statement in (*SCHEMA, "insert into gpexpand.status values ('EXPANSION COMPLETE', now())"):
            cursor.execute(statement)
    yield made
    with closing(connect("postgres")) as session, session.cursor() as cursor:
        cursor.execute("drop schema if exists gpexpand cascade")
    cluster.run(f"rm -rf {EXPANSIONS} ~/gpexpand_schema.tar")


def task() -> CleanUpOperator:
    return CleanUpOperator(task_id="clean_up")


def section(made: OneRun) -> str:
    return "\n".join(made.left(task(), "section")["lines"])


def test_the_lists_are_kept_and_nothing_else_is(run, cluster):
    assert run.run(task()) == "schema gpexpand removed"
    assert "sales.orders" in cluster.run(f"cat {EXPANSIONS}/*/status_detail.csv").stdout
    status = cluster.run(f"cat {EXPANSIONS}/*/status.csv").stdout
    assert [line.partition(",")[0] for line in status.splitlines()] == [
        "status",
        "SETUP",
        "SETUP DONE",
        "EXPANSION COMPLETE",
    ]
    assert cluster.run("ls /data/master/gpseg-1/gpexpand.status_detail").exit_code != 0, "the question was answered no"
    assert "Nothing of gpexpand is left on any host" in section(run)
    assert run.run(task()) == "clean already"


def test_tables_left_to_move_keep_the_schema(run, connect):
    with closing(connect("postgres")) as session, session.cursor() as cursor:
        cursor.execute("insert into gpexpand.status values ('EXPANSION STOPPED', now() + interval '1 s')")
        with pytest.raises(AirflowFailException, match="redistribution stopped"):
            run.run(task())
        cursor.execute("select count(*) from gpexpand.status")
        assert cursor.fetchone()[0] == 4


def test_a_question_that_nobody_expects_gets_no_answer(run, cluster, connect):
    """As if gpexpand had not found all moved after all: it then asks whether the schema is really to be dropped."""
    with closing(connect("postgres")) as session, session.cursor() as cursor:
        cursor.execute("insert into gpexpand.status values ('EXPANSION STOPPED', now() + interval '1 s')")
    hook = GreenplumHook("practice")
    done = talk(hook, ["gpexpand", "-c"], {"dump the gpexpand.status_detail table": "n"}, cwd="/home/gpadmin")
    hook.close()
    assert done.unexpected.startswith("Are you sure you want to drop the expansion schema?")
    assert "Cleanup Finished" not in done.output
    assert cluster.run('psql -d postgres -Atc "select count(*) from gpexpand.status"').stdout == "4\n"


@pytest.mark.proves("nothing-left")
def test_what_is_left_on_a_host_is_told(run, cluster):
    cluster.run("touch ~/gpexpand_schema.tar; mkdir /data/primary/gpexpand_11202026_77", "sdw1")
    cluster.run(
        "mkdir -p /data/primary/gpseg9; exec -a postgres /bin/bash -c 'sleep 600; :' -D /data/primary/gpseg9 "
        "</dev/null >/dev/null 2>&1 & mkdir -p ~/x; cp /bin/sleep ~/x/pg_basebackup; "
        "~/x/pg_basebackup 600 </dev/null >/dev/null 2>&1 &",
        "sdw2",
    )
    try:
        assert run.run(task()) == "schema gpexpand removed"
        told = section(run)
        assert "sdw1: /home/gpadmin/gpexpand_schema.tar is left of gpexpand" in told
        assert "sdw1: /data/primary/gpexpand_11202026_77 is left of gpexpand" in told
        assert "pg_basebackup 600 still runs" in told
        assert "a server runs in /data/primary/gpseg9, which the catalog does not know" in told
    finally:
        cluster.run("rm -rf ~/gpexpand_schema.tar /data/primary/gpexpand_11202026_77", "sdw1")
        find = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline | grep -q '{}' && kill ${{p#/proc/}}; done"
        cluster.run(find.format("[p]g_basebackup 600"), "sdw2")
        cluster.run(find.format("[g]pseg9"), "sdw2")
        cluster.run("rm -rf ~/x /data/primary/gpseg9", "sdw2")


@pytest.mark.proves("nothing-left")
def test_a_mirror_that_is_down_at_the_end_is_told(run, cluster):
    cluster.run(". /usr/local/greenplum-db/greenplum_path.sh; pg_ctl stop -m immediate -D /data/mirror/gpseg0", "sdw2")
    try:
        run.run(task())
        assert "mirror of content 0" in section(run)
    finally:
        cluster.run(". /usr/local/greenplum-db/greenplum_path.sh; gprecoverseg -a")


def test_dry_run_removes_nothing(run, cluster):
    run.params["dry_run"] = True
    assert run.run(task()) == "dry run: nothing removed"
    assert cluster.run('psql -d postgres -Atc "select count(*) from gpexpand.status"').stdout == "3\n"
