"""Has a new host the same software as the hosts of the cluster?"""

from __future__ import annotations

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.checks.hosts import Cluster, HostFacts, listed
from greenplum_expansion.checks.new_hosts import subject_of

# What gpexpand, gpssh-exkeys and gprecoverseg call on a new host over ssh (6.24.3: scp of the template, tar of it in
# gpconfigurenewsegment, rsync and ps in gppylib/commands/unix.py).
NEEDED_TOOLS = ("tar", "scp", "ssh", "ssh-keygen", "rsync", "ps", "hostname", "awk", "grep", "cut")
# Called by one utility or another; wanted where existing hosts have them.
USUAL_TOOLS = ("ss", "netstat", "ip", "ping", "gzip", "zstd", "lsof", "less", "perl", "unzip", "which", "xargs", "curl")
# Imported on a new host by gpconfigurenewsegment, gpsegstart.py and gpsegstop.py.
MODULES = ("gppylib", "psutil", "pg", "pgdb", "psycopg2", "lockfile", "paramiko")


@check("new-host-greenplum", "New hosts have the coordinator's Greenplum")
def check_greenplum(new: HostFacts, cluster: Cluster, gphome: str) -> list[Finding]:
    """``postgres --gp-version`` in GPHOME says the same as on the coordinator, build included.

    The catalog that is copied to new segments belongs to one version; gpexpand does not compare.
    """
    wanted = cluster.reference.software.version if cluster.reference else None
    if new.software.version is None:
        return [
            Finding.error(
                subject_of(new.hostname),
                f"Greenplum is not installed in {gphome}",
                f"install the same package as on the coordinator ({wanted}) and link it to {gphome}",
            )
        ]
    if wanted is not None and new.software.version != wanted:
        return [
            Finding.error(
                subject_of(new.hostname),
                f"it has {new.software.version}, the coordinator {wanted}",
                "install the coordinator's version",
            )
        ]
    return []


@check("new-host-libraries", "Greenplum finds its libraries on new hosts")
def check_libraries(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """``ldd`` finds every library of the server and of its modules that it finds on existing hosts.

    A copied installation brings no dependencies: the server does not start, or a function fails on new segments only.
    """
    peers = [set(peer.software.unresolved) for peer in cluster.peers if peer.software.version]
    usual = set.intersection(*peers) if peers else set()
    missing: dict[str, list[str]] = {}
    for entry in new.software.unresolved:
        if entry not in usual:
            file, _, library = entry.partition(" needs ")
            missing.setdefault(library, []).append(file)
    if not missing:
        return []
    shown = listed(f"{library} (for {listed(files, 2)})" for library, files in sorted(missing.items()))
    return [
        Finding.error(
            subject_of(new.hostname),
            f"libraries are missing: {shown}",
            "install the packages that bring them; on an existing host: rpm -qf, or dpkg -S, and the file's path",
        )
    ]


@check("new-host-extensions", "New hosts have the extensions of existing hosts")
def check_extensions(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """Modules and extensions that all segment hosts have in GPHOME (PostGIS, PXF, MADlib …) are there, too.

    A function whose library is missing on one segment fails on every query that reaches it. gpexpand copies packages
    that gppkg installed, and goes on without a word if it cannot.
    """
    peers = [set(peer.software.extensions) for peer in cluster.peers if peer.software.version]
    if not peers or new.software.version is None:
        return []
    missing = sorted(set.intersection(*peers) - set(new.software.extensions))
    if not missing:
        return []
    return [
        Finding.error(
            subject_of(new.hostname),
            f"it lacks {listed(missing)}, which every segment host has",
            "install the same packages there (gppkg -q --all on the coordinator lists those of Greenplum)",
        )
    ]


@check("new-host-python", "Greenplum's utilities run on new hosts")
def check_python(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """Python and the modules by which gpexpand configures and starts segments are as on existing hosts."""
    peers = [peer for peer in cluster.peers if peer.software.python]
    if not peers or new.software.version is None:
        return []
    subject = subject_of(new.hostname)
    if new.software.python is None:
        return [
            Finding.error(
                subject,
                f"Greenplum's utilities find no Python there; on {peers[0].hostname} it is {peers[0].software.python}",
                f"install {peers[0].software.python}",
            )
        ]
    findings = []
    lacking = sorted(set.intersection(*(set(peer.software.modules) for peer in peers)) - set(new.software.modules))
    if lacking:
        findings.append(
            Finding.error(
                subject,
                f"{new.software.python} cannot import {listed(lacking)} there",
                "install these modules for it, as on existing hosts",
            )
        )
    if new.software.python not in {peer.software.python for peer in peers}:
        findings.append(
            Finding.warning(
                subject,
                f"it has {new.software.python}, {peers[0].hostname} {peers[0].software.python}",
                "install the same release: PL/Python functions run on it",
            )
        )
    return findings


@check("new-host-tools", "New hosts have the programs that utilities call there")
def check_tools(new: HostFacts) -> list[Finding]:
    """tar, rsync, scp, ssh and others that gpexpand and gprecoverseg call on a new host."""
    missing = [tool for tool in NEEDED_TOOLS if tool not in new.software.tools]
    if not missing:
        return []
    tools = ", ".join(missing)
    return [Finding.error(subject_of(new.hostname), f"{tools} missing; gpexpand calls them there", f"install {tools}")]


@check("new-host-usual-tools", "New hosts have the programs that existing hosts have")
def check_usual_tools(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """Programs that one utility or another calls (ss or netstat, ping, gzip …), where every segment host has them."""
    peers = [set(peer.software.tools) for peer in cluster.peers]
    if not peers:
        return []
    usual = set.intersection(*peers) & set(USUAL_TOOLS)
    missing = sorted(usual - set(new.software.tools))
    if not missing:
        return []
    return [
        Finding.warning(
            subject_of(new.hostname),
            f"it lacks {listed(missing)}, which every segment host has",
            f"install {listed(missing)}",
        )
    ]
