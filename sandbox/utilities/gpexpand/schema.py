"""The schema gpexpand in database postgres: two tables, a view, and the statements that fill and read them.

Columns, types and the view's text are Greenplum 6.24.3's (recordings 31 and 32). The progress view exists in a long
form and, with ``-S``, a short one.
"""

from __future__ import annotations

import datetime
from typing import Any

from ..database import execute, rows, scalar

DATABASE = "postgres"

SETUP = "SETUP"
SETUP_DONE = "SETUP DONE"
STARTED = "EXPANSION STARTED"
STOPPED = "EXPANSION STOPPED"
COMPLETE = "EXPANSION COMPLETE"

NOT_STARTED = "NOT STARTED"
IN_PROGRESS = "IN PROGRESS"
COMPLETED = "COMPLETED"
NO_LONGER_EXISTS = "NO LONGER EXISTS"

TABLES = (
    "CREATE SCHEMA gpexpand",
    "CREATE TABLE gpexpand.status (status text, updated timestamp)",
    """CREATE TABLE gpexpand.status_detail
    ( table_oid oid,
      dbname text,
      fq_name text,
      root_partition_oid oid,
      rank int,
      external_writable bool,
      status text,
      expansion_started timestamp,
      expansion_finished timestamp,
      source_bytes numeric,
      rel_storage text )""",
)
"""The distribution keys, status and table_oid, are the database's doing: these are tables of the coordinator here."""

_COUNTS = """
SELECT
    CASE status
        WHEN 'COMPLETED' THEN 'Tables Expanded'
        WHEN 'NOT STARTED' THEN 'Tables Left'
        {in_progress}
    END AS name,
    count(*)::text AS value
FROM gpexpand.status_detail GROUP BY status"""

PROGRESS_SIMPLE = "CREATE VIEW gpexpand.expansion_progress AS" + _COUNTS.format(in_progress="")

PROGRESS = (  # put together from constants of this module
    "CREATE VIEW gpexpand.expansion_progress AS"  # noqa: S608 - constants
    + _COUNTS.format(in_progress="WHEN 'IN PROGRESS' THEN 'Tables In Progress'")
    + """
UNION
SELECT
    CASE status
        WHEN 'COMPLETED' THEN 'Bytes Done'
        WHEN 'NOT STARTED' THEN 'Bytes Left'
        WHEN 'IN PROGRESS' THEN 'Bytes In Progress'
    END AS name,
    SUM(source_bytes)::text AS value
FROM gpexpand.status_detail GROUP BY status
UNION
SELECT
    'Estimated Expansion Rate' AS name,
    (SUM(source_bytes)::float8
     / (1 + extract(epoch FROM (max(expansion_finished) - min(expansion_started)))::float8) / 1024 / 1024)::text
    || ' MB/s' AS value
FROM gpexpand.status_detail
WHERE status = 'COMPLETED'
  AND expansion_started > (
      SELECT updated FROM gpexpand.status WHERE status = 'EXPANSION STARTED' ORDER BY updated DESC LIMIT 1)
UNION
SELECT
    'Estimated Time to Completion' AS name,
    CAST((SUM(source_bytes)::float8 / (
        SELECT 1 + SUM(source_bytes)::float8
            / (1 + extract(epoch FROM (max(expansion_finished) - min(expansion_started)))::float8)
        FROM gpexpand.status_detail
        WHERE status = 'COMPLETED'
          AND expansion_started > (
              SELECT updated FROM gpexpand.status WHERE status = 'EXPANSION STARTED' ORDER BY updated DESC LIMIT 1)
    ))::text || ' seconds' AS interval)::text AS value
FROM gpexpand.status_detail
WHERE status = 'IN PROGRESS' OR status = 'NOT STARTED'"""
)

_SIZES = """
WITH table_size_cte(table_oid, size) AS (
    SELECT table_oid, sum(size) FROM (
        SELECT oid AS table_oid, pg_relation_size(oid) AS size
        FROM {relations}
        WHERE oid >= 16384 AND relstorage <> 'x' AND relkind IN ('r', 'm')
    ) x GROUP BY table_oid
)
SELECT s1.table_oid, s1.dbname, s1.fq_name, s1.root_partition_oid, s1.rank, s1.external_writable, s1.undone_status,
       s1.expansion_started, s1.expansion_finished, coalesce(table_size_cte.size, 0) AS source_bytes, s1.rel_storage
FROM ({chosen}) s1 LEFT JOIN table_size_cte ON s1.table_oid = table_size_cte.table_oid"""

_REGULAR = """
    SELECT c.oid AS table_oid,
           current_database()::text AS dbname,
           quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name,
           NULL::oid AS root_partition_oid,
           2 AS rank,
           pe.writable IS NOT NULL AS external_writable,
           'NOT STARTED' AS undone_status,
           NULL::timestamp AS expansion_started,
           NULL::timestamp AS expansion_finished,
           c.relstorage AS rel_storage
    FROM pg_class c
    JOIN pg_namespace n ON c.relnamespace = n.oid
    JOIN pg_catalog.gp_distribution_policy p ON c.oid = p.localoid
    LEFT JOIN pg_partition pp ON c.oid = pp.parrelid
    LEFT JOIN pg_partition_rule pr ON c.oid = pr.parchildrelid
    LEFT JOIN pg_exttable pe ON c.oid = pe.reloid AND pe.writable
    WHERE pp.parrelid IS NULL AND pr.parchildrelid IS NULL
      AND n.nspname NOT IN ('gpexpand', 'pg_bitmapindex')
      AND c.relpersistence <> 't'"""

_LEAVES = """
    SELECT c.oid AS table_oid,
           current_database()::text AS dbname,
           quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS fq_name,
           d.oid AS root_partition_oid,
           2 AS rank,
           pe.writable IS NOT NULL AS external_writable,
           'NOT STARTED' AS undone_status,
           NULL::timestamp AS expansion_started,
           NULL::timestamp AS expansion_finished,
           c.relstorage AS rel_storage
    FROM pg_class c
    JOIN pg_inherits a ON a.inhrelid = c.oid
    JOIN pg_partitions pa
      ON c.oid = (quote_ident(pa.schemaname) || '.' || quote_ident(pa.partitiontablename))::regclass::oid
    JOIN pg_class d ON a.inhparent = d.oid
    JOIN pg_namespace n ON c.relnamespace = n.oid
    LEFT JOIN pg_exttable pe ON c.oid = pe.reloid AND pe.writable
    WHERE c.relhassubclass = false"""


def listing(*, leaves: bool, with_sizes: bool = True) -> str:
    """The query that lists a database's tables for status_detail: plain ones, or leaf partitions.

    The real one asks every segment for its part of pg_class (``gp_dist_random``); the sandbox's pg_relation_size
    already adds the segments up, so it is asked once. With ``-S`` sizes are not asked for at all.
    """
    chosen = _LEAVES if leaves else _REGULAR
    return _SIZES.format(
        relations="pg_class" if with_sizes else "(SELECT * FROM pg_class WHERE false) c", chosen=chosen
    )


ROOTS = """
SELECT p.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname)
FROM pg_partition p JOIN pg_class c ON p.parrelid = c.oid JOIN pg_namespace n ON c.relnamespace = n.oid
WHERE p.parlevel = 0 AND NOT p.paristemplate
ORDER BY c.oid"""
"""Partition roots, one row each, to be PREPAREd."""


def now() -> datetime.datetime:
    """Local time without zone, as gpexpand stamps its rows."""
    return datetime.datetime.now()


def exists(connection: Any) -> bool:
    """Whether there is a schema gpexpand."""
    return bool(scalar(connection, "SELECT count(*) FROM pg_namespace WHERE nspname = 'gpexpand'"))


def last_status(connection: Any) -> str | None:
    """The newest row of gpexpand.status, None when the table is empty."""
    found = rows(connection, "SELECT status FROM gpexpand.status ORDER BY updated DESC LIMIT 1")
    return found[0][0] if found else None


def record(connection: Any, status: str) -> None:
    """A new row of gpexpand.status."""
    execute(connection, "INSERT INTO gpexpand.status VALUES (%s, %s)", (status, now()))


def databases(connection: Any) -> list[str]:
    """Every database that gpexpand visits: all but template0, oldest first, so template1, postgres, then users'."""
    found = rows(connection, "SELECT datname FROM pg_database WHERE datname <> 'template0' ORDER BY oid")
    return [name for (name,) in found]
