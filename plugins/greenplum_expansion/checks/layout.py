"""Do new hosts follow the pattern of the old ones? gpexpand does not ask; the next expansion and gpstate do."""

from __future__ import annotations

from collections import Counter

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.planning.layout import HostLayout, Layout, Role, spans

_LOAD = "queries wait for the host that has most to do"


@check("layout-equal-load", "Every host carries equally many primaries and mirrors")
def check_equal_load(layout: Layout) -> list[Finding]:
    """Number of primaries and mirrors on each host after the expansion, against the existing host that is the pattern.

    Every segment does the same work, so the host with most primaries is the slowest; one with more mirrors than others
    becomes so when they take over. gpexpand places what the input file says, however uneven.
    """
    pattern = layout.pattern
    findings = []
    for kind, wanted in (("primaries", pattern.primaries.count), ("mirrors", pattern.mirrors.count)):
        for host in layout.hosts:
            count = _role(host, kind).count
            if count == wanted:
                continue
            if host.is_new or _role(host, kind).added:
                problem = f"it will have {count} {kind}, {layout.pattern_host} {wanted}; {_LOAD}"
                findings.append(
                    Finding.warning(
                        host.hostname, problem, f"give every host {wanted} {kind}, or accept the difference"
                    )
                )
            else:
                problem = f"it has {count} {kind}, {layout.pattern_host}, the pattern for new hosts, {wanted}"
                findings.append(Finding.note(host.hostname, problem))
    return findings


@check("layout-same-directories", "New hosts keep data in the same directories as existing ones")
def check_same_directories(layout: Layout) -> list[Finding]:
    """Parents of the data directories on new hosts, for primaries and mirrors, each as often as on the pattern host.

    Scripts, monitoring and mount points expect the same directories everywhere. And a directory that holds more
    segments than on the other hosts is a disk that does more than theirs.
    """
    findings = []
    for host in layout.new:
        for kind in ("primaries", "mirrors"):
            mine = Counter(_role(host, kind).parents)
            usual = Counter(_role(layout.pattern, kind).parents)
            if mine != usual:
                problem = f"{kind} lie in {_counted(mine)}, on {layout.pattern_host} in {_counted(usual)}"
                findings.append(
                    Finding.warning(host.hostname, problem, f"use {_counted(usual)}, or accept the difference")
                )
    return findings


@check("layout-same-ports", "New hosts use the same ports as existing ones")
def check_same_ports(layout: Layout) -> list[Finding]:
    """Ports of primaries and mirrors on new hosts against those of the pattern host.

    Firewalls and monitoring are set up for the usual ones.
    """
    findings = []
    for host in layout.new:
        for kind in ("primaries", "mirrors"):
            mine, usual = sorted(_role(host, kind).ports), sorted(_role(layout.pattern, kind).ports)
            if mine != usual:
                problem = (
                    f"{kind} have ports {spans(mine) or 'none'}, on {layout.pattern_host} {spans(usual) or 'none'}"
                )
                findings.append(
                    Finding.warning(host.hostname, problem, "see that no firewall is in the way, or use the same ports")
                )
    return findings


@check("layout-same-mirroring", "Mirrors lie among new hosts as they do among existing ones")
def check_same_mirroring(layout: Layout) -> list[Finding]:
    """Grouped or spread, on the new hosts against the existing ones.

    When a host is lost, grouped mirrors double the load of one other host, spread ones add a little to several. Where
    both are mixed, nobody knows any longer which hosts may fail together.
    """
    if layout.new_mirroring == layout.mirroring or len({host.primaries.count for host in layout.new} | {1}) == 1:
        return []  # with one primary a host both are the same
    problem = f"their mirrors are {layout.new_mirroring}, those of the existing hosts {layout.mirroring}"
    return [Finding.warning("new hosts", problem, f"choose {layout.mirroring}, or accept the difference")]


@check("layout-same-networks", "New hosts are reached by as many addresses as existing ones")
def check_same_networks(layout: Layout) -> list[Finding]:
    """Addresses by which each host is known to the cluster.

    Where existing hosts have an address for each network card, their segments share the cards; new segments with one
    address all use one card.
    """
    usual = len(layout.pattern.addresses)
    return [
        Finding.warning(
            host.hostname,
            f"its segments have {len(host.addresses)} addresses, those of {layout.pattern_host} {usual}, "
            "one for each network",
            "when approving, edit the addresses in the input file, or accept the difference",
        )
        for host in layout.new
        if len(host.addresses) != usual
    ]


def check_layout(layout: Layout) -> list[Finding]:
    """All of the above."""
    every = (check_equal_load, check_same_directories, check_same_ports, check_same_mirroring, check_same_networks)
    return [finding for one in every for finding in one(layout)]


def _role(host: HostLayout, kind: str) -> Role:
    return host.primaries if kind == "primaries" else host.mirrors


def _counted(parents: Counter[str]) -> str:
    """ "/data1, /data2 (twice)": how often each is used, where it is more than once."""
    times = {1: "", 2: " (twice)"}
    named = [f"{name}{times.get(count, f' ({count} times)')}" for name, count in sorted(parents.items())]
    return ", ".join(named) or "none"
