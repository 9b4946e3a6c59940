"""An expansion that is killed at any moment of its preparation ends, after greenplum_rollback, as it was or forward.

Every case kills something else, at another moment; what must be true afterwards is the same for all: the catalog, the
tables' rows and checksums, the files on the new hosts and what runs there are as before, or all new segments are in the
catalog, in sync, and the expansion's own run goes on. Files that were there before are there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.expansion_directory import ExpansionDirectory
from greenplum_expansion.hooks.greenplum import GreenplumHook
from tests.support.half_done import HalfDone
from tests.support.practice import Practice
from tests.support.preparing import WorkerKilled

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


@pytest.fixture(scope="module")
def ready(practice: Practice) -> HalfDone:
    """An expansion ready to add segments; it is rolled back by every test that succeeds."""
    made = HalfDone(practice)
    made.make_ready()
    return made


@pytest.fixture
def half_done(ready: HalfDone) -> Iterator[HalfDone]:
    """The same, made ready anew if a test has left the cluster otherwise."""
    yield ready
    ready.practice.clear_faults()
    if not ready.is_as_before():
        ready.practice.reset()
        ready.make_ready()


# --- taken back ------------------------------------------------------------------------------------------------------


@pytest.mark.proves("rollback:roll back")
@pytest.mark.parametrize(
    "stage",
    [
        "EXPANSION_PREPARE_STARTED",
        "BUILD_SEGMENT_TEMPLATE_STARTED",
        "BUILD_SEGMENT_TEMPLATE_DONE",
        "BUILD_SEGMENTS_STARTED",
        "BUILD_SEGMENTS_DONE",
        # From here on servers run on the new hosts.
        "UPDATE_CATALOG_STARTED",
        # The new segments are in the catalog, and the status file does not say so yet.
        "UPDATE_CATALOG_COMMITTED",
    ],
)
def test_gpexpand_killed_before_the_point_of_no_return_is_taken_back(half_done: HalfDone, stage: str) -> None:
    assert half_done.add_segments(stage) == "failed"

    half_done.assert_as_before(half_done.roll_back())


def _its_children_too(case: HalfDone, pid: str) -> None:
    """gpexpand, its ssh and tar, in the moment in which they fill directories on the new hosts."""
    case.practice.clear_faults()
    case.wait(lambda: case.practice.run("ls /data/primary/gpseg4", "sdw3").stdout != "", "a directory to be filled")
    case.practice.run(f"kill -9 -- -$(ps -o pgid= -p {pid} | tr -d ' ')")


def _coordinator_too(case: HalfDone, pid: str) -> None:
    """The coordinator's server, under gpexpand, and gpexpand itself."""
    case.practice.sandbox("fault", "segment-down", "-1")
    case.practice.run(f"kill -9 {pid}")


def _whole_cluster(case: HalfDone, pid: str) -> None:
    """Everything is stopped while gpexpand waits, as by a DBA who knows of nothing."""
    case.practice.run(f"kill -9 {pid}; gpstop -a -M immediate")


def _coordinator_host(case: HalfDone, pid: str) -> None:
    """The coordinator's host loses its power and comes back, with nothing started on it."""
    case.practice.sandbox("fault", "host-down", "mdw")
    case.practice.sandbox("fault", "host-up", "mdw")


def _disk_full(case: HalfDone, pid: str) -> None:
    """The disk of a new host runs full; gpexpand gives up by itself."""
    case.practice.sandbox("fault", "disk-full", "sdw3", "3")
    (case.practice.state.faults / "gpexpand.BUILD_SEGMENTS_STARTED").unlink()
    assert case.follow() == "failed"
    case.practice.clear_faults()


def _port_taken(case: HalfDone, pid: str) -> None:
    """Something else listens on a port that was free when it was checked."""
    listen = "import socket; s = socket.create_server(('', 6000)); print('on', flush=True); s.accept()"
    listener = case.practice.start(f'/opt/sandbox/bin/python -c "{listen}"', "sdw4")
    assert listener.stdout is not None
    assert listener.stdout.readline().strip() == "on"
    case.practice.clear_faults()
    assert case.follow() == "failed"
    case.practice.run("bash -c 'exec 3<>/dev/tcp/127.0.0.1/6000'", "sdw4")
    case.practice.finish(listener)


@pytest.mark.proves("rollback:roll back", "rollback:cluster down")
@pytest.mark.parametrize(
    "strike", [_its_children_too, _coordinator_too, _whole_cluster, _coordinator_host, _disk_full, _port_taken]
)
def test_whatever_else_dies_while_segments_are_built_is_taken_back(
    half_done: HalfDone, strike: Callable[[HalfDone, str], None]
) -> None:
    with half_done.stopped_at("BUILD_SEGMENTS_STARTED") as pid:
        strike(half_done, pid)

    half_done.assert_as_before(half_done.roll_back())
    assert half_done.practice.run("psql -d postgres -Atc 'show superuser_reserved_connections'").stdout == "3\n"


@pytest.mark.proves("rollback:roll back")
def test_a_worker_that_dies_leaves_gpexpand_at_work_which_is_stopped_only_if_asked(
    half_done: HalfDone, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_job = ExpansionDirectory.start_job

    def start_and_die(*arguments: Any) -> Any:
        start_job(*arguments)
        raise WorkerKilled

    monkeypatch.setattr(ExpansionDirectory, "start_job", start_and_die)
    with half_done.stopped_at("BUILD_SEGMENTS_STARTED"):
        monkeypatch.setattr("greenplum_expansion.operators.rollback.run.WAIT_FOR_GPEXPAND", 0.0)
        refused = half_done.roll_back()
        assert "gpexpand runs with pid" in refused.errors["probe"]
        assert "Stop a gpexpand that is at work" in refused.errors["probe"]
        rollback = half_done.roll_back(stop_gpexpand=True)

    half_done.assert_as_before(rollback)
    assert "gpexpand was at work and was interrupted" in rollback.xcoms["report", "report"]["told"]


@pytest.mark.proves("rollback:roll back")
def test_a_new_host_that_dies_keeps_nobody_waiting_and_is_cleaned_when_it_is_back(half_done: HalfDone) -> None:
    practice = half_done.practice
    with half_done.stopped_at("BUILD_SEGMENTS_DONE") as pid:
        practice.sandbox("fault", "host-down", "sdw4")
        practice.run(f"kill -9 {pid}")
        (practice.state.faults / "gpexpand.BUILD_SEGMENTS_DONE").unlink()

        rollback = half_done.roll_back()

        assert rollback.states["report"] == "success", rollback.explain()
        assert any("when sdw4 is back" in line for line in rollback.xcoms["report", "report"]["told"])
        assert half_done.status_file() == ""
        practice.sandbox("fault", "host-up", "sdw4")

    half_done.assert_as_before(half_done.roll_back())


@pytest.mark.proves("rollback:roll back")
def test_a_session_that_waits_for_the_catalog_lock_of_a_dead_gpexpand_is_ended(half_done: HalfDone) -> None:
    practice = half_done.practice
    blocker = practice.start('psql -d demo -c "begin; create table held(a int); select pg_sleep(3600)"')
    try:
        half_done.wait(
            lambda: (
                "1"
                in practice.run(
                    "psql -d demo -Atc \"select 1 from pg_stat_activity where query ~ 'pg_slee[p]'\""
                ).stdout
            ),
            "the transaction to begin",
        )
        half_done.expansion.start("add_segments")
        half_done.wait(lambda: "EXPANSION_PREPARE_STARTED" in half_done.status_file(), "gpexpand to begin")
        practice.run("kill -9 $(cat $MASTER_DATA_DIRECTORY/gpexpand.pid)")
        rollback = half_done.roll_back()
    finally:
        practice.run(
            "psql -d demo -Atc \"select pg_terminate_backend(pid) from pg_stat_activity where query ~ 'pg_slee[p]'\""
        )
        practice.finish(blocker)

    half_done.assert_as_before(rollback)


@pytest.mark.proves("rollback:roll back")
@pytest.mark.parametrize("place", ["/data/primary/gpseg5", "/data/mirror/gpseg6"])
def test_what_came_into_a_planned_directory_survives(half_done: HalfDone, place: str) -> None:
    practice = half_done.practice
    with half_done.stopped_at("EXPANSION_PREPARE_STARTED"):
        practice.run(f"mkdir -p {place}/deep && echo irreplaceable > {place}/deep/file", "sdw3")
        practice.set_fault("gpexpand.BUILD_SEGMENTS_DONE", "kill")
        (practice.state.faults / "gpexpand.EXPANSION_PREPARE_STARTED").unlink()
        assert half_done.follow() == "failed"
    try:
        rollback = half_done.roll_back()

        assert rollback.states["report"] == "success", rollback.explain()
        assert practice.run(f"cat {place}/deep/file", "sdw3").stdout == "irreplaceable\n"
        told = " ".join(rollback.xcoms["report", "report"]["told"])
        assert f"sdw3:{place} was not gpexpand's: it was moved aside and put back" in told

        # gpexpand is not even started over it, the next time.
        assert half_done.add_segments() == "failed"
        assert f"sdw3:{place} is not free" in half_done.expansion.errors["add_segments"]
    finally:
        practice.run(f"rm -r {place}", "sdw3")

    half_done.assert_as_before(half_done.roll_back())


# --- forward ---------------------------------------------------------------------------------------------------------


@pytest.mark.proves("rollback:finish forward")
@pytest.mark.parametrize("stage", ["UPDATE_CATALOG_DONE", "PREPARE_EXPANSION_SCHEMA_STARTED", "EXPANSION_PREPARE_DONE"])
def test_gpexpand_killed_past_the_point_of_no_return_is_finished_forward(half_done: HalfDone, stage: str) -> None:
    assert half_done.add_segments(stage) == "failed"

    rejected = half_done.roll_back("Reject")
    assert rejected.states["finish_forward"] == "skipped"
    assert rejected.states["report"] == "failed"
    assert stage in half_done.status_file()

    rollback = half_done.roll_back()

    assert "cannot be taken back" in rollback.questions["approve_forward"]
    half_done.assert_forward(rollback)


@pytest.mark.proves("rollback:finish forward", "rollback:cluster down")
def test_a_cluster_that_is_down_past_the_point_of_no_return_is_finished_forward(half_done: HalfDone) -> None:
    with half_done.stopped_at("UPDATE_CATALOG_DONE") as pid:
        half_done.practice.run(f"kill -9 {pid}; gpstop -a -M immediate")

    half_done.assert_forward(half_done.roll_back())
    assert half_done.practice.run("psql -d postgres -Atc 'show superuser_reserved_connections'").stdout == "3\n"


@pytest.mark.proves("rollback:finish forward")
def test_a_new_host_that_died_past_the_point_of_no_return_is_waited_for(half_done: HalfDone) -> None:
    practice = half_done.practice
    with half_done.stopped_at("UPDATE_CATALOG_DONE") as pid:
        practice.run(f"kill -9 {pid}")
        practice.sandbox("fault", "host-down", "sdw4")
        (practice.state.faults / "gpexpand.UPDATE_CATALOG_DONE").unlink()

        away = half_done.roll_back()

        assert away.states["report"] == "failed"
        assert "bring sdw4 back with its data" in away.errors["finish_forward"]
        practice.sandbox("fault", "host-up", "sdw4")

    half_done.assert_forward(half_done.roll_back())


def _no_segments(query: Callable[..., Any]) -> Callable[..., Any]:
    """The query that asks all segments fails, though all of them run."""

    def failing(self: GreenplumHook, name: str, *arguments: Any, **named: Any) -> Any:
        if name == "segments_answer":
            raise RemoteError("Query segments_answer", "sorry, too many clients already", "try again")
        return query(self, name, *arguments, **named)

    return failing


@pytest.mark.proves("rollback:recover mirrors")
def test_mirrors_that_were_not_made_are_made(half_done: HalfDone, monkeypatch: pytest.MonkeyPatch) -> None:
    half_done.practice.set_fault("gprecoverseg", "kill")
    half_done.add_segments()
    assert half_done.status_file() == ""
    started = "psql -d postgres -Atc 'select pg_postmaster_start_time()'"
    before = half_done.practice.run(started).stdout
    with monkeypatch.context() as patched:
        patched.setattr(GreenplumHook, "query", _no_segments(GreenplumHook.query))
        refused = half_done.roll_back()
        assert "too many clients" in refused.errors["finish_forward"]
        assert half_done.practice.run(started).stdout == before, "no cluster is restarted over a query that failed"

    rollback = half_done.roll_back()

    assert rollback.xcoms["probe", "return_value"]["action"] == "recover mirrors"
    half_done.assert_forward(rollback)
