"""Whose directory is it? gpexpand's own may be deleted, anybody else's must survive a rollback.

``gpexpand -r`` empties every directory named in its input file, whatever lies in it and whoever made it (6.24.3:
``RemoveDirectory``, by rsync from an empty directory, which follows links and empties mount points). So what it has not
made is moved aside first, and put back afterwards.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from greenplum_expansion.cluster.input_file import NewInstance

# What is at the top of a new segment but not, or not always, at the top of the coordinator's directory: gpexpand's own
# files, copied while it was at work, what it edits (sed -i.bak), what a server adds. Greenplum 6.24.3, looked at.
_OF_A_SEGMENT = frozenset(
    {
        *("gpexpand.pid", "gpexpand.status", "gpexpand.gp_segment_configuration", "gpsegconfig_dump"),
        *("internal.auto.conf", "internal.auto.conf.bak", "pg_hba.conf", "postgresql.conf", "postgresql.auto.conf"),
        *("backup_label", "backup_label.old", "tablespace_map", "tablespace_map.old", "current_logfiles"),
        *("postmaster.pid", "postmaster.opts", "postmaster.log", "pg_log", "log", "pg_xlog", "pg_wal"),
    }
)


class PlaceKind(StrEnum):
    """What a path is, links not followed."""

    ABSENT = "absent"
    DIRECTORY = "directory"
    LINK = "link"
    OTHER = "other"


class Owner(StrEnum):
    """To whom belongs what lies in a place."""

    NOBODY = "nobody"  # absent, or an empty directory
    GPEXPAND = "gpexpand"
    OTHERS = "others"


@dataclass(frozen=True)
class Place:
    """One planned data directory as found on its host.

    :param mode: permission bits in octal, of a directory
    :param is_mount: a filesystem of its own
    :param entries: names at its top
    :param has_older: something in it was last changed before the expansion began, by the host's own clock
    :param is_readable: all of it could be looked at
    :param dbid, content: of the segment it says it is (``internal.auto.conf``); None if it says nothing
    :param system: identifier in its ``global/pg_control``; None if there is none to be read
    """

    datadir: str
    kind: PlaceKind
    mode: str = ""
    is_mount: bool = False
    entries: tuple[str, ...] = ()
    has_older: bool = False
    is_readable: bool = True
    dbid: int | None = None
    content: int | None = None
    system: int | None = None

    @property
    def is_empty(self) -> bool:
        return self.kind is PlaceKind.DIRECTORY and self.is_readable and not self.entries

    @property
    def is_free(self) -> bool:
        """gpexpand could build here: there is nothing, or an empty directory."""
        return self.kind is PlaceKind.ABSENT or self.is_empty


@dataclass(frozen=True)
class Template:
    """The coordinator's data directory, of which every new segment begins as a copy.

    :param entries: names at its top
    :param system: identifier in its ``global/pg_control``
    """

    entries: frozenset[str]
    system: int


@dataclass(frozen=True)
class HostBefore:
    """What a new host was like when gpexpand was started.

    :param now: seconds since 1970 by that host's clock
    :param modes: planned directories that existed, empty, with their permission bits; the others were absent
    """

    now: float
    modes: Mapping[str, str]

    @classmethod
    def of(cls, now: float, places: Iterable[Place]) -> HostBefore:
        return cls(now, {place.datadir: place.mode for place in places if place.is_empty})

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> HostBefore:
        return cls(float(data["now"]), dict(data["modes"]))


def judge_owner(
    place: Place, instance: NewInstance, before: HostBefore | None, template: Template
) -> tuple[Owner, str]:
    """Whose it is, and the sentence that says why.

    Only what is proven to be gpexpand's counts as such; in doubt it is somebody else's.

    :param instance: the segment that was to be built there
    :param before: what was recorded when gpexpand started; then the place was free, or gpexpand would not have been
    """
    if place.is_free:
        return Owner.NOBODY, "nothing lies there"
    if place.kind is not PlaceKind.DIRECTORY:
        return Owner.OTHERS, f"it is a {'link' if place.kind is PlaceKind.LINK else 'file'}, which gpexpand never makes"
    if not place.is_readable:
        return Owner.OTHERS, "not all of it can be looked at, so it is not gpexpand's"
    if place.has_older:
        return Owner.OTHERS, "it holds files from before the expansion"
    if not instance.is_primary:
        return Owner.OTHERS, "it is not empty, and mirrors are made only after the point of no return"
    if place.system not in (None, template.system):
        return Owner.OTHERS, f"it belongs to the database system {place.system}, not to this cluster"
    if before is not None and _is_named_like(place, instance):
        return Owner.GPEXPAND, f"it came after gpexpand was started, and calls itself dbid {place.dbid}"
    strange = sorted(set(place.entries) - template.entries - _OF_A_SEGMENT)
    if strange:
        shown = ", ".join(strange[:3]) + (", …" if len(strange) > 3 else "")
        return Owner.OTHERS, f"it holds {shown}, which no segment has"
    if before is not None:
        return Owner.GPEXPAND, "all of it came after gpexpand was started, and was copied from the coordinator"
    if _is_named_like(place, instance):
        return Owner.GPEXPAND, f"it calls itself dbid {place.dbid}, and holds nothing else"
    return Owner.OTHERS, "when it was made is not known"


def _is_named_like(place: Place, instance: NewInstance) -> bool:
    """Its ``internal.auto.conf`` names that segment; Greenplum 6 writes the content into postgresql.conf instead."""
    return place.dbid == instance.dbid and place.content in (None, instance.content)


def tar_directory(new: Iterable[NewInstance]) -> str:
    """Where gpexpand puts its template on every new host (option -t), to be unpacked from there.

    Its default, '.', is the login directory there; where the data goes there is room.
    """
    return posixpath.dirname(min(new, key=lambda i: (not i.is_primary, i.content)).datadir)
