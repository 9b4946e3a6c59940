"""Where the new segments of a run go: the request's wishes, held against the cluster as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.tablespaces import Tablespace, instance_directories
from greenplum_expansion.cluster.topology import Topology
from greenplum_expansion.hooks.tablespaces import read_tablespaces
from greenplum_expansion.operators.run import ExpansionRun
from greenplum_expansion.planning.placement import place
from greenplum_expansion.planning.tablespaces import locate
from greenplum_expansion.request.placing import request_hosts, wished_mirroring, wishes


@dataclass(frozen=True)
class Placing:
    """The new instances, and where user tablespaces lie on them.

    :param locations: for each new primary, by dbid, a directory for each tablespace
    """

    new: tuple[NewInstance, ...]
    tablespaces: tuple[Tablespace, ...]
    locations: Mapping[int, tuple[str, ...]]

    def directories_on(self, hostname: str) -> list[str]:
        """What gpexpand makes on a host: data directories, then ``<location>/<dbid>`` of each tablespace."""
        data = [instance.datadir for instance in self.new if instance.hostname == hostname]
        return data + self.tablespace_directories_on(hostname)

    def ports_on(self, hostname: str) -> list[int]:
        """Ports of new instances on a host."""
        return [instance.port for instance in self.new if instance.hostname == hostname]

    def tablespace_directories_on(self, hostname: str) -> list[str]:
        """``<location>/<dbid>`` of each instance and tablespace on a host."""
        directories = instance_directories(self.new, self.locations)
        return [directory for instance, directory in directories if instance.hostname == hostname]


NOWHERE = Placing((), (), {})


def place_segments(run: ExpansionRun, topology: Topology) -> Placing:
    """Decide it anew.

    :raises PlacementError: what was asked for does not go together with the cluster
    """
    request = run.request
    new = place(topology, request_hosts(request), wished_mirroring(request, topology), wishes(request))
    tablespaces = read_tablespaces(run.hook)
    return Placing(new, tablespaces, locate(topology, new, tablespaces, request.tablespace_wishes))
