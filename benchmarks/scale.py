"""Time and peak memory for very large clusters: 100,000 tables in ten databases, 1,000 segments.

    python -m benchmarks.scale
    python -m benchmarks.scale --connection connection.json    # and how long a real cluster takes to be read

Timed is what this tool computes, over data that is made up here: placing the new segments and the forecast, which plays
the redistribution through three times; ranking by each policy; comparing gpexpand's list with the catalogs; one update
of the progress, the way the scheduler and the trigger beside the moves do it. None of it waits for anything, so what is
held against the goals is CPU time: the time on a machine that has nothing else to do. Memory is that of the whole
process with all it has imported; it counts for the part in which it was reached.

The connection is an Airflow connection of type greenplum as JSON. There only what reads is timed, by the clock.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from greenplum_expansion.cluster.topology import Host, Instance, Topology
from greenplum_expansion.hooks.facts import read_version
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.hooks.workload import read_tables_to_move
from greenplum_expansion.planning import outlook
from greenplum_expansion.planning.forecast import Question, forecast
from greenplum_expansion.planning.joins import DistributionKey, find_joins
from greenplum_expansion.planning.moves import Move, Rates, Storage
from greenplum_expansion.planning.placement import place
from greenplum_expansion.planning.ranking import RankedTable, rank
from greenplum_expansion.planning.rates import FinishedMove, Shape, believe, learn_all
from greenplum_expansion.planning.scheduler import MoveQueue, WindowRules
from greenplum_expansion.planning.windows import Calendar, parse_rules
from greenplum_expansion.redistribution import engine
from greenplum_expansion.request import TableOrder

TABLES, SEGMENTS, DATABASES = 100_000, 1000, 10
GOALS = {"planning": 10.0, "ranking": 5.0, "reconciliation": 10.0, "one progress update": 0.3}  # seconds
MEMORY_GOAL = 300  # MB
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
_CONNECTION = "bench_scale"
_MIB = 1024 * 1024


@dataclass(frozen=True)
class Part:
    """What one part took: seconds of the CPU, and the most memory the process had by then (MB)."""

    name: str
    seconds: float
    memory: float

    @property
    def goal(self) -> float | None:
        return GOALS.get(self.name)

    @property
    def meets_the_goal(self) -> bool:
        return self.memory <= MEMORY_GOAL and (self.goal is None or self.seconds <= self.goal)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; exit code 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.scale", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tables", type=int, default=TABLES, help=f"how many ({TABLES})")
    parser.add_argument("--segments", type=int, default=SEGMENTS, help=f"after the expansion ({SEGMENTS})")
    parser.add_argument("--connection", type=Path, help="Airflow connection as JSON: read that cluster, too")
    given = parser.parse_args(arguments)
    parts = run(given.tables, given.segments)
    for part in parts:
        goal = "" if part.goal is None else f"   goal {part.goal:g} s"
        print(f"{part.name:<24}{part.seconds:>9.3f} s{part.memory:>8.0f} MB{goal}", flush=True)
    missed = [part.name for part in parts if not part.meets_the_goal]
    print(f"Goals, {MEMORY_GOAL} MB included: {'missed by ' + ', '.join(missed) if missed else 'met'}")
    if given.connection is not None:
        os.environ[f"AIRFLOW_CONN_{_CONNECTION.upper()}"] = given.connection.read_text()
        read_cluster()
    return bool(missed)


def run(tables: int, segments: int) -> list[Part]:
    """All parts, over the same made-up cluster."""
    timed = _Timed()
    moves = make_moves(tables)
    with timed("planning"):
        plan(moves, segments)
    with timed("ranking"):
        ordered = rank_all(moves)
    with timed("reconciliation"):
        corrected = engine.reconcile(_Listed(ordered, segments), segments)  # type: ignore[arg-type]
    assert len(corrected) == 3 * len(range(0, tables, 100)), "one in a hundred was dropped, renamed, and moved by hand"
    update = prepare_update(moves)
    with timed("one progress update"):
        update()
    return timed.parts


class _Timed:
    def __init__(self) -> None:
        self.parts: list[Part] = []

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began = time.process_time()
        yield
        seconds = time.process_time() - began
        self.parts.append(Part(name, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def make_moves(tables: int) -> list[Move]:
    """Tables of lognormal sizes in ten databases, every third with indexes, of all storage classes."""
    dice = random.Random(20261120)
    kinds = list(Storage)
    databases = [f"database_{number}" for number in range(DATABASES)]
    moves = []
    for number in range(tables):
        size = int(dice.lognormvariate(0, 1.8) * 300 * _MIB)
        name = f"schema_{number % 97}.table_{number:06d}"
        indexes = size // 5 if number % 3 == 0 else 0
        moves.append(Move(databases[number % DATABASES], 16384 + number, name, size, indexes, kinds[number % 3]))
    return moves


def make_cluster(segments: int, per_host: int = 20) -> Topology:
    """So many primaries on hosts of twenty, with grouped mirrors, a coordinator and its standby."""
    hosts = max(2, segments // per_host)
    instances = [Instance(1, -1, "p", "p", "n", "u", 5432, "mdw", "mdw", "/data/master/gpseg-1")]
    for content in range(hosts * per_host):
        host, slot = divmod(content, per_host)
        for role, where, port in (("p", host, 6000 + slot), ("m", (host + 1) % hosts, 7000 + slot)):
            name = f"sdw{where + 1}"
            directory = f"/data/{'primary' if role == 'p' else 'mirror'}/gpseg{content}"
            dbid = 2 + content + (hosts * per_host if role == "m" else 0)
            instances.append(Instance(dbid, content, role, role, "s", "u", port, name, name, directory))
    return Topology(tuple(instances))


def plan(moves: Sequence[Move], segments: int) -> None:
    """Where the last 40 of the segments go, and the forecast with windows of six hours."""
    before = make_cluster(segments - 40)
    hosts = [Host(f"new{number}", f"new{number}") for number in (1, 2)]
    new = place(before, hosts, before.mirroring)
    after = before.segment_count + sum(instance.is_primary for instance in new)
    shape = Shape(before.segment_count, after, len(before.segment_hosts), len(hosts), True, 8)
    calendar = Calendar(parse_rules(["22:00-04:00"]))
    rules = WindowRules(8, 600.0, calendar.longest_seconds(NOW))
    ordered = sorted(moves, key=lambda move: -move.bytes)
    roots = {move.key: f"schema.root_{move.table_oid % 500}" for move in ordered[::4]}
    forecast(Question(ordered, calendar, rules, NOW, believe(shape, [], None), roots)).to_dict()


def rank_all(moves: Sequence[Move]) -> list[RankedTable]:
    """By every policy, with twenty patterns of important tables; the order of the last."""
    tables = [RankedTable(move.dbname, move.table_oid, move.fq_name, move.bytes, 2) for move in moves]
    important = [f"schema_{number}.*_0{number:02d}*" for number in range(20)]
    keys = {table.key: DistributionKey(False, f"key_{table.table_oid % 5000} bigint") for table in tables}
    ordered = tables
    for order in TableOrder:
        joins = find_joins(tables, keys, ["schema_1.a*, schema_2.b*"]) if order is TableOrder.JOINED_TOGETHER else None
        groups = joins.groups if joins else None
        ordered = rank(tables, important, order, groups=groups)
    return ordered


class _Listed:
    """gpexpand's list and the catalogs, as far as the reconciliation asks; one in a hundred was dropped, one renamed,
    one moved by hand."""

    def __init__(self, tables: Sequence[RankedTable], segments: int) -> None:
        self._rows: list[dict[str, Any]] = [
            {"dbname": table.dbname, "table_oid": table.table_oid, "fq_name": table.fq_name} for table in tables
        ]
        self._names = {table.table_oid: table.fq_name for table in tables}

    def databases(self) -> list[str]:
        return sorted({row["dbname"] for row in self._rows})

    @contextmanager
    def connected(self, dbname: str) -> Iterator[None]:
        yield

    def query(self, name: str, given: Any = None, dbname: str = "", *, connection: Any = None) -> list[dict[str, Any]]:
        if name == "tables_not_moved":
            return self._rows
        oids = given["oids"] if given and "oids" in given else []
        if name == "tables_already_expanded":
            return [{"oid": oid} for oid in oids if self._fate(oid) == 0]
        if name == "table_names":
            return [
                {"oid": oid, "fq_name": self._names[oid] + ("_renamed" if self._fate(oid) == 1 else "")}
                for oid in oids
                if self._fate(oid) != 2
            ]
        return []

    def _fate(self, oid: int) -> int:
        return (oid - 16384) % 100


def prepare_update(moves: Sequence[Move]) -> Callable[[], None]:
    """What happens when a move has ended in the middle of a window, and what is told then."""
    calendar = Calendar(parse_rules(["22:00-04:00"]))
    rates = Rates()
    queue = MoveQueue(sorted(moves, key=lambda move: -move.bytes), WindowRules(8, 600.0, 6 * 3600.0), rates)
    queue.open_window()
    begun = [move for move in (queue.next_move(3 * 3600.0) for _ in range(8)) if move is not None]
    rows = [
        {"status": status, "storage": storage.value, "tables": 10_000, "bytes": 10**13, "index_bytes": 10**12}
        for status in ("COMPLETED", "IN PROGRESS", "NOT STARTED", "FAILED")
        for storage in Storage
    ]
    finished = [FinishedMove(Storage.HEAP, 10**9 + number, 0, 20.0) for number in range(500)]

    def update() -> None:
        queue.finished(begun[0], 20.0)
        queue.next_move(60.0)  # near a window's end, when all that is left has to be looked at
        known = learn_all(rates, finished)
        standing = outlook.Standing.from_rows(rows, ["database.schema.table"] * 8)
        ahead = outlook.look_ahead(standing, known, calendar, 8, NOW)
        outlook.say(standing, ahead, 1e9)
        json.dumps(outlook.to_dict(standing, ahead, known, 1e9, NOW))

    return update


def read_cluster() -> None:
    """How long reading takes there, by the clock; changes nothing."""
    hook = GreenplumHook(_CONNECTION)
    try:
        began = time.monotonic()
        found = read_tables_to_move(hook, read_version(hook).flavor)
        print(f"{len(found.moves)} tables with sizes read in {time.monotonic() - began:.1f} s")
        began = time.monotonic()
        progress = engine.read_progress(hook)
        print(f"progress of {progress.tables_total} listed tables read in {time.monotonic() - began:.2f} s")
    finally:
        hook.close()


if __name__ == "__main__":
    sys.exit(main())
