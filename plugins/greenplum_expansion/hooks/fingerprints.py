"""Taking the fingerprint of every table, several at a time, each with a session of its own."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import psycopg2
from psycopg2 import sql as composed

from greenplum_expansion import sql
from greenplum_expansion.errors import RemoteError
from greenplum_expansion.hooks.busy import BUSY
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.fingerprint import TableFingerprint

log = logging.getLogger(__name__)

_LOG_EVERY_SECONDS = 10


@dataclass(frozen=True)
class DistributedTable:
    """A relation that holds rows on the segments; `segments` is its ``numsegments``, `distribution` its clause."""

    dbname: str
    oid: int
    schema_name: str
    table_name: str
    fq_name: str
    policy: str
    segments: int
    distribution: str
    has_rows: bool


def read_tables(hook: GreenplumHook) -> list[DistributedTable]:
    """All relations with a distribution policy, of every database."""
    return [
        DistributedTable(dbname=dbname, **row)
        for dbname in hook.databases()
        for row in hook.query("distributed_tables", dbname=dbname)
    ]


def take_fingerprints(
    hook: GreenplumHook, tables: list[DistributedTable], *, checksums: bool, sessions: int
) -> list[TableFingerprint]:
    """Read every table once.

    A table that vanishes meanwhile is left out with a log line: the comparison will name it.

    :param checksums: also hash every row; otherwise count only
    :param sessions: tables read at a time
    :raises RemoteError: a table cannot be read
    """
    wanted = [table for table in tables if table.has_rows]
    progress = Progress(len(wanted))
    results: list[TableFingerprint] = []
    # One database after the other: a session serves many tables of one database.
    for dbname in sorted({table.dbname for table in wanted}):
        mine = [table for table in wanted if table.dbname == dbname]
        opened = Sessions(hook, dbname, "fingerprint_session")
        take = partial(_take, opened, checksums=checksums, progress=progress)
        with ThreadPoolExecutor(max_workers=min(sessions, len(mine))) as pool:
            try:
                results += [fingerprint for fingerprint in pool.map(take, mine) if fingerprint]
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
                opened.close()
    return results


class Sessions:
    """One connection a thread, opened at its first table.

    :param first: name of the statement that each of them begins with
    :param autocommit: each statement is a transaction of its own
    """

    def __init__(self, hook: GreenplumHook, dbname: str, first: str, *, autocommit: bool = True) -> None:
        self._hook = hook
        self._dbname = dbname
        self._first = first
        self._autocommit = autocommit
        self._local = threading.local()
        self._all: list[psycopg2.extensions.connection] = []
        self._lock = threading.Lock()

    def get(self) -> psycopg2.extensions.connection:
        if not hasattr(self._local, "connection"):
            # The hook reads the Airflow connection at its first use; two threads must not do that at once.
            with self._lock:
                connection = self._hook.connect(self._dbname)
                self._all.append(connection)
                self._hook.query(self._first, connection=connection)
                connection.autocommit = self._autocommit
                self._local.connection = connection
        return self._local.connection

    def close(self) -> None:
        for connection in self._all:
            connection.close()


def _take(sessions: Sessions, table: DistributedTable, checksums: bool, progress: Progress) -> TableFingerprint | None:
    kind = "replicated" if table.policy == "r" else "distributed"
    statement = composed.SQL(sql.load(f"{'fingerprint' if checksums else 'rows'}_{kind}")).format(
        table=composed.Identifier(table.schema_name, table.table_name), table_text=composed.Literal(table.fq_name)
    )
    try:
        with BUSY, sessions.get().cursor() as cursor:
            cursor.execute(statement)
            rows = cursor.fetchall()
    except psycopg2.errors.UndefinedTable:
        log.warning("Table %s.%s vanished while it was being read", table.dbname, table.fq_name)
        return None
    except psycopg2.Error as error:
        raise RemoteError(
            f"Table {table.dbname}.{table.fq_name}",
            f"it cannot be read: {error}",
            "mend or drop the table, then clear this task",
        ) from error
    progress.one_more()
    by_content = {content: count for content, count, *_ in rows}
    if table.policy == "r":
        # Copies are equal in a healthy table; the fullest speaks, and the comparison notices one that differs.
        count = max(by_content.values(), default=0)
        sums = {row[2] for row in rows if row[1] == count} if checksums else set()
        checksum = " and ".join(sorted(str(value) for value in sums)) or "0"
    else:
        count = sum(by_content.values())
        checksum = str(sum(row[2] for row in rows)) if checksums else "0"
    return TableFingerprint(
        dbname=table.dbname,
        oid=table.oid,
        fq_name=table.fq_name,
        policy=table.policy,
        rows=count,
        checksum=checksum if checksums else None,
        rows_by_content=by_content,
        distribution=table.distribution,
    )


class Progress:
    """Says how far it is, at most every ten seconds."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._lock = threading.Lock()
        self._said = time.monotonic()

    def one_more(self) -> None:
        with self._lock:
            self._done += 1
            now = time.monotonic()
            if now - self._said >= _LOG_EVERY_SECONDS or self._done == self._total:
                self._said = now
                log.info("%d of %d tables read", self._done, self._total)


def not_on_all_segments(hook: GreenplumHook, segments: int) -> Iterator[str]:
    """Names of the tables that do not lie on all segments, or leaves that have not been reorganised."""
    for table in read_tables(hook):
        if table.segments != segments:
            yield f"{table.dbname}.{table.fq_name} lies on {table.segments} of {segments} segments"
    for dbname in hook.databases():
        for row in hook.query("leaves_not_reorganized", dbname=dbname):
            yield f"{dbname}.{row['fq_name']} is a leaf partition that has not been moved"
