"""The forecast on the practice cluster, from the plan to the report: what it is made of, and what becomes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from greenplum_expansion.hooks.facts import read_version
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.workload import read_finished_moves, read_tables_to_move
from greenplum_expansion.operators.forecasting import read_believed, read_rates
from greenplum_expansion.operators.run import open_run
from greenplum_expansion.operators.tables import ORDER_FILE
from greenplum_expansion.planning.forecast import Forecast
from greenplum_expansion.planning.moves import Storage
from greenplum_expansion.planning.rates import Source
from greenplum_expansion.planning.record import TableList
from greenplum_expansion.redistribution import history
from greenplum_expansion.redistribution.watching import Watched, Watcher
from greenplum_expansion.triggers import progress
from tests.support.half_done import CONNECTION_ID, HalfDone
from tests.support.practice import Practice
from tests.support.whole_dag import SUCCESS

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]

Rows = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def expansion(practice: Practice) -> HalfDone:
    """New segments are there; no table has moved."""
    made = HalfDone(practice)
    made.make_ready()
    assert made.add_segments() == SUCCESS, made.expansion.errors
    made.expansion.run_tasks("rank_tables")
    return made


@pytest.fixture
def hook(expansion: HalfDone) -> Iterator[GreenplumHook]:
    opened = GreenplumHook(CONNECTION_ID)
    yield opened
    opened.close()


def forecast(expansion: HalfDone) -> Forecast:
    return Forecast.from_dict(expansion.expansion.xcoms["make_plan", "forecast"])


def test_before_anything_is_listed_it_counts_every_table_once(expansion: HalfDone) -> None:
    made = forecast(expansion)
    plan = expansion.expansion.xcoms["make_plan", "return_value"]
    assert made.digest == plan["digest"]
    assert made.tables == sum(database["tables"] for database in plan["databases"])
    assert {one.name for one in made.classes} == {"heap", "append-optimized", "compressed", "indexes"}
    assert made.index_bytes > 0
    assert [one.name for one in made.partitioned] == ["demo.sales.facts", "demo.sales.events"]
    assert made.likely.never == 0


def test_it_knows_the_peak_on_the_disks_of_old_and_new_segments(expansion: HalfDone) -> None:
    peaks = {disk.host: disk for disk in forecast(expansion).disks}
    assert peaks.keys() == {"sdw1", "sdw2", "sdw3", "sdw4"}
    assert (peaks["sdw1"].old, peaks["sdw1"].new) == (4, 0)
    assert (peaks["sdw3"].old, peaks["sdw3"].new) == (0, 4)
    assert all(0 < disk.peak_bytes < disk.free_bytes for disk in peaks.values())


def test_the_preview_has_every_table_in_the_order_of_its_rank(expansion: HalfDone, rows: Rows) -> None:
    listed = rows("select dbname || '.' || fq_name from gpexpand.status_detail order by rank", "postgres")
    previewed = expansion.expansion.xcoms["rank_tables", "order"]
    # An external table holds nothing that is rewritten.
    names = [name for (name,) in listed if name != "demo.stage.ext_w"]
    assert [table["name"] for table in previewed] == names
    assert all(table["low"] <= table["likely"] <= table["high"] and table["starts"] for table in previewed)
    with open_run(expansion.expansion.context(expansion.expansion.dag.task_dict["rank_tables"])) as run:
        kept = run.hook.coordinator().read_json_lines(run.directory.file(ORDER_FILE))
    assert [table["name"] for table in kept] == names


def test_with_gpexpand_the_history_knows_how_tables_are_stored_too(
    expansion: HalfDone, hook: GreenplumHook, rows: Rows
) -> None:
    history.open_history(hook, expansion.expansion_id)
    history.describe_tables(hook, expansion.expansion_id)
    found = dict(
        rows("select dbname || '.' || fq_name, storage from expansion_history.expand_status_detail", "postgres")
    )
    known = {f"{move.dbname}.{move.fq_name}": move.storage.value for move in moves(hook)}
    assert {name: found[name] for name in known} == known


def moves(hook: GreenplumHook) -> Any:
    return read_tables_to_move(hook, read_version(hook).flavor).moves


def test_what_has_moved_is_learned_told_and_compared(expansion: HalfDone, hook: GreenplumHook, rows: Rows) -> None:
    run = expansion.expansion
    run.states["redistribute.move_tables"] = "running"
    deferred = run.start("redistribute.watch_progress")
    watched = Watched.from_dict(deferred.trigger.serialize()[1]["watched"])
    watcher = Watcher(watched)
    before = watcher.look(hook, datetime.now(UTC))
    assert before is not None
    assert before.standing.done.tables == 0
    assert before.outlook.left.low < before.outlook.left.likely < before.outlook.left.high

    run.run_tasks("redistribute.move_tables")

    after = watcher.look(hook, datetime.now(UTC))
    assert after is not None
    assert after.standing.is_over
    assert after.standing.total.tables == before.standing.total.tables
    assert after.rates != before.rates
    assert after.to_dict()["seconds_left"] == [0, 0, 0]

    with open_run(run.context(run.dag.task_dict["redistribute.move_tables"])) as opened:
        believed = read_believed(opened, opened.directory.require_plan())
        assert set(believed.sources.values()) == {Source.SUPPOSED}  # this expansion is no earlier one
        assert read_rates(opened).overhead != believed.rates.overhead
        assert read_rates(opened).tables[Storage.HEAP].observations > 0

    figures = dict(rows("select name, value from expansion_history.expand_expansion_progress", "postgres"))
    assert figures["Done Tables Number"] == str(after.standing.total.tables)
    assert figures["Bytes Pending"] == figures["Bytes in Progress"] == figures["Bytes Failed"] == "0"
    assert figures["Estimated Expansion Rate"].endswith(" MB/s a session")
    by_class = rows("select storage, tables, bytes_per_second > 0 from expansion_history.expand_rates", "postgres")
    assert {row[0] for row in by_class if row[2]} == {"heap", "append-optimized", "compressed"}

    run.execute("report")
    sections = {section["title"]: section for section in run.xcoms["report", "report"]["sections"]}
    assert "Forecast of the redistribution" in sections
    compared = {row[0]: row for row in sections["What was forecast, and what happened"]["rows"]}
    assert compared["compressed"][1:3] == ["14", "14"]


def test_a_later_expansion_believes_what_this_cluster_has_done_before(expansion: HalfDone, rows: Rows) -> None:
    """Ten tables of 100 MiB took ten seconds each."""
    rows(
        """insert into expansion_history.expand_status_detail
               (expansion_id, dbname, fq_name, table_oid, storage, status, expansion_started_at,
               expansion_finished_at, source_bytes, index_bytes)
           select 'an-earlier-one', 'demo', 'public.t' || i, i, 'compressed', 'COMPLETED',
               timestamptz '2026-01-01', timestamptz '2026-01-01' + interval '10 s', 104857600, 0
           from generate_series(1, 10) i""",
        "postgres",
    )
    with open_run(expansion.expansion.context(expansion.expansion.dag.task_dict["make_plan"])) as run:
        believed = read_believed(run, run.directory.require_plan())
        assert len(read_finished_moves(run.hook, run.expansion_id, mine=False)) == 10
    assert believed.sources[Storage.COMPRESSED] is Source.HISTORY
    assert believed.sources[Storage.HEAP] is Source.SUPPOSED
    assert believed.rates.tables[Storage.COMPRESSED].bytes_per_second == pytest.approx(100 / 9.8 * 2**20, rel=0.2)


def test_the_trigger_leaves_the_progress_for_pages(
    expansion: HalfDone, hook: GreenplumHook, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[dict[str, Any]] = []

    async def aset(**given: Any) -> None:
        left.append(given)

    states = iter(["running", "running", "success"])
    monkeypatch.setattr(progress.XCom, "aset", aset)
    monkeypatch.setattr(
        progress.RuntimeTaskInstance,
        "get_task_states",
        staticmethod(lambda run_ids, task_ids, **_: {run_ids[0]: {task_ids[0]: next(states)}}),
    )
    expansion.expansion.states["redistribute.move_tables"] = "running"
    trigger = expansion.expansion.start("redistribute.watch_progress").trigger
    vars(trigger).update({"progress_interval": 0.0, "initial_delay": 0.0})
    trigger._task_instance = SimpleNamespace(task_id="redistribute.watch_progress")

    async def first() -> Any:
        async for event in trigger.run():
            return event.payload
        raise AssertionError("it ended without an event")

    assert asyncio.run(first()) == {"state": "success"}
    assert {one["task_id"] for one in left} == {"redistribute.watch_progress"}
    keys = [one["key"] for one in left]
    assert keys.count("progress") == keys.count("tables") == 1  # looked at twice, left when there is news
    told = left[keys.index("progress")]["value"]["tables"]
    assert told["done"] > 0
    tables = TableList.assemble((one["key"], one["value"]) for one in left)
    assert (len(tables), tables.states.count("c")) == (sum(told.values()), told["done"])
