"""How much room a backup needs, on which host: an upper figure, made of what the tables take on disk.

gzip makes the text of a plain table about a third of its files. An append-optimised one is kept compressed, and its
text compresses no better than its blocks did, sometimes worse.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping

from greenplum_expansion.backup.archives import Archive, Tool
from greenplum_expansion.backup.selection import BackupTable, Selection
from greenplum_expansion.cluster.topology import Topology

_PLAIN, _COMPRESSED = 0.75, 1.5  # of the bytes on disk
_SKEW = 1.25  # a host may hold so much more than its share
SCHEMA_BYTES = 64 * 1024**2  # schema, roles and lists; megabytes even for ten thousand tables


def archive_bytes(tables: Iterable[BackupTable]) -> int:
    """Room for the rows of these tables, compressed."""
    return math.ceil(sum(t.size_bytes * (_COMPRESSED if t.append_optimised else _PLAIN) for t in tables))


def needed_by_host(
    selection: Selection, archives: Iterable[Archive], topology: Topology, *, rows: bool
) -> Mapping[str, int]:
    """Bytes for each host that is written to, the coordinator's always among them.

    :param rows: False: only schema and settings
    """
    coordinator = topology.coordinator.hostname
    need: Counter[str] = Counter({coordinator: SCHEMA_BYTES})
    if not rows:
        return need
    tool_of = {archive.dbname: archive.tool for archive in archives}
    for database in selection.databases:
        total = archive_bytes(database.tables)
        if tool_of.get(database.dbname) is not Tool.GPBACKUP:
            need[coordinator] += total
            continue
        for host, count in Counter(p.hostname for p in topology.segments if p.role == "p").items():
            need[host] += math.ceil(total / topology.segment_count * count * _SKEW)
    return need
