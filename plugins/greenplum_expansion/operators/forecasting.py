"""The forecast of an expansion: read what it depends on, make it, keep it beside the plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from greenplum_expansion.checks.capacity import peak_bytes
from greenplum_expansion.hooks.disks import Arrivals, read_disks
from greenplum_expansion.hooks.facts import read_version
from greenplum_expansion.hooks.remote import FileMissing
from greenplum_expansion.hooks.workload import TablesToMove, read_finished_moves, read_tables_to_move
from greenplum_expansion.operators.hardware import RESULT_FILE
from greenplum_expansion.operators.run import ExpansionRun
from greenplum_expansion.planning.forecast import DiskPeak, Forecast, Question, forecast
from greenplum_expansion.planning.joins import Joins, find_joins
from greenplum_expansion.planning.moves import Move, Rates
from greenplum_expansion.planning.plan import Plan
from greenplum_expansion.planning.ranking import RankedTable, is_wanted, rank
from greenplum_expansion.planning.rates import Believed, Shape, believe, learn_all
from greenplum_expansion.redistribution import engine
from greenplum_expansion.request import Engine, TableOrder

FORECAST_KEY = "forecast"
_FILE = "forecast.json"

Key = tuple[str, int]


def forecast_plan(run: ExpansionRun, plan: Plan) -> Forecast:
    """What moving all tables will take, from the catalogs as they are; nothing need be listed by gpexpand yet."""
    tables = read_tables_to_move(run.hook, read_version(run.hook).flavor)
    wanted = [table for table in tables.ranked() if is_wanted(table, run.request.only_tables)]
    ordered, joins = in_order(run, wanted)
    asked = ask(run, plan, tables, [table.key for table in ordered], joins)
    return forecast(asked, digest=plan.digest, disks=read_peaks(run, plan))


def ask(run: ExpansionRun, plan: Plan, tables: TablesToMove, keys: Sequence[Key], joins: Joins) -> Question:
    """What to play through: these tables in this order, in the windows of the request."""
    request, windows = run.request, run.foreseen()
    by_key = {move.key: move for move in tables.moves}
    # What moves along with its parent (Greenplum 7) has no move of its own.
    moves = [_grouped(by_key[key], joins.groups) for key in keys if key in by_key]
    now = datetime.now(UTC)
    order = str(request.order)
    return Question(
        moves=moves,
        calendar=windows.calendar(),
        rules=windows.window_rules(request.parallel_moves, now),
        now=now,
        believed=read_believed(run, plan),
        roots={move.key: tables.roots[move.key] for move in moves if move.key in tables.roots},
        zone=windows.time_zone,
        order=f"important tables, then {order}" if request.important_tables else order,
        engine=str(request.engine),
        by_gpexpand=request.engine is Engine.GPEXPAND,
    )


def in_order(run: ExpansionRun, tables: list[RankedTable]) -> tuple[list[RankedTable], Joins]:
    """In the order the request asks for, and which of them move together."""
    request = run.request
    joins = Joins()
    if request.order is TableOrder.JOINED_TOGETHER:
        joins = find_joins(tables, engine.read_distribution_keys(run.hook, tables), request.join_groups)
    ordered = rank(tables, request.important_tables, request.order, groups=joins.groups, replicated=joins.replicated)
    return ordered, joins


def count_groups(joins: Joins) -> list[tuple[str, int]]:
    """Names of the groups, and how many tables each has."""
    return sorted(Counter(joins.groups.values()).items())


def read_believed(run: ExpansionRun, plan: Plan) -> Believed:
    """How fast tables are believed to move here, before any has."""
    history = read_finished_moves(run.hook, run.expansion_id, mine=False)
    return believe(_shape(run, plan), history, _hardware(run))


def read_rates(run: ExpansionRun) -> Rates:
    """The same, and what the moves of this expansion have taught since: a retry and the next window go on with it."""
    believed = read_believed(run, run.directory.require_plan())
    return learn_all(believed.rates, read_finished_moves(run.hook, run.expansion_id, mine=True))


def read_peaks(run: ExpansionRun, plan: Plan) -> list[DiskPeak]:
    """The most that is written to each filesystem of segments before anything is freed, if this plan is carried out.

    A host that cannot be looked at is left out: the checks of capacity and of new hosts have said so.
    """
    request, moves = run.request, run.request.parallel_moves
    arrivals = Arrivals(plan.new, plan.tablespaces, plan.locations)
    disks = read_disks(run.hook, plan.before, arrivals, request.new_hosts, moves, run.directory.path)
    return [
        DiskPeak(
            host=filesystem.host,
            mount=filesystem.mount,
            peak_bytes=peak_bytes(filesystem, disks.growth, moves),
            free_bytes=filesystem.free_bytes,
            old=len(filesystem.residents),
            new=len(filesystem.arriving),
        )
        for filesystem in disks.filesystems
        if filesystem.residents or filesystem.arriving or filesystem.arriving_tablespaces
    ]


def read_forecast(run: ExpansionRun) -> Forecast | None:
    """The one made for this expansion; None if there is none."""
    try:
        return Forecast.from_dict(run.hook.coordinator().read_json(run.directory.file(_FILE)))
    except FileMissing:
        return None


def write_forecast(context: Mapping[str, Any], run: ExpansionRun, made: Forecast) -> None:
    """Beside the plan, and for pages."""
    run.hook.coordinator().write_json(run.directory.file(_FILE), made.to_dict())
    context["ti"].xcom_push(key=FORECAST_KEY, value=made.to_dict())


def forecast_of(run: ExpansionRun, plan: Plan) -> Forecast | None:
    """The forecast, as it is for this plan, which may have been edited since it was made."""
    made = read_forecast(run)
    if made is None or made.digest == plan.digest:
        return made
    return made.for_plan(plan.digest, read_peaks(run, plan))


def _shape(run: ExpansionRun, plan: Plan) -> Shape:
    old = {instance.hostname for instance in plan.before.segments}
    # Without new hosts the old ones carry everything.
    new = {instance.hostname for instance in plan.new} - old or old
    return Shape(
        segments_before=plan.before.segment_count,
        segments_after=plan.segments_after,
        old_hosts=len(old),
        new_hosts=len(new),
        mirrored=plan.before.is_mirrored,
        sessions=run.request.parallel_moves,
    )


def _hardware(run: ExpansionRun) -> dict[str, Any] | None:
    try:
        measured: dict[str, Any] = run.hook.coordinator().read_json(run.directory.file(RESULT_FILE))
    except FileMissing:
        return None
    return measured


def _grouped(move: Move, groups: Mapping[Key, str]) -> Move:
    return replace(move, group=groups[move.key]) if move.key in groups else move
