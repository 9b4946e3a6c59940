"""Where new segments go: ports, directories, contents, dbids and mirrors.

Follows gpexpand's interview, so that the file is the one a DBA would have got by answering it (gpexpand 6.24.3,
``createSegmentRowsFromSegmentList`` for the new hosts, ``createSegmentRows`` for more primaries on every host,
``_fixup_and_add_expansion_segments`` for both). In each of these two rounds contents and dbids go to primaries in order
of host name, then dbids to mirrors in order of host name. Further than the interview: it asks for no second host where
only existing ones get more, never takes a port or a directory that an instance has, and keeps mirrors spread when
hosts get more primaries.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.topology import Host, Instance, Mirroring, Topology

HIGHEST_PORT = 65535


class PlacementError(ValueError):
    """The hosts cannot carry the wished segments; the text says why and, behind the last ';', what would."""


@dataclass(frozen=True)
class Wishes:
    """What was asked for; what is not follows the cluster.

    :param more_primaries: primaries to add on every host, old and new, beyond what existing hosts have now
    :param primary_directories, mirror_directories: parents of data directories, taken in turn by the primaries of a
        host (for a host that has two primaries already, the first new one takes the third)
    :param first_primary_port, first_mirror_port: where ports of the new hosts begin; without new hosts, of the new
        segments
    """

    more_primaries: int = 0
    primary_directories: tuple[str, ...] = ()
    mirror_directories: tuple[str, ...] = ()
    first_primary_port: int | None = None
    first_mirror_port: int | None = None


AS_THE_CLUSTER = Wishes()


def place(
    topology: Topology, hosts: Sequence[Host], mirroring: Mirroring, wishes: Wishes = AS_THE_CLUSTER
) -> tuple[NewInstance, ...]:
    """Give every new host what the cluster's hosts have, then every host the additional primaries.

    :param topology: the cluster as it is
    :param hosts: new hosts; their order decides which host mirrors which. None: only existing hosts get segments
    :param mirroring: how mirrors lie; 'none' exactly if the cluster has no mirrors
    :raises PlacementError: too few hosts for the mirroring, mirroring unlike the cluster's, or no room for a wish
    """
    _refuse_impossible(topology, hosts, mirroring, wishes)
    building = _Building(topology, mirroring, wishes)
    if hosts:
        building.like_existing(hosts)
    if wishes.more_primaries:
        building.more(hosts)
    return tuple(building.new)


def _refuse_impossible(topology: Topology, hosts: Sequence[Host], mirroring: Mirroring, wishes: Wishes) -> None:
    if not hosts and not wishes.more_primaries:
        raise PlacementError("no new host is given and no more primaries on existing hosts; name at least one host")
    if (mirroring == "none") == topology.is_mirrored:
        has = "has mirrors" if topology.is_mirrored else "has no mirrors"
        raise PlacementError(
            f"mirroring '{mirroring}' was asked for, but the cluster {has}; new segments must match it"
        )
    if wishes.mirror_directories and mirroring == "none":
        raise PlacementError("directories for mirrors are given, but the cluster has no mirrors; leave them out")
    if mirroring != "none" and len(hosts) == 1:
        raise PlacementError(f"{mirroring} mirroring needs at least 2 new hosts, 1 is given; add another host")
    if mirroring == "grouped" and not hosts and len(topology.segment_hosts) < 2:
        raise PlacementError("grouped mirroring needs at least 2 hosts, the cluster has 1; add hosts")
    if mirroring == "spread" and hosts and len(hosts) <= topology.primaries_per_host:
        raise PlacementError(
            f"spread mirroring needs more new hosts than primaries a host: {len(hosts)} hosts are given, each gets "
            f"{topology.primaries_per_host} primaries; give at least {topology.primaries_per_host + 1} hosts, "
            "or choose grouped"
        )


@dataclass
class _Round:
    """Equally many primaries on each host, numbered together.

    :param addresses: for each host the addresses its instances take in turn
    :param primary_parents, mirror_parents: directories of the first, second… primary of a host, and of its mirror
    :param targets: for each host the positions of the hosts that mirror its first, second… primary
    """

    hosts: Sequence[str]
    addresses: Sequence[Sequence[str]]
    primary_parents: Sequence[str]
    mirror_parents: Sequence[str]
    first_primary_port: int
    first_mirror_port: int
    targets: Sequence[Sequence[int]]


@dataclass
class _Building:
    """The new instances as they come into being."""

    topology: Topology
    mirroring: Mirroring
    wishes: Wishes
    new: list[NewInstance] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.prefix = _directory_prefix(self.topology)
        pattern = self.topology.pattern_host
        self.primaries = _on_host(self.topology.primaries, pattern)
        self.mirrors = _on_host(self.topology.mirrors, pattern)
        if self.mirroring != "none" and len(self.mirrors) != len(self.primaries):
            raise PlacementError(
                f"host {pattern}, the pattern for new hosts, has {len(self.primaries)} primaries but "
                f"{len(self.mirrors)} mirrors; bring every instance back to its preferred host first"
            )
        self._refuse_too_many_directories()
        self.content = max(i.content for i in self.topology.instances) + 1
        self.dbid = max(i.dbid for i in self.topology.instances) + 1
        self.ports: dict[str, set[int]] = defaultdict(set)
        self.directories: set[tuple[str, str]] = set()
        for instance in self.topology.instances:
            self.ports[instance.hostname].add(instance.port)
            self.directories.add((instance.hostname, instance.datadir))

    def _refuse_too_many_directories(self) -> None:
        most = len(self.primaries) + self.wishes.more_primaries
        for kind, given in (
            ("primaries", self.wishes.primary_directories),
            ("mirrors", self.wishes.mirror_directories),
        ):
            if len(given) > most:
                raise PlacementError(
                    f"{len(given)} directories for {kind} are given, but a host gets {most}; "
                    f"give at most {most}, or ask for more primaries a host"
                )

    def like_existing(self, hosts: Sequence[Host]) -> None:
        """New hosts with what the pattern host has."""
        count = len(self.primaries)
        names = [host.hostname for host in hosts]
        usual = _usual_hosts(self.topology)
        self._add(
            _Round(
                hosts=names,
                addresses=[[host.address] for host in hosts],
                primary_parents=self._parents("p", 0, count),
                mirror_parents=self._parents("m", 0, count),
                first_primary_port=self._free_port(
                    names, count, min(i.port for i in self.topology.primaries if i.hostname in usual), "p", True
                ),
                first_mirror_port=self._lowest_mirror_port(usual),
                targets=_targets(len(hosts), count, self.mirroring),
            ),
            wished_port=True,
        )

    def more(self, hosts: Sequence[Host]) -> None:
        """More primaries on every host, in the order in which gpexpand meets the hosts."""
        first = len(self.primaries)
        count = self.wishes.more_primaries
        address = {host.hostname: host.address for host in hosts}
        met = sorted(self.new, key=lambda i: (i.content, not i.is_primary))
        names = list(dict.fromkeys((*self.topology.hosts_in_order, *(i.hostname for i in met))))
        addresses = [[address[name]] if name in address else _addresses(self.topology, name) for name in names]
        highest = {role: self._highest_port(role) for role in ("p", "m")}
        targets = (
            self._spread_targets(names, count)
            if self.mirroring == "spread"
            else _targets(len(names), count, self.mirroring)
        )
        self._add(
            _Round(
                hosts=names,
                addresses=addresses,
                primary_parents=self._parents("p", first, count),
                mirror_parents=self._parents("m", first, count),
                first_primary_port=self._free_port(names, count, highest["p"] + 1, "p", not hosts),
                first_mirror_port=highest["m"] + 1,
                targets=targets,
            ),
            wished_port=not hosts,
        )

    def _add(self, wanted: _Round, wished_port: bool) -> None:
        count = len(wanted.primary_parents)
        slots = [(host, slot) for host in range(len(wanted.hosts)) for slot in range(count)]
        by_name = sorted(slots, key=lambda place: wanted.hosts[place[0]])  # slots of a host stay in their order
        contents = {}
        for host, slot in by_name:
            contents[host, slot] = self.content
            port = wanted.first_primary_port + slot
            address = wanted.addresses[host][slot % len(wanted.addresses[host])]
            self._build(wanted.hosts[host], address, port, wanted.primary_parents[slot], self.content, "p")
            self.content += 1
        if self.mirroring == "none":
            return
        # Only now, as primaries have taken their ports.
        first = self._free_port(wanted.hosts, count, wanted.first_mirror_port, "m", wished_port)
        used = [0] * len(wanted.hosts)
        mirrors = []
        for host, slot in slots:
            target = wanted.targets[host][slot]
            mirrors.append((target, slot, first + used[target], contents[host, slot]))
            used[target] += 1
        for target, slot, port, mirrored in sorted(mirrors, key=lambda mirror: wanted.hosts[mirror[0]]):
            addresses = wanted.addresses[target]
            address = addresses[(slot + 1) % len(addresses)]
            self._build(wanted.hosts[target], address, port, wanted.mirror_parents[slot], mirrored, "m")

    def _build(self, hostname: str, address: str, port: int, parent: str, content: int, role: str) -> None:
        datadir = f"{parent}/{self.prefix}{content}"
        while (hostname, datadir) in self.directories:  # an instance that was moved may lie anywhere
            datadir += "_new"
        self.directories.add((hostname, datadir))
        self.ports[hostname].add(port)
        self.new.append(NewInstance(hostname, address, port, datadir, self.dbid, content, role))
        self.dbid += 1

    def _parents(self, role: str, first: int, count: int) -> list[str]:
        """Parent directories of the slots `first` to `first + count` of a host: the wished ones, or the pattern's."""
        wished = self.wishes.primary_directories if role == "p" else self.wishes.mirror_directories
        pattern = self.primaries if role == "p" else self.mirrors
        parents = wished or [posixpath.dirname(i.datadir.rstrip("/")) for i in pattern]
        return [parents[slot % len(parents)] for slot in range(first, first + count)] if parents else []

    def _lowest_mirror_port(self, usual: set[str]) -> int:
        return min((i.port for i in self.topology.mirrors if i.hostname in usual), default=0)

    def _highest_port(self, role: str) -> int:
        every: list[Instance | NewInstance] = [*self.topology.segments, *self.new]
        return max((i.port for i in every if i.preferred_role == role), default=0)

    def _free_port(self, names: Sequence[str], count: int, lowest: int, role: str, wished: bool) -> int:
        """The lowest port from which on `count` are free on every host; a wished one is not moved.

        :raises PlacementError: there is none, or the wished ones are taken
        """
        wish = self.wishes.first_primary_port if role == "p" else self.wishes.first_mirror_port
        first = wish if wished and wish is not None else lowest
        while first + count - 1 <= HIGHEST_PORT:
            taken = [(name, port) for name in names for port in range(first, first + count) if port in self.ports[name]]
            if not taken:
                return first
            if wished and first == wish:
                kind = "primaries" if role == "p" else "mirrors"
                raise PlacementError(
                    f"ports {first} to {first + count - 1} are wished for {kind}, but port {taken[0][1]} on "
                    f"{taken[0][0]} belongs to another instance; choose another first port for {kind}"
                )
            first = max(port for _, port in taken) + 1
        raise PlacementError(
            f"no {count} ports in a row from {lowest} to {HIGHEST_PORT} are free; choose a lower first port"
        )

    def _spread_targets(self, names: Sequence[str], count: int) -> list[list[int]]:
        """For each host where the mirrors of its additional primaries go, so that each host gets equally many.

        Where gpexpand would put them, unless that would be the second mirror of a host on one other host: gpexpand
        looks at the additional primaries only.
        """
        holders: dict[str, set[str]] = defaultdict(set)
        every: list[Instance | NewInstance] = [*self.topology.segments, *self.new]
        mirror_host = {i.content: i.hostname for i in every if i.preferred_role == "m"}
        for instance in every:
            if instance.preferred_role == "p":
                holders[instance.hostname].add(mirror_host.get(instance.content, ""))
        number = len(names)
        chosen: list[list[int]] = [[] for _ in names]
        for slot in range(count):
            # In gpexpand's order: the second host on, the third …, the next one last.
            order = (*range(2 + slot, number), *range(1, min(2 + slot, number)))
            choices = [
                [
                    target
                    for target in ((host + step) % number for step in order)
                    if names[target] not in holders[name] and target not in chosen[host]
                ]
                for host, name in enumerate(names)
            ]
            matched = _match(choices)
            if matched is None:
                raise PlacementError(
                    f"{count} more primaries a host cannot be mirrored each on a host of its own, as among {number} "
                    "hosts too few hold no mirror of that host yet; add hosts, or choose grouped"
                )
            for host, target in enumerate(matched):
                chosen[host].append(target)
        return chosen


def _match(choices: Sequence[Sequence[int]]) -> list[int] | None:
    """Give each one of its choices, none to two; the first choice wherever that goes. None if it does not go at all.

    A bipartite matching by augmenting paths: who comes later may push others to a further choice of theirs.
    """
    taken: dict[int, int] = {}

    def settle(one: int, refused: set[int]) -> bool:
        for choice in choices[one]:
            if choice in refused:
                continue
            refused.add(choice)
            if choice not in taken or settle(taken[choice], refused):
                taken[choice] = one
                return True
        return False

    for one in range(len(choices)):
        if not settle(one, set()):
            return None
    by_one = {one: choice for choice, one in taken.items()}
    return [by_one[one] for one in range(len(choices))]


def _targets(hosts: int, count: int, mirroring: Mirroring) -> list[list[int]]:
    """For each host where its mirrors go: grouped, all to the next host; spread, one to each of the next hosts."""
    if mirroring == "spread":
        return [[(host + 1 + slot) % hosts for slot in range(count)] for host in range(hosts)]
    return [[(host + 1) % hosts] * count for host in range(hosts)]


def _usual_hosts(topology: Topology) -> set[str]:
    """Hosts with as many primaries as the pattern host: a segment that was moved elsewhere sets no ports."""
    count = len(_on_host(topology.primaries, topology.pattern_host))
    return {host for host in topology.segment_hosts if len(_on_host(topology.primaries, host)) == count}


def _addresses(topology: Topology, hostname: str) -> list[str]:
    """The addresses by which an existing host is known, one for each of its networks."""
    return list(dict.fromkeys(i.address for i in topology.segments if i.hostname == hostname))


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
