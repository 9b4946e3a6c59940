"""The direct engine on the practice cluster: what fails, what is in its way, and twenty ways to be killed."""

from __future__ import annotations

import json
import logging
import multiprocessing
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pytest

from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.scheduler import WindowRules
from greenplum_expansion.planning.windows import Window
from greenplum_expansion.redistribution import engines
from greenplum_expansion.redistribution.direct import mover as mover_module
from greenplum_expansion.redistribution.direct.mover import Moved
from tests.support.half_done import CONNECTION_ID, HalfDone
from tests.support.practice import Practice
from tests.support.relay import Relay
from tests.support.whole_dag import FAILED, SUCCESS

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

Rows = Callable[..., list[tuple[Any, ...]]]
ENDLESS = Window(datetime.now(UTC), datetime.max.replace(tzinfo=UTC))
TABLES = (
    *("broken", "whole", "locked", "busy", "old_name", "dropped", "by_hand", "swapped", "swapping", "alone"),
    *("outlived", "overtaken"),
)
KILLS = 20
SEED = 20261120
_PATIENCE = 240.0  # seconds; ends a hang, no verdict hangs on it


@pytest.fixture(scope="module")
def expansion(practice: Practice, rows: Rows) -> Iterator[HalfDone]:
    """New segments are there; no table has moved."""
    made = HalfDone(practice)
    rows("create schema faults")
    for name in TABLES:
        rows(
            f"create table faults.{name} as select i as id, md5(i::text) as v from generate_series(1, 4000) i"
            " distributed by (id)"
        )
    rows("create database doomed")
    rows("create table lost as select i as id from generate_series(1, 10) i distributed by (id)", "doomed")
    try:
        made.make_ready()
        assert made.add_segments() == SUCCESS, made.expansion.errors
        made.expansion.run_tasks("rank_tables")
        yield made
    finally:
        practice.clear_faults()
        practice.reset()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for what a person would."""
    monkeypatch.setattr(mover_module, "_WAIT_AFTER_FAILURE", (0.5,))
    monkeypatch.setattr(mover_module, "_WAIT_UNREACHABLE", 0.3)


@pytest.fixture(scope="module")
def checksums(expansion: HalfDone, rows: Rows) -> dict[str, tuple[Any, ...]]:
    """Rows of every table, before any of them moved."""
    return read_checksums(rows)


def read_checksums(rows: Rows) -> dict[str, tuple[Any, ...]]:
    # A crash of a segment empties its part of an unlogged table, whatever moves.
    names = rows(
        "select quote_ident(n.nspname) || '.' || quote_ident(c.relname) from gp_distribution_policy p"
        " join pg_class c on c.oid = p.localoid join pg_namespace n on n.oid = c.relnamespace"
        " where c.relstorage <> 'x' and c.relpersistence = 'p' and n.nspname <> 'faults' order by 1"
    )
    statement = "select count(*), sum(('x' || substr(md5(t::text), 1, 8))::bit(32)::bigint) from {} t"
    found = {}
    for (name,) in names:
        with suppress(psycopg2.errors.ObjectNotInPrerequisiteState):  # a materialized view without data
            found[name] = rows(statement.format(name))[0]
    return found


def segments(rows: Rows, name: str) -> int:
    return int(rows(f"select numsegments from gp_distribution_policy where localoid = 'faults.{name}'::regclass")[0][0])


def intact(rows: Rows, name: str) -> bool:
    """All its rows, once, and on all segments."""
    counted = rows(f"select count(*), count(distinct id), count(distinct gp_segment_id) from faults.{name}")
    return counted == [(4000, 4000, 8)]


def told(rows: Rows, name: str) -> tuple[Any, ...]:
    """What the history says of a table: status, failures, error."""
    found = rows(
        "select status, failed_times, coalesce(last_error, '') from expansion_history.expand_status_detail"
        f" where fq_name = 'faults.{name}'",
        "postgres",
    )
    return found[0] if found else ()


def listed(rows: Rows, name: str) -> str:
    """What gpexpand's list says of it."""
    statement = f"select status from gpexpand.status_detail where dbname = 'demo' and fq_name = 'faults.{name}'"
    return str(rows(statement, "postgres")[0][0])


def wait(condition: Callable[[], Any], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def an_engine(
    expansion: HalfDone, tables: Collection[str] | None, *, sessions: int = 2, lock_patience: float = 5.0
) -> engines.DirectEngine:
    """Moves these tables of schema faults; None: everything."""

    def wanted(dbname: str, fq_name: str) -> bool:
        return tables is None or (dbname == "demo" and fq_name.removeprefix("faults.") in tables)

    order = engines.Order(WindowRules(sessions, tiny=1024, batch=20), lock_patience=lock_patience, wanted=wanted)
    return engines.DirectEngine(GreenplumHook(CONNECTION_ID), expansion.expansion_id, order)


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
    expansion: HalfDone, practice: Practice, rows: Rows
) -> None:
    practice.set_fault("slow-moves", "0.5")
    names = ["busy", "old_name", "dropped", "by_hand", "swapped", "swapping"]
    rows(
        "update gpexpand.status_detail set rank = case fq_name when 'faults.busy' then 0 else 1 end"
        " where fq_name like 'faults.%'",
        "postgres",
    )
    moving = Moving(an_engine(expansion, names, sessions=1))
    wait(lambda: told(rows, "busy")[:1] == ("IN PROGRESS",), "the first move")
    rows("alter table faults.old_name rename to new_name")
    rows("drop table faults.dropped")
    rows("alter table only faults.by_hand expand table")
    rows(
        "alter table faults.swapped rename to other; alter table faults.swapping rename to swapped;"
        " alter table faults.other rename to swapping"
    )
    practice.clear_faults()
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


def movers(rows: Rows, expansion: HalfDone) -> int:
    application = engines.application(expansion.expansion_id)
    return int(
        rows(f"select count(*) from pg_stat_activity where application_name = '{application}'", "postgres")[0][0]
    )


def start_worker(expansion: HalfDone, tables: Collection[str] | None) -> Any:
    """The engine in a process of its own, as a task is; told to end by SIGTERM."""

    def work() -> None:
        logging.disable(logging.CRITICAL)
        engine = an_engine(expansion, tables, sessions=4)
        signal.signal(signal.SIGTERM, lambda *_: engine.stop())
        code = 1
        with suppress(Exception):
            moved = engine.run_window(ENDLESS)
            code = 0 if not (moved.failed or moved.stopped or moved.left or moved.cancelled) else 2
        os._exit(code)

    worker = multiprocessing.get_context("fork").Process(target=work)
    worker.start()
    return worker


def kill(worker: Any, number: signal.Signals) -> None:
    os.kill(worker.pid, number)
    worker.join(_PATIENCE)
    assert worker.exitcode is not None


class Blows:
    """Ways in which a redistribution can be hit."""

    def __init__(self, expansion: HalfDone, rows: Rows, relay: Relay) -> None:
        self.expansion = expansion
        self.rows = rows
        self.relay = relay

    def worker_killed(self, worker: Any) -> None:
        kill(worker, signal.SIGKILL)

    def worker_told_to_end(self, worker: Any) -> None:
        kill(worker, signal.SIGTERM)

    def sessions_terminated(self, worker: Any) -> None:
        self._each_mover("pg_terminate_backend")

    def sessions_cancelled(self, worker: Any) -> None:
        self._each_mover("pg_cancel_backend")

    def connection_cut(self, worker: Any) -> None:
        self.relay.cut()
        time.sleep(0.5)
        self.relay.mend()

    def segment_killed(self, worker: Any) -> None:
        self.expansion.practice.sandbox("fault", "segment-down", "1")

    def _each_mover(self, function: str) -> None:
        application = engines.application(self.expansion.expansion_id)
        self.rows(f"select {function}(pid) from pg_stat_activity where application_name = '{application}'", "postgres")


def test_twenty_kills_at_random_moments_lose_no_row_and_the_next_run_finishes_the_rest(
    expansion: HalfDone,
    practice: Practice,
    rows: Rows,
    checksums: dict[str, tuple[Any, ...]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chance = random.Random(SEED)
    known = json.loads(practice.state.connection.read_text())
    relay = Relay((known["host"], int(known["port"])))
    monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION_ID.upper()}", json.dumps({**known, "port": relay.port}))
    blows = Blows(expansion, rows, relay)
    kinds = [blows.worker_killed] * 9 + [blows.worker_told_to_end] * 3 + [blows.sessions_terminated] * 3
    kinds += [blows.sessions_cancelled] * 1 + [blows.connection_cut] * 3
    chance.shuffle(kinds)
    kinds.insert(KILLS // 2, blows.segment_killed)  # once: its mirror has no mirror
    assert len(kinds) == KILLS
    rows("drop database doomed")
    practice.set_fault("slow-moves", "0.3")
    worker = start_worker(expansion, None)
    try:
        for blow in kinds:
            if worker.exitcode is not None:
                worker = start_worker(expansion, None)
            # Somewhere in making ready, in a move, or in the books.
            time.sleep(chance.uniform(0.2, 3.0))
            blow(worker)
        practice.clear_faults()
        worker.join(_PATIENCE)
        for _ in range(3):  # a retry of the task, as Airflow makes
            if worker.exitcode == 0:
                break
            worker = start_worker(expansion, None)
            worker.join(_PATIENCE)
        assert worker.exitcode == 0
    finally:
        if worker.exitcode is None:
            kill(worker, signal.SIGKILL)
        relay.close()
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONNECTION_ID.upper()}", json.dumps(known))
        practice.clear_faults()

    assert (
        rows(
            "select status, count(*) from gpexpand.status_detail where status !~ 'COMPLETED|EXISTS' group by 1",
            "postgres",
        )
        == []
    )
    assert rows("select status from gpexpand.status order by updated desc limit 1", "postgres") == [
        ("EXPANSION COMPLETE",)
    ]
    assert movers(rows, expansion) == 0
    assert read_checksums(rows) == checksums
    few = rows(
        "select localoid::regclass::text from gp_distribution_policy where numsegments < 8 and localoid >= 16384"
    )
    assert few == []
    assert expansion.expansion.execute("redistribute.move_tables") == SUCCESS
    history = rows("select status, count(*) from expansion_history.expand_status_detail group by 1", "postgres")
    assert [status for status, _ in history] == ["COMPLETED"]


def test_gpexpand_and_gpstate_take_the_books_for_their_own(practice: Practice, rows: Rows) -> None:
    assert "Expansion Complete" in practice.run("gpstate -x").stdout
    assert "Expansion has already completed" in practice.run("gpexpand").stdout
    practice.run("gpexpand -c", answers="n\n")
    assert rows("select nspname from pg_namespace where nspname ~ 'expan'", "postgres") == [("expansion_history",)]
