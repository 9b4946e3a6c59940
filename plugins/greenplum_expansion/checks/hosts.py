"""What a host says of itself: the same questions to hosts of the cluster and to new ones, so that they compare."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter


@dataclass(frozen=True)
class System:
    """Operating system and machine.

    :param family: words of ID and ID_LIKE in /etc/os-release ("rocky", "rhel", "centos", "fedora")
    :param version: VERSION_ID ("9.4")
    :param name: PRETTY_NAME, for people
    :param libc: "glibc 2.34"; decides how strings sort
    :param locales: as ``locale -a`` lists them
    :param port_range: first and last port the kernel gives to outgoing connections; (0, 0) if it does not say
    :param reserved_ports: those of the range it leaves out ("6000-6003,7000")
    """

    family: tuple[str, ...] = ()
    version: str = ""
    name: str = ""
    architecture: str = ""
    libc: str = ""
    locales: tuple[str, ...] = ()
    memory_kb: int = 0
    swap_kb: int = 0
    cpus: int = 0
    port_range: tuple[int, int] = (0, 0)
    reserved_ports: str = ""


@dataclass(frozen=True)
class Account:
    """The cluster's user on a host."""

    uid: int
    gid: int
    group: str


@dataclass(frozen=True)
class Software:
    """Greenplum and what it needs.

    :param version: first line of ``postgres --gp-version`` in GPHOME, None if that is not there
    :param unresolved: libraries that ``ldd`` does not find, as "file needs library"
    :param extensions: shared objects and extension control files, relative to GPHOME
    :param python: what the ``python`` of Greenplum's utilities says of its version, None if there is none
    :param modules: of those the utilities import there, the ones that can be imported
    :param tools: of those looked for, the programs that are there
    """

    version: str | None = None
    unresolved: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    python: str | None = None
    modules: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()


@dataclass(frozen=True)
class Filesystem:
    """Where a directory lies, or would lie if it were made.

    :param path: the directory asked for
    :param mount: mount point
    :param options: as /proc/self/mounts has them ("rw", "noatime", …)
    """

    path: str
    mount: str
    kind: str
    options: tuple[str, ...]
    size_kb: int
    free_kb: int


@dataclass(frozen=True)
class HostFacts:
    """What was seen on one host.

    :param hostname: as in the catalog, or as it will be there
    :param seen_by: the user who looked; not the cluster's if that one could not log in
    :param addresses: of its own interfaces, loopback included
    :param boot_id: differs between two kernels, and between two starts of one
    :param machine_id: content of /etc/machine-id; equal on copies of one image, empty if there is none
    :param account: None if the cluster's user does not exist there
    :param answers: for each name asked, the addresses this host finds for it; none if it finds none
    """

    hostname: str
    seen_by: str = ""
    addresses: tuple[str, ...] = ()
    boot_id: str = ""
    machine_id: str = ""
    system: System = System()
    account: Account | None = None
    software: Software = Software()
    filesystems: tuple[Filesystem, ...] = ()
    answers: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def own(self) -> frozenset[str]:
        """Addresses by which others may reach it."""
        return frozenset(address for address in self.addresses if not is_loopback(address))

    def to_dict(self) -> dict[str, Any]:
        """For XCom."""
        dumped: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return dumped

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> HostFacts:
        return _ADAPTER.validate_python(data)


_ADAPTER = TypeAdapter(HostFacts)


@dataclass(frozen=True)
class Cluster:
    """The hosts of the cluster, as the measure for new ones.

    :param coordinator: its host's name
    :param segment_hosts: names of hosts with segments
    :param hosts: those that could be looked at
    :param locales: LC_COLLATE and LC_CTYPE of its databases, and those of the settings lc_*
    """

    coordinator: str
    segment_hosts: tuple[str, ...]
    hosts: tuple[HostFacts, ...]
    locales: tuple[str, ...] = ()

    @property
    def reference(self) -> HostFacts | None:
        """The coordinator, if it could be looked at."""
        return next((host for host in self.hosts if host.hostname == self.coordinator), None)

    @property
    def peers(self) -> tuple[HostFacts, ...]:
        """Segment hosts; what new ones shall resemble."""
        return tuple(host for host in self.hosts if host.hostname in self.segment_hosts)

    def to_dict(self) -> dict[str, Any]:
        """For XCom."""
        dumped: dict[str, Any] = _CLUSTER_ADAPTER.dump_python(self, mode="json")
        return dumped

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Cluster:
        return _CLUSTER_ADAPTER.validate_python(data)


_CLUSTER_ADAPTER = TypeAdapter(Cluster)


def is_loopback(address: str) -> bool:
    """Whether an address leads a host to itself; text that is no address does not."""
    try:
        return ipaddress.ip_address(address.partition("%")[0]).is_loopback
    except ValueError:
        return False


def listed(names: Iterable[str], most: int = 6) -> str:
    """Names for a sentence, the tail of a long list counted only."""
    given: Sequence[str] = list(names)
    if len(given) <= most:
        return ", ".join(given)
    rest = len(given) - most
    return f"{', '.join(given[:most])} and {rest} other{'s' if rest > 1 else ''}"
