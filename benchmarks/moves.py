"""How long the direct engine takes beside gpexpand: the same tables, the same number at a time, in one run.

    python -m benchmarks.moves prepare --connection connection.json    # makes database bench_moves
    # … now add segments: greenplum_expand, or gpexpand -i; do not move tables yet
    python -m benchmarks.moves run --connection connection.json --parallel 4

Each workload exists twice, in the schemas `a_…` and `b_…`: gpexpand moves one half, the direct engine the other, while
all other tables are set aside in gpexpand's list, so one expansion is enough. What is printed is the ratio of the two
times; seconds alone would speak of the machine.

* tiny: 1,500 tables of some rows
* mixed: 66 tables of all kinds, one of which holds a third of all bytes

The connection is an Airflow connection of type greenplum as JSON. What has moved once is not moved again:
`run` needs a fresh expansion each time, or moves a part with `--only`.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from greenplum_expansion.hooks.facts import SCHEMA_DATABASE
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.scheduler import WindowRules
from greenplum_expansion.planning.windows import Window
from greenplum_expansion.redistribution.engines import DirectEngine, Order

DATABASE = "bench_moves"
TINY, MIXED = 1500, 66
_CONNECTION = "bench_moves"
_FOREVER = datetime.max.replace(tzinfo=UTC)
_ASIDE = "SET ASIDE"
_KINDS = (
    "",
    "WITH (appendonly=true)",
    "WITH (appendonly=true, orientation=column, compresstype=zlib, compresslevel=1)",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.moves", description=__doc__, formatter_class=_Raw)
    parser.add_argument("what", choices=("prepare", "run"))
    parser.add_argument("--connection", type=Path, required=True, help="file with the Airflow connection as JSON")
    parser.add_argument("--parallel", type=int, default=4, help="tables at a time, for both (4)")
    parser.add_argument("--megabytes", type=int, default=1000, help="of each half of the mixed workload (1000)")
    parser.add_argument("--tiny", type=int, default=TINY, help=f"tables of each half of the tiny workload ({TINY})")
    parser.add_argument("--batch", type=int, default=20, help="tiny tables in one transaction (20)")
    parser.add_argument("--rounds", type=int, default=1, help="take turns so often, each with a part of the tables (1)")
    parser.add_argument("--only", type=int, default=0, help="move no more tables of each half (0: all)")
    parser.add_argument("--workload", choices=("tiny", "mixed"), action="append", help="only this one")
    given = parser.parse_args(arguments)
    os.environ[f"AIRFLOW_CONN_{_CONNECTION.upper()}"] = given.connection.read_text()
    logging.disable(logging.WARNING)  # a line a table would be most of what is measured
    hook = GreenplumHook(_CONNECTION)
    try:
        if given.what == "prepare":
            prepare(hook, given.tiny, given.megabytes)
        else:
            run(hook, given)
    finally:
        hook.close()
    return 0


class _Raw(argparse.RawDescriptionHelpFormatter):
    pass


def prepare(hook: GreenplumHook, tiny: int, megabytes: int) -> None:
    """Make the database with both halves of both workloads."""
    with closing(hook.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {DATABASE}")
    with closing(hook.connect(DATABASE)) as connection, connection.cursor() as cursor:
        for half in "ab":
            cursor.execute(f"CREATE SCHEMA {half}_tiny; CREATE SCHEMA {half}_mixed")
            for number in range(tiny):
                cursor.execute(
                    f"CREATE TABLE {half}_tiny.t{number:05d} AS SELECT i AS id, i::text AS v"
                    f" FROM generate_series(1, 20) i DISTRIBUTED BY (id)"
                )
            for number, size in enumerate(mixed_sizes(megabytes)):
                cursor.execute(
                    f"CREATE TABLE {half}_mixed.t{number:02d} {_KINDS[number % 3]} AS"
                    f" SELECT i AS id, md5(i::text) AS a, md5((i+1)::text) || md5((i+2)::text) AS b"
                    f" FROM generate_series(1, {max(1, size * 8000)}) i DISTRIBUTED BY (id)"
                )
            # Every third has an index, as real tables do.
            for number in range(0, MIXED, 3):
                cursor.execute(f"CREATE INDEX ON {half}_mixed.t{number:02d} (id)")
            print(f"half {half} is made", flush=True)
        cursor.execute("ANALYZE")


def mixed_sizes(megabytes: int) -> list[int]:
    """Sizes in megabytes of 66 tables: the first a third of all, the others ever smaller."""
    weights = [1 / (place + 2) ** 1.2 for place in range(MIXED - 1)]
    rest = megabytes * 2 / 3
    return [megabytes // 3, *(round(rest * weight / sum(weights)) for weight in weights)]


def run(hook: GreenplumHook, given: argparse.Namespace) -> None:
    """Time both engines on each workload, and print the ratios."""
    results = {}
    with closing(hook.connect(SCHEMA_DATABASE)) as connection, connection.cursor() as cursor:
        try:
            for workload in given.workload or ["tiny", "mixed"]:
                seconds, tables = {"a": 0.0, "b": 0.0}, 0
                for turn in range(given.rounds):
                    for half, move in (("a", _gpexpand), ("b", _direct)):
                        schema = f"{half}_{workload}"
                        chosen = _only(cursor, schema, given.only, given.rounds, turn)
                        tables += len(chosen)
                        seconds[half] += _timed(partial(move, hook, chosen, given.parallel, given.batch))
                        _require_moved(cursor, chosen)
                ratio = seconds["b"] / seconds["a"]
                results[workload] = {"gpexpand": seconds["a"], "direct": seconds["b"], "ratio": ratio}
                print(_line(workload, tables // 2, seconds["a"], seconds["b"], ratio), flush=True)
        finally:
            cursor.execute(f"UPDATE gpexpand.status_detail SET status = 'NOT STARTED' WHERE status = '{_ASIDE}'")
            cursor.execute("INSERT INTO gpexpand.status VALUES ('EXPANSION STOPPED', localtimestamp)")
    print(json.dumps(results))


def _line(workload: str, tables: int, gpexpand: float, direct: float, ratio: float) -> str:
    return f"{workload}: {tables} tables, gpexpand {gpexpand:.1f} s, direct {direct:.1f} s, ratio {ratio:.2f}"


def _timed(action: Callable[[], Any]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def _only(cursor: Any, schema: str, most: int, rounds: int, turn: int) -> list[str]:
    """Set all tables aside but some of one schema; their names."""
    cursor.execute(f"UPDATE gpexpand.status_detail SET status = '{_ASIDE}' WHERE status = 'NOT STARTED'")
    cursor.execute(
        "SELECT fq_name FROM gpexpand.status_detail"
        f" WHERE status = '{_ASIDE}' AND dbname = '{DATABASE}' AND fq_name LIKE '{schema}.%' ORDER BY fq_name"
    )
    left = [name for (name,) in cursor.fetchall()]
    # What earlier turns have moved is no longer listed.
    names = left[: most // rounds if most else math.ceil(len(left) / (rounds - turn))]
    cursor.execute(
        "UPDATE gpexpand.status_detail SET status = 'NOT STARTED'"
        f" WHERE status = '{_ASIDE}' AND dbname = '{DATABASE}' AND fq_name = ANY (%s)",
        (names,),
    )
    if not names:
        raise SystemExit(f"no table of {schema} is left to be moved: take a fresh expansion")
    return names


def _require_moved(cursor: Any, names: list[str]) -> None:
    cursor.execute(
        "SELECT count(*) FROM gpexpand.status_detail"
        f" WHERE status <> 'COMPLETED' AND dbname = '{DATABASE}' AND fq_name = ANY (%s)",
        (names,),
    )
    left = cursor.fetchone()[0]
    if left:
        raise SystemExit(f"{left} of {len(names)} tables were not moved")


def _gpexpand(hook: GreenplumHook, names: list[str], parallel: int, batch: int) -> None:
    hook.run_utility(["gpexpand", "-n", str(parallel)], timeout=24 * 3600.0)


def _direct(hook: GreenplumHook, names: list[str], parallel: int, batch: int) -> None:
    wanted = set(names)
    order = Order(
        WindowRules(parallel, tiny=1024 * 1024, batch=batch),
        wanted=lambda dbname, fq_name: dbname == DATABASE and fq_name in wanted,
    )
    moved = DirectEngine(hook, "bench", order).run_window(Window(datetime.now(UTC), _FOREVER))
    if moved.failed or moved.stopped:
        raise SystemExit(f"{moved.failed} {moved.stopped}")


if __name__ == "__main__":
    sys.exit(main())
