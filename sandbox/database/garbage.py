"""Drop physical tables on segments which no table of the coordinator uses any more.

A move or a DROP TABLE leaves the old generation behind, a transaction that died between the segments' commits and the
coordinator's leaves a new one. A table's advisory lock is held by whoever creates generations for it until the local
transaction is over; only under that lock, with a fresh look at the catalog, is anything dropped.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg2
from psycopg2 import sql

from .schema import backend_connection

log = logging.getLogger("garbage")

INTERVAL = 5.0
_PHYSICAL = re.compile(r"t(\d+)_\d+")
_USED = (
    "select option_value from pg_foreign_table f join pg_foreign_server s on s.oid = f.ftserver"
    " cross join lateral pg_options_to_table(f.ftoptions) where s.srvname = %s and option_name = 'table_name'"
)


def collect_forever(datadir: Path, stopped: Callable[[], bool]) -> None:
    """One collection every few seconds until `stopped`; what cannot be reached now is collected later."""
    while not stopped():
        try:
            collect(datadir)
        except psycopg2.Error as error:
            log.info("collection given up: %s", str(error).strip())
        until = time.monotonic() + INTERVAL
        while time.monotonic() < until and not stopped():
            time.sleep(0.1)


def collect(datadir: Path) -> int:
    """Drop what nobody uses, in all databases; the number of physical tables dropped.

    :raises psycopg2.Error: the coordinator or a segment cannot be reached
    """
    with closing(backend_connection(datadir, "postgres")) as connection, connection.cursor() as cursor:
        cursor.execute("select datname from pg_database where datallowconn and not datistemplate")
        databases = [row[0] for row in cursor.fetchall()]
    return sum(_collect_in(datadir, database) for database in databases)


def _collect_in(datadir: Path, database: str) -> int:
    dropped = 0
    with closing(backend_connection(datadir, database)) as coordinator, coordinator.cursor() as cursor:
        cursor.execute(
            "select srvname, substr(srvname, 4)::int from pg_foreign_server where srvname ~ '^seg[0-9]+$' order by 2"
        )
        for server, content in cursor.fetchall():
            cursor.execute("select pg_sandbox.segment_dsn(%s, current_database())", (content,))
            dsn = cursor.fetchone()[0]
            if dsn is None:
                continue  # the segment is not in the catalog any more
            with closing(psycopg2.connect(dsn, application_name="garbage", options="-c lock_timeout=2s")) as segment:
                segment.autocommit = True
                dropped += _collect_on(cursor, segment, server)
    return dropped


def _collect_on(cursor: Any, segment: Any, server: str) -> int:
    dropped = 0
    with segment.cursor() as there:
        there.execute("select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'")
        present = {row[0] for row in there.fetchall() if _PHYSICAL.fullmatch(row[0])}
        for oid in sorted({_owner(name) for name in present - _used(cursor, server)}):
            cursor.execute("select pg_try_advisory_lock(%s)", (oid,))
            if not cursor.fetchone()[0]:
                continue  # being moved: later
            try:
                for name in sorted(n for n in present - _used(cursor, server) if _owner(n) == oid):
                    there.execute(sql.SQL("drop table if exists public.{}").format(sql.Identifier(name)))
                    dropped += 1
            finally:
                cursor.execute("select pg_advisory_unlock(%s)", (oid,))
    return dropped


def _used(cursor: Any, server: str) -> set[str]:
    cursor.execute(_USED, (server,))
    return {row[0] for row in cursor.fetchall()}


def _owner(name: str) -> int:
    found = _PHYSICAL.fullmatch(name)
    assert found is not None  # callers filter
    return int(found.group(1))
