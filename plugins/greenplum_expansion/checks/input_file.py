"""Is an input file right for its cluster? Asked before gpexpand sees the file.

gpexpand checks only after it has begun, and not everything (a mirror beside its primary, a port above 65535).
Source of its rules: gpexpand 6.24.3, ``gparray.validateExpansionSegs``.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.tablespaces import Tablespace, instance_directories
from greenplum_expansion.cluster.topology import Topology

LOWEST_PORT, HIGHEST_PORT = 1024, 65535


def check_input_file(topology: Topology, instances: Sequence[NewInstance]) -> list[Finding]:
    """Hold a file against the cluster it is meant for; every violation at once, none hidden behind another."""
    if not instances:
        return [Finding.error("input file", "it defines no new segment", "name at least one new host")]
    return [
        *check_contents(topology, instances),
        *check_dbids(topology, instances),
        *check_mirrors(topology, instances),
        *check_places(topology, instances),
    ]


@check("input-file-contents", "New contents follow the existing ones without a gap, each with one primary")
def check_contents(topology: Topology, instances: Sequence[NewInstance]) -> list[Finding]:
    """Content numbers of the new segments.

    gpexpand refuses a gap or a number in use, but only after it has begun.
    """
    first = max(i.content for i in topology.instances) + 1
    findings = []
    primaries = Counter(i.content for i in instances if i.is_primary)
    for content, count in sorted(primaries.items()):
        if count > 1:
            findings.append(
                Finding.error(f"content {content}", f"{count} primaries are defined for it", "define exactly one")
            )
    expected = set(range(first, first + len(primaries)))
    for content in sorted(set(primaries) - expected):
        if content < first:
            problem, remedy = "it exists in the cluster already", f"begin with content {first}"
        else:
            problem = "it leaves a gap behind the last content"
            remedy = f"number the contents {first} to {first + len(primaries) - 1} without a gap"
        findings.append(Finding.error(f"content {content}", problem, remedy))
    return findings


@check("input-file-dbids", "New dbids follow the highest existing one without a gap")
def check_dbids(topology: Topology, instances: Sequence[NewInstance]) -> list[Finding]:
    """The dbids of the new instances; after segments were removed the highest one may be more than their number."""
    first = max(i.dbid for i in topology.instances) + 1
    last = first + len(instances) - 1
    found = sorted(i.dbid for i in instances)
    if found == list(range(first, last + 1)):
        return []
    return [
        Finding.error(
            "dbids of the input file",
            f"they are {', '.join(map(str, found))}; gpexpand accepts only {first} to {last}, each once",
            f"number them from {first} (one more than the highest in gp_segment_configuration) without a gap",
        )
    ]


@check("input-file-mirrors", "Each new segment has a mirror on another host, if the cluster has mirrors")
def check_mirrors(topology: Topology, instances: Sequence[NewInstance]) -> list[Finding]:
    """Pairs of primary and mirror. That both may not share a host, gpexpand does not notice."""
    findings = []
    by_content: dict[int, list[NewInstance]] = defaultdict(list)
    for instance in instances:
        by_content[instance.content].append(instance)
    for content, members in sorted(by_content.items()):
        subject = f"content {content}"
        primaries = [i for i in members if i.is_primary]
        mirrors = [i for i in members if not i.is_primary]
        if not primaries:
            findings.append(Finding.error(subject, "it has a mirror but no primary", "add the primary's line"))
        if topology.is_mirrored and not mirrors:
            findings.append(Finding.error(subject, "it has no mirror, but the cluster is mirrored", "add its mirror"))
        if not topology.is_mirrored and mirrors:
            findings.append(
                Finding.error(subject, "it has a mirror, but the cluster has none", "remove the mirror's line")
            )
        if len(mirrors) > 1:
            findings.append(Finding.error(subject, f"it has {len(mirrors)} mirrors", "keep exactly one"))
        for mirror in mirrors:
            if any(mirror.hostname == primary.hostname for primary in primaries):
                findings.append(
                    Finding.error(
                        subject,
                        f"primary and mirror are both on {mirror.hostname}; losing that host loses data",
                        "place the mirror on another host",
                    )
                )
    return findings


@check("input-file-places", "No two instances share a port or a directory on a host")
def check_places(topology: Topology, instances: Sequence[NewInstance]) -> list[Finding]:
    """Ports and data directories of new instances among themselves and against existing ones; ports in their range.

    gpexpand accepts any port from 0 on: a segment with port 80000 is built, and never starts.
    """
    findings = []
    ports: dict[tuple[str, int], str] = {(i.hostname, i.port): str(i) for i in topology.instances}
    datadirs: dict[tuple[str, str], str] = {(i.hostname, i.datadir): str(i) for i in topology.instances}
    for instance in instances:
        subject = str(instance)
        if not LOWEST_PORT <= instance.port <= HIGHEST_PORT:
            findings.append(
                Finding.error(
                    subject,
                    f"port {instance.port} is outside {LOWEST_PORT} to {HIGHEST_PORT}",
                    "choose a port inside that range",
                )
            )
        taken = ports.setdefault((instance.hostname, instance.port), subject)
        if taken is not subject:
            findings.append(
                Finding.error(
                    subject, f"port {instance.port} on {instance.hostname} belongs to {taken}", "choose another port"
                )
            )
        taken = datadirs.setdefault((instance.hostname, instance.datadir), subject)
        if taken is not subject:
            findings.append(
                Finding.error(
                    subject,
                    f"directory {instance.datadir} on {instance.hostname} belongs to {taken}",
                    "choose another directory",
                )
            )
    return findings


@check("tablespace-locations", "Each new segment has a directory of its own for each user tablespace")
def check_tablespace_locations(
    instances: Sequence[NewInstance], tablespaces: Sequence[Tablespace], locations: Mapping[int, Sequence[str]]
) -> list[Finding]:
    """The file ``.ts`` beside the input file: a line for each new primary, and directories nobody else has.

    gpexpand looks at it only when the catalog is locked, and dies of what is missing: with a rollback to follow.
    """
    if not tablespaces:
        return []
    findings = []
    primaries = {i.dbid: i for i in instances if i.is_primary}
    for dbid in sorted(set(primaries) - set(locations)):
        findings.append(
            Finding.error(str(primaries[dbid]), "it has no line in the tablespace file", f"add one for dbid {dbid}")
        )
    for dbid in sorted(set(locations) - set(primaries)):
        findings.append(
            Finding.error(
                f"dbid {dbid} in the tablespace file", "no new primary has this dbid", "remove the line or correct it"
            )
        )
    directories = instance_directories(instances, locations)
    uses = Counter((instance.hostname, directory) for instance, directory in directories)
    for instance, directory in dict.fromkeys(directories):
        holder = next((i for i in instances if i.hostname == instance.hostname and _within(directory, i.datadir)), None)
        if uses[instance.hostname, directory] > 1:
            problem, remedy = f"{directory} would hold two tablespaces", "give each a directory of its own"
        elif holder:
            problem, remedy = f"its tablespace {directory} lies in the data directory of {holder}", "choose another"
        else:
            continue
        findings.append(Finding.error(str(instance), problem, remedy))
    return findings


def _within(directory: str, datadir: str) -> bool:
    return directory == datadir or directory.startswith(f"{datadir}/")
