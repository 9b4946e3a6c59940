"""Do all hosts of the grown cluster find, trust and reach each other?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.checks.hosts import Cluster, HostFacts, is_loopback, listed


@check("cluster-hosts-seen", "The coordinator can log into every host of the cluster")
def check_hosts_seen(unseen: Mapping[str, str], coordinator: str) -> list[Finding]:
    """By the names in the catalog and the cluster's own keys, as gpexpand, gpstop and gprecoverseg do.

    :param unseen: for each host that could not be looked at, what ssh said
    """
    return [
        Finding.error(
            f"host {hostname}",
            f"{coordinator} could not look at it over ssh: {said}",
            f"mend what keeps 'ssh {hostname} true' from working there as the cluster's user",
        )
        for hostname, said in sorted(unseen.items())
    ]


@check("names-resolve-equally", "Every host finds every other host under its name")
def check_names(new: Sequence[HostFacts], cluster: Cluster) -> list[Finding]:
    """Coordinator, standby, segment hosts and new hosts find the same machine behind each name, old and new.

    Each host keeps its own /etc/hosts. What one of them lacks shows late: when a mirror takes over, or the standby
    does. A name that the coordinator itself does not know is told by another check.
    """
    everybody = (*cluster.hosts, *new)
    known = {host.hostname: host for host in everybody}
    reference = cluster.reference.answers if cluster.reference else {}
    names_of_new = {host.hostname for host in new}
    unknown: dict[str, list[str]] = defaultdict(list)
    astray: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for observer in everybody:
        for name, answers in observer.answers.items():
            if name == observer.hostname or not reference.get(name):
                continue
            target = known.get(name)
            right = target.own if target else frozenset(reference[name])
            if not answers:
                unknown[name].append(observer.hostname)
            elif right and not right & set(answers):
                astray[name, answers].append(observer.hostname)
    findings = []
    for name, observers in sorted(unknown.items()):
        findings.append(
            _about_name(
                name,
                observers,
                names_of_new,
                f"{listed(observers)} cannot resolve it, the coordinator finds {listed(reference[name])}",
                f"add '{reference[name][0]} {name}' to /etc/hosts there, or use the coordinator's DNS",
            )
        )
    for (name, answers), observers in sorted(astray.items()):
        target = known.get(name)
        has = sorted(target.own) if target else list(reference[name])
        verb = "finds" if len(observers) == 1 else "find"
        findings.append(
            _about_name(
                name,
                observers,
                names_of_new,
                f"{listed(observers)} {verb} {listed(answers)} for it, but it has {listed(has)}",
                "correct /etc/hosts or DNS there",
            )
        )
    return findings


def _about_name(name: str, observers: Iterable[str], new: set[str], problem: str, remedy: str) -> Finding:
    # What old hosts think of each other is no worse than before the expansion.
    grave = name in new or bool(new & set(observers))
    return (Finding.error if grave else Finding.warning)(f"name {name}", problem, remedy)


@check("own-name-not-loopback", "New hosts find their own address under their own name")
def check_own_name(new: Sequence[HostFacts], cluster: Cluster) -> list[Finding]:
    """The own name does not lead to 127.0.1.1, as installers like to write it into /etc/hosts.

    What a host then tells others of itself (pg_hba.conf entries, a server's listen address) is true on itself only.
    """
    usual = [_only_loopback(peer) for peer in cluster.peers if peer.answers.get(peer.hostname)]
    if usual and all(usual):
        return []
    return [
        Finding.warning(
            f"name {host.hostname}",
            f"on {host.hostname} itself it leads to {listed(host.answers[host.hostname])}",
            "give it the address that others use, in /etc/hosts there",
        )
        for host in new
        if _only_loopback(host)
    ]


def _only_loopback(host: HostFacts) -> bool:
    answers = host.answers.get(host.hostname, ())
    return bool(answers) and all(is_loopback(address) for address in answers)


@check("hosts-trust-each-other", "Every host can log into every other host without a password")
def check_trust(missing: Sequence[tuple[str, str]]) -> list[Finding]:
    """As the cluster's user, by name, with a host key that is known: between old and new hosts and among the new ones.

    gprecoverseg, gpstart and the standby's utilities need it in each direction, long after the expansion.

    :param missing: who cannot log into whom
    """
    targets: dict[str, list[str]] = defaultdict(list)
    for source, target in missing:
        targets[source].append(target)
    return [
        Finding.error(
            f"ssh from {source}",
            f"no login without a password to {listed(names)}",
            f"try 'ssh {names[0]} true' there as the cluster's user; gpssh-exkeys exchanges keys",
        )
        for source, names in sorted(targets.items())
    ]


class Protocol(StrEnum):
    """How a pair of hosts was tried."""

    TCP = "TCP"
    UDP = "UDP"


@dataclass(frozen=True, order=True)
class Knock:
    """One attempt to reach a port that was open for certain.

    :param answer: "ok", or what came instead ("no answer", "Connection refused")
    """

    source: str
    target: str
    protocol: Protocol
    port: int
    answer: str

    @property
    def is_through(self) -> bool:
        return self.answer == "ok"


@dataclass(frozen=True)
class NetworkFacts:
    """Which hosts reach which, at the ports the cluster uses.

    :param knocks: every attempt
    :param untested: for hosts that could take no part, why
    :param udp: whether the interconnect uses UDP
    """

    knocks: tuple[Knock, ...] = ()
    untested: dict[str, str] | None = None
    udp: bool = True


@check("ports-reachable", "No firewall lies between hosts at the ports of segments")
def check_ports_reachable(facts: NetworkFacts) -> list[Finding]:
    """Every host reaches every port planned on a new host, and new hosts every port in use on the old ones (TCP).

    A listener is started for the moment of the test where nothing listens yet. A firewall in between shows in the
    middle of an expansion only: the primary is built, its mirror never gets in sync.
    """
    return _blocked(facts, Protocol.TCP, "open these TCP ports between the cluster's hosts")


@check("interconnect-reachable", "UDP packets of the interconnect pass between all hosts")
def check_interconnect(facts: NetworkFacts) -> list[Finding]:
    """Segments exchange rows by UDP, between ports the kernel chooses: a datagram is sent and its echo awaited.

    With a firewall in between, queries hang or end with "interconnect encountered a network error" once tables are
    spread over new hosts. Not tried where gp_interconnect_type is not UDP.
    """
    return _blocked(facts, Protocol.UDP, "open UDP above port 1024 between the cluster's hosts")


def _blocked(facts: NetworkFacts, protocol: Protocol, remedy: str) -> list[Finding]:
    """One finding for each direction between two hosts, whatever the number of ports."""
    pairs: dict[tuple[str, str], list[Knock]] = defaultdict(list)
    for knock in facts.knocks:
        if knock.protocol is protocol:
            pairs[knock.source, knock.target].append(knock)
    findings = []
    for (source, target), knocks in sorted(pairs.items()):
        closed = sorted(knock for knock in knocks if not knock.is_through)
        if not closed:
            continue
        ports = "" if protocol is Protocol.UDP else f" at port {listed([str(knock.port) for knock in closed])}"
        answers = listed(sorted({knock.answer for knock in closed}))
        findings.append(
            Finding.error(
                f"network from {source} to {target}", f"{protocol} does not get through{ports} ({answers})", remedy
            )
        )
    return findings


@check("network-tested", "The network between all hosts could be tried")
def check_network_tested(facts: NetworkFacts) -> list[Finding]:
    """A test listener needs Python or Perl; where neither is there, somebody else has to see to the firewall."""
    return [
        Finding.warning(
            f"network of {hostname}",
            f"it could not be tried: {why}",
            "see by hand that no firewall is in the way of the segments' ports",
        )
        for hostname, why in sorted((facts.untested or {}).items())
    ]
