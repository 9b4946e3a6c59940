"""Looking over every database: a handful of statements each, bounded in rows and in time.

On a hundred thousand tables a question may take too long; then the survey says so and goes on. Nothing here may keep an
expansion from happening.
"""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from psycopg2 import errorcodes

from greenplum_expansion.cluster.flavors import parse_version
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.facts import read_topology
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.survey.facts import (
    BLOATED_PERCENT,
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
_LEAST_BYTES = 512 * 1024  # a segment on average; in fewer blocks than these sixteen, sizes say nothing about skew

Row = dict[str, Any]
T = TypeVar("T")


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
        part = _Part(hook, connection, started + PATIENCE)
        rows = part.rows("database sizes", "database_sizes")
        sizes = {row["dbname"]: int(row["size_bytes"]) for row in rows}
        no_sizes = dict(part.not_known)
    databases = []
    for name in hook.databases():
        with hook.connected(name, options=options) as connection:
            part = _Part(hook, connection, started + PATIENCE)
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

    def __init__(self, hook: GreenplumHook, connection: Any, deadline: float) -> None:
        self.hook = hook
        self.connection = connection
        self.deadline = deadline
        self.not_known: dict[str, str] = {}

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
    schemas = schemas_from_rows(objects, part.rows("schema sizes", "survey_schema_sizes"))
    tables = part.rows(
        "tables",
        "survey_tables",
        {
            "largest": LARGEST,
            "uneven": UNEVEN,
            "append_optimised": APPEND_OPTIMISED,
            "least_bytes": _LEAST_BYTES * segments,
        },
    )
    asked, bloat = _append_optimised_bloat(part, tables)
    heaps = part.rows("heap bloat", "survey_heap_bloat", {"most": _NAMES})
    indexes = part.rows("indexes", "survey_indexes")
    return DatabaseSurvey(
        name=name,
        size_bytes=size_bytes,
        schemas=schemas[:_SCHEMAS],
        largest=tuple(_table(row) for row in tables if row["by_size"] <= LARGEST),
        uneven=_pick(tables, lambda row: row["skew"] is not None and row["by_skew"] <= UNEVEN, "by_skew"),
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


def _append_optimised_bloat(part: _Part, tables: Sequence[Row]) -> tuple[int, tuple[Bloat, ...]]:
    """How many tables were asked, and those of them that keep too many deleted rows."""
    mine = [row for row in tables if row["append_optimised"] and row["by_kind"] <= APPEND_OPTIMISED]
    if "tables" in part.not_known:
        part.not_known["append-optimised bloat"] = "the largest tables are not known"
        return 0, ()
    mine.sort(key=lambda row: row["by_kind"])
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


def _pick(rows: Sequence[Row], wanted: Callable[[Row], bool], order: str) -> tuple[TableSurvey, ...]:
    return tuple(_table(row) for row in sorted(filter(wanted, rows), key=lambda row: row[order]))


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
