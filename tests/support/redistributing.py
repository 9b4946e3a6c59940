"""The direct engine in tests: an expansion whose tables have not moved, the engine at work, and what is told of it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import psycopg2
import pytest

from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.scheduler import WindowRules
from greenplum_expansion.planning.windows import Window
from greenplum_expansion.redistribution import engines
from greenplum_expansion.redistribution.direct import mover as mover_module
from tests.support.half_done import CONNECTION_ID, HalfDone
from tests.support.practice import Practice
from tests.support.whole_dag import SUCCESS

Rows = Callable[..., list[tuple[Any, ...]]]
ENDLESS = Window(datetime.now(UTC), datetime.max.replace(tzinfo=UTC))
_PATIENCE = 240.0  # seconds; ends a hang, no verdict hangs on it


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits for what a person would."""
    monkeypatch.setattr(mover_module, "_WAIT_AFTER_FAILURE", (0.5,))
    monkeypatch.setattr(mover_module, "_WAIT_UNREACHABLE", 0.3)


def expanded(practice: Practice, rows: Rows, tables: Collection[str] = ()) -> HalfDone:
    """New segments are there; no table has moved, of those these of schema faults, and one of database doomed."""
    made = HalfDone(practice)
    rows("create schema faults")
    for name in tables:
        rows(
            f"create table faults.{name} as select i as id, md5(i::text) as v from generate_series(1, 4000) i"
            " distributed by (id)"
        )
    rows("create database doomed")
    rows("create table lost as select i as id from generate_series(1, 10) i distributed by (id)", "doomed")
    made.make_ready()
    assert made.add_segments() == SUCCESS, made.expansion.errors
    made.expansion.run_tasks("rank_tables")
    return made


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
