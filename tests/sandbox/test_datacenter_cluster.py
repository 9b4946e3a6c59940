"""The command line around the database: first up, its copy, reset, a crash of everything, a primary killed."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from sandbox.datacenter import control, lifecycle
from tests.sandbox.conformance.practice import Practice
from tests.sandbox.datacenter import Sandbox, wait_for

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]
ALL_UP = "10 of 10 instances up"


@pytest.fixture(scope="module")
def sandbox(practice: Practice) -> Iterator[Sandbox]:
    """The one of the other tests: broken here in every way, and whole again in the end."""
    practice.close()
    shared = Sandbox(practice.state.directory)
    yield shared
    shared.call("up")


def ask(sandbox: Sandbox, statement: str, database: str = "demo") -> list[tuple[object, ...]]:
    """Rows, over the relay and with the password of the Airflow connection."""
    connection = json.loads(sandbox.state.connection.read_text())
    session = psycopg2.connect(
        host=connection["host"],
        port=connection["port"],
        user=connection["login"],
        password=connection["password"],
        dbname=database,
    )
    try:
        session.autocommit = True
        with session.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        session.close()


def status(sandbox: Sandbox) -> dict[str, object]:
    report = json.loads(sandbox.call("status", "--json", check=False).stdout)
    assert isinstance(report, dict)
    return report


def test_first_up_serves_sql_from_outside_and_keeps_a_copy(sandbox: Sandbox) -> None:
    assert status(sandbox)["database"] == ALL_UP
    assert sandbox.call("status").returncode == 0
    assert "Greenplum Database 6.24.3" in str(ask(sandbox, "select version()")[0][0])
    assert lifecycle.has_snapshot(sandbox.state)


def test_wrong_password_is_refused_from_outside(sandbox: Sandbox) -> None:
    port = sandbox.state.settings().ports["mdw:5432"]
    with pytest.raises(psycopg2.OperationalError, match="password"):
        psycopg2.connect(host="127.0.0.1", port=port, user="gpadmin", password="wrong", dbname="demo")


def test_up_again_keeps_sessions_and_rows(sandbox: Sandbox) -> None:
    before = sandbox.processes().keys()
    sandbox.call("up")
    postmasters = {pid for pid, command in sandbox.processes().items() if "/postgres -D" in command}
    assert postmasters
    assert postmasters <= before


def test_killed_primary_is_replaced_by_its_mirror_and_reset_puts_it_back(sandbox: Sandbox) -> None:
    rows = ask(sandbox, "select count(*) from sales.orders")
    assert "sdw1:/data/primary/gpseg0" in sandbox.call("fault", "segment-down", "0").stdout
    acting = "select hostname from gp_segment_configuration where content = 0 and role = 'p'"
    wait_for("the mirror acts", lambda: ask(sandbox, acting, "postgres") == [("sdw2",)])
    assert sandbox.call("status", check=False).returncode == 1
    ask(sandbox, "create table public.later (id int) distributed by (id)")
    sandbox.call("fault", "set", "gprecoverseg")
    sandbox.on("sdw3", "mkdir -p /data/primary/gpseg4")
    sandbox.call("reset")
    assert status(sandbox)["database"] == ALL_UP
    assert ask(sandbox, acting, "postgres") == [("sdw1",)]
    assert ask(sandbox, "select count(*) from sales.orders") == rows
    assert ask(sandbox, "select to_regclass('public.later') is null") == [(True,)]
    assert sandbox.call("fault", "list").stdout == ""
    assert sandbox.on("sdw3", "ls /data") == ""


def test_crash_of_everything_loses_no_row(sandbox: Sandbox) -> None:
    rows = ask(sandbox, "select count(*), sum(id) from sales.orders")
    leader = control.leader(sandbox.state)
    assert leader is not None
    os.kill(leader.pid, signal.SIGKILL)
    wait_for("no process left", lambda: not control.processes_of(leader.user_namespace))
    sandbox.call("up")
    wait_for("mirrors in sync", lambda: status(sandbox)["database"] == ALL_UP)
    assert ask(sandbox, "select count(*), sum(id) from sales.orders") == rows


def test_down_and_up_find_no_segment_down(sandbox: Sandbox) -> None:
    history = "select * from gp_configuration_history order by 1, 2"
    before = ask(sandbox, history, "postgres")
    sandbox.call("down")
    assert sandbox.processes() == {}
    sandbox.call("up")
    assert ask(sandbox, history, "postgres") == before
    assert status(sandbox)["database"] == ALL_UP


def test_status_tells_that_the_database_is_down(sandbox: Sandbox, tmp_path: Path) -> None:
    other = Sandbox(tmp_path / "hosts")
    try:
        other.up()
        report = status(other)
        assert report["up"] is False
        assert "no answer" in str(report["database"])
    finally:
        other.call("down", "--purge")
