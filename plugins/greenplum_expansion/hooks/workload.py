"""What an expansion will move, read from the catalogs: before gpexpand has listed it, and as it is listed."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import psycopg2

from greenplum_expansion import sql
from greenplum_expansion.cluster.flavors import Flavor, sql_variant
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.facts import SCHEMA_DATABASE
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.moves import Move, Storage
from greenplum_expansion.planning.ranking import RankedTable
from greenplum_expansion.planning.rates import FinishedMove

_SLICE = 5000  # tables asked about in one session: a segment's backend keeps each it has looked at
_LARGE, _SMALL = 200, 50  # finished moves of each storage class that rates are learned from

Key = tuple[str, int]


class _Listed(NamedTuple):
    """A row of tables_to_move.sql."""

    oid: int
    fq_name: str
    root_oid: int
    root_name: str
    storage: Storage


@dataclass
class TablesToMove:
    """All tables with rows on the segments, of all databases.

    :param moves: in no order
    :param roots: quoted name of the partitioned table that a leaf is of
    :param root_oids: the same by OID
    """

    moves: list[Move] = field(default_factory=list)
    roots: dict[Key, str] = field(default_factory=dict)
    root_oids: dict[Key, int] = field(default_factory=dict)

    def ranked(self) -> list[RankedTable]:
        """As `rank` wants them; gpexpand, which will list them, gives all the same rank."""
        return [
            RankedTable(move.dbname, move.table_oid, move.fq_name, move.bytes, 0, self.root_oids.get(move.key, 0))
            for move in self.moves
        ]


def read_tables_to_move(hook: GreenplumHook, flavor: Flavor) -> TablesToMove:
    """Every table with its size on all segments, how it is stored, and what it is a partition of.

    :raises RemoteError: the cluster does not answer
    """
    found = TablesToMove()
    for dbname in map(sys.intern, hook.databases()):
        listed = _list_tables(hook, dbname)
        moves: dict[int, Move] = {}
        for part in _slices(listed):
            by_oid = {table.oid: table for table in part}
            # A table that is dropped meanwhile has no size, and moves nowhere.
            for size in hook.query("table_sizes", {"oids": list(by_oid)}, dbname):
                table = by_oid[size["oid"]]
                moves[table.oid] = Move(
                    dbname, table.oid, table.fq_name, size["bytes"], size["index_bytes"], table.storage
                )
        if flavor.moves_children_with_parents:
            moves = _with_children(hook, dbname, moves)
        for table in listed:
            if table.root_oid and table.oid in moves:
                found.roots[dbname, table.oid] = table.root_name
                found.root_oids[dbname, table.oid] = table.root_oid
        found.moves += moves.values()
    return found


def _list_tables(hook: GreenplumHook, dbname: str) -> list[_Listed]:
    with hook.connected(dbname) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(sql.load("tables_to_move", sql_variant(connection.info.server_version)))
            # Not as dictionaries: of a hundred thousand rows they would take more than the moves.
            return [
                _Listed(oid, fq_name, root_oid, sys.intern(root_name or ""), Storage(storage))
                for oid, fq_name, root_oid, root_name, storage in cursor
            ]
        except psycopg2.Error as error:
            raise RemoteError(f"Tables of database {dbname}", str(error).strip(), "clear this task") from error


def _with_children(hook: GreenplumHook, dbname: str, moves: dict[int, Move]) -> dict[int, Move]:
    """Tables that inherit from one of the others move with it."""
    families: dict[int, list[int]] = {}
    for row in hook.query("families", {"oids": list(moves)}, dbname):
        families.setdefault(row["head"], []).append(row["child"])
    for head, children in families.items():
        members = [moves[child] for child in children]
        moves[head] = replace(
            moves[head],
            bytes=moves[head].bytes + sum(move.bytes for move in members),
            index_bytes=moves[head].index_bytes + sum(move.index_bytes for move in members),
            locks=frozenset(children),
        )
    taken = {child for children in families.values() for child in children}
    return {oid: move for oid, move in moves.items() if oid not in taken}


def read_finished_moves(hook: GreenplumHook, expansion_id: str, *, mine: bool) -> list[FinishedMove]:
    """How long moves took, in this expansion or in the earlier ones of this cluster; some hundred at most.

    :param mine: of this expansion; else of all others
    """
    with hook.connected(SCHEMA_DATABASE) as connection:
        if not hook.query("history_exists", connection=connection)[0]["history_exists"]:
            return []
        given = {"expansion_id": expansion_id, "mine": mine, "large": _LARGE, "small": _SMALL}
        rows = hook.query("finished_moves", given, connection=connection)
    return [FinishedMove(Storage(r["storage"]), r["bytes"], r["index_bytes"], r["seconds"]) for r in rows]


def _slices(rows: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (rows[begin : begin + _SLICE] for begin in range(0, len(rows), _SLICE))
