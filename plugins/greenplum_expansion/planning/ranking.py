"""In which order tables are moved.

gpexpand takes tables by ``rank`` alone, ascending, ties in no order (gpexpand 6.24.3, ``perform_expansion``), and gives
every table rank 2; so each table gets a rank of its own here. With several tables moving at a time, largest first is
Graham's LPT rule: the last table to finish is then a small one.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from greenplum_expansion.request import TableOrder


@dataclass(frozen=True)
class RankedTable:
    """A row of ``gpexpand.status_detail``: key, quoted name and size in bytes (main fork, as gpexpand measures)."""

    dbname: str
    table_oid: int
    fq_name: str
    source_bytes: int


def rank(tables: Iterable[RankedTable], important: Sequence[str], order: TableOrder) -> list[RankedTable]:
    """The tables in the order in which they shall move; the first gets rank 1.

    :param important: patterns ``schema.table`` or ``database.schema.table``; an earlier pattern goes before a later
    :param order: of all tables within one pattern, and of those that match none
    """
    sign = -1 if order is TableOrder.LARGEST_FIRST else 1

    def key(table: RankedTable) -> tuple[int, int, str, int]:
        names = _names(table)
        place = next(
            (i for i, pattern in enumerate(important) if any(fnmatch.fnmatchcase(n, pattern) for n in names)),
            len(important),
        )
        # The name decides between equals, so that a preview and the run show the same order.
        return place, sign * table.source_bytes, f"{table.dbname}.{table.fq_name}", table.table_oid

    return sorted(tables, key=key)


def unmatched(tables: Iterable[RankedTable], important: Sequence[str]) -> list[str]:
    """The patterns that match no table: most likely misspelt."""
    names = [name for table in tables for name in _names(table)]
    return [pattern for pattern in important if not any(fnmatch.fnmatchcase(name, pattern) for name in names)]


def _names(table: RankedTable) -> tuple[str, ...]:
    """With and without database, quoted as in the catalog and bare as one types it."""
    bare = _unquote(table.fq_name)
    return table.fq_name, bare, f"{table.dbname}.{table.fq_name}", f"{table.dbname}.{bare}"


def _unquote(fq_name: str) -> str:
    return fq_name.replace('""', "\0").replace('"', "").replace("\0", '"')
