"""Something dies while a table moves. No row may be lost, and nothing may be left behind."""

from contextlib import suppress
from typing import Any

import psycopg2
import pytest

from tests.sandbox.moving import (
    INSTANCE,
    Connect,
    Mover,
    Rows,
    asleep,
    contents,
    fingerprint,
    segments_of,
    state_of,
    wait_for,
)
from tests.support.practice import Practice

pytestmark = [pytest.mark.sandbox, pytest.mark.slow, pytest.mark.usefixtures("eight_segments")]


def unused_physical_tables(practice: Practice, rows: Rows) -> int:
    """Physical tables on the old segments beyond those that the coordinator's catalog names."""
    used = (
        "select count(*) from pg_foreign_table f join pg_foreign_server s on s.oid = f.ftserver"
        " where s.srvname = 'seg{}' and array_to_string(ftoptions, ',') ~ 'table_name=t[0-9]'"
    )
    unused = 0
    for content, host, port in ((0, "sdw1", 6000), (3, "sdw2", 6001)):
        query = "select count(*) from pg_class where relkind = 'r' and relname ~ '^t[0-9]+_[0-9]+$'"
        there = practice.run(f'PGHOST=/tmp psql -p {port} -d demo -Atc "{query}"', host)
        named = rows(used.format(content))[0][0]
        unused += int(there.stdout) - int(named)
    return unused


def insists_on_intact(practice: Practice, rows: Rows, table: str, before: tuple[Any, ...]) -> None:
    """The table has its rows, once, on its old segments, and leaves nothing behind; then it can be moved."""

    def answers() -> bool:
        with suppress(psycopg2.Error):
            return fingerprint(rows, table) == before
        return False

    wait_for("the table with all its rows", answers)
    assert segments_of(rows, table) == 4
    assert contents(rows, table) == [0, 1, 2, 3]
    wait_for("the garbage to be collected", lambda: unused_physical_tables(practice, rows) == 0)
    rows(f"alter table {table} expand table")
    assert fingerprint(rows, table) == before
    assert len(contents(rows, table)) == 8


@pytest.mark.parametrize(
    "end", ["cancel", "select pg_cancel_backend({})", "select pg_terminate_backend({})", "kill -9"]
)
@pytest.mark.parametrize("moment", ["while rows are written", "before the commit"])
def test_session_ended_during_a_move(
    practice: Practice, connect: Connect, rows: Rows, table: str, end: str, moment: str
) -> None:
    before = fingerprint(rows, table)
    if moment == "before the commit":
        practice.set_fault("slow-moves", "0.1")
    mover = Mover(connect, table)
    try:
        if moment == "before the commit":
            wait_for("the move to sleep", lambda: asleep(rows, mover.pid))
        else:
            wait_for("the move", lambda: state_of(rows, mover.pid)[0] == "active")
        if end == "cancel":
            mover.connection.cancel()
        elif end == "kill -9":
            assert practice.run(f"kill -9 {mover.pid}").exit_code == 0
        else:
            rows(end.format(mover.pid), "postgres")
        error = mover.end()
    finally:
        practice.clear_faults()
    if error is None:  # it was faster
        assert moment == "while rows are written"
        assert fingerprint(rows, table) == before
        return
    insists_on_intact(practice, rows, table, before)


def test_backend_killed_while_segments_commit(practice: Practice, connect: Connect, rows: Rows, table: str) -> None:
    """One segment cannot commit (its mirror does not confirm), others have: the rows they got must not count."""
    before = fingerprint(rows, table)
    receiver = practice.run(
        "pgrep -P $(head -1 /data/mirror/gpseg1/postmaster.pid) -f walreceiver", "sdw2"
    ).stdout.strip()
    assert practice.run(f"kill -STOP {receiver}", "sdw2").exit_code == 0
    try:
        mover = Mover(connect, table)
        waiting = "select count(*) from pg_stat_activity where wait_event = 'SyncRep'"
        wait_for(
            "a segment's commit to hang",
            lambda: practice.run(f'PGHOST=/tmp psql -p 6001 -d demo -Atc "{waiting}"', "sdw1").stdout.strip() != "0",
        )
        assert practice.run(f"kill -9 {mover.pid}").exit_code == 0
        assert mover.end() is not None
    finally:
        practice.run(f"kill -CONT {receiver}", "sdw2")
    insists_on_intact(practice, rows, table, before)


def test_segment_stopped_during_a_move(practice: Practice, connect: Connect, rows: Rows, table: str) -> None:
    before = fingerprint(rows, table)
    practice.set_fault("slow-moves", "0.1")
    try:
        mover = Mover(connect, table)
        wait_for("the move to sleep", lambda: asleep(rows, mover.pid))
        practice.run(f"{INSTANCE} stop --datadir /data/primary/gpseg5 --mode immediate", "sdw3")
        practice.clear_faults()
        rows(f"select pg_cancel_backend({mover.pid})", "postgres")
        assert mover.end() is not None
    finally:
        practice.clear_faults()
        practice.run(f"{INSTANCE} start --datadir /data/primary/gpseg5", "sdw3")
    insists_on_intact(practice, rows, table, before)


def test_table_fault_is_raised_by_its_move(practice: Practice, rows: Rows) -> None:
    practice.set_fault("table.demo.stage.small_01", "no space left on device")
    try:
        with pytest.raises(psycopg2.Error, match="no space left on device"):
            rows("alter table stage.small_01 expand table")
    finally:
        practice.clear_faults()
    assert segments_of(rows, "stage.small_01") == 4
    rows("alter table stage.small_01 expand table")
