"""Which tables belong together: those that are joined without moving rows, as long as they lie on the same segments.

While one of two tables has moved and the other has not, a join of them that was local sends rows through the network.
So tables with equal distribution keys should move in the same window. Equal are keys whose columns have the same names
and types: `customer_id bigint` here and there is most likely the same thing. What that does not tell, a person names.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from greenplum_expansion.planning.ranking import RankedTable, matches

Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class DistributionKey:
    """How a table is distributed; a leaf partition as its root.

    :param is_replicated: every segment holds all rows
    :param columns: names and types of the key's columns, in order; empty if random or replicated
    """

    is_replicated: bool
    columns: str


@dataclass(frozen=True)
class Joins:
    """What is joined with what.

    :param groups: name of the group of each table that has one, by database and OID
    :param replicated: tables that every segment holds whole: small, and wanted by every join
    """

    groups: Mapping[Key, str] = field(default_factory=dict)
    replicated: Collection[Key] = frozenset()


def find_joins(tables: Sequence[RankedTable], keys: Mapping[Key, DistributionKey], named: Sequence[str] = ()) -> Joins:
    """Groups of two tables or more.

    :param keys: of the tables; one that is missing here stands alone
    :param named: groups named by a person, each as patterns with commas between them; they go before equal keys
    """
    wished = [[pattern.strip() for pattern in line.split(",")] for line in named]
    members: dict[str, list[Key]] = {}
    for table in tables:
        name = _group(table, keys.get(table.key), wished)
        if name:
            members.setdefault(name, []).append(table.key)
    return Joins(
        groups={key: name for name, found in members.items() if len(found) > 1 for key in found},
        replicated=frozenset(table.key for table in tables if table.key in keys and keys[table.key].is_replicated),
    )


def _group(table: RankedTable, key: DistributionKey | None, wished: Sequence[Sequence[str]]) -> str:
    for number, patterns in enumerate(wished, start=1):
        if any(matches(table, pattern) for pattern in patterns):
            return f"{table.dbname}: group {number}"
    return f"{table.dbname}: {key.columns}" if key and key.columns else ""
