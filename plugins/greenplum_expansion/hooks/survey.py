"""Looking over every database: a handful of statements each, bounded in rows and in time.

On a hundred thousand tables a question may take too long; then the survey says so and goes on. Nothing here may keep an
expansion from happening.
"""

from __future__ import annotations

import datetime
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from psycopg2 import errorcodes

from greenplum_expansion.cluster.flavors import parse_version
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.survey.facts import (
    BLOATED_PERCENT,
    TABLE_KINDS,
    Bloat,
    DatabaseSurvey,
    Named,
    Survey,
    TableSurvey,
    schemas_from_rows,
)

log = logging.getLogger(__name__)

STATEMENT_SECONDS = 120
LOCK_SECONDS = 10  # sizes need a lock on each table, which a running move or TRUNCATE keeps from us
PATIENCE = 900.0  # seconds for all databases together; what is left then is not asked

LARGEST = 20
UNEVEN = 20
APPEND_OPTIMISED = 200  # the largest ones are asked for deleted rows, one after the other
_AT_A_TIME = 25
_NAMES = 50
_SCHEMAS = 500
_SLICE = 10_000  # tables whose sizes one session asks for
_LEAST_BYTES = 512 * 1024  # a segment on average; in fewer blocks than these sixteen, sizes say nothing about skew

Row = dict[str, Any]


def take_survey(hook: GreenplumHook, *, statement_seconds: int = STATEMENT_SECONDS) -> Survey:
    """Survey all databases.

    :param statement_seconds: after which one statement is given up
    :raises RemoteError: the server cannot be reached; whatever it refuses or is too slow for is noted instead
    """
    started = time.monotonic()
    version = parse_version(hook.query("server_identity")[0]["version"])
    topology = read_topology(hook)
    options = {"statement_timeout": f"{statement_seconds}s", "lock_timeout": f"{LOCK_SECONDS}s"}
    with hook.connected(options=options) as connection:
        part = _Part(hook, connection, started + PATIENCE, options)
        rows = part.rows("database sizes", "database_sizes")
        sizes = {row["dbname"]: int(row["size_bytes"]) for row in rows}
        no_sizes = dict(part.not_known)
    databases = []
    for name in hook.databases():
        with hook.connected(name, options=options) as connection:
            part = _Part(hook, connection, started + PATIENCE, options)
            part.not_known.update(no_sizes)
            databases.append(_survey_database(name, sizes.get(name), topology.segment_count, part))
        log.info("%s: %d tables in %d schemas", name, databases[-1].tables, len(databases[-1].schemas))
        for what, reason in databases[-1].not_known.items():
            log.warning("%s: %s not known, %s", name, what, reason)
    return Survey(
        taken_at=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        version=str(version) if version else "",
        segments=topology.segment_count,
        seconds=round(time.monotonic() - started, 1),
        databases=tuple(databases),
    )


class _Part:
    """Asks one question after the other, and notes which were not answered."""

    def __init__(self, hook: GreenplumHook, connection: Any, deadline: float, options: Mapping[str, str]) -> None:
        self.hook = hook
        self.connection = connection
        self.deadline = deadline
        self.options = options
        self.not_known: dict[str, str] = {}

    @contextmanager
    def own_session(self) -> Iterator[_Part]:
        """The same in a session that ends with it, and what its backends remember."""
        with self.hook.connected(self.connection.info.dbname, options=self.options) as connection:
            other = _Part(self.hook, connection, self.deadline, self.options)
            other.not_known = self.not_known
            yield other

    def rows(self, what: str, statement: str, params: Mapping[str, Any] | None = None) -> list[Row]:
        """The statement's rows; none, and a note, if it was refused or too slow.

        :raises RemoteError: the connection broke
        """
        if time.monotonic() > self.deadline:
            self.not_known[what] = f"the survey had taken {PATIENCE / 60:.0f} minutes already"
            return []
        try:
            return self.hook.query(statement, params, connection=self.connection)
        except RemoteError as error:
            code = getattr(error.__cause__, "pgcode", None)
            if code is None or self.connection.closed:
                raise
            self.not_known[what] = _REASONS.get(code, error.cause)
            return []


_REASONS = {
    errorcodes.QUERY_CANCELED: "too slow",
    errorcodes.LOCK_NOT_AVAILABLE: f"a table was locked for more than {LOCK_SECONDS} s",
}


def _survey_database(name: str, size_bytes: int | None, segments: int, part: _Part) -> DatabaseSurvey:
    objects = part.rows("objects", "survey_objects")
    schema_sizes, tables = _sizes(part, _holding_rows(objects), segments)
    schemas = schemas_from_rows(objects, schema_sizes)
    asked, bloat = _append_optimised_bloat(part, tables)
    heaps = part.rows("heap bloat", "survey_heap_bloat", {"most": _NAMES})
    indexes = part.rows("indexes", "survey_indexes")
    return DatabaseSurvey(
        name=name,
        size_bytes=size_bytes,
        schemas=schemas[:_SCHEMAS],
        largest=tuple(map(_table, _most(tables, LARGEST, _all_bytes))),
        uneven=tuple(map(_table, _most(tables, UNEVEN, lambda row: float(row["skew"] or 0)))),
        append_optimised_asked=asked,
        append_optimised_bloat=bloat,
        heap_bloat_total=_total(heaps),
        heap_bloat=tuple(
            Bloat(_name(row), pages=int(row["pages"]), expected_pages=int(row["expected_pages"])) for row in heaps
        ),
        missing_statistics=_named(
            part.rows("statistics", "survey_missing_statistics", {"most": _NAMES}),
            lambda row: f"{row['analysed_columns']} of {row['columns']} columns",
        ),
        partitioned=_named(
            part.rows("partitions", "survey_partitions", {"most": _NAMES}),
            lambda row: f"{row['leaves']} leaves, {row['levels']} levels",
        ),
        external=_named(
            part.rows("external tables", "survey_external_tables", {"most": _NAMES}),
            lambda row: f"{'writable' if row['writable'] else 'readable'}, {row['protocol']}",
        ),
        indexes={row["method"]: int(row["indexes"]) for row in indexes},
        invalid_indexes=sum(int(row["invalid"]) for row in indexes),
        not_known=part.not_known,
    )


def _holding_rows(objects: Sequence[Row]) -> int:
    kinds = {*TABLE_KINDS, "materialized view"}
    return sum(int(row["objects"]) for row in objects if row["kind"] in kinds)


def _sizes(part: _Part, tables: int, segments: int) -> tuple[list[Row], list[Row]]:
    """Sizes by schema, and the tables worth naming.

    A segment's backend remembers every table it has looked at, some 10 KB each: a hundred thousand in one session would
    take a gigabyte on each segment. So they are asked in slices, each in a session of its own.
    """
    slices = max(1, math.ceil(tables / _SLICE))
    wanted = {
        "largest": LARGEST,
        "uneven": UNEVEN,
        "append_optimised": APPEND_OPTIMISED,
        "least_bytes": _LEAST_BYTES * segments,
    }
    by_schema: dict[str, Row] = {}
    named: list[Row] = []
    for number in range(slices):
        some = {"slices": slices, "slice": number}
        with part.own_session() as session:
            for row in session.rows("schema sizes", "survey_schema_sizes", some):
                known = by_schema.setdefault(row["schema_name"], {**row, "row_bytes": 0, "other_bytes": 0})
                known["row_bytes"] += row["row_bytes"]
                known["other_bytes"] += row["other_bytes"]
            named += session.rows("tables", "survey_tables", {**wanted, **some})
        for what in {"schema sizes", "tables"} & part.not_known.keys():
            part.not_known[what] += f" ({number} of {slices} parts were asked)" if slices > 1 else ""
            return ([] if "schema sizes" in part.not_known else list(by_schema.values())), named
    return list(by_schema.values()), named


def _append_optimised_bloat(part: _Part, tables: Sequence[Row]) -> tuple[int, tuple[Bloat, ...]]:
    """How many tables were asked, and those of them that keep too many deleted rows."""
    if "tables" in part.not_known:
        part.not_known["append-optimised bloat"] = "the largest tables are not known"
        return 0, ()
    mine = _most([row for row in tables if row["append_optimised"]], APPEND_OPTIMISED, lambda row: row["row_bytes"])
    names = {int(row["oid"]): _name(row) for row in mine}
    oids = list(names)
    found: list[Bloat] = []
    asked = 0
    began = time.monotonic()
    for start in range(0, len(oids), _AT_A_TIME):
        some = oids[start : start + _AT_A_TIME]
        if time.monotonic() - began > STATEMENT_SECONDS:
            part.not_known["append-optimised bloat"] = f"too slow; the {asked} largest tables were asked"
            break
        rows = part.rows("append-optimised bloat", "survey_append_optimised", {"oids": some})
        if not rows:
            break
        asked += len(rows)
        found += [
            Bloat(names[int(row["oid"])], percent=float(row["percent_hidden"]))
            for row in rows
            if float(row["percent_hidden"]) > BLOATED_PERCENT
        ]
    return asked, tuple(sorted(found, key=lambda bloat: -(bloat.percent or 0)))


def _most(rows: Sequence[Row], number: int, figure: Callable[[Row], float]) -> list[Row]:
    """Those with the largest figures; none whose figure is 0."""
    return sorted((row for row in rows if figure(row) > 0), key=lambda row: (-figure(row), _name(row)))[:number]


def _all_bytes(row: Row) -> float:
    return float(row["row_bytes"] + row["other_bytes"])


def _table(row: Row) -> TableSurvey:
    return TableSurvey(
        name=_name(row),
        kind="append-optimised" if row["append_optimised"] else "heap",
        row_bytes=int(row["row_bytes"]),
        other_bytes=int(row["other_bytes"]),
        segments=int(row["segments"]),
        skew=None if row["skew"] is None else float(row["skew"]),
    )


def _named(rows: Sequence[Row], word: Callable[[Row], str]) -> Named:
    return Named(_total(rows), {_name(row): word(row) for row in rows})


def _total(rows: Sequence[Row]) -> int:
    return int(rows[0]["tables"]) if rows else 0


def _name(row: Row) -> str:
    return f"{row['schema_name']}.{row['table_name']}"
