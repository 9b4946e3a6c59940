"""Do all hosts of the grown cluster find, trust and reach each other?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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


@check("names-known-everywhere", "Every host knows the name of every other host")
def check_names_known(new: Sequence[HostFacts], cluster: Cluster) -> list[Finding]:
    """Coordinator, standby, segment hosts and new hosts resolve each name, old and new.

    Each host keeps its own /etc/hosts. What one of them lacks shows late: when a mirror takes over, or the standby
    does. A name that the coordinator itself does not know is told by another check.
    """
    reference = cluster.reference.answers if cluster.reference else {}
    unknown: dict[str, list[str]] = defaultdict(list)
    for observer, name, answers in _answers(new, cluster):
        if not answers:
            unknown[name].append(observer)
    return [
        _about_name(
            name,
            observers,
            new,
            f"{listed(observers)} cannot resolve it, the coordinator finds {listed(reference[name])}",
            f"add '{reference[name][0]} {name}' to /etc/hosts there, or use the coordinator's DNS",
        )
        for name, observers in sorted(unknown.items())
    ]


@check("names-resolve-equally", "Every host finds the same machine behind a name")
def check_names_equal(new: Sequence[HostFacts], cluster: Cluster) -> list[Finding]:
    """Whatever a host finds for a name is an address of the host of that name.

    An entry in /etc/hosts that outlived a move leads gprecoverseg or the interconnect to another machine. What the
    coordinator finds for a new host is told by another check.
    """
    known = {host.hostname: host for host in (*cluster.hosts, *new)}
    new_names = {host.hostname for host in new}
    reference = cluster.reference.answers if cluster.reference else {}
    astray: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for observer, name, answers in _answers(new, cluster):
        if observer == cluster.coordinator and name in new_names:
            continue
        right = known[name].own if name in known else frozenset(reference[name])
        if answers and right and not right & set(answers):
            astray[name, answers].append(observer)
    findings = []
    for (name, answers), observers in sorted(astray.items()):
        has = sorted(known[name].own) if name in known else list(reference[name])
        verb = "finds" if len(observers) == 1 else "find"
        problem = f"{listed(observers)} {verb} {listed(answers)} for it, but it has {listed(has)}"
        findings.append(_about_name(name, observers, new, problem, "correct /etc/hosts or DNS there"))
    return findings


def _answers(new: Sequence[HostFacts], cluster: Cluster) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """Who finds what for which name; own names aside, and names that the coordinator does not know."""
    reference = cluster.reference.answers if cluster.reference else {}
    for observer in (*cluster.hosts, *new):
        for name, answers in observer.answers.items():
            if name != observer.hostname and reference.get(name):
                yield observer.hostname, name, answers


def _about_name(name: str, observers: Iterable[str], new: Sequence[HostFacts], problem: str, remedy: str) -> Finding:
    # What old hosts think of each other is no worse than before the expansion.
    names_of_new = {host.hostname for host in new}
    grave = name in names_of_new or bool(names_of_new & set(observers))
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
    sources: dict[str, list[str]] = defaultdict(list)
    for source, target in missing:
        sources[target].append(source)
    lonely = {target for target, names in sources.items() if len(names) > 1}  # told once, not by each who is refused
    targets: dict[str, list[str]] = defaultdict(list)
    for source, target in missing:
        if target not in lonely:
            targets[source].append(target)
    return [
        *(
            Finding.error(
                f"ssh to {target}",
                f"no login without a password from {listed(sources[target])}",
                f"try 'ssh {target} true' on {sources[target][0]} as the cluster's user; gpssh-exkeys exchanges keys",
            )
            for target in sorted(lonely)
        ),
        *(
            Finding.error(
                f"ssh from {source}",
                f"no login without a password to {listed(names)}",
                f"try 'ssh {names[0]} true' there as the cluster's user; gpssh-exkeys exchanges keys",
            )
            for source, names in sorted(targets.items())
        ),
    ]


# What door.py answers for a target it cannot resolve: the names' own checks tell of that.
NAME_NOT_KNOWN = "name not known"


class Protocol(StrEnum):
    """How a pair of hosts was tried."""

    TCP = "TCP"
    UDP = "UDP"
    CHOSEN_TCP = "TCP to ports that the kernel chooses"


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


@check("interconnect-reachable", "The interconnect passes between all hosts")
def check_interconnect(facts: NetworkFacts) -> list[Finding]:
    """Segments exchange rows between ports the kernel chooses: a datagram is sent and its echo awaited; where
    gp_interconnect_type is TCP, a connection is made to such a port.

    With a firewall in between, queries hang or end with "interconnect encountered a network error" once tables are
    spread over new hosts.
    """
    return [
        *_blocked(facts, Protocol.UDP, "open UDP above port 1024 between the cluster's hosts"),
        *_blocked(facts, Protocol.CHOSEN_TCP, "open TCP above port 1024 between the cluster's hosts"),
    ]


def _blocked(facts: NetworkFacts, protocol: Protocol, remedy: str) -> list[Finding]:
    """One finding for each direction between two hosts, whatever the number of ports."""
    pairs: dict[tuple[str, str], list[Knock]] = defaultdict(list)
    for knock in facts.knocks:
        if knock.protocol is protocol:
            pairs[knock.source, knock.target].append(knock)
    findings = []
    for (source, target), knocks in sorted(pairs.items()):
        closed = sorted(knock for knock in knocks if not knock.is_through and knock.answer != NAME_NOT_KNOWN)
        if not closed:
            continue
        ports = "" if protocol is not Protocol.TCP else f" at port {listed([str(knock.port) for knock in closed])}"
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
