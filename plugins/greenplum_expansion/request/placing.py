"""What a request means for the placement of segments."""

from __future__ import annotations

from greenplum_expansion.cluster.topology import Host, Mirroring, Topology
from greenplum_expansion.planning.placement import Wishes
from greenplum_expansion.request.hosts import HostsSection, MirroringChoice


def request_hosts(request: HostsSection) -> list[Host]:
    """The new hosts as asked for."""
    return [Host(host.hostname, host.address) for host in request.new_hosts]


def wished_mirroring(request: HostsSection, topology: Topology) -> Mirroring:
    """What was asked for; "as the cluster" is what the cluster has."""
    if request.mirroring is MirroringChoice.GROUPED:
        return "grouped"
    return "spread" if request.mirroring is MirroringChoice.SPREAD else topology.mirroring


def wishes(request: HostsSection) -> Wishes:
    """What was asked for beyond hosts and mirroring."""
    return Wishes(
        more_primaries=request.more_primaries,
        primary_directories=request.primary_directories,
        mirror_directories=request.mirror_directories,
        first_primary_port=request.first_primary_port,
        first_mirror_port=request.first_mirror_port,
    )
