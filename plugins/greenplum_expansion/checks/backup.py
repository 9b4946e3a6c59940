"""Checks of what was asked for as backup: before anything is written, all at once."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.planning.plan import human_bytes
from greenplum_expansion.request.backup import BackupChoice

_LEFT_FREE, _LEFT_FREE_AT_MOST = 0.05, 10 * 1024**3  # of a filesystem, and bytes
_OTHER_WAYS = (
    "choose 'schema and settings' if a fresh backup of your own exists, or name fewer databases, schemas or tables"
)


@dataclass(frozen=True)
class Place:
    """A directory on a host, as it was looked at: it need not exist.

    :param resolved: the path with its links resolved, as far as it exists
    :param mount: where its filesystem is mounted
    :param free_bytes: what the user may write there
    :param size_bytes: of the filesystem
    :param writable: the user may make the directory
    :param occupied_by: what lies there and is not of this expansion; empty if nothing
    """

    host: str
    path: str
    resolved: str
    mount: str
    free_bytes: int
    size_bytes: int
    writable: bool
    occupied_by: str = ""

    @property
    def usable_bytes(self) -> int:
        """Free, but for what is left so that nothing else runs out of room."""
        return max(0, self.free_bytes - min(math.ceil(self.size_bytes * _LEFT_FREE), _LEFT_FREE_AT_MOST))


@check("backup-choice", "Rows are backed up before they are moved")
def check_backup_choice(choice: BackupChoice, patterns: Sequence[str]) -> list[Finding]:
    """Leaving rows out of the backup is allowed, but the person who approves the plan must know.

    Every table is rewritten during redistribution; a table lost then can come back from a backup only.
    """
    if choice is BackupChoice.NONE:
        return [
            Finding.warning(
                "Backup",
                "nothing but the catalogs' snapshot is kept, as asked",
                "approve only if a backup of your own is fresh and was restored once",
            )
        ]
    if choice is BackupChoice.SCHEMA:
        return [
            Finding.warning(
                "Backup",
                "schema and settings are kept, rows are not, as asked",
                "approve only if a backup of the rows is fresh and was restored once",
            )
        ]
    if patterns:
        return [
            Finding.warning(
                "Backup",
                f"only rows of {', '.join(patterns)} are backed up, as asked",
                "approve only if a backup of the other rows is fresh and was restored once",
            )
        ]
    return []


@check("backup-selection", "Everything named for the backup exists")
def check_backup_selection(unmatched: Sequence[str]) -> list[Finding]:
    """A misspelt name would leave out of the backup what it was meant to save."""
    return [
        Finding.error(
            f"Backup of {text}",
            "no database, schema or table of that name holds rows",
            "correct or remove it in the request; '*' and '?' match, names are case sensitive",
        )
        for text in unmatched
    ]


@check("backup-destination", "The backup's destination can be written and lies in no data directory")
def check_backup_destination(places: Iterable[Place], topology: Topology) -> list[Finding]:
    """A backup in a data directory is copied to each new segment by gpexpand, and lost with that directory.

    Looked at on each host that is written to: with gpbackup these are all segment hosts. Links are resolved.
    """
    findings = []
    for place in places:
        subject = f"Backup destination {place.host}:{place.path}"
        inside = [i for i in topology.instances if i.hostname == place.host and _is_below(place.resolved, i.datadir)]
        if inside:
            findings.append(
                Finding.error(subject, f"it lies in the data directory of the {inside[0]}", "name another directory")
            )
        elif place.occupied_by:
            findings.append(Finding.error(subject, place.occupied_by, "move it away, or name another directory"))
        elif not place.writable:
            findings.append(
                Finding.error(
                    subject,
                    f"{place.resolved} cannot be made or written by the cluster's user",
                    "make it and give it to that user, with mode 700, or name another directory",
                )
            )
    return findings


def _is_below(path: str, directory: str) -> bool:
    directory = posixpath.normpath(directory)
    return path == directory or path.startswith(directory + "/")


@check("backup-space", "The backup's destination has enough room")
def check_backup_space(places: Iterable[Place], need: Mapping[str, int], schema_fits: int) -> list[Finding]:
    """Room for the rows' text, gzipped, with 5 % of the filesystem, at most 10 GiB, left free. Nothing is written yet.

    Counted from the files of the chosen tables, without indexes: three quarters of a plain table, one and a half of an
    append-optimised one, as that is compressed already. It is meant to be too much rather than too little.

    :param schema_fits: bytes that 'schema and settings' would need
    """
    findings = []
    for place in places:
        needed = need.get(place.host, 0)
        if needed <= place.usable_bytes:
            continue
        missing = needed - place.usable_bytes
        ways = f"free {human_bytes(missing)} on {place.mount}, name a destination with {human_bytes(needed)}"
        if needed > schema_fits:
            ways += f", {_OTHER_WAYS}"
        findings.append(
            Finding.error(
                f"Backup destination {place.host}:{place.path}",
                f"{human_bytes(needed)} needed, {human_bytes(place.usable_bytes)} of {human_bytes(place.free_bytes)} "
                f"free on {place.mount} can be used",
                ways,
            )
        )
    return findings
