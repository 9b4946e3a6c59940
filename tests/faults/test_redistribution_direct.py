"""The direct engine on the practice cluster: what fails, what is in its way, and who takes over."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from greenplum_expansion.planning.record import TableList
from greenplum_expansion.redistribution import engines
from greenplum_expansion.redistribution.direct.mover import Moved
from tests.support.half_done import HalfDone
from tests.support.practice import Practice
from tests.support.redistributing import (
    ENDLESS,
    Rows,
    an_engine,
    expanded,
    intact,
    kill,
    listed,
    movers,
    segments,
    start_worker,
    told,
    wait,
)
from tests.support.whole_dag import FAILED

pytestmark = [pytest.mark.sandbox, pytest.mark.slow, pytest.mark.usefixtures("impatient")]

TABLES = (
    *("broken", "whole", "locked", "busy", "old_name", "dropped", "by_hand", "swapped", "swapping", "alone"),
    *("outlived", "overtaken"),
)
_PATIENCE = 240.0  # seconds; ends a hang, no verdict hangs on it


@pytest.fixture(scope="module")
def expansion(practice: Practice, rows: Rows) -> HalfDone:
    """New segments are there; no table has moved."""
    return expanded(practice, rows, TABLES)


class Moving:
    """An engine at work in a thread."""

    def __init__(self, engine: engines.DirectEngine) -> None:
        self.engine = engine
        self.moved: Moved | None = None
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        self.moved = self.engine.run_window(ENDLESS)

    def end(self) -> Moved:
        self._thread.join(_PATIENCE)
        assert self.moved is not None
        return self.moved


def test_a_table_that_fails_is_told_of_and_clearing_moves_just_that(
    expansion: HalfDone, practice: Practice, rows: Rows
) -> None:
    run = expansion.expansion
    run.params["only_tables"] = ["faults.broken", "faults.whole"]
    practice.set_fault("table.demo.faults.broken", "could not read block 7: disk error")

    assert run.execute("redistribute.move_tables") == FAILED

    (failed,) = run.xcoms["redistribute.move_tables", "failed_tables"]
    assert failed["table"] == "demo.faults.broken"
    assert "could not read block 7" in failed["error"]
    assert "could not read block 7" in run.errors["redistribute.move_tables"]
    assert intact(rows, "whole")
    assert segments(rows, "broken") == 4
    assert told(rows, "broken")[:2] == ("FAILED", 6)
    assert "could not read block 7" in told(rows, "broken")[2]
    assert listed(rows, "broken") == "NOT STARTED"
    assert rows("select status from gpexpand.status order by updated desc limit 1", "postgres") == [
        ("EXPANSION STOPPED",)
    ]

    practice.clear_faults()
    assert run.execute("redistribute.move_tables") == FAILED
    assert "only some were asked for" in run.errors["redistribute.move_tables"]
    assert intact(rows, "broken")
    assert told(rows, "broken")[0] == listed(rows, "broken") == "COMPLETED"
    # Nobody has watched beside it; the pages are told all the same.
    left = {key: value for (task_id, key), value in run.xcoms.items() if task_id == "redistribute.move_tables"}
    assert left["progress"]["tables"]["failed"] == 0
    tables = TableList.assemble(left.items())
    (broken,) = (tables[number] for number, name in enumerate(tables.names) if name == "faults.broken")
    assert (broken.state, broken.failures) == ("c", 6)


def test_a_table_in_use_is_tried_again_and_readers_wait_no_longer_than_was_said(
    expansion: HalfDone, connect: Callable[..., Any], rows: Rows
) -> None:
    with closing(connect()) as reader, reader.cursor() as cursor:
        cursor.execute("begin; select count(*) from faults.locked")
        moving = Moving(an_engine(expansion, ["locked"], lock_patience=0.2))
        wait(lambda: told(rows, "locked")[:1] == ("RETRYING",), "the lock to be given up")
        assert "lock timeout" in told(rows, "locked")[2]
        cursor.execute("commit")
    moved = moving.end()
    assert (moved.moved, moved.failed) == (1, {})
    assert intact(rows, "locked")
    assert told(rows, "locked")[1] >= 1


def test_what_changes_under_the_engine_is_moved_or_recorded_as_it_is(
    expansion: HalfDone, connect: Callable[..., Any], rows: Rows
) -> None:
    names = ["busy", "old_name", "dropped", "by_hand", "swapped", "swapping"]
    rows(
        "update gpexpand.status_detail set rank = case fq_name when 'faults.busy' then 0 else 1 end"
        " where fq_name like 'faults.%'",
        "postgres",
    )
    with closing(connect()) as reader, reader.cursor() as cursor:
        cursor.execute("begin; select count(*) from faults.busy")
        moving = Moving(an_engine(expansion, names, sessions=1, lock_patience=_PATIENCE))
        wait(lambda: told(rows, "busy")[:1] == ("IN PROGRESS",), "the first move, which waits for the reader")
        rows("alter table faults.old_name rename to new_name")
        rows("drop table faults.dropped")
        rows("alter table only faults.by_hand expand table")
        rows(
            "alter table faults.swapped rename to other; alter table faults.swapping rename to swapped;"
            " alter table faults.other rename to swapping"
        )
        cursor.execute("commit")
    moved = moving.end()

    assert moved.failed == {}
    assert moved.gone == 1
    for name in ("busy", "new_name", "by_hand", "swapped", "swapping"):
        assert intact(rows, name), name
    statuses = rows(
        "select fq_name, status from gpexpand.status_detail where dbname = 'demo' and fq_name ~ "
        "'busy|name|dropped|by_hand|swapp' order by 1",
        "postgres",
    )
    assert dict(statuses) == {
        "faults.busy": "COMPLETED",
        "faults.by_hand": "COMPLETED",
        "faults.dropped": "NO LONGER EXISTS",
        "faults.old_name": "COMPLETED",
        "faults.swapped": "COMPLETED",
        "faults.swapping": "COMPLETED",
    }


def test_a_gpexpand_started_by_hand_takes_over(expansion: HalfDone, practice: Practice, rows: Rows) -> None:
    practice.set_fault("slow-moves", "0.05")
    moving = Moving(an_engine(expansion, ["overtaken"], sessions=1))
    wait(lambda: told(rows, "overtaken")[:1] == ("IN PROGRESS",), "the move")
    rows("insert into gpexpand.status values ('EXPANSION STARTED', localtimestamp + interval '1 second')", "postgres")
    moved = moving.end()
    assert "has begun to move tables" in moved.stopped
    assert segments(rows, "overtaken") == 4
    # How it ends is for the other to say.
    newest = rows("select status from gpexpand.status order by updated desc limit 1", "postgres")
    assert newest == [("EXPANSION STARTED",)]


def test_a_task_told_to_end_leaves_nothing_running_in_the_server(
    expansion: HalfDone, practice: Practice, rows: Rows
) -> None:
    practice.set_fault("slow-moves", "0.05")
    engine = an_engine(expansion, ["alone"], sessions=1)
    moving = Moving(engine)
    wait(lambda: told(rows, "alone")[:1] == ("IN PROGRESS",), "the move")
    engine.stop()
    moved = moving.end()
    assert [move.fq_name for move in moved.cancelled] == ["faults.alone"]
    assert movers(rows, expansion) == 0
    assert segments(rows, "alone") == 4
    assert listed(rows, "alone") == "NOT STARTED"
    assert told(rows, "alone")[0] == "PENDING"


def test_a_worker_that_dies_leaves_a_session_which_the_next_one_ends(
    expansion: HalfDone, practice: Practice, rows: Rows
) -> None:
    practice.set_fault("slow-moves", "0.02")
    worker = start_worker(expansion, ["outlived"])
    wait(lambda: told(rows, "outlived")[:1] == ("IN PROGRESS",), "the move")
    kill(worker, signal.SIGKILL)
    assert movers(rows, expansion) >= 1  # the server goes on without us
    practice.clear_faults()
    moved = an_engine(expansion, ["outlived"]).run_window(ENDLESS)
    assert (moved.moved, moved.failed) == (1, {})
    assert intact(rows, "outlived")
