"""The longer reports of gpstate: the summary (plain, -b) and everything (-s)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..console import Console
from ..database import connect, scalar
from ..environment import Environment
from ..segments import Array, Segment
from ..version import BUILD, POSTGRES_VERSION
from .gather import Process, Replication, position, replication, warn_of_missing
from .table import Table

ROLES = {"p": "Primary", "m": "Mirror"}


def _standby_state(array: Array, running: dict[int, Process]) -> tuple[str, str, bool]:
    """Host, state, whether that is bad."""
    standby = array.standby
    if standby is None:
        return "No master standby configured", "No master standby configured", False
    alive = running[standby.dbid].alive
    return standby.hostname, "Standby host passive" if alive else "Standby host DOWN", not alive


def summary(console: Console, array: Array, running: dict[int, Process], *, expanding: bool) -> int:
    """Counts over all instances; exit code 0 whatever they are."""
    console.info("Greenplum instance status summary")
    table = Table(console)
    table.rule()
    host, state, bad = _standby_state(array, running)
    table.value("Master instance", "Active")
    table.value("Master standby", host)
    table.value("Standby master state", state, bad=bad)
    table.value("Total segment instance count from metadata", len(array.segment_instances))
    for role, name in (("p", "primary"), ("m", "mirror")):
        chosen = [s for s in array.segment_instances if s.preferred_role == role]
        table.rule()
        table.title(f"{name.capitalize()} Segment Status")
        table.rule()
        if not chosen:
            table.title("Mirrors not configured on this array")
            continue
        _counts(table, name, chosen, running)
        if role == "m":
            acting = sum(s.role == "p" for s in chosen)
            table.value("Total number mirror segments acting as primary segments", acting, bad=acting > 0)
            table.value("Total number mirror segments acting as mirror segments", len(chosen) - acting)
    table.rule()
    if expanding:
        table.value("Cluster Expansion", "In Progress")
        table.rule()
    table.write()
    return 0


def _counts(table: Table, name: str, chosen: Sequence[Segment], running: dict[int, Process]) -> None:
    down = sum(not s.is_up for s in chosen)
    table.value(f"Total {name} segments", len(chosen))
    table.value(f"Total {name} segment valid (at master)", len(chosen) - down)
    table.value(f"Total {name} segment failures (at master)", down, bad=down > 0)
    for what, present in (
        ("of postmaster.pid files", [running[s.dbid].pid_file for s in chosen]),
        ("of postmaster.pid PIDs", [running[s.dbid].pid > 0 for s in chosen]),
        ("of /tmp lock files", [running[s.dbid].lock_file for s in chosen]),
        ("postmaster processes", [running[s.dbid].alive for s in chosen]),
    ):
        missing = present.count(False)
        table.value(f"Total number {what} missing", missing, bad=missing > 0)
        table.value(f"Total number {what} found", len(present) - missing)


def everything(
    console: Console, environment: Environment, array: Array, running: dict[int, Process], connection: Any,
    version: str,
    *, expanding: bool,
) -> int:  # fmt: skip
    """-s. Exit code 1 with any warning."""
    found = replication(connection)
    warn_of_missing(console, array, found)
    console.info("-" * 52)
    console.info("-Master Configuration & Status")
    table = Table(console)
    table.rule()
    host, state, bad = _standby_state(array, running)
    for name, value in (
        ("Master host", array.coordinator.hostname),
        ("Master postgres process ID", running[array.coordinator.dbid].pid),
        ("Master data directory", array.coordinator.datadir),
        ("Master port", array.coordinator.port),
        ("Master current role", "dispatch"),
        ("Greenplum initsystem version", BUILD),
        ("Greenplum current version", version),
        ("Postgres version", POSTGRES_VERSION),
        ("Master standby", host),
    ):
        table.value(name, value)
    table.value("Standby master state", state, bad=bad)
    table.write()
    console.info("-" * 52)
    console.info("Segment Instance Status Report")
    segments = Table(console)
    for segment in sorted(array.segment_instances, key=lambda s: (s.content, s.role != "p")):
        _segment(segments, environment, segment, running[segment.dbid], found.get(segment.content))
    if expanding:
        segments.rule()
        segments.value("Cluster Expansion", "In Progress")
        segments.rule()
    segments.write()
    if not (table.warnings or segments.warnings):
        return 0
    for text in (
        "*" * 53,
        "Warnings have been generated during status processing",
        "Check log file or review screen output",
        "*" * 53,
    ):
        console.warning(text)
    return 1


def _segment(
    table: Table, environment: Environment, segment: Segment, process: Process, seen: Replication | None
) -> None:
    table.rule()
    table.title("Segment Info")
    table.value("   Hostname", segment.hostname)
    table.value("   Address", segment.address)
    table.value("   Datadir", segment.datadir)
    table.value("   Port", segment.port)
    table.title("Mirroring Info")
    table.value("   Current role", ROLES[segment.role])
    table.value("   Preferred role", ROLES[segment.preferred_role])
    in_sync = segment.mode == "s"
    streaming = "Streaming" if segment.role == "m" else "Synchronized"
    table.value("   Mirror status", streaming if in_sync else "Not In Sync")
    table.title("Replication Info")
    if segment.role == "p":
        _primary_replication(table, environment, segment, process, seen)
    else:
        _mirror_replication(table, seen)
    table.title("Status")
    table.value("   PID", process.pid if process.alive else "Not found", bad=not process.alive)
    table.value("   Configuration reports status as", "Up" if segment.is_up else "Down", bad=not segment.is_up)
    name = "   Database status" if segment.role == "p" else "   Segment status"
    if not segment.is_up:
        table.value(name, "Down in configuration", bad=True)
    elif not process.answered:
        table.value(name, "Unknown -- unable to load segment status", bad=True)
    elif not process.alive:
        table.value(name, "Process error -- database process may be down", bad=True)
    else:
        table.value(name, "Up")


def _primary_replication(
    table: Table, environment: Environment, segment: Segment, process: Process, seen: Replication | None
) -> None:
    written = _write_location(environment, segment) if process.alive else None
    table.value("   Current write location", written or "Unknown", bad=written is None)
    sent, flushed = (position(seen.sent), position(seen.flush)) if seen else (None, None)
    known = sent is not None and flushed is not None
    left = str(max(0, (sent or 0) - (flushed or 0))) if known else "Unknown"
    table.value("   Bytes remaining to send to mirror", left, bad=not known)


def _mirror_replication(table: Table, seen: Replication | None) -> None:
    sent, flush, replay = (seen.sent, seen.flush, seen.replay) if seen else (None, None, None)
    for name, value in (("WAL Sent Location", sent), ("WAL Flush Location", flush), ("WAL Replay Location", replay)):
        table.value(f"   {name}", value or "Unknown", bad=value is None)
    numbers = [position(value) for value in (sent, flush, replay)]
    for name, ahead, behind in (("flush", numbers[0], numbers[1]), ("replay", numbers[1], numbers[2])):
        known = ahead is not None and behind is not None
        left = str(max(0, (ahead or 0) - (behind or 0))) if known else "Unknown"
        table.value(f"   Bytes received but remain to {name}", left, bad=not known)


def _write_location(environment: Environment, segment: Segment) -> str | None:
    try:
        connection = connect(environment, "postgres", host=segment.address, port=segment.port)
    except Exception:  # noqa: BLE001 - whatever keeps it from answering shows as "Unknown"
        return None
    try:
        return str(scalar(connection, "SELECT pg_current_wal_lsn()"))
    finally:
        connection.close()
