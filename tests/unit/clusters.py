"""Clusters to test with, built as gpinitsystem builds them; `recorded()` is the one of tests/recordings."""

from __future__ import annotations

from greenplum_expansion.cluster.topology import Instance, Topology


def cluster(hosts: int = 2, primaries: int = 2, *, mirroring: str = "grouped", standby: bool = True) -> Topology:
    """Segment hosts sdw1…, `primaries` each; dbids primaries first, then mirrors, then the standby."""
    instances = [_instance(1, -1, "p", 5432, "mdw", "/data/master/gpseg-1", mode="n")]
    dbid = 2
    content = 0
    for host in range(hosts):
        for slot in range(primaries):
            name = f"sdw{host + 1}"
            instances.append(_instance(dbid, content, "p", 6000 + slot, name, f"/data/primary/gpseg{content}"))
            dbid += 1
            content += 1
    used = [0] * hosts
    if mirroring != "none":
        for content in range(hosts * primaries):
            host, slot = divmod(content, primaries)
            target = (host + 1 + (slot if mirroring == "spread" else 0)) % hosts
            assert target != host, "too few hosts for this mirroring"
            name = f"sdw{target + 1}"
            port = 7000 + used[target]
            used[target] += 1
            instances.append(_instance(dbid, content, "m", port, name, f"/data/mirror/gpseg{content}"))
            dbid += 1
    if standby:
        instances.append(_instance(dbid, -1, "m", 5432, "smdw", "/data/master/gpseg-1"))
    return Topology(tuple(instances))


def recorded() -> Topology:
    """Two hosts, two primaries and two mirrors each, grouped, standby: as in recording 05_catalog_before."""
    return cluster()


def _instance(dbid: int, content: int, role: str, port: int, host: str, datadir: str, mode: str = "s") -> Instance:
    return Instance(dbid, content, role, role, mode, "u", port, host, host, datadir)
