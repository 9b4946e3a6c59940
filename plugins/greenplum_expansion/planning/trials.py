"""What gpcheckperf is to measure, and with how much: chosen so that it fills no disk and hinders no working cluster.

gpcheckperf's own default, a file of twice the memory, would write a terabyte on a large host and evict everything
from the page cache of a busy one. Pure: facts about hosts in, trials out.
"""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from itertools import chain
from typing import Any

MIB = 1024 * 1024
GIB = 1024 * MIB

AUTO_FILE = GIB  # bytes a filesystem, when nobody asks for a size
_AUTO_SHARE = 0.02  # of the free bytes of a filesystem
_ASKED_SHARE = 0.20
_SMALLEST_FILE = 32 * MIB  # below, the time is that of starting dd
_GRAIN = 32 * 1024  # gpcheckperf's block

MOST_EXISTING = 8  # existing hosts measured for comparison
_MOST_BETWEEN = 4  # pairs of a new and an existing host

_SLOWEST_DISK = 10 * MIB  # bytes a second; a trial slower than that is ended
_SET_UP = 300.0  # seconds for gpssh to log in everywhere, copy and clean up, on a busy coordinator
_PER_HOST = 3.0


class Group(StrEnum):
    """Which hosts a trial is about."""

    NEW = "new"
    EXISTING = "existing"
    BETWEEN = "between"  # pairs of a new host and an existing one


@dataclass(frozen=True)
class Place:
    """A directory in which gpcheckperf may write.

    :param filesystem: the same for directories on one filesystem
    :param free_bytes: as the cluster's user may use them
    """

    directory: str
    filesystem: str
    free_bytes: int


@dataclass(frozen=True)
class HostRoom:
    """What a host has to be measured in; `places` names only directories that exist and can be written."""

    hostname: str
    memory_bytes: int
    places: tuple[Place, ...]

    def place(self, directory: str) -> Place | None:
        return next((place for place in self.places if place.directory == directory), None)


@dataclass(frozen=True)
class Trial:
    """One call of gpcheckperf.

    :param group: which hosts these are
    :param tests: its option -r: "ds", "s", "n" or "N"
    :param hosts: in the order of the pairs, for a network test
    :param directories: its options -d; no two on one filesystem of every host
    :param file_bytes: written on each host, all directories together; 0 without a disk test
    :param network_seconds: for each pair and direction
    :param patience: seconds after which it is ended
    :param cached: what is read fits into memory, so the figure of reading is not the disk's
    """

    group: Group
    tests: str
    hosts: tuple[str, ...]
    directories: tuple[str, ...]
    file_bytes: int
    network_seconds: int
    patience: int
    cached: bool = False

    @property
    def is_network(self) -> bool:
        return self.tests in ("n", "N", "M")

    def argv(self, host_file: str) -> list[str]:
        """The command line; hosts by file, since their number has no limit there."""
        words = ["gpcheckperf", "-f", host_file, "-r", self.tests, "-D"]
        for directory in self.directories:
            words += ["-d", directory]
        if "d" in self.tests:
            words += ["-S", f"{self.file_bytes // 1024}KB"]
        if self.is_network:
            words += ["--duration", f"{self.network_seconds}s"]
        return words

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "group": self.group.value}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Trial:
        known = {name: data[name] for name in cls.__dataclass_fields__}
        lists = {name: tuple(data[name]) for name in ("hosts", "directories")}
        return cls(**{**known, **lists, "group": Group(data["group"])})


@dataclass(frozen=True)
class Omission:
    """Something that is not measured, or with less than was asked for, and why."""

    group: Group
    what: str
    why: str
    remedy: str

    def to_dict(self) -> dict[str, str]:
        return {**asdict(self), "group": self.group.value}

    @classmethod
    def from_dict(cls, data: dict[str, str]) -> Omission:
        return cls(Group(data["group"]), data["what"], data["why"], data["remedy"])


def plan_trials(
    new: Sequence[HostRoom], existing: Sequence[HostRoom], *, file_mb: int = 0, network_seconds: int = 5
) -> tuple[list[Trial], list[Omission]]:
    """Decide what is measured.

    Existing hosts get the file of the new ones, or all hosts a smaller one, so that figures can be compared; where
    their disks are too full even for that, only their memory and network are measured.

    :param existing: empty if they are not to be measured
    :param file_mb: bytes asked for a host, in MB; 0: adapted
    """
    trials: list[Trial] = []
    omissions: list[Omission] = []
    places = {Group.NEW: directories_to_measure(new), Group.EXISTING: directories_to_measure(existing)}
    sizes = {
        Group.NEW: _file_bytes(new, places[Group.NEW], file_mb),
        Group.EXISTING: _file_bytes(existing, places[Group.EXISTING], file_mb),
    }
    if sizes[Group.NEW] and sizes[Group.EXISTING]:
        per_place = min(sizes[group] // len(places[group]) for group in sizes)
        sizes = {group: per_place * len(places[group]) for group in sizes}
    for group, rooms in ((Group.NEW, new), (Group.EXISTING, existing)):
        if not rooms:
            continue
        if not places[group]:
            omissions.append(_no_place(group, rooms))
            continue
        if not sizes[group]:
            omissions.append(_no_room(group, rooms, places[group]))
        elif sizes[group] < file_mb * MIB:
            omissions.append(_less_than_asked(group, file_mb * MIB, sizes[group]))
        trials.append(_disk_trial(group, rooms, places[group], sizes[group]))
    network = _network_trials(new, existing, places, network_seconds)
    if not any(trial.group is not Group.EXISTING for trial in network):
        omissions.append(
            Omission(Group.NEW, "network", "a single host has no other to send to", "have existing hosts compared")
        )
    trials += network
    return trials, omissions


def directories_to_measure(rooms: Sequence[HostRoom]) -> tuple[str, ...]:
    """As few directories as cover every filesystem of every host, out of those that all hosts have.

    gpcheckperf writes in all of them at the same time: two on one disk would halve its figure.
    """
    if not rooms:
        return ()
    common = [place.directory for place in rooms[0].places if all(room.place(place.directory) for room in rooms)]
    chosen: list[str] = []
    covered: set[tuple[str, str]] = set()
    for directory in common:
        here = {(room.hostname, place.filesystem) for room in rooms if (place := room.place(directory))}
        if here - covered:
            chosen.append(directory)
            covered |= here
    return tuple(chosen)


def _file_bytes(rooms: Sequence[HostRoom], directories: Sequence[str], file_mb: int) -> int:
    """Bytes a host, the same on all of them, a multiple of gpcheckperf's block for each directory; 0: no room."""
    if not directories:
        return 0
    limits = [file_mb * MIB // len(directories) if file_mb else AUTO_FILE]
    share = _ASKED_SHARE if file_mb else _AUTO_SHARE
    for room in rooms:
        chosen = [place for directory in directories if (place := room.place(directory))]
        on_one = Counter(place.filesystem for place in chosen)
        limits += [int(place.free_bytes * share) // on_one[place.filesystem] for place in chosen]
        if not file_mb:
            limits.append(2 * room.memory_bytes // len(directories))
    smallest = min(limits) // _GRAIN * _GRAIN
    asked_for_less = bool(file_mb) and file_mb * MIB // len(directories) < _SMALLEST_FILE
    return smallest * len(directories) if smallest >= _SMALLEST_FILE or asked_for_less else 0


def _disk_trial(group: Group, rooms: Sequence[HostRoom], directories: tuple[str, ...], file_bytes: int) -> Trial:
    return Trial(
        group=group,
        tests="ds" if file_bytes else "s",
        hosts=tuple(room.hostname for room in rooms),
        directories=directories,
        file_bytes=file_bytes,
        network_seconds=0,
        patience=round(_SET_UP + _PER_HOST * len(rooms) + 2 * file_bytes / _SLOWEST_DISK),
        cached=file_bytes <= statistics.median(room.memory_bytes for room in rooms),
    )


def _network_trials(
    new: Sequence[HostRoom], existing: Sequence[HostRoom], places: dict[Group, tuple[str, ...]], seconds: int
) -> list[Trial]:
    """New hosts among themselves, existing ones among themselves, and pairs of both: redistribution crosses there."""
    names = {
        group: [room.hostname for room in rooms] for group, rooms in ((Group.NEW, new), (Group.EXISTING, existing))
    }
    # With an odd number, -r N lets the first host send in two pairs at once (and other versions refuse), so one pair
    # after the other; all groups alike, or their figures could not be compared.
    letter = "n" if len(new) > 1 and len(new) % 2 else "N"
    names[Group.EXISTING] = names[Group.EXISTING][: len(existing) // 2 * 2 or 1]
    names[Group.BETWEEN] = list(chain.from_iterable(zip(*names.values(), strict=False)))[: 2 * _MOST_BETWEEN]
    trials = []
    for group, hosts in names.items():
        if len(hosts) < 2:
            continue
        rounds = 2 if letter == "N" else len(hosts) + len(hosts) % 2
        # The tool itself is copied there; both kinds of hosts need not have a directory in common.
        directory = places.get(group, ())[:1] or ("/tmp",)
        patience = round(_SET_UP + _PER_HOST * len(hosts) + (seconds + 4) * rounds)
        trials.append(Trial(group, letter, tuple(hosts), directory, 0, seconds, patience))
    return trials


def _no_place(group: Group, rooms: Sequence[HostRoom]) -> Omission:
    return Omission(
        group,
        "disk, memory and network",
        f"no directory for segments exists, writable, on all of {_names(rooms)}",
        "make the data directories' parents there, owned by the cluster's user",
    )


def _no_room(group: Group, rooms: Sequence[HostRoom], directories: Iterable[str]) -> Omission:
    free, host, directory = min(
        (place.free_bytes, room.hostname, place.directory)
        for room in rooms
        for directory in directories
        if (place := room.place(directory))
    )
    return Omission(
        group,
        "disk",
        f"{host}:{directory} has {free // MIB:,} MB free; a test would write more of that than is safe",
        "free some room there, or leave the disks unmeasured",
    )


def _less_than_asked(group: Group, asked: int, chosen: int) -> Omission:
    return Omission(
        group,
        "disk",
        f"{chosen // MIB:,} MB a host are written, not the {asked // MIB:,} MB asked for: more than a fifth of what is "
        "free somewhere, or of what existing hosts have free",
        "free room, or ask for less",
    )


def _names(rooms: Sequence[HostRoom]) -> str:
    return ", ".join(room.hostname for room in rooms)
