"""greenplum_rollback in every state it can find: what it does, what it leaves alone, and what it says to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.support.half_done import HalfDone
from tests.support.practice import Practice
from tests.support.snapshot import snapshot

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

STATUS = "create schema gpexpand; create table gpexpand.status(status text, updated timestamp);"
DROP = "drop schema if exists gpexpand cascade"


@pytest.fixture(scope="module")
def ready(practice: Practice) -> HalfDone:
    """An expansion; nothing is made ready yet."""
    return HalfDone(practice)


@pytest.fixture
def half_done(ready: HalfDone) -> HalfDone:
    """The same with its plan made."""
    if not ready.before:
        ready.make_ready()
    return ready


@pytest.fixture
def sql(practice: Practice) -> Callable[[str], str]:
    """Run a statement in database postgres, as a DBA does on the coordinator."""

    def run(statement: str) -> str:
        done = practice.run(f'psql -v ON_ERROR_STOP=1 -d postgres -qAtc "{statement}"')
        assert done.exit_code == 0, done
        return done.stdout.strip()

    return run


@contextmanager
def file_on_coordinator(practice: Practice, name: str, text: str) -> Iterator[None]:
    practice.run(f"printf '{text}' > $MASTER_DATA_DIRECTORY/{name}")
    try:
        yield
    finally:
        practice.run(f"rm -f $MASTER_DATA_DIRECTORY/{name}")


@pytest.mark.proves("rollback:nothing to roll back")
def test_a_cluster_that_was_never_expanded_is_left_alone(ready: HalfDone) -> None:
    before = snapshot(ready.connection)

    rollback = ready.roll_back()

    assert rollback.states["report"] == "success", rollback.explain()
    assert rollback.xcoms["verify", "return_value"] == "nothing had been planned, so nothing was changed"
    assert snapshot(ready.connection) == before


@pytest.mark.proves("rollback:nothing to roll back")
def test_an_expansion_that_waits_for_its_approval_is_left_alone_twice(half_done: HalfDone) -> None:
    for _ in range(2):
        rollback = half_done.roll_back()

        half_done.assert_as_before(rollback)
        assert rollback.xcoms["roll_back", "return_value"] == "nothing to roll back"
        assert "run halfdone goes on and keeps the cluster" in rollback.xcoms["verify", "return_value"]
    half_done.expansion.run_tasks("make_plan", "approve_plan")


@pytest.mark.proves("rollback:nothing to roll back")
def test_hosts_of_an_expansion_that_goes_on_are_not_undone(half_done: HalfDone) -> None:
    rollback = half_done.roll_back(undo_preparation=True)

    assert rollback.states["verify"] == "success"
    assert rollback.states["report"] == "failed"
    assert (
        "run halfdone of greenplum_expand goes on, and needs its hosts prepared"
        in (rollback.errors["undo_preparation"])
    )


@pytest.mark.proves("rollback:refused")
def test_what_a_person_has_begun_by_hand_is_left_to_that_person(half_done: HalfDone) -> None:
    text = "UNINITIALIZED:None\\nEXPANSION_PREPARE_STARTED:/home/gpadmin/by_hand\\n"
    with file_on_coordinator(half_done.practice, "gpexpand.status", text):
        rollback = half_done.roll_back()

        assert "was begun with /home/gpadmin/by_hand, no file of the newest expansion" in rollback.errors["roll_back"]
        assert rollback.states["report"] == "failed"
        assert half_done.status_file()


@pytest.mark.proves("rollback:refused")
def test_an_input_file_that_was_changed_deletes_nothing(half_done: HalfDone) -> None:
    directory = f"/home/gpadmin/greenplum-expansions/{half_done.expansion_id}"
    changed = f"{directory}/gpexpand_inputfile"
    half_done.practice.run(
        f"cp {changed} {changed}.kept; sed -i s#/data/primary/gpseg5#/data/primary/bystander# {changed}"
    )
    text = f"UNINITIALIZED:None\\nEXPANSION_PREPARE_STARTED:{changed}\\nBUILD_SEGMENTS_STARTED:/tmp/x.tar\\n"
    try:
        with file_on_coordinator(half_done.practice, "gpexpand.status", text):
            rollback = half_done.roll_back()
            assert "was changed after the preparation began" in rollback.errors["roll_back"]
    finally:
        half_done.practice.run(f"mv {changed}.kept {changed}")
    half_done.assert_as_before(half_done.roll_back())


@pytest.mark.proves("rollback:refused")
def test_a_status_file_that_nobody_can_read_needs_a_person(half_done: HalfDone) -> None:
    with file_on_coordinator(half_done.practice, "gpexpand.status", "EXPANSION_PREPARE_STARTED:/a:b\\n"):
        rollback = half_done.roll_back()

        assert "line 1 of gpexpand.status" in rollback.errors["probe"]
        assert "correct that line of gpexpand.status on coordinator and standby by hand" in rollback.errors["probe"]
        assert rollback.states["roll_back"] == "upstream_failed"


@pytest.mark.proves("rollback:drop schema gpexpand")
@pytest.mark.parametrize("rows", ["", "insert into gpexpand.status values ('SETUP', now());"])
def test_a_schema_without_status_is_dropped_after_an_approval(
    half_done: HalfDone, sql: Callable[[str], str], rows: str
) -> None:
    sql(STATUS + rows)
    try:
        rejected = half_done.roll_back("Reject")
        assert rejected.states["roll_back"] == "skipped"
        assert rejected.states["report"] == "failed"
        assert sql("select count(*) from pg_namespace where nspname = 'gpexpand'") == "1"

        rollback = half_done.roll_back()

        assert "Schema `gpexpand` is dropped" in rollback.questions["approve_forward"]
        assert rollback.xcoms["roll_back", "return_value"] == "drop schema gpexpand"
        half_done.assert_as_before(rollback)
    finally:
        sql(DROP)


@pytest.mark.proves("rollback:nothing to roll back")
def test_no_segment_is_added_while_a_rollback_is_at_work_or_was_killed(half_done: HalfDone) -> None:
    note = f"/home/gpadmin/greenplum-expansions/{half_done.expansion_id}/taking_back"
    half_done.practice.run(f"echo some_run > {note}")

    assert half_done.add_segments() == "failed"
    assert "greenplum_rollback is at work on it, or was killed at that" in half_done.expansion.errors["add_segments"]
    assert half_done.status_file() == ""

    half_done.assert_as_before(half_done.roll_back())
    assert half_done.practice.run(f"ls {note}").exit_code != 0


@pytest.mark.proves("rollback:nothing to roll back")
def test_what_somebody_builds_in_the_planned_directories_afterwards_is_theirs(half_done: HalfDone) -> None:
    """As like gpexpand's own as can be, made by hand after a rollback was proven."""
    practice = half_done.practice
    assert half_done.add_segments("BUILD_SEGMENTS_DONE") == "failed"
    half_done.assert_as_before(half_done.roll_back())
    made = "/data/primary/gpseg4"
    practice.run(
        f"mkdir -m 700 {made} && echo 15 > {made}/PG_VERSION && echo gp_dbid=11 > {made}/internal.auto.conf", "sdw3"
    )
    try:
        rollback = half_done.roll_back()

        assert rollback.states["report"] == "success", rollback.explain()
        assert practice.run(f"cat {made}/internal.auto.conf", "sdw3").stdout == "gp_dbid=11\n"
    finally:
        practice.run(f"rm -r {made}", "sdw3")


def test_what_has_changed_since_the_approval_is_looked_at_before_the_segments_are_added(half_done: HalfDone) -> None:
    practice = half_done.practice
    practice.sandbox("fault", "segment-down", "0")
    try:
        assert half_done.add_segments() == "failed"
        assert "it is not as it was when it was checked" in half_done.expansion.errors["add_segments"]
        assert half_done.status_file() == ""
    finally:
        practice.reset()
        half_done.make_ready()


@pytest.mark.proves("rollback:go on")
@pytest.mark.parametrize(
    ("status", "words"),
    [
        ("SETUP DONE", "clear task redistribute.move_tables"),
        ("EXPANSION STARTED", "clear task redistribute.move_tables"),
        ("EXPANSION STOPPED", "clear task redistribute.move_tables"),
        ("EXPANSION COMPLETE", "clear task clean_up"),
    ],
)
def test_tables_that_move_or_did_not_are_no_reason_to_roll_back(
    half_done: HalfDone, sql: Callable[[str], str], status: str, words: str
) -> None:
    sql(f"{STATUS} insert into gpexpand.status values ('{status}', now())")
    before = snapshot(half_done.connection)
    try:
        rollback = half_done.roll_back()

        assert rollback.xcoms["roll_back", "return_value"] == "go on"
        assert rollback.questions == {}
        assert rollback.states["report"] == "failed"
        assert words in rollback.errors["report"]
        assert snapshot(half_done.connection) == before
        assert sql("select status from gpexpand.status") == status
    finally:
        sql(DROP)


@pytest.mark.proves("rollback:go on")
def test_a_gpexpand_that_moves_tables_is_never_stopped(half_done: HalfDone, sql: Callable[[str], str]) -> None:
    sql(f"{STATUS} insert into gpexpand.status values ('EXPANSION STARTED', now())")
    practice = half_done.practice
    mover = practice.start("exec -a 'python gpexpand -n 4' sleep 3600")
    half_done.wait(lambda: practice.run("pgrep -f '^python gpexpand -n 4'").exit_code == 0, "the mover to start")
    try:
        with file_on_coordinator(
            practice, "gpexpand.pid", practice.run("pgrep -f '^python gpexpand -n 4'").stdout.strip()
        ):
            rollback = half_done.roll_back(stop_gpexpand=True)

            assert rollback.xcoms["probe", "return_value"]["phase"] == "redistributing"
            assert rollback.states["report"] == "failed"
            assert practice.run("pgrep -f '^python gpexpand -n 4'").exit_code == 0
    finally:
        practice.run("pkill -f '^python gpexpand -n 4'")
        practice.finish(mover)
        sql(DROP)


@pytest.mark.proves("rollback:cluster down")
def test_a_cluster_that_is_down_is_left_so_if_the_request_says_so(half_done: HalfDone) -> None:
    practice = half_done.practice
    practice.run("gpstop -a -M fast")

    rollback = half_done.roll_back(start_cluster=False)

    assert rollback.xcoms["probe", "return_value"]["server"] == "down"
    assert "run gpstart -a" in rollback.errors["start_cluster"]
    assert practice.run("psql -d postgres -c 'select 1'").exit_code != 0

    half_done.assert_as_before(half_done.roll_back())


@pytest.mark.proves("rollback:cluster down")
def test_a_cluster_that_a_person_has_restricted_stays_restricted(half_done: HalfDone) -> None:
    practice = half_done.practice
    practice.run("gpstop -a -M fast; gpstart -a -R")
    try:
        half_done.assert_as_before(half_done.roll_back())
        assert practice.run("psql -d postgres -Atc 'show superuser_reserved_connections'").stdout != "3\n"
    finally:
        practice.run("gpstop -a -M fast -r")


@pytest.mark.proves("rollback:set up anew")
def test_a_lost_status_with_segments_in_the_catalog_is_made_anew(
    half_done: HalfDone, sql: Callable[[str], str]
) -> None:
    """Comes last: the cluster stays expanded."""
    assert half_done.add_segments() == "success", half_done.expansion.errors
    tables = sql("select count(*) from gpexpand.status_detail")
    sql("truncate gpexpand.status")

    rollback = half_done.roll_back()

    assert rollback.xcoms["probe", "return_value"]["action"] == "set up anew"
    assert "gpexpand's schema is dropped and made anew" in rollback.questions["approve_forward"]
    half_done.assert_forward(rollback)
    assert sql("select count(*) from gpexpand.status_detail") == tables
    assert sql("select status from gpexpand.status order by updated desc limit 1") == "SETUP DONE"

    again = half_done.roll_back()
    assert again.xcoms["roll_back", "return_value"] == "go on"
    assert again.states["report"] == "failed"
