"""The shorter reports of gpstate: -Q, -m, -c, -p, -f, -i, -e, -x. Each returns its exit code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..console import Console
from ..database import rows
from ..environment import Environment
from ..segments import Array, Segment
from .gather import Process, Replication, position, replication, warn_of_missing
from .table import Table

WIDE = "-" * 61


def quick(console: Console, array: Array) -> int:
    """-Q: the catalog alone. Exit code 1 with a segment down."""
    down = [s for s in array.segment_instances if not s.is_up]
    console.info("-Quick Greenplum database status from Master instance only")
    console.info("-" * 58)
    console.info(f"# of up segments, from configuration table     = {len(array.segment_instances) - len(down)}")
    if down:
        console.info(f"# of down segments, from configuration table   = {len(down)}")
        table = Table(console)
        table.info("Down Segment", "Datadir", "Port")
        for segment in down:
            table.info(segment.hostname, segment.datadir, segment.port)
        table.write()
    console.info("-" * 58)
    return 1 if down else 0


def _heading(console: Console, array: Array) -> None:
    console.info(WIDE)
    console.info("-Current GPDB mirror list and status")
    console.info(f"-Type = {array.mirroring()}")
    console.info(WIDE)


def _pairs(array: Array) -> list[tuple[Segment, Segment]]:
    """Preferred primary and preferred mirror of each content."""
    pairs = []
    for segment in array.segment_instances:
        other = array.pair(segment)
        if segment.preferred_role == "p" and other is not None:
            pairs.append((segment, other))
    return pairs


def _data_state(segment: Segment) -> str:
    return "Synchronized" if segment.mode == "s" else "Not In Sync"


def mirrors(console: Console, array: Array) -> int:
    """-m."""
    if not array.mirrored:
        console.warning("Physical mirroring is not configured")
        return 1
    _heading(console, array)
    table = Table(console)
    table.info("Mirror", "Datadir", "Port", "Status", "Data Status")
    acting = unsynchronized = failed = 0
    for _, mirror in _pairs(array):
        state = _data_state(mirror)
        if not mirror.is_up:
            status, state = "Failed", "Not In Sync" if mirror.mode != "s" else state
            failed += 1
        elif mirror.role == "p":
            status = "Acting as Primary"
            acting += 1
            unsynchronized += state != "Synchronized"
        else:
            status = "Passive"
        (table.info if mirror.is_up else table.warn)(mirror.hostname, mirror.datadir, mirror.port, status, state)
    table.write()
    console.info(WIDE)
    if acting:
        console.warning(f"{acting} segment(s) configured as mirror(s) are acting as primaries")
    if failed:
        console.warning(f"{failed} segment(s) configured as mirror(s) have failed")
    if unsynchronized:
        console.warning(f"{unsynchronized} mirror segment(s) acting as primaries are not synchronized")
    return 0


def pairs(console: Console, array: Array) -> int:
    """-c."""
    if not array.mirrored:
        console.warning("Physical mirroring is not configured")
        return 1
    _heading(console, array)
    table = Table(console)
    table.info("Status", "Data State", "Primary", "Datadir", "Port", "Mirror", "Datadir", "Port")
    acting = unsynchronized = failed = 0
    for primary, mirror in _pairs(array):
        if primary.role == "p" and mirror.is_up:
            status = "Primary Active, Mirror Available"
        elif primary.role == "p":
            status = "Primary Active, Mirror Failed"
            failed += 1
        else:
            status = "Mirror Active, Primary " + ("Available" if primary.is_up else "Failed")
            acting += 1
        state = _data_state(primary)
        unsynchronized += state != "Synchronized"
        bad = not primary.is_up or not mirror.is_up
        (table.warn if bad else table.info)(
            status, state, primary.hostname, primary.datadir, primary.port, mirror.hostname, mirror.datadir, mirror.port
        )
    table.write()
    console.info(WIDE)
    if acting:
        console.warning(f"{acting} segment(s) configured as mirror(s) are acting as primaries")
    if failed:
        console.warning(f"{failed} segment(s) configured as mirror(s) have failed")
    if unsynchronized:
        console.warning(f"{unsynchronized} primary segment(s) are not synchronized")
    return 0


def ports(console: Console, array: Array) -> int:
    """-p."""
    console.info(f"-Master segment instance  {array.coordinator.datadir}  port = {array.coordinator.port}")
    console.info("-Segment instance port assignments")
    console.info("-" * 34)
    table = Table(console)
    table.info("Host", "Datadir", "Port")
    for segment in array.segment_instances:
        table.info(segment.hostname, segment.datadir, segment.port)
    table.write()
    return 0


def standby(console: Console, array: Array, process: Process | None, found: Replication | None) -> int:
    """-f."""
    instance = array.standby
    if instance is None or process is None:
        console.info("Standby master instance not configured")
        return 0
    console.info("Standby master details")
    console.info("-" * 22)
    table = Table(console)
    table.value("Standby address", instance.address)
    table.value("Standby data directory", instance.datadir)
    table.value("Standby port", instance.port)
    if process.alive:
        table.value("Standby PID", process.pid)
        table.value("Standby status", "Standby host passive")
    else:
        table.value("Standby PID", process.pid if process.pid else "0", bad=True)
        table.value("Standby status", "Standby process not running", bad=True)
    table.write()
    console.info(WIDE)
    console.info("-pg_stat_replication")
    console.info(WIDE)
    if found is None:
        console.info("No entries found.")
    else:
        for name, value in (
            ("WAL Sender State", found.state),
            ("Sync state", found.sync_state),
            ("Sent Location", found.sent),
            ("Flush Location", found.flush),
            ("Replay Location", found.replay),
        ):
            console.info(f"-{name}: {value}")
    console.info(WIDE)
    return 0


def versions(console: Console, array: Array, running: dict[int, Process], version: str) -> int:
    """-i: all run the same software here, or cannot be asked."""
    console.info("Loading version information")
    table = Table(console)
    table.info("Host", "Datadir", "Port", "Version")
    instances = [array.coordinator, *filter(None, [array.standby]), *_acting_first(array)]
    for segment in instances:
        if running[segment.dbid].alive:
            table.info(segment.hostname, segment.datadir, segment.port, version)
        else:
            table.warn(segment.hostname, segment.datadir, segment.port, "unable to retrieve version")
    table.write()
    if table.warnings:
        console.warning("Unable to retrieve version data from all segments.  Review table above for details.")
    else:
        console.info("All segments are running the same software version")
    return 0


def _acting_first(array: Array) -> list[Segment]:
    return sorted(array.segment_instances, key=lambda s: (s.content, s.role != "p"))


def errors(console: Console, array: Array, running: dict[int, Process], connection: Any) -> int:
    """-e: switched roles, pairs out of sync, instances that are down. Exit code 1 with any of them."""
    if not array.mirrored:
        console.info("-" * 52)
        console.info("Physical mirroring is not configured")
        return 1
    found = replication(connection)
    warn_of_missing(console, array, found)
    console.info("-" * 52)
    console.info("Segment Mirroring Status Report")
    found_wrong = (_switched(console, array), _unsynchronized(console, array, found), _down(console, array, running))
    sections = [section for section in found_wrong if section is not None]
    for section in sections:
        console.info("-" * 52)
        section.write()
    if not sections:
        console.info("-" * 52)
        console.info("All segments are running normally")
    return 1 if sections else 0


class _Section(Table):
    """A table with a title that starts at the left edge."""

    def __init__(self, console: Console, heading: str) -> None:
        super().__init__(console)
        self.heading = heading

    def write(self) -> None:
        self.console.info(self.heading)
        super().write()


def _switched(console: Console, array: Array) -> _Section | None:
    table = _Section(console, "Segments with Primary and Mirror Roles Switched")
    table.info("Current Primary", "Port", "Mirror", "Port")
    for primary in array.primaries:
        mirror = array.pair(primary)
        if primary.preferred_role == "m" and mirror is not None:
            table.info(primary.hostname, primary.port, mirror.hostname, mirror.port)
    return table if len(table.lines) > 1 else None


def _unsynchronized(console: Console, array: Array, found: dict[int, Replication]) -> _Section | None:
    table = _Section(console, "Unsynchronized Segment Pairs")
    table.info("Current Primary", "Port", "WAL sync remaining bytes", "Mirror", "Port")
    for primary in array.primaries:
        mirror = array.pair(primary)
        if mirror is not None and (primary.mode != "s" or mirror.mode != "s"):
            seen = found.get(primary.content)
            sent, flushed = (position(seen.sent), position(seen.flush)) if seen else (None, None)
            left = "Unknown" if sent is None or flushed is None else str(max(0, sent - flushed))
            table.info(primary.hostname, primary.port, left, mirror.hostname, mirror.port)
    return table if len(table.lines) > 1 else None


def _down(console: Console, array: Array, running: dict[int, Process]) -> _Section | None:
    table = _Section(console, "Downed Segments (may include segments where status could not be retrieved)")
    table.info("Segment", "Port", "Config status", "Status")
    for segment in array.segment_instances:
        if not segment.is_up:
            table.info(segment.hostname, segment.port, "Down", "Down in configuration")
        elif not running[segment.dbid].answered:
            table.info(segment.hostname, segment.port, "Up", "Unknown -- unable to load segment status")
        elif not running[segment.dbid].alive:
            table.info(segment.hostname, segment.port, "Up", "Process error -- database process may be down")
    return table if len(table.lines) > 1 else None


def expansion_state(environment: Environment, connection: Any) -> str | None:
    """None, ``file`` while preparing, or the newest row of gpexpand.status (empty when there is none)."""
    from ..gpexpand import schema

    if (environment.data_directory / "gpexpand.status").exists():
        return "file"
    if not schema.exists(connection):
        return None
    return schema.last_status(connection) or ""


def expansion(console: Console, environment: Environment, connection: Any) -> int:
    """-x. A redistribution that crashed reads as active: only the newest status row is looked at."""
    state = expansion_state(environment, connection)
    words = {
        None: "No Expansion Detected",
        "file": "Replicating Meta Data",
        "EXPANSION STARTED": "Data Distribution - Active",
        "EXPANSION COMPLETE": "Expansion Complete",
    }
    word = words.get(state, "Data Distribution - Paused")
    console.info(f"Cluster Expansion State = {word}")
    if state == "file":
        console.info("  Some database tools and functionality")
        console.info("  are disabled during this process")
    elif word.startswith("Data Distribution"):
        _tables_left(console, connection)
        if state == "EXPANSION STARTED":
            _tables_moving(console, connection)
    return 0


def _indented(console: Console, lines: Sequence[tuple[str, ...]]) -> None:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=True)]
        console.info("     " + "   ".join(cells).rstrip())


def _tables_left(console: Console, connection: Any) -> None:
    found = rows(
        connection,
        "SELECT dbname, count(*) FROM gpexpand.status_detail WHERE status = 'NOT STARTED' GROUP BY 1 ORDER BY 1",
    )
    console.info("-" * 52)
    console.info("Number of tables to be redistributed")
    lines = [("Database", "Count of Tables to redistribute"), *((str(name), str(count)) for name, count in found)]
    _indented(console, lines)
    console.info("-" * 52)


def _tables_moving(console: Console, connection: Any) -> None:
    found = rows(
        connection, "SELECT dbname, fq_name FROM gpexpand.status_detail WHERE status = 'IN PROGRESS' ORDER BY 1, 2"
    )
    if not found:
        return
    console.info(f"Active redistributions = {len(found)}")
    lines = [("Action", "Database", "Table"), *(("Redistribute", str(db), str(name)) for db, name in found)]
    _indented(console, lines)
    console.info("-" * 52)
