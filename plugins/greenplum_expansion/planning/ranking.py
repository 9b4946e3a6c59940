"""In which order tables are moved.

gpexpand takes tables by ``rank`` alone, ascending, ties in no order (gpexpand 6.24.3, ``perform_expansion``), and gives
every table rank 2; so each table gets a rank of its own here. With several tables moving at a time, largest first is
Graham's LPT rule: the last table to finish is then a small one.
"""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from greenplum_expansion.request import TableOrder


@dataclass(frozen=True)
class RankedTable:
    """A row of ``gpexpand.status_detail``: key, quoted name and size in bytes (main fork, as gpexpand measures).

    :param rank: as it stands there now
    :param root_oid: of the partitioned table whose leaf it is; 0: it is none
    """

    dbname: str
    table_oid: int
    fq_name: str
    source_bytes: int
    rank: int = 0
    root_oid: int = 0

    @property
    def key(self) -> tuple[str, int]:
        return self.dbname, self.table_oid


def rank(
    tables: Iterable[RankedTable],
    important: Sequence[str],
    order: TableOrder,
    *,
    groups: Mapping[tuple[str, int], str] | None = None,
    replicated: Collection[tuple[str, int]] = frozenset(),
) -> list[RankedTable]:
    """The tables in the order in which they shall move; the first gets rank 1.

    :param important: patterns ``schema.table`` or ``database.schema.table``; an earlier pattern goes before a later
    :param order: of all tables within one pattern, and of those that match none
    :param groups: for JOINED_TOGETHER: the group of each table that has one (planning/joins.py); a table that is
        important takes its group along
    :param replicated: for JOINED_TOGETHER: tables that go before all others
    """
    wanted = list(tables)
    together = (groups or {}) if order is TableOrder.JOINED_TOGETHER else {}
    place_of = _Places(important)
    places = {table.key: place_of(table) for table in wanted}
    group_place: dict[str, int] = {}
    group_bytes: Counter[str] = Counter()
    for table in wanted:
        name = together.get(table.key, "")
        if name:
            group_place[name] = min(group_place.get(name, len(important)), places[table.key])
            group_bytes[name] += table.source_bytes

    def key(table: RankedTable) -> tuple[int | str, ...]:
        # The name decides between equals, so that a preview and the run show the same order.
        last = (f"{table.dbname}.{table.fq_name}", table.table_oid)
        place = places[table.key]
        if order is TableOrder.AS_RANKED:
            return place, table.rank, *last
        if order is TableOrder.SMALLEST_FIRST:
            return place, table.source_bytes, *last
        if order is TableOrder.LARGEST_FIRST:
            return place, -table.source_bytes, *last
        name = together.get(table.key, "")
        if not name:
            return place, table.key not in replicated, -table.source_bytes, "", 0, *last
        return group_place[name], True, -group_bytes[name], name, -table.source_bytes, *last

    return sorted(wanted, key=key)


class _Places:
    """Tells which pattern a table matches first. Of very many tables most match none, so that is asked at once."""

    def __init__(self, important: Sequence[str]) -> None:
        self._each = [re.compile(fnmatch.translate(pattern)) for pattern in important]
        self._any = re.compile("|".join(f"(?:{fnmatch.translate(pattern)})" for pattern in important) or r"(?!)")

    def __call__(self, table: RankedTable) -> int:
        if not self._each:
            return 0
        names = dict.fromkeys(_names(table))
        if not any(map(self._any.match, names)):
            return len(self._each)
        return next(place for place, each in enumerate(self._each) if any(map(each.match, names)))


def matches(table: RankedTable, pattern: str) -> bool:
    """Whether a pattern as a person writes it means this table."""
    return any(fnmatch.fnmatchcase(name, pattern) for name in _names(table))


def is_wanted(table: RankedTable, only: Sequence[str]) -> bool:
    """Whether it may move when only these are asked for; without patterns all are."""
    return not only or any(matches(table, pattern) for pattern in only)


def unmatched(tables: Iterable[RankedTable], important: Sequence[str]) -> list[str]:
    """The patterns that match no table: most likely misspelt."""
    left = {pattern: re.compile(fnmatch.translate(pattern)) for pattern in important}
    for table in tables:
        if not left:
            break
        names = _names(table)
        left = {pattern: each for pattern, each in left.items() if not any(map(each.match, names))}
    return list(left)


def _names(table: RankedTable) -> tuple[str, ...]:
    """With and without database, quoted as in the catalog and bare as one types it."""
    bare = _unquote(table.fq_name) if '"' in table.fq_name else table.fq_name
    return table.fq_name, bare, f"{table.dbname}.{table.fq_name}", f"{table.dbname}.{bare}"


def _unquote(fq_name: str) -> str:
    return fq_name.replace('""', "\0").replace('"', "").replace("\0", '"')
