"""gpexpand moves the tables; our part is to give it an order, start it once, and read what it did."""

from __future__ import annotations

import csv
import io
import logging
import re
import time
from dataclasses import dataclass

import psycopg2

from greenplum_expansion import sql
from greenplum_expansion.cluster.flavors import GpexpandOptions
from greenplum_expansion.errors import ActionRefused, RemoteError
from greenplum_expansion.hooks.facts import SCHEMA_DATABASE
from greenplum_expansion.hooks.greenplum import GreenplumHook
from greenplum_expansion.planning.joins import DistributionKey
from greenplum_expansion.planning.progress import Progress
from greenplum_expansion.planning.ranking import RankedTable

log = logging.getLogger(__name__)

END_REACHED = "End time reached"
"""In gpexpand's log, if it was stopped by its option -e."""
_SLICE = 5000  # tables asked about in one statement

# The server's message may have further lines (DETAIL, HINT); the next line of the log begins with its time.
_FAILED = re.compile(
    r"-\[ERROR\]:-Table (?P<table>.+?) failed to expand: (?P<error>.+?)\s*(?=^\d{8}:\d\d:\d\d:\d\d:|\Z)",
    re.DOTALL | re.MULTILINE,
)


def command(parallel_moves: int, analyze: bool, options: GpexpandOptions, end: str = "") -> list[str]:
    """gpexpand's redistribution. It must be started only in a phase in which it neither asks nor prepares.

    :param end: local time of the coordinator at which it cancels what is under way; empty: never
    """
    limit = ["-e", end] if end else []
    return ["gpexpand", "-n", str(parallel_moves), *options.progress, *(["-a"] if analyze else []), *limit]


def read_progress(hook: GreenplumHook) -> Progress:
    """How far the redistribution is; all zero if schema gpexpand is gone."""
    with hook.connected(SCHEMA_DATABASE) as connection:
        if not hook.query("expansion_schema_exists", connection=connection)[0]["status_exists"]:
            return Progress.empty()
        rows = hook.query("redistribution_progress", connection=connection)
        moving = hook.query("tables_being_moved", connection=connection)
    return Progress.from_rows(rows, [f"{row['dbname']}.{row['fq_name']}" for row in moving])


def read_tables_to_move(hook: GreenplumHook) -> list[RankedTable]:
    """The tables gpexpand has still to move."""
    return [
        RankedTable(row["dbname"], row["table_oid"], row["fq_name"], row["source_bytes"], row["rank"], row["root_oid"])
        for row in hook.query("tables_not_moved", dbname=SCHEMA_DATABASE)
    ]


def read_distribution_keys(hook: GreenplumHook, tables: list[RankedTable]) -> dict[tuple[str, int], DistributionKey]:
    """How each of them is distributed; of databases that are gone nothing."""
    existing = set(hook.databases())
    by_database: dict[str, list[RankedTable]] = {}
    for table in tables:
        if table.dbname in existing:
            by_database.setdefault(table.dbname, []).append(table)
    keys = {}
    for dbname, found in by_database.items():
        wanted = {"oids": [table.table_oid for table in found], "roots": [table.root_oid for table in found]}
        for row in hook.query("distribution_keys", wanted, dbname):
            keys[dbname, row["oid"]] = DistributionKey(row["policy"] == "r", row["key"])
    return keys


def write_ranks(hook: GreenplumHook, ordered: list[RankedTable]) -> int:
    """Give the tables the ranks 1, 2, … in this order, in one transaction; returns how many rows got theirs."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerows((table.dbname, table.table_oid, place) for place, table in enumerate(ordered, start=1))
    buffer.seek(0)
    with hook.connected(SCHEMA_DATABASE, autocommit=False) as connection:
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql.load("create_ranks"))
                cursor.copy_expert("COPY expansion_ranks FROM STDIN CSV", buffer)
                cursor.execute(sql.load("write_ranks"))
                written = cursor.rowcount
            connection.commit()
        except psycopg2.Error as error:
            raise RemoteError("Ranks in gpexpand.status_detail", str(error), "clear this task") from error
    return written


def wait_for_left_sessions(hook: GreenplumHook, seconds: float) -> None:
    """Wait until no session moves a table any more: a killed gpexpand leaves its statements running in the server.

    :raises ActionRefused: one still moves after `seconds`
    """
    deadline = time.monotonic() + seconds
    said = ""
    while True:
        sessions = hook.query("sessions_moving_tables")
        if not sessions:
            return
        now = ", ".join(f"pid {row['pid']} in {row['dbname']}: {row['query'].strip()[:200]}" for row in sessions)
        if now != said:
            log.info("Still moving, left by an earlier gpexpand: %s", now)
            said = now
        if time.monotonic() > deadline:
            raise ActionRefused(
                "Moving the tables",
                f"sessions left by an earlier gpexpand are still moving: {now}",
                "wait until they have ended, or end them with pg_terminate_backend(pid), then clear this task",
            )
        time.sleep(2)


def reconcile(hook: GreenplumHook, segments: int) -> list[str]:
    """Bring gpexpand's list up to date with the databases; returns what was corrected, one sentence each.

    Recorded are tables moved without a record (a mover killed in between, or moved by hand), tables renamed or dropped
    since preparation, and databases dropped since: gpexpand itself would fail on most of them in every run.

    :param segments: primaries of the cluster
    """
    left: dict[str, dict[int, str]] = {}
    for row in hook.query("tables_not_moved", dbname=SCHEMA_DATABASE):
        left.setdefault(row["dbname"], {})[row["table_oid"]] = row["fq_name"]
    existing = set(hook.databases())
    corrected = []
    for dbname, tables in left.items():
        if dbname not in existing:
            hook.query("mark_gone", {"dbname": dbname}, dbname=SCHEMA_DATABASE)
            corrected.append(f"Database {dbname} no longer exists; its {len(tables)} tables are recorded as gone")
            continue
        oids = list(tables)
        for begin in range(0, len(oids), _SLICE):
            part = {oid: tables[oid] for oid in oids[begin : begin + _SLICE]}
            corrected += _reconcile_tables(hook, dbname, part, segments)
    return corrected


def _reconcile_tables(hook: GreenplumHook, dbname: str, tables: dict[int, str], segments: int) -> list[str]:
    corrected = []
    wanted = {"oids": list(tables), "segments": segments}
    with hook.connected(dbname) as connection:
        moved = [row["oid"] for row in hook.query("tables_already_expanded", wanted, connection=connection)]
        names = {
            r["oid"]: r["fq_name"] for r in hook.query("table_names", {"oids": list(tables)}, connection=connection)
        }
    if moved:
        hook.query("mark_completed", {"dbname": dbname, "oids": moved}, dbname=SCHEMA_DATABASE)
        corrected += [f"{dbname}.{tables[oid]} has been moved already, now recorded" for oid in moved]
    gone = [oid for oid in tables if oid not in names]
    if gone:
        hook.query("mark_tables_gone", {"dbname": dbname, "oids": gone}, dbname=SCHEMA_DATABASE)
        corrected += [f"{dbname}.{tables[oid]} no longer exists, now recorded" for oid in gone]
    for oid, name in names.items():
        if name != tables[oid]:
            given = {"dbname": dbname, "oid": oid, "fq_name": name}
            hook.query("mark_renamed", given, dbname=SCHEMA_DATABASE)
            corrected.append(f"{dbname}.{tables[oid]} is called {name} now, recorded")
    return corrected


@dataclass(frozen=True)
class TableLeft:
    """A table that gpexpand did not move, and its last error if it logged one."""

    table: str
    status: str
    error: str


def read_tables_left(hook: GreenplumHook, log: str) -> list[TableLeft]:
    """What is left after a run, with the errors found in that run's log."""
    reasons = {match["table"]: _server_said(match["error"]) for match in _FAILED.finditer(log)}
    return [
        TableLeft(name, row["status"], reasons.get(name) or _why_unsaid(name, log))
        for row in hook.query("tables_not_moved", dbname=SCHEMA_DATABASE)
        for name in [f"{row['dbname']}.{row['fq_name']}"]
    ]


def _server_said(error: str) -> str:
    """The server's words on one line, without what the Python 2 driver puts around them."""
    message = error.removeprefix("error '").partition("' in '")[0]
    lines = (line.strip().removeprefix("ERROR:").strip() for line in message.splitlines())
    return "; ".join(line for line in lines if line)


def _why_unsaid(name: str, log: str) -> str:
    """gpexpand 6 dies over its own message, if that names a table with letters beyond ASCII."""
    if name.isascii() or "codec can't decode" not in log:
        return ""
    return "gpexpand could not write down why, for the letters in the name; see the coordinator's server log"
