"""Are the new hosts new, each a machine of its own, reachable, and free where the segments shall lie?

What they are as systems is judged in `host_system`, their software in `host_software`, the network between all hosts in
`network`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.checks.hosts import Cluster, HostFacts, is_loopback, listed
from greenplum_expansion.cluster.names import is_ip_address
from greenplum_expansion.cluster.topology import Host, Instance, Topology


class DirectoryState(StrEnum):
    """What is at the place where gpexpand will make a data directory."""

    ABSENT = "absent"
    EMPTY = "empty"
    NOT_EMPTY = "not empty"
    NOT_A_DIRECTORY = "not a directory"
    NOT_WRITABLE = "cannot be made"


@dataclass(frozen=True)
class PlaceFacts:
    """What is where the new segments of one host shall lie.

    :param directories: state of each data directory planned there
    :param ports: planned there
    :param ports_in_use: of those, the ones something listens on
    """

    hostname: str
    directories: Mapping[str, DirectoryState] = field(default_factory=dict)
    ports: tuple[int, ...] = ()
    ports_in_use: tuple[int, ...] = ()


@dataclass(frozen=True)
class Login:
    """How a new host was reached, through the coordinator.

    :param address: as the request gives it
    :param seen_by: the user who could log in
    :param refused: why the cluster's user could not, and another looked instead; empty if it could
    :param host_key: fingerprint, if the host's SSH key was met for the first time; else empty
    :param boot_id: of the kernel behind the address
    :param by_name: boot id of the kernel behind its name; None if there nobody could log in
    :param by_name_problem: why not
    """

    hostname: str
    address: str
    seen_by: str
    refused: str = ""
    host_key: str = ""
    boot_id: str = ""
    by_name: str | None = None
    by_name_problem: str = ""


def subject_of(hostname: str) -> str:
    """How findings call a new host."""
    return f"new host {hostname}"


@check("new-host-not-in-cluster", "New hosts are not in the cluster yet")
def check_not_in_cluster(topology: Topology, hosts: Sequence[Host]) -> list[Finding]:
    """A host that the catalog knows already, by name or by address, is not a new one.

    Segments would be added to a host that has its share, at ports and directories that are taken. To give existing
    hosts more segments is another wish of the request.
    """
    findings = []
    first: dict[str, Instance] = {}
    for instance in topology.instances:
        first.setdefault(instance.hostname, instance)
        first.setdefault(instance.address, instance)
    for host in hosts:
        known = first.get(host.hostname) or first.get(host.address)
        if known:
            findings.append(
                Finding.error(
                    subject_of(host.hostname),
                    f"it is in the cluster already, as host of {known}",
                    "name only hosts that are not in gp_segment_configuration",
                )
            )
    return findings


@check("new-host-login", "New hosts can be logged into, by name and by address")
def check_login(login: Login) -> list[Finding]:
    """The cluster's user gets in through the coordinator with the connection's key, by address and by name alike.

    gpexpand and the utilities after it connect by the name that the catalog will hold, not by the address in the
    request. Where the user does not exist yet and is to be made, the one who prepares hosts looks instead.
    """
    subject = subject_of(login.hostname)
    findings = []
    if login.refused:
        findings.append(
            Finding.error(
                subject,
                f"the cluster's user cannot log in ({login.refused}); {login.seen_by} looked instead",
                "make the user with the same ids as on the coordinator, and add the connection's key to its "
                "~/.ssh/authorized_keys",
            )
        )
    if login.by_name_problem:
        findings.append(
            Finding.error(
                subject,
                f"it can be logged into at {login.address}, but not by its name: {login.by_name_problem}",
                f"let {login.hostname} lead the coordinator to the same sshd, in /etc/hosts or DNS",
            )
        )
    elif login.by_name is not None and login.by_name != login.boot_id:
        findings.append(
            Finding.error(
                subject,
                f"the coordinator reaches one machine at {login.address} and another by the name {login.hostname}",
                "correct the address in the request, or the name in /etc/hosts",
            )
        )
    return findings


@check("new-host-key", "SSH host keys of new hosts are known")
def check_host_key(login: Login) -> list[Finding]:
    """A host whose key nobody on the coordinator knew is believed once, and its fingerprint shown for comparison."""
    if not login.host_key:
        return []
    return [
        Finding.note(subject_of(login.hostname), f"its SSH host key was met for the first time: {login.host_key}"),
    ]


@check("new-host-other-machine", "No machine of the cluster hides behind a new name")
def check_other_machine(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """None of the new host's addresses is one by which the coordinator knows a host of the cluster.

    An alias in DNS, or a second interface of a segment host, passes every comparison by name.
    """
    member = _member_behind(new, cluster)
    if not member:
        return []
    return [
        Finding.error(
            subject_of(new.hostname),
            f"behind its name or address is {member}, which is in the cluster already",
            "name only hosts that are not in gp_segment_configuration, under whatever name",
        )
    ]


def _member_behind(new: HostFacts, cluster: Cluster) -> str:
    known = cluster.reference.answers if cluster.reference else {}
    for member in cluster.hosts:
        by_name = {address for address in known.get(member.hostname, ()) if not is_loopback(address)}
        same_kernel = bool(new.boot_id) and new.boot_id == member.boot_id
        if new.own & by_name or (same_kernel and new.own & member.own):
            return member.hostname
    return ""


@check("new-hosts-distinct", "Two new names are two machines")
def check_distinct(hosts: Sequence[HostFacts]) -> list[Finding]:
    """No two new names lead to one machine.

    Its ports would be used twice, and a mirror would lie beside its primary. Two are one if they run one kernel and
    have an address in common; an address alone is not enough (every host with Docker has 172.17.0.1).
    """
    return [
        Finding.error(
            f"new hosts {one.hostname} and {other.hostname}",
            f"both names lead to one machine ({listed(sorted(one.own & other.own))})",
            "name each machine once, and give each name its own address",
        )
        for one, other in combinations(hosts, 2)
        if one.boot_id and one.boot_id == other.boot_id and one.own & other.own
    ]


@check("new-hosts-fail-alone", "New hosts do not fail together")
def check_fail_alone(hosts: Sequence[HostFacts], cluster: Cluster) -> list[Finding]:
    """Containers of one kernel are lost together, a primary and its mirror with them.

    Where the hosts of the cluster share one kernel already, that is how it was made, and only noted.
    """
    groups: dict[str, list[str]] = {}
    for host in (*hosts, *cluster.hosts):
        groups.setdefault(host.boot_id, []).append(host.hostname)
    new = {host.hostname for host in hosts}
    cluster_shares = len({host.boot_id for host in cluster.hosts}) < len(cluster.hosts)
    findings = []
    for boot_id, names in groups.items():
        if not boot_id or len(names) < 2 or not new & set(names):
            continue
        problem = f"{listed(names)} run on one kernel, so one machine's failure takes all of them"
        subject = f"new hosts {listed(name for name in names if name in new)}"
        if cluster_shares:
            findings.append(Finding.note(subject, f"{problem}; other hosts of the cluster do so, too"))
        else:
            findings.append(Finding.warning(subject, problem, "use machines that fail independently"))
    return findings


@check("new-host-machine-id", "New hosts are no copies that still believe to be the original")
def check_machine_id(hosts: Sequence[HostFacts], cluster: Cluster) -> list[Finding]:
    """/etc/machine-id is a host's own; copies of one image that share it get one DHCP lease and mix up their logs.

    Hosts that run on one kernel may have it in common with good reason: that they do is told by another check.
    """
    groups: dict[str, list[str]] = {}
    kernels: dict[str, set[str]] = {}
    for host in (*hosts, *cluster.hosts):
        groups.setdefault(host.machine_id, []).append(host.hostname)
        kernels.setdefault(host.machine_id, set()).add(host.boot_id)
    new = {host.hostname for host in hosts}
    return [
        Finding.warning(
            f"new hosts {listed(name for name in names if name in new)}",
            f"{listed(names)} have one machine id, {machine_id}",
            "rm /etc/machine-id; systemd-machine-id-setup; reboot, on each copy",
        )
        for machine_id, names in groups.items()
        if machine_id and len(kernels[machine_id]) > 1 and new & set(names)
    ]


@check("new-host-name", "The coordinator knows the name of each new host")
def check_name(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """The name leads somewhere: gpexpand connects by name, whatever address the request gives."""
    if _found_by_coordinator(new, cluster):
        return []
    return [
        Finding.error(
            subject_of(new.hostname),
            "the coordinator cannot resolve its name, and gpexpand connects by name",
            f"add {new.hostname} to /etc/hosts or DNS on every host of the cluster",
        )
    ]


@check("new-host-name-right", "The name of each new host leads the coordinator to it")
def check_name_right(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """To the host that was reached and looked at; else the segments would be made on a machine nobody has checked."""
    found = _found_by_coordinator(new, cluster)
    if found and new.own and not set(found) & set(new.addresses):
        return [
            Finding.error(
                subject_of(new.hostname),
                f"its name leads the coordinator to {', '.join(found)}, "
                f"but the host reached has {', '.join(new.addresses) or 'no address'}",
                "correct the address in the request, or the name in /etc/hosts",
            )
        ]
    return []


def _found_by_coordinator(new: HostFacts, cluster: Cluster) -> tuple[str, ...]:
    if is_ip_address(new.hostname):  # it leads to itself, and nobody is asked
        return (new.hostname,)
    return cluster.reference.answers.get(new.hostname, ()) if cluster.reference else ()


@check("new-directories-empty", "Data directories are absent or empty")
def check_directories_empty(facts: PlaceFacts, subject: str) -> list[Finding]:
    """Nothing is where a data directory shall be.

    gpexpand refuses a directory with something in it, and its rollback (``gpexpand -r``) then deletes that directory
    with all that was there before: seen on Greenplum 6.24.3.
    """
    return [
        Finding.error(
            f"{subject}, {path}",
            f"it is {state}; gpexpand refuses it, and rolling back would then delete what is in it",
            "move its content away, or choose another host",
        )
        for path, state in sorted(facts.directories.items())
        if state in (DirectoryState.NOT_EMPTY, DirectoryState.NOT_A_DIRECTORY)
    ]


@check("new-directories-writable", "Data directories can be made")
def check_directories_writable(facts: PlaceFacts, subject: str) -> list[Finding]:
    """The cluster's user can write the nearest directory that exists; gpexpand makes the rest with ``mkdir -p``."""
    return [
        Finding.error(
            f"{subject}, {path}",
            "the cluster's user can neither make nor write it",
            "make the parent directory and give it to that user",
        )
        for path, state in sorted(facts.directories.items())
        if state is DirectoryState.NOT_WRITABLE
    ]


@check("new-ports-free", "Ports of new segments are free")
def check_ports_free(facts: PlaceFacts, subject: str) -> list[Finding]:
    """Nothing listens on a planned port; gpexpand would wait ten minutes for the segment there, then fail."""
    return [
        Finding.error(
            f"{subject}, port {port}",
            "a process there listens on it already",
            f"end it (ss -ltnp 'sport = :{port}')",
        )
        for port in facts.ports_in_use
    ]


@check("new-ports-not-ephemeral", "Ports of new segments are outside the range of outgoing connections")
def check_ports_not_ephemeral(facts: PlaceFacts, host: HostFacts, subject: str) -> list[Finding]:
    """The kernel hands no planned port to an outgoing connection (``net.ipv4.ip_local_port_range``).

    Else a segment that was stopped cannot start for as long as some connection happens to hold its port. Ports named
    in ``ip_local_reserved_ports`` are safe.
    """
    first, last = host.system.port_range
    inside = [port for port in facts.ports if first <= port <= last]
    inside = [port for port in inside if not _is_reserved(port, host.system.reserved_ports)]
    if not inside:
        return []
    return [
        Finding.warning(
            subject,
            f"port {listed(map(str, inside))} lies within {first} to {last}, which serves outgoing connections",
            f"set net.ipv4.ip_local_port_range to begin above {max(inside)}, "
            f"or net.ipv4.ip_local_reserved_ports to {','.join(map(str, inside))}",
        )
    ]


def _is_reserved(port: int, text: str) -> bool:
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdigit() and int(first) <= port <= int(last or first):
            return True
    return False
