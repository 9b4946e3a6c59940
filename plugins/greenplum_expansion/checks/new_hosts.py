"""Are the new hosts what the cluster needs? First by name against the catalog, then by what was seen on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.cluster.input_file import NewInstance
from greenplum_expansion.cluster.topology import Host, Topology


def check_not_in_cluster(topology: Topology, hosts: Sequence[Host]) -> list[Finding]:
    """A host that the catalog knows already, by name or by address, is not a new one."""
    findings = []
    for host in hosts:
        known = [i for i in topology.instances if host.hostname in (i.hostname, i.address)]
        known = known or [i for i in topology.instances if host.address in (i.hostname, i.address)]
        if known:
            findings.append(
                Finding.error(
                    f"new host {host.hostname}",
                    f"it is in the cluster already, as host of {known[0]}",
                    "name only hosts that are not in gp_segment_configuration",
                )
            )
    return findings


class DirectoryState(StrEnum):
    """What is at the place where gpexpand will make a data directory."""

    ABSENT = "absent"
    EMPTY = "empty"
    NOT_EMPTY = "not empty"
    NOT_A_DIRECTORY = "not a directory"
    NOT_WRITABLE = "cannot be made"


@dataclass(frozen=True)
class NewHostFacts:
    """What was seen on one new host, reached through the coordinator.

    :param hostname: as it will stand in the catalog
    :param resolved: addresses the coordinator finds for `hostname`; empty if it finds none
    :param own_addresses: addresses of the host's own interfaces
    :param gp_version: first line of ``postgres --gp-version`` in GPHOME, None if that is not there
    :param missing_tools: of those gpexpand calls on a new host
    :param directories: state of each data directory planned on it
    :param ports_in_use: of those planned on it
    :param member: host of the cluster that has one of these addresses too, so is this machine; empty if none
    :param host_key_note: fingerprint, if the host's SSH key was met for the first time; else empty
    """

    hostname: str
    resolved: tuple[str, ...]
    own_addresses: tuple[str, ...]
    gp_version: str | None
    missing_tools: tuple[str, ...] = ()
    directories: dict[str, DirectoryState] = field(default_factory=dict)
    ports_in_use: tuple[int, ...] = ()
    member: str = ""
    host_key_note: str = ""


def check_new_host(facts: NewHostFacts, coordinator_gp_version: str, gphome: str) -> list[Finding]:
    """Name, software, tools, directories and ports of one new host."""
    subject = f"new host {facts.hostname}"
    findings = []
    if facts.member:
        # Nothing else is said of it: a port in use there is the cluster's own, and must not be freed.
        return [
            Finding.error(
                subject,
                f"behind its name or address is {facts.member}, which is in the cluster already",
                "name only hosts that are not in gp_segment_configuration, under whatever name",
            )
        ]
    if not facts.resolved:
        findings.append(
            Finding.error(
                subject,
                "the coordinator cannot resolve its name, and gpexpand connects by name",
                f"add {facts.hostname} to /etc/hosts or DNS on every host of the cluster",
            )
        )
    elif not set(facts.resolved) & set(facts.own_addresses):
        findings.append(
            Finding.error(
                subject,
                f"its name leads the coordinator to {', '.join(facts.resolved)}, "
                f"but the host reached has {', '.join(facts.own_addresses) or 'no address'}",
                "correct the address in the request, or the name in /etc/hosts",
            )
        )
    if facts.gp_version is None:
        findings.append(
            Finding.error(
                subject,
                f"Greenplum is not installed in {gphome}",
                f"install the same package as on the coordinator ({coordinator_gp_version}) and link it to {gphome}",
            )
        )
    elif facts.gp_version != coordinator_gp_version:
        findings.append(
            Finding.error(
                subject,
                f"it has {facts.gp_version}, the coordinator {coordinator_gp_version}",
                "install the coordinator's version",
            )
        )
    if facts.missing_tools:
        tools = ", ".join(facts.missing_tools)
        findings.append(Finding.error(subject, f"{tools} missing; gpexpand calls them there", f"install {tools}"))
    for path, state in sorted(facts.directories.items()):
        if state in (DirectoryState.NOT_EMPTY, DirectoryState.NOT_A_DIRECTORY):
            findings.append(
                Finding.error(
                    f"{subject}, {path}",
                    f"it is {state}; gpexpand refuses it, and rolling back would then delete what is in it",
                    "move its content away, or choose another host",
                )
            )
        elif state is DirectoryState.NOT_WRITABLE:
            findings.append(
                Finding.error(
                    f"{subject}, {path}",
                    "the cluster's user can neither make nor write it",
                    "make the parent directory and give it to that user",
                )
            )
    for port in facts.ports_in_use:
        findings.append(
            Finding.error(
                f"{subject}, port {port}",
                "a process there listens on it already",
                f"end it (ss -ltnp 'sport = :{port}')",
            )
        )
    if facts.host_key_note:
        findings.append(Finding.note(subject, f"its SSH host key was met for the first time: {facts.host_key_note}"))
    return findings


def places_on(instances: Sequence[NewInstance], hostname: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Data directories and ports planned on one host."""
    mine = [i for i in instances if i.hostname == hostname]
    return tuple(i.datadir for i in mine), tuple(i.port for i in mine)
