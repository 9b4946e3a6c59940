"""What is to be moved, read from gpexpand's list and from the catalogs of the databases."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import psycopg2

from greenplum_expansion import sql
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.moves import Move, Storage
from greenplum_expansion.redistribution.direct.books import Described, ExpansionBooks
from greenplum_expansion.redistribution.direct.session import Kind, Target

SLICE = 5000
"""Tables asked about at a time: what is in memory at once beside the moves themselves."""

Key = tuple[str, int]


@dataclass
class Workload:
    """Everything one window may begin.

    :param moves: in rank order
    :param targets: how each is said
    :param families: what moves along with a move, as it inherits from its table
    :param unneeded: listed, but without rows of their own in the database: only to be recorded
    """

    moves: list[Move] = field(default_factory=list)
    targets: dict[Key, Target] = field(default_factory=dict)
    families: dict[Key, list[Move]] = field(default_factory=dict)
    unneeded: list[Move] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Listed:
    place: int
    table_oid: int
    fq_name: str
    root: int
    is_external: bool
    bytes: int


def load(
    hook: GreenplumHook,
    books: ExpansionBooks,
    *,
    with_children: bool,
    wanted: Callable[[str, str], bool] = lambda dbname, fq_name: True,
    groups: Mapping[Key, str] | None = None,
) -> Workload:
    """Read what gpexpand's list has left; the books learn how each table is stored.

    :param with_children: a table moves together with those that inherit from it (Greenplum 7)
    :param wanted: says by database and name which tables may move in this run
    :param groups: names of the tables that should move in one window
    :raises RemoteError: the cluster does not answer
    """
    listed = _read_list(books.session(), wanted)
    measured = not any(row.bytes for rows in listed.values() for row in rows)
    placed: list[tuple[int, Move]] = []
    work = Workload()
    for dbname in list(listed):
        rows = listed.pop(dbname)
        placed += _load_database(hook, books, work, dbname, rows, measured=measured)
        if with_children:
            placed = _gather_families(hook, work, dbname, placed)
    placed.sort(key=lambda pair: pair[0])
    known = groups or {}
    work.moves = [replace(move, group=known[move.key]) if move.key in known else move for _, move in placed]
    return work


def slices(items: Sequence[Any], size: int = SLICE) -> Iterator[Sequence[Any]]:
    """`items` in pieces."""
    return (items[begin : begin + size] for begin in range(0, len(items), size))


def _read_list(session: Any, wanted: Callable[[str, str], bool]) -> dict[str, list[_Listed]]:
    listed: dict[str, list[_Listed]] = {}
    with session.cursor() as cursor:
        try:
            cursor.execute(sql.load("moves_to_do"))
            # Not as dictionaries: of a hundred thousand rows they would take more than the moves.
            for place, (dbname, oid, fq_name, root, is_external, size) in enumerate(cursor):
                if wanted(dbname, fq_name):
                    row = _Listed(place, oid, fq_name, root, is_external, size)
                    listed.setdefault(sys.intern(dbname), []).append(row)
        except psycopg2.Error as error:
            raise RemoteError("gpexpand's list of tables", str(error).strip(), "clear this task") from error
    return listed


def _load_database(
    hook: GreenplumHook,
    books: ExpansionBooks,
    work: Workload,
    dbname: str,
    rows: list[_Listed],
    *,
    measured: bool,
) -> list[tuple[int, Move]]:
    placed: list[tuple[int, Move]] = []
    for part in slices(rows):
        by_oid = {row.table_oid: row for row in part}
        asked = {"oids": list(by_oid), "roots": [row.root for row in by_oid.values()]}
        described = []
        # A session for each slice: a backend keeps every table it has looked at in its relation cache.
        with hook.connected(dbname) as connection:
            sizes = {}
            if measured:
                found = hook.query("relation_sizes", {"oids": list(by_oid)}, connection=connection)
                sizes = {row["oid"]: row["bytes"] for row in found}
            details = hook.query("move_details", asked, connection=connection)
        for detail in details:
            row = by_oid[detail["oid"]]
            move = Move(
                dbname,
                row.table_oid,
                row.fq_name,
                sizes.get(row.table_oid, row.bytes),
                int(detail["index_bytes"]),
                Storage(detail["storage"]),
            )
            described.append(Described(move, detail["root_name"]))
            if row.root and detail["is_external"]:
                work.unneeded.append(move)
                continue
            work.targets[move.key] = target_of(detail, is_leaf=bool(row.root), is_external=row.is_external)
            placed.append((row.place, move))
        books.describe(dbname, described)
    return placed


def target_of(detail: dict[str, Any], *, is_leaf: bool, is_external: bool) -> Target:
    """How a table is moved, from a row of move_details.sql."""
    kind = Kind.LEAF if is_leaf else Kind.EXTERNAL if is_external else Kind.TABLE
    return Target(
        kind,
        sys.intern(detail["schema_name"]),
        detail["table_name"],
        sys.intern(detail["distributed_by"] or ""),
        int(detail["oid"]),
    )


def _gather_families(
    hook: GreenplumHook, work: Workload, dbname: str, placed: list[tuple[int, Move]]
) -> list[tuple[int, Move]]:
    """Children are taken out, and their parent's move locks them, has their bytes, and settles them in the books."""
    mine = {move.table_oid: (place, move) for place, move in placed if move.dbname == dbname}
    heads: dict[int, list[int]] = {}
    for row in hook.query("families", {"oids": list(mine)}, dbname):
        heads.setdefault(row["head"], []).append(row["child"])
    for head, children in heads.items():
        place, parent = mine[head]
        family = [mine[child][1] for child in children]
        whole = replace(
            parent,
            bytes=parent.bytes + sum(child.bytes for child in family),
            index_bytes=parent.index_bytes + sum(child.index_bytes for child in family),
            locks=frozenset(children),
        )
        mine[head] = place, whole
        work.families[whole.key] = family
    taken = {child for children in heads.values() for child in children}
    kept = [pair for oid, pair in mine.items() if oid not in taken]
    return [pair for pair in placed if pair[1].dbname != dbname] + kept
