"""Hosts as the checks see them: a cluster of two segment hosts, and a new one that fits."""

from dataclasses import replace
from typing import Any

from greenplum_expansion.checks.host_software import NEEDED_TOOLS
from greenplum_expansion.checks.hosts import Account, Cluster, Filesystem, HostFacts, Software, System

VERSION = "postgres (Greenplum Database) 6.24.3 build commit:x"
NAMES = {
    "mdw": "10.0.0.10",
    "smdw": "10.0.0.11",
    "sdw1": "10.0.0.21",
    "sdw2": "10.0.0.22",
    "sdw3": "10.0.0.23",
    "sdw4": "10.0.0.24",
}
SYSTEM = System(
    family=("rocky", "rhel", "centos", "fedora"),
    version="9.4",
    name="Rocky Linux 9.4",
    architecture="x86_64",
    libc="glibc 2.34",
    locales=("C", "POSIX", "en_US.utf8"),
    memory_kb=256 * 1024 * 1024,
    swap_kb=32 * 1024 * 1024,
    cpus=32,
    port_range=(10000, 65535),
)
SOFTWARE = Software(
    version=VERSION,
    extensions=("lib/postgresql/plpython2.so", "lib/postgresql/postgis-2.5.so"),
    python="Python 2.7.18",
    modules=("gppylib", "psutil"),
    tools=(*NEEDED_TOOLS, "ss", "zstd"),
)
GIB = 1024 * 1024


def filesystem(path: str, **change: Any) -> Filesystem:
    options = ("rw", "nodev", "noatime", "inode64")
    return replace(Filesystem(path, "/data", "xfs", options, 1000 * GIB, 600 * GIB), **change)


def host(name: str, **change: Any) -> HostFacts:
    made = HostFacts(
        hostname=name,
        seen_by="gpadmin",
        addresses=("127.0.0.1", NAMES[name]),
        boot_id=f"boot-{name}",
        machine_id=f"machine-{name}",
        system=SYSTEM,
        account=Account(1000, 1000, "gpadmin"),
        software=SOFTWARE,
        filesystems=(filesystem("/data/primary"),),
        answers={other: (address,) for other, address in NAMES.items()},
    )
    return replace(made, **change)


def system(of: str, /, **change: Any) -> HostFacts:
    return host(of, system=replace(SYSTEM, **change))


def software(of: str, /, **change: Any) -> HostFacts:
    return host(of, software=replace(SOFTWARE, **change))


CLUSTER = Cluster(
    coordinator="mdw",
    segment_hosts=("sdw1", "sdw2"),
    hosts=tuple(host(name) for name in ("mdw", "sdw1", "sdw2", "smdw")),
    locales=("C", "en_US.UTF-8"),
)


def cluster_of(**change: Any) -> Cluster:
    """The cluster with all segment hosts changed alike."""
    changed = tuple(replace(h, **change) if h.hostname.startswith("sdw") else h for h in CLUSTER.hosts)
    return replace(CLUSTER, hosts=changed)
