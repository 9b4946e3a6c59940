"""Where new segments go: ports, directories, contents, dbids and mirrors of the new hosts.

Follows the rules of gpexpand's interview exactly, so that the file is the one a DBA would have got by answering it
(gpexpand 6.24.3, ``gparray.createSegmentRowsFromSegmentList`` and ``_fixup_and_add_expansion_segments``):
the first segment's host is the pattern; ports count up from the lowest in use; contents and dbids are given to
primaries in order of host name, then dbids to mirrors in order of host name.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence

from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.topology import Host, Instance, Mirroring, Topology


class PlacementError(ValueError):
    """The hosts cannot carry the wished segments; the text says why and what would."""


def place(topology: Topology, hosts: Sequence[Host], mirroring: Mirroring) -> tuple[NewInstance, ...]:
    """Give every new host the same segments as the cluster's first segment host has.

    :param topology: the cluster as it is
    :param hosts: new hosts; their order decides which host mirrors which
    :param mirroring: how mirrors lie among the new hosts; 'none' exactly if the cluster has no mirrors
    :raises PlacementError: too few hosts for the mirroring, or mirroring unlike the cluster's
    """
    _refuse_impossible(topology, hosts, mirroring)
    pattern_host = min(topology.primaries, key=lambda i: i.content).hostname
    primaries = _on_host(topology.primaries, pattern_host)
    mirrors = _on_host(topology.mirrors, pattern_host)
    if mirroring != "none" and len(mirrors) != len(primaries):
        raise PlacementError(
            f"host {pattern_host}, the pattern for new hosts, has {len(primaries)} primaries but "
            f"{len(mirrors)} mirrors; bring every instance back to its preferred host first"
        )
    prefix = _directory_prefix(topology)
    # Slots carry provisional contents counted over the hosts as given; the final ones follow the hosts' names.
    slots = [(host, pattern) for host in hosts for pattern in range(len(primaries))]
    contents = _final_contents(topology, slots)
    dbid = max(i.dbid for i in topology.instances) + 1
    lowest = min(i.port for i in topology.primaries)
    built: list[NewInstance] = []
    for slot in sorted(range(len(slots)), key=lambda s: slots[s][0].hostname):
        host, pattern = slots[slot]
        datadir = _directory(primaries[pattern], prefix, contents[slot])
        built.append(NewInstance(host.hostname, host.address, lowest + pattern, datadir, dbid, contents[slot], "p"))
        dbid += 1
    if mirroring == "none":
        return tuple(built)
    placed = _mirror_hosts(hosts, len(primaries), mirroring)
    lowest_mirror = min(i.port for i in topology.mirrors)
    for slot in sorted(range(len(slots)), key=lambda s: placed[s][0].hostname):
        host, port_offset = placed[slot]
        datadir = _directory(mirrors[slots[slot][1]], prefix, contents[slot])
        built.append(
            NewInstance(host.hostname, host.address, lowest_mirror + port_offset, datadir, dbid, contents[slot], "m")
        )
        dbid += 1
    return tuple(built)


def _refuse_impossible(topology: Topology, hosts: Sequence[Host], mirroring: Mirroring) -> None:
    if not hosts:
        raise PlacementError("no new host is given; name at least one")
    if (mirroring == "none") == topology.is_mirrored:
        has = "has mirrors" if topology.is_mirrored else "has no mirrors"
        raise PlacementError(
            f"mirroring '{mirroring}' was asked for, but the cluster {has}; new segments must match it"
        )
    if mirroring == "grouped" and len(hosts) < 2:
        raise PlacementError("grouped mirroring needs at least 2 new hosts, 1 is given; add another host")
    if mirroring == "spread" and len(hosts) <= topology.primaries_per_host:
        raise PlacementError(
            f"spread mirroring needs more new hosts than primaries a host: {len(hosts)} hosts are given, each gets "
            f"{topology.primaries_per_host} primaries; give at least {topology.primaries_per_host + 1} hosts, "
            "or choose grouped"
        )


def _on_host(instances: Sequence[Instance], hostname: str) -> list[Instance]:
    return sorted((i for i in instances if i.hostname == hostname), key=lambda i: i.content)


def _directory_prefix(topology: Topology) -> str:
    """ "gpseg" of the coordinator's ".../gpseg-1"; a directory without '-' is refused, as no rule covers it."""
    name = posixpath.basename(topology.coordinator.datadir.rstrip("/"))
    prefix, separator, _ = name.rpartition("-")
    if not separator or not prefix:
        raise PlacementError(
            f"the coordinator's data directory {topology.coordinator.datadir} does not end in PREFIX-1, "
            "so the names of new directories cannot be derived; write the input file by hand"
        )
    return prefix


def _directory(pattern: Instance, prefix: str, content: int) -> str:
    parent = posixpath.dirname(re.sub(r"/+$", "", pattern.datadir))
    return f"{parent}/{prefix}{content}"


def _final_contents(topology: Topology, slots: Sequence[tuple[Host, int]]) -> dict[int, int]:
    first = max(i.content for i in topology.instances) + 1
    order = sorted(range(len(slots)), key=lambda s: slots[s][0].hostname)
    return {slot: first + position for position, slot in enumerate(order)}


def _mirror_hosts(hosts: Sequence[Host], per_host: int, mirroring: Mirroring) -> list[tuple[Host, int]]:
    """For each slot the host of its mirror and that mirror's port offset there."""
    placed = []
    used = [0] * len(hosts)
    for index in range(len(hosts)):
        offset = index + 1
        for _ in range(per_host):
            target = offset % len(hosts)
            if target == index:
                offset += 1
                target = offset % len(hosts)
            placed.append((hosts[target], used[target]))
            used[target] += 1
            if mirroring == "spread":
                offset += 1
    return placed
