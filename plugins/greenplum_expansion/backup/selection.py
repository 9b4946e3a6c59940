"""Which databases, schemas and tables are backed up: the patterns of a person, matched with the names of a catalog.

The tools get exact names only, never a pattern: what their own patterns would match differs from tool to tool.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from greenplum_expansion.cluster.patterns import Pattern


@dataclass(frozen=True)
class BackupTable:
    """A table whose rows can be written: a plain one, or the root of partitions with all that they hold.

    :param size_bytes: on disk, on all primaries together, without indexes
    :param append_optimised: kept compressed, mostly, so its text is larger than its files
    """

    dbname: str
    schema: str
    name: str
    size_bytes: int
    append_optimised: bool = False


@dataclass(frozen=True)
class DatabaseSelection:
    """What of one database is backed up.

    :param is_whole: everything in it; then `schemas` and `names` are empty
    :param schemas: whole schemas, by name
    :param names: single tables, as schema and name, none of them in one of `schemas`
    :param tables: all tables whose rows are written, for the estimate
    """

    dbname: str
    is_whole: bool
    schemas: tuple[str, ...]
    names: tuple[tuple[str, str], ...]
    tables: tuple[BackupTable, ...]


@dataclass(frozen=True)
class Selection:
    """What is backed up of a cluster.

    :param unmatched: patterns that match nothing, as they were written
    """

    databases: tuple[DatabaseSelection, ...]
    unmatched: tuple[str, ...]

    @property
    def tables(self) -> tuple[BackupTable, ...]:
        return tuple(table for database in self.databases for table in database.tables)


# They belong to every cluster; what a user has put there counts all the same.
_USUALLY_EMPTY = ("postgres", "template1")


def select(patterns: Sequence[Pattern], databases: Iterable[str], tables: Iterable[BackupTable]) -> Selection:
    """Match patterns against what there is; without patterns all databases are meant.

    :param databases: names of those that allow connections
    """
    of = {dbname: list(group) for dbname, group in _by_database(tables)}
    found = []
    used: set[Pattern] = set()
    for dbname in databases:
        there = of.get(dbname, [])
        if not patterns and dbname in _USUALLY_EMPTY and not there:
            continue
        mine = [pattern for pattern in patterns if pattern.matches(dbname)]
        whole = not patterns or any(len(pattern.parts) == 1 for pattern in mine)
        used.update(pattern for pattern in mine if len(pattern.parts) == 1)
        schemas = [p for p in mine if len(p.parts) == 2]
        single = [p for p in mine if len(p.parts) == 3]
        in_schemas = {t.schema for t in there if any(p.matches(dbname, t.schema) for p in schemas)}
        picked = [t for t in there if any(p.matches(dbname, t.schema, t.name) for p in single)]
        for table in there:
            used.update(p for p in schemas if p.matches(dbname, table.schema))
            used.update(p for p in single if p.matches(dbname, table.schema, table.name))
        if whole:
            found.append(DatabaseSelection(dbname, True, (), (), tuple(there)))
        elif in_schemas or picked:
            alone = [t for t in picked if t.schema not in in_schemas]
            found.append(
                DatabaseSelection(
                    dbname,
                    False,
                    tuple(sorted(in_schemas)),
                    tuple((t.schema, t.name) for t in alone),
                    tuple(t for t in there if t.schema in in_schemas) + tuple(alone),
                )
            )
    return Selection(tuple(found), tuple(p.text for p in patterns if p not in used))


def _by_database(tables: Iterable[BackupTable]) -> Iterable[tuple[str, Iterable[BackupTable]]]:
    return groupby(sorted(tables, key=lambda t: (t.dbname, t.schema, t.name)), key=lambda t: t.dbname)
