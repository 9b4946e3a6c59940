"""What a survey of a cluster holds: every list bounded, every number a plain one, so that it can be kept as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

# As include/sql/survey_objects.sql calls them.
HEAP, AO_ROWS, AO_COLUMNS = "heap", "append-optimised rows", "append-optimised columns"
ROOT, BRANCH, LEAF = "root", "branch", "leaf"
TABLE_KINDS = (HEAP, AO_ROWS, AO_COLUMNS)

BLOATED_PERCENT = 10.0
"""Deleted rows still stored, in percent of all, from which on an append-optimised table is called bloated: what
gp_appendonly_compaction_threshold is by default, and the seed runbook's limit."""


@dataclass(frozen=True)
class SchemaSurvey:
    """One schema.

    :param objects: number of objects by kind; of partitioned tables only the leaves, which hold the rows
    :param roots, leaves: partitioned tables, and their leaf partitions
    """

    name: str
    row_bytes: int = 0
    other_bytes: int = 0
    objects: Mapping[str, int] = field(default_factory=dict)
    roots: int = 0
    leaves: int = 0


@dataclass(frozen=True)
class TableSurvey:
    """A table worth naming. Bytes on all primaries; skew is the fullest segment over the average, None: not told."""

    name: str
    kind: str
    row_bytes: int
    other_bytes: int
    segments: int
    skew: float | None


@dataclass(frozen=True)
class Bloat:
    """A table with room it does not need: `percent` of its rows deleted, or pages instead of expected ones."""

    name: str
    percent: float | None = None
    pages: int | None = None
    expected_pages: int | None = None


@dataclass(frozen=True)
class Named:
    """Some out of `total` things, by name, with a word on each."""

    total: int = 0
    some: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DatabaseSurvey:
    """One database; a part that could not be asked is empty and named in `not_known` with the reason."""

    name: str
    size_bytes: int | None = None
    schemas: tuple[SchemaSurvey, ...] = ()
    largest: tuple[TableSurvey, ...] = ()
    uneven: tuple[TableSurvey, ...] = ()
    append_optimised_asked: int = 0
    append_optimised_bloat: tuple[Bloat, ...] = ()
    heap_bloat_total: int = 0
    heap_bloat: tuple[Bloat, ...] = ()
    missing_statistics: Named = Named()
    partitioned: Named = Named()
    external: Named = Named()
    indexes: Mapping[str, int] = field(default_factory=dict)
    invalid_indexes: int = 0
    not_known: Mapping[str, str] = field(default_factory=dict)

    @property
    def objects(self) -> Counter[str]:
        """Number of objects by kind, in all schemas."""
        counted: Counter[str] = Counter()
        for schema in self.schemas:
            counted.update(schema.objects)
        return counted

    @property
    def tables(self) -> int:
        """Tables that hold rows: plain ones and leaf partitions."""
        return sum(self.objects[kind] for kind in TABLE_KINDS)

    @property
    def roots(self) -> int:
        return sum(schema.roots for schema in self.schemas)

    @property
    def leaves(self) -> int:
        return sum(schema.leaves for schema in self.schemas)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> DatabaseSurvey:
        values = dict(data)
        for name, kind in (
            ("schemas", SchemaSurvey),
            ("largest", TableSurvey),
            ("uneven", TableSurvey),
            ("append_optimised_bloat", Bloat),
            ("heap_bloat", Bloat),
        ):
            values[name] = tuple(kind(**row) for row in values[name])
        for name in ("missing_statistics", "partitioned", "external"):
            values[name] = Named(**values[name])
        return cls(**values)


@dataclass(frozen=True)
class Survey:
    """A cluster at one moment.

    :param taken_at: ISO 8601, with zone
    :param segments: primaries then
    :param seconds: it took
    """

    taken_at: str
    version: str
    segments: int
    seconds: float
    databases: tuple[DatabaseSurvey, ...]

    @property
    def size_bytes(self) -> int:
        """Of all databases whose size is known."""
        return sum(database.size_bytes or 0 for database in self.databases)

    @property
    def tables(self) -> int:
        return sum(database.tables for database in self.databases)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Survey:
        databases = tuple(DatabaseSurvey.from_dict(database) for database in data["databases"])
        return cls(**{**data, "databases": databases})

    def summary(self) -> dict[str, Any]:
        """The few figures that fit into an XCom, whatever the size of the cluster."""
        return {
            "taken_at": self.taken_at,
            "segments": self.segments,
            "databases": len(self.databases),
            "size_bytes": self.size_bytes,
            "tables": self.tables,
            "seconds": self.seconds,
            "not_known": [f"{database.name}: {part}" for database in self.databases for part in database.not_known][
                :20
            ],
        }


def schemas_from_rows(
    objects: Sequence[Mapping[str, Any]], sizes: Sequence[Mapping[str, Any]]
) -> tuple[SchemaSurvey, ...]:
    """Schemas from the rows of survey_objects.sql and survey_schema_sizes.sql, the largest first."""
    counted: dict[str, Counter[str]] = {}
    roots: Counter[str] = Counter()
    leaves: Counter[str] = Counter()
    for row in objects:
        name, number = row["schema_name"], int(row["objects"])
        kinds = counted.setdefault(name, Counter())
        if row["partition"] == ROOT:
            roots[name] += number
        elif row["partition"] != BRANCH:
            kinds[row["kind"]] += number
        if row["partition"] == LEAF:
            leaves[name] += number
    bytes_of = {row["schema_name"]: (int(row["row_bytes"]), int(row["other_bytes"])) for row in sizes}
    made = [
        SchemaSurvey(
            name=name,
            row_bytes=bytes_of.get(name, (0, 0))[0],
            other_bytes=bytes_of.get(name, (0, 0))[1],
            objects=dict(sorted(counted.get(name, Counter()).items())),
            roots=roots[name],
            leaves=leaves[name],
        )
        for name in dict.fromkeys([*counted, *bytes_of])
    ]
    return tuple(sorted(made, key=lambda schema: (-schema.row_bytes - schema.other_bytes, schema.name)))
