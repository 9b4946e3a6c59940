"""Is there room on the disks for what an expansion writes before it frees anything?

Per filesystem, not per segment: those on one disk share its free space. Sources: gpexpand 6.24.3 (template, tar file
and new segments), ``ATExecExpandTable`` (a move writes the whole table anew, with its indexes, and drops the old files
when it commits).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.planning.plan import human_bytes

_TIGHT = 0.8  # share of the free space from which on it is worth a word: log and sorting need some, too


@dataclass(frozen=True)
class TableShare:
    """What one segment has of one table, with indexes and TOAST.

    :param name: database and quoted name
    """

    name: str
    size_bytes: int


@dataclass(frozen=True)
class Load:
    """What one segment has in one tablespace.

    :param largest: its largest tables, the largest first; as many as move together at most
    :param total_bytes: of all tables
    """

    largest: tuple[TableShare, ...]
    total_bytes: int


@dataclass(frozen=True)
class Resident:
    """An existing instance, primary or mirror, with files on a filesystem.

    :param loads: what of it lies there: one for each of its tablespaces on that filesystem
    """

    name: str
    loads: tuple[Load, ...]

    def largest(self, count: int) -> list[TableShare]:
        """Its largest tables there."""
        shares = (share for load in self.loads for share in load.largest)
        return sorted(shares, key=lambda share: -share.size_bytes)[:count]


@dataclass(frozen=True)
class Filesystem:
    """One filesystem, with all that will be written to it.

    :param free_bytes: for the cluster's user
    :param residents: existing instances on it
    :param arriving: new instances whose data directories will be on it, by name
    :param arriving_tablespaces: what will be in directories of users' tablespaces of new instances, in bytes by name
    :param fixed: other things, in bytes by what they are
    """

    host: str
    mount: str
    free_bytes: int
    residents: tuple[Resident, ...] = ()
    arriving: tuple[str, ...] = ()
    fixed: Mapping[str, int] | None = None
    arriving_tablespaces: Mapping[str, int] | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.mount}"


@dataclass(frozen=True)
class Growth:
    """How far the cluster grows.

    :param segments_before, segments_after: primaries
    :param table_bytes: all tables on all primaries
    :param elsewhere_bytes: of these, what has a directory of its own on new instances: tablespaces of users
    :param coordinator_bytes: the coordinator's data directory without its log files, of which every new instance
        begins as a copy
    """

    segments_before: int
    segments_after: int
    table_bytes: int
    coordinator_bytes: int
    elsewhere_bytes: int = 0

    @property
    def share(self) -> float:
        """Of a table's bytes on an old segment, how many its new copy there has."""
        return self.segments_before / max(1, self.segments_after)

    @property
    def new_instance_bytes(self) -> int:
        """What the data directory of a new instance holds when all tables have moved."""
        return self.coordinator_bytes + (self.table_bytes - self.elsewhere_bytes) // max(1, self.segments_after)


def peak_bytes(filesystem: Filesystem, growth: Growth, moves: int) -> int:
    """The most that is written to a filesystem before anything on it is freed.

    Existing instances: the new copies of the largest tables that move together, the same tables on all of them, as a
    table moves on all segments at once. New ones: all they will hold.
    """
    copies = sum(share.size_bytes for resident in filesystem.residents for share in resident.largest(moves))
    arriving = len(filesystem.arriving) * growth.new_instance_bytes
    arriving += sum((filesystem.arriving_tablespaces or {}).values())
    return int(copies * growth.share) + arriving + sum((filesystem.fixed or {}).values())


def moves_that_fit(filesystem: Filesystem, growth: Growth, wished: int) -> int:
    """How many tables can move together; 0 if not even one."""
    return next((n for n in range(wished, 0, -1) if peak_bytes(filesystem, growth, n) <= filesystem.free_bytes), 0)


@check("disk-space", "Every filesystem has room for what is written before anything is freed")
def check_disk_space(filesystems: Sequence[Filesystem], growth: Growth, parallel_moves: int) -> list[Finding]:
    """On segment hosts: old and new copies of the largest tables that move together, indexes counted, added up over
    all instances on a filesystem. On new hosts: what they will hold. On the coordinator: template and tar file.

    Log (WAL) and files of large sorts come on top; so a filesystem that would be nearly full is a warning.
    """
    findings = []
    worst: tuple[float, Filesystem, int] | None = None
    for filesystem in filesystems:
        need = peak_bytes(filesystem, growth, parallel_moves)
        if worst is None or need / max(1, filesystem.free_bytes) > worst[0]:
            worst = need / max(1, filesystem.free_bytes), filesystem, need
        if need <= filesystem.free_bytes * _TIGHT:
            continue
        problem = (
            f"{human_bytes(need)} needed{_for_what(filesystem, growth, parallel_moves)}, "
            f"{human_bytes(filesystem.free_bytes)} free"
        )
        if need > filesystem.free_bytes:
            findings.append(Finding.error(str(filesystem), problem, _remedy(filesystem, growth, parallel_moves, need)))
        else:
            findings.append(
                Finding.warning(
                    str(filesystem),
                    f"{problem}: log and sorting may fill the rest",
                    f"free {human_bytes(need / _TIGHT - filesystem.free_bytes)}, or move fewer tables at a time",
                )
            )
    if worst is not None and not findings:
        _, filesystem, need = worst
        findings.append(
            Finding.note(
                str(filesystem),
                f"fullest when {parallel_moves} tables move: {human_bytes(need)} needed, "
                f"{human_bytes(filesystem.free_bytes)} free",
            )
        )
    return findings


def _remedy(filesystem: Filesystem, growth: Growth, wished: int, need: int) -> str:
    free = f"free {human_bytes(need - filesystem.free_bytes)}"
    fit = moves_that_fit(filesystem, growth, wished)
    if fit:
        return f"move at most {fit} of them at a time, or {free}"
    return f"{free}; moving fewer tables at a time does not suffice" if filesystem.residents else free


def _for_what(filesystem: Filesystem, growth: Growth, moves: int) -> str:
    parts = [f"{name} {human_bytes(size)}" for name, size in (filesystem.fixed or {}).items() if size]
    if filesystem.arriving:
        each = human_bytes(growth.new_instance_bytes)
        parts.append(f"{len(filesystem.arriving)} new instances of {each} each")
    tablespaces = filesystem.arriving_tablespaces or {}
    if any(tablespaces.values()):
        parts.append(f"{len(tablespaces)} tablespaces of new instances with {human_bytes(sum(tablespaces.values()))}")
    names = dict.fromkeys(share.name for resident in filesystem.residents for share in resident.largest(moves))
    if names:
        shown = ", ".join(list(names)[:3]) + (" …" if len(names) > 3 else "")
        parts.append(f"new copies of {shown} on {len(filesystem.residents)} instances")
    return f" ({'; '.join(parts)})" if parts else ""
