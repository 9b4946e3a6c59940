"""restart_cluster on the practice cluster: only if asked, and however it is killed, the cluster runs in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred

from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.operators.checks.cluster import ClaimClusterOperator
from greenplum_expansion.operators.restart import RestartClusterOperator
from greenplum_expansion.operators.run import open_run
from greenplum_expansion.planning.plan import Plan
from tests.support.one_task import OneRun
from tests.support.practice import Practice

pytestmark = pytest.mark.sandbox

EXPANSIONS = "/home/gpadmin/greenplum-expansions"
STARTED = "select extract(epoch from pg_postmaster_start_time())"


@pytest.fixture
def run(cluster: Practice, request: pytest.FixtureRequest) -> Iterator[Callable[..., OneRun]]:
    """An expansion that is over: it claimed the cluster, and its plan holds no instance that is not in the catalog."""

    def make(**conf: Any) -> OneRun:
        wanted = {"greenplum_conn_id": "practice", "new_hosts": ["sdw3=10.77.0.23"], "restart": True, **conf}
        made = OneRun(wanted, run_id=request.node.name)
        made.xcoms["connection", "return_value"] = True
        made.run(ClaimClusterOperator(task_id="claim", connection_task="connection"))
        with open_run(made.context(task())) as opened:
            before = read_topology(opened.hook)
            opened.directory.ensure()
            opened.directory.write_plan(Plan(opened.expansion_id, "", before, (), (), ()))
        return made

    yield make
    cluster.clear_faults()
    cluster.run(
        ". /usr/local/greenplum-db/greenplum_path.sh; psql -d postgres -c 'select 1' || { gpstop -a -m; gpstart -a; }"
    )
    cluster.run(f"rm -rf {EXPANSIONS}")


def task() -> RestartClusterOperator:
    return RestartClusterOperator(task_id="restart_cluster")


def to_the_end(made: OneRun, result: Any) -> Any:
    """Follow every deferral; the task's own result."""
    while isinstance(result, TaskDeferred):
        try:
            return made.resume(task(), result)
        except TaskDeferred as again:
            result = again
    return result


def jobs(cluster: Practice) -> int:
    return len(cluster.run(f"ls -d {EXPANSIONS}/*/job_restart_cluster_* 2>/dev/null").stdout.split())


def server_started(cluster: Practice) -> float:
    return float(cluster.run(f'psql -d postgres -Atc "{STARTED}"').stdout)


def wait_for(cluster: Practice, command: str) -> None:
    """Until a shell command on mdw succeeds."""
    done = cluster.run(f"for i in $(seq 600); do {command} && exit 0; sleep 0.1; done; exit 1")
    assert done.exit_code == 0, f"never: {command}"


def test_nothing_happens_unless_asked(run, cluster):
    before = server_started(cluster)
    assert run(restart=False).run(task()) == "not asked for"
    assert run(dry_run=True).run(task()) == "dry run: nothing restarted"
    assert server_started(cluster) == before
    assert jobs(cluster) == 0


def test_a_restart_ends_with_everything_up_and_is_done_once(run, cluster):
    made = run()
    before = server_started(cluster)
    assert to_the_end(made, made.start(task())) == "restarted; all instances are up and in sync"
    after = server_started(cluster)
    assert after > before
    assert cluster.run("gpstate -e").exit_code == 0
    to_the_end(made, made.start(task()))
    assert server_started(cluster) == after, "a cleared task restarts nothing"
    assert jobs(cluster) == 1


def test_a_worker_killed_meanwhile_finds_the_restart_without_sql(run, cluster):
    made = run()
    first = made.start(task())
    assert isinstance(first, TaskDeferred)
    wait_for(cluster, "! pg_ctl status -D /data/master/gpseg-1 >/dev/null 2>&1")
    second = made.start(task())
    assert isinstance(second, TaskDeferred)
    assert second.trigger.job_dir == first.trigger.job_dir
    assert to_the_end(made, second) == "restarted; all instances are up and in sync"
    assert jobs(cluster) == 1


@pytest.mark.parametrize("left", ["gpstop -a -M immediate", "gpstop -a -M immediate; gpstart -a -m"])
def test_a_cluster_left_down_between_stop_and_start_is_started_by_the_retry(run, cluster, left):
    made = run()
    first = made.start(task())
    wait_for(cluster, f"grep -q 'starting the cluster' {first.trigger.job_dir}/log")
    # The supervisor, the job's shell, and gpstart, which has a process group of its own.
    cluster.run(
        f"cd {first.trigger.job_dir} && read -r shell rest < command && "
        "children=$(cat /proc/$shell/task/$shell/children); read -r supervisor rest < supervisor; "
        "kill -9 $supervisor $shell $children"
    )
    wait_for(cluster, "! pgrep -f '[s]andbox.database.instance start'")
    cluster.run(f". /usr/local/greenplum-db/greenplum_path.sh; {left}")
    assert cluster.run('psql -d postgres -c "select 1"').exit_code != 0
    assert to_the_end(made, made.start(task())) == "restarted; all instances are up and in sync"
    assert jobs(cluster) == 2


def test_a_restart_is_not_interrupted_by_marking_the_task(run, cluster):
    made = run()
    deferred = made.start(task())
    asyncio.run(deferred.trigger.on_kill())
    assert to_the_end(made, deferred) == "restarted; all instances are up and in sync"


def test_a_cluster_that_somebody_else_has_stopped_is_left_alone(run, cluster):
    made = run()
    cluster.run(". /usr/local/greenplum-db/greenplum_path.sh; gpstop -a -M fast")
    with pytest.raises(AirflowFailException, match="it was not this task that stopped it"):
        made.start(task())
    assert cluster.run('psql -d postgres -c "select 1"').exit_code != 0


def test_nothing_is_stopped_while_the_standby_cannot_be_reached(run, cluster):
    made = run()
    before = server_started(cluster)
    cluster.sandbox("fault", "host-down", "smdw")
    try:
        with pytest.raises(AirflowFailException, match="smdw does not answer"):
            made.start(task())
        assert server_started(cluster) == before
    finally:
        cluster.clear_faults()
        cluster.reset()


def test_tables_on_the_move_are_not_interrupted(run, cluster, connect):
    made = run()
    with closing(connect("postgres")) as session, session.cursor() as cursor:
        cursor.execute("create schema gpexpand")
        cursor.execute("create table gpexpand.status (status text, updated timestamp)")
        cursor.execute("insert into gpexpand.status values ('EXPANSION STOPPED', now())")
        try:
            with pytest.raises(AirflowFailException, match="redistribution is not complete"):
                made.start(task())
        finally:
            cursor.execute("drop schema gpexpand cascade")
    assert jobs(cluster) == 0


def test_open_transactions_are_waited_for_if_asked(run, cluster, connect):
    made = run(sessions="wait")
    with closing(connect()) as session:
        session.autocommit = False
        with session.cursor() as cursor:
            cursor.execute("select count(*) from hr.employees")
        deferred = made.start(task())
        assert isinstance(deferred, TaskDeferred)
        assert deferred.method_name == "execute_drained"
        assert jobs(cluster) == 0
        session.rollback()
    assert to_the_end(made, deferred) == "restarted; all instances are up and in sync"


def test_a_protected_role_s_transaction_is_never_ended(run, cluster, connect):
    made = run(sessions="end", protected_roles=["gpadmin"])
    with closing(connect()) as session:
        session.autocommit = False
        with session.cursor() as cursor:
            cursor.execute("select count(*) from hr.employees")
        with pytest.raises(AirflowFailException, match="still in a transaction: process"):
            made.start(task())
        with session.cursor() as cursor:
            cursor.execute("select 1")
    assert jobs(cluster) == 0


def test_the_hook_of_a_later_task_finds_the_restarted_cluster(run, cluster):
    made = run()
    to_the_end(made, made.start(task()))
    hook = GreenplumHook("practice")
    assert hook.environment().hostname == "mdw"
    hook.close()
