"""Looking whether each row lies on the segment on which the hash of its key puts it.

The server itself is asked: keys are sent into a temporary table that is distributed by columns of the same types with
the same hash functions, and where they arrive is compared with where they lay. So NULLs, several columns, types of
one's own and the legacy functions of Greenplum 5 are judged by what stores and finds rows, not by a copy of it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import psycopg2
import psycopg2.extensions
from psycopg2 import sql as composed

from greenplum_expansion import sql
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.busy import BUSY
from greenplum_expansion.hooks.fingerprints import DistributedTable, Progress, Sessions
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.fingerprint import TableKey
from greenplum_expansion.planning.proof import Placement

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class HashKey:
    """The distribution key of one table, column by column."""

    columns: tuple[str, ...]
    types: tuple[str, ...]
    operator_classes: tuple[str, ...]
    collations: tuple[int, ...]

    @property
    def kind(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[int, ...]]:
        """Keys of one kind are hashed alike, whatever their columns are called."""
        return self.types, self.operator_classes, self.collations


def read_hash_keys(hook: GreenplumHook, dbname: str) -> dict[int, HashKey]:
    """By OID the key of each table of a database that is distributed by one."""
    return {
        row["oid"]: HashKey(
            tuple(row["columns"]), tuple(row["types"]), tuple(row["operator_classes"]), tuple(row["collations"])
        )
        for row in hook.query("hash_keys", dbname=dbname)
    }


def look_for_rows(
    hook: GreenplumHook,
    tables: list[DistributedTable],
    rows: Mapping[TableKey, int],
    *,
    segments: int,
    sample: int | None,
    sessions: int,
) -> list[Placement]:
    """Look at the rows of every table that is distributed by a key over all segments.

    One on fewer segments is left out, as it is told of elsewhere. So is one that vanishes meanwhile, with a log line.

    :param rows: rows of each table, from its fingerprint
    :param segments: number of primaries
    :param sample: rows of each table to look at, at random; None: all. All of them are read in any case
    :param sessions: tables looked at a time
    :raises RemoteError: a table cannot be looked at
    """
    placements: list[Placement] = []
    for dbname in sorted({table.dbname for table in tables}):
        keys = read_hash_keys(hook, dbname)
        wanted = [
            table
            for table in tables
            if table.dbname == dbname
            and table.has_rows
            and table.segments == segments
            and table.oid in keys
            and rows.get(TableKey(dbname, table.oid))
        ]
        if not wanted:
            continue
        progress = Progress(len(wanted))
        opened = Sessions(hook, dbname, "placement_session", autocommit=False)
        look = partial(_Looking(opened, keys, rows, sample).look, progress=progress)
        with ThreadPoolExecutor(max_workers=min(sessions, len(wanted))) as pool:
            try:
                placements += [found for found in pool.map(look, wanted) if found]
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
                opened.close()
    return placements


class _Looking:
    """One database: each session has one temporary table for each kind of key."""

    def __init__(
        self,
        sessions: Sessions,
        keys: Mapping[int, HashKey],
        rows: Mapping[TableKey, int],
        sample: int | None,
    ) -> None:
        self._sessions = sessions
        self._keys = keys
        self._rows = rows
        self._sample = sample
        self._made = threading.local()

    def look(self, table: DistributedTable, progress: Progress) -> Placement | None:
        connection = self._sessions.get()
        key = self._keys[table.oid]
        count = self._rows[TableKey(table.dbname, table.oid)]
        share = 1.0 if self._sample is None else min(1.0, self._sample / count)
        try:
            with BUSY, connection.cursor() as cursor:
                place = self._place(connection, cursor, table, key)
                cursor.execute(
                    composed.SQL(sql.load("fill_placement")).format(
                        placement=place,
                        columns=composed.SQL(", ").join(composed.Identifier("t", name) for name in key.columns),
                        table_text=composed.Literal(table.fq_name),
                        share=composed.Literal(share),
                    )
                )
                cursor.execute(composed.SQL(sql.load("count_placement")).format(placement=place))
                counted = cursor.fetchall()
            connection.commit()  # which empties the temporary table
        except psycopg2.errors.UndefinedTable:
            connection.rollback()
            log.warning("Table %s.%s vanished while it was being looked at", table.dbname, table.fq_name)
            return None
        except psycopg2.Error as error:
            raise RemoteError(
                f"Table {table.dbname}.{table.fq_name}",
                f"where its rows lie cannot be found out: {error}",
                "mend or drop the table, then clear this task",
            ) from error
        progress.one_more()
        misplaced = {content: wrong for content, _, wrong in counted if wrong}
        return Placement(f"{table.dbname}.{table.fq_name}", sum(rows for _, rows, _ in counted), misplaced)

    def _place(
        self,
        connection: psycopg2.extensions.connection,
        cursor: psycopg2.extensions.cursor,
        table: DistributedTable,
        key: HashKey,
    ) -> composed.Identifier:
        """The temporary table for keys of this kind, made when this session needs it first."""
        made = vars(self._made).setdefault("kinds", {})
        if key.kind not in made:
            place = composed.Identifier(f"greenplum_expansion_placement_{len(made)}")
            names = [composed.Identifier(f"k{number}") for number in range(len(key.columns))]
            pairs = zip(key.columns, names, strict=True)
            statement = composed.SQL(sql.load("create_placement")).format(
                placement=place,
                table=composed.Identifier(table.schema_name, table.table_name),
                keys=composed.SQL(", ").join(
                    composed.SQL("{} AS {}").format(composed.Identifier("t", column), name) for column, name in pairs
                ),
                # Quoted by the server that named them.
                distribution=composed.SQL(", ").join(
                    composed.SQL("{} {}").format(name, composed.SQL(of)) if of else name
                    for name, of in zip(names, key.operator_classes, strict=True)
                ),
            )
            cursor.execute(statement)
            connection.commit()
            made[key.kind] = place
        found: composed.Identifier = made[key.kind]
        return found
