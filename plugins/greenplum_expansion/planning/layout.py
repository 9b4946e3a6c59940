"""Existing and new segments side by side, host by host: what a person compares before approving."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.topology import Instance, Mirroring, Topology


class Placed(Protocol):
    """What existing and new instances have in common."""

    @property
    def hostname(self) -> str: ...
    @property
    def address(self) -> str: ...
    @property
    def port(self) -> int: ...
    @property
    def datadir(self) -> str: ...
    @property
    def content(self) -> int: ...
    @property
    def preferred_role(self) -> str: ...


@dataclass(frozen=True)
class Role:
    """The primaries, or the mirrors, of one host.

    :param contents: those it has now, and those it gets
    :param ports, parents: of old and new together, as the contents are ordered
    """

    contents: tuple[int, ...]
    added: tuple[int, ...]
    ports: tuple[int, ...]
    parents: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.contents) + len(self.added)


@dataclass(frozen=True)
class HostLayout:
    """One segment host as it will be.

    :param is_new: it has no segment yet
    :param mirrored_on: hosts of the mirrors of its primaries
    """

    hostname: str
    is_new: bool
    addresses: tuple[str, ...]
    primaries: Role
    mirrors: Role
    mirrored_on: tuple[str, ...]


@dataclass(frozen=True)
class Layout:
    """All segment hosts, existing ones first.

    :param pattern_host: the existing host new ones are compared with
    :param mirroring: of the existing segments; `new_mirroring` of those on new hosts
    """

    hosts: tuple[HostLayout, ...]
    pattern_host: str
    mirroring: Mirroring
    new_mirroring: Mirroring

    @property
    def existing(self) -> tuple[HostLayout, ...]:
        return tuple(host for host in self.hosts if not host.is_new)

    @property
    def new(self) -> tuple[HostLayout, ...]:
        return tuple(host for host in self.hosts if host.is_new)

    @property
    def pattern(self) -> HostLayout:
        return next(host for host in self.hosts if host.hostname == self.pattern_host)


def lay_out(topology: Topology, new: Sequence[NewInstance]) -> Layout:
    """The cluster with its new instances, by host, in order of the hosts' names."""
    names = sorted({i.hostname for i in topology.segments})
    added = sorted({i.hostname for i in new} - set(names))
    of_new = Topology(tuple(_as_instance(i) for i in new if i.hostname in added))
    return Layout(
        hosts=tuple(_host(topology, new, name) for name in (*names, *added)),
        pattern_host=topology.pattern_host,
        mirroring=topology.mirroring,
        new_mirroring=of_new.mirroring if added else topology.mirroring,
    )


def _as_instance(new: NewInstance) -> Instance:
    role = new.preferred_role
    return Instance(
        new.dbid, new.content, role, role, "n", "u", new.port, new.hostname, new.address, new.datadir
    )  # fmt: skip


def _host(topology: Topology, new: Sequence[NewInstance], name: str) -> HostLayout:
    every: list[Placed] = [*topology.segments, *new]
    here = [i for i in every if i.hostname == name]
    mirror_host = {i.content: i.hostname for i in every if i.preferred_role == "m"}
    primaries = _role(here, "p", topology)
    contents = (*primaries.contents, *primaries.added)
    return HostLayout(
        hostname=name,
        is_new=all(i.hostname != name for i in topology.segments),
        addresses=tuple(dict.fromkeys(i.address for i in here)),
        primaries=primaries,
        mirrors=_role(here, "m", topology),
        mirrored_on=tuple(dict.fromkeys(mirror_host[content] for content in contents if content in mirror_host)),
    )


def _role(here: Iterable[Placed], role: str, topology: Topology) -> Role:
    last = max(i.content for i in topology.instances)
    ours = sorted((i for i in here if i.preferred_role == role), key=lambda i: i.content)
    return Role(
        contents=tuple(i.content for i in ours if i.content <= last),
        added=tuple(i.content for i in ours if i.content > last),
        ports=tuple(i.port for i in ours),
        parents=tuple(posixpath.dirname(i.datadir.rstrip("/")) for i in ours),
    )


COLUMNS = ("Host", "", "Primaries", "Ports", "Directories", "Mirrors", "Ports", "Directories", "Mirrored on")


def rows(layout: Layout) -> list[tuple[str, ...]]:
    """A table's rows, one a host, with the cells of `COLUMNS`; the last four cells are empty without mirrors."""
    return [
        (
            host.hostname,
            "new" if host.is_new else "gets more" if host.primaries.added or host.mirrors.added else "",
            *_cells(host.primaries, host.is_new),
            *_cells(host.mirrors, host.is_new),
            ", ".join(host.mirrored_on),
        )
        for host in layout.hosts
    ]


def _cells(role: Role, is_new: bool) -> tuple[str, str, str]:
    old, added = spans(role.contents), spans(role.added)
    contents = added if is_new or not old else f"{old} + {added}" if added else old
    return contents, spans(sorted(role.ports)), ", ".join(dict.fromkeys(role.parents))


def spans(numbers: Sequence[int]) -> str:
    """Numbers in few words: "0-3, 7"."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in found)
