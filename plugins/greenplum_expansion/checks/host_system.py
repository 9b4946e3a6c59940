"""Is a new host the same kind of system as the hosts of the cluster, and as strong?

Existing segment hosts are the measure, not a document: what they have has proved itself for this cluster.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from greenplum_expansion.checks.catalogue import check
from greenplum_expansion.checks.finding import Finding
from greenplum_expansion.checks.hosts import Account, Cluster, Filesystem, HostFacts, listed
from greenplum_expansion.checks.new_hosts import subject_of
from greenplum_expansion.planning.plan import human_bytes

# Memory and filesystems of equal hardware differ by what firmware and metadata take.
_TOLERANCE = 0.95
LARGEST_CLOCK_DIFFERENCE = 1.0  # seconds
_ALWAYS_THERE = ("C", "POSIX", "")
# Options that change what Greenplum meets: speed, safety of its files, what may run from there.
_COMPARED_OPTIONS = frozenset(
    {"noatime", "nodev", "nosuid", "noexec", "inode64", "nobarrier", "discard", "ro", "sync", "dax", "prjquota"}
)


@check("new-host-system", "New hosts have the cluster's operating system")
def check_system(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """Same family of distribution, same major version as a segment host of the cluster.

    Another family brings other libraries, paths and defaults: Greenplum's package is built for one.
    """
    mine = new.system
    peers = [peer for peer in cluster.peers if peer.system.family]
    if not peers or not mine.family:
        return []
    if not any(set(mine.family) & set(peer.system.family) for peer in peers):
        return [
            Finding.error(
                subject_of(new.hostname),
                f"it runs {mine.name or mine.family[0]}, {peers[0].hostname} {peers[0].system.name}",
                f"install {peers[0].system.name} on it",
            )
        ]
    if not any(_release(new) == _release(peer) for peer in peers):
        return [
            Finding.warning(
                subject_of(new.hostname),
                f"it runs {mine.name}, {peers[0].hostname} {peers[0].system.name}",
                "use one release on all hosts: libraries and sort order can differ",
            )
        ]
    return []


def _release(host: HostFacts) -> tuple[str, str]:
    return (host.system.family[0] if host.system.family else "", host.system.version.partition(".")[0])


@check("new-host-architecture", "New hosts have the cluster's processor architecture")
def check_architecture(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """Data directories are copied from the coordinator byte by byte; another architecture cannot read them."""
    others = [peer for peer in cluster.peers if peer.system.architecture]
    if not others or not new.system.architecture:
        return []
    if new.system.architecture in {peer.system.architecture for peer in others}:
        return []
    architecture, hostname = others[0].system.architecture, others[0].hostname
    return [
        Finding.error(
            subject_of(new.hostname),
            f"it is {new.system.architecture}, {hostname} {architecture}",
            f"use a machine with {architecture}",
        )
    ]


@check("new-host-locales", "New hosts have the locales of the cluster's databases")
def check_locales(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """LC_COLLATE and LC_CTYPE of every database, and the settings lc_*, exist on the new host.

    A segment of a database whose locale its host does not have refuses to start.
    """
    have = {_normal_locale(name) for name in new.system.locales}
    missing = [name for name in cluster.locales if name not in _ALWAYS_THERE and _normal_locale(name) not in have]
    if not missing:
        return []
    return [
        Finding.error(
            subject_of(new.hostname),
            f"it has no locale {listed(missing)}, which databases of the cluster use",
            f"make it there: localedef -i {missing[0].partition('.')[0]} -f UTF-8 {missing[0]}",
        )
    ]


def _normal_locale(name: str) -> str:
    """``en_US.UTF-8`` and ``en_US.utf8`` are one."""
    language, dot, encoding = name.partition(".")
    return language + dot + encoding.lower().replace("-", "")


@check("new-host-sort-order", "New hosts sort text as the cluster does")
def check_sort_order(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """The C library is the same, as it decides how text sorts in every locale but C.

    With another version (2.28 changed nearly all orders) segments disagree on what comes first: merge joins, ORDER BY
    and ranges of partitions then give wrong results without a word.
    """
    uses = [name for name in cluster.locales if name not in _ALWAYS_THERE and not name.startswith("C.")]
    others = [peer for peer in cluster.peers if peer.system.libc]
    if not uses or not others or not new.system.libc or new.system.libc in {peer.system.libc for peer in others}:
        return []
    return [
        Finding.warning(
            subject_of(new.hostname),
            f"it has {new.system.libc}, {others[0].hostname} {others[0].system.libc}; "
            f"text in {listed(uses)} may sort differently",
            "install the same release of the operating system",
        )
    ]


@check("new-host-user", "The cluster's user exists on new hosts")
def check_user(new: HostFacts, user: str) -> list[Finding]:
    """All segments run as the user that runs the coordinator."""
    if new.account is not None:
        return []
    return [
        Finding.error(
            subject_of(new.hostname),
            f"the user {user} does not exist there",
            "make it with the same user and group id as on the coordinator",
        )
    ]


@check("new-host-user-ids", "The cluster's user has the same ids everywhere")
def check_user_ids(new: HostFacts, cluster: Cluster, user: str) -> list[Finding]:
    """User and group id are the coordinator's: files that travel with their owner (tar, rsync, NFS) depend on it."""
    wanted = cluster.reference.account if cluster.reference else None
    if new.account is None or wanted is None:
        return []
    if (new.account.uid, new.account.gid) == (wanted.uid, wanted.gid):
        return []
    return [
        Finding.error(
            subject_of(new.hostname),
            f"{user} is {_ids(new.account)} there, {_ids(wanted)} on the coordinator",
            f"usermod -u {wanted.uid} {user}; groupmod -g {wanted.gid} {new.account.group}; "
            "then chown what it owns, or choose another host",
        )
    ]


def _ids(account: Account) -> str:
    return f"uid {account.uid}, gid {account.gid}"


@dataclass(frozen=True)
class ClockFacts:
    """Two clocks compared from a third place.

    :param ahead: seconds by which the new host's clock is ahead of the coordinator's; negative if it is behind
    :param uncertainty: seconds by which that may be wrong: half of both round trips
    """

    hostname: str
    ahead: float
    uncertainty: float


@check("new-host-clock", "Clocks of new hosts agree with the coordinator's")
def check_clock(facts: ClockFacts) -> list[Finding]:
    """Within a second, the time the question travelled taken into account.

    ``now()`` is the coordinator's, but logs, time stamps of files, Kerberos and recovery targets are each host's own.
    """
    subject = subject_of(facts.hostname)
    if abs(facts.ahead) - facts.uncertainty > LARGEST_CLOCK_DIFFERENCE:
        direction = "ahead of" if facts.ahead > 0 else "behind"
        return [
            Finding.error(
                subject,
                f"its clock is {abs(facts.ahead):.1f} s {direction} the coordinator's",
                "let chronyd or ntpd of both follow one source (chronyc tracking)",
            )
        ]
    if facts.uncertainty > LARGEST_CLOCK_DIFFERENCE:
        return [
            Finding.warning(
                subject,
                f"its clock could not be compared: an answer took {2 * facts.uncertainty:.1f} s",
                "compare by hand with date +%s.%N on both hosts",
            )
        ]
    return []


@check("new-host-memory", "New hosts have as much memory as existing ones")
def check_memory(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """gp_vmem_protect_limit and the resource groups are one value for all hosts, sized for the existing ones."""
    return _at_least("memory", new, cluster, lambda host: host.system.memory_kb, _size, "gp_vmem_protect_limit")


@check("new-host-swap", "New hosts have as much swap as existing ones")
def check_swap(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """With vm.overcommit_memory = 2 swap counts towards what may be promised; less of it and allocations fail."""
    return _at_least("swap", new, cluster, lambda host: host.system.swap_kb, _size, "vm.overcommit_ratio")


@check("new-host-processors", "New hosts have as many processors as existing ones")
def check_processors(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """The slowest host decides how long a query takes."""
    return _at_least("processors", new, cluster, lambda host: host.system.cpus, str, "")


def _at_least(
    what: str,
    new: HostFacts,
    cluster: Cluster,
    value: Callable[[HostFacts], int],
    shown: Callable[[int], str],
    setting: str,
) -> list[Finding]:
    peers = [peer for peer in cluster.peers if peer.system.cpus]
    if not peers or not new.system.cpus:
        return []
    least = min(peers, key=value)
    if value(new) >= value(least) * _TOLERANCE:
        return []
    remedy = "use hosts of one size" + (f", or lower {setting} to what the smallest can bear" if setting else "")
    problem = f"it has {shown(value(new))} {what}, {least.hostname} {shown(value(least))}"
    return [Finding.warning(subject_of(new.hostname), problem, remedy)]


def _size(kilobytes: int) -> str:
    return human_bytes(kilobytes * 1024)


@check("new-host-filesystem-type", "Data of new segments lies on the same kind of filesystem")
def check_filesystem_type(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """Same type as under the data directories of existing segments, and not on the root where they have their own.

    A disk that nobody mounted looks like an empty directory: the segments would fill the root filesystem.
    """
    existing = _data_filesystems(cluster)
    if not existing:
        return []
    kinds = sorted({fs.kind for fs in existing})
    own = all(fs.mount != "/" for fs in existing)
    findings = []
    for fs in _by_mount(new.filesystems):
        if fs.mount == "/" and own:
            findings.append(
                Finding.warning(
                    f"{subject_of(new.hostname)}, {fs.path}",
                    "it would lie on the root filesystem, while existing segments lie on filesystems of their own "
                    f"({listed(sorted({other.mount for other in existing}))})",
                    "mount the data disk there",
                )
            )
        elif fs.kind not in kinds:
            findings.append(
                Finding.warning(
                    f"{subject_of(new.hostname)}, {fs.mount}",
                    f"it is {fs.kind}, on existing hosts {' or '.join(kinds)}",
                    f"make it {kinds[0]}",
                )
            )
    return findings


@check("new-host-mount-options", "Filesystems of new segments are mounted with the same options")
def check_mount_options(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """Options that all filesystems of existing segments have (noatime, nodev …), none that they lack (sync, ro …)."""
    existing = _data_filesystems(cluster)
    if not existing:
        return []
    always = frozenset.intersection(*(frozenset(fs.options) for fs in existing)) & _COMPARED_OPTIONS
    sometimes = frozenset.union(*(frozenset(fs.options) for fs in existing))
    findings = []
    for fs in _by_mount(new.filesystems):
        if fs.kind not in {other.kind for other in existing}:
            continue  # options of another type say nothing; that it is another type is said elsewhere
        lacks = sorted(always - set(fs.options))
        has = sorted((set(fs.options) & _COMPARED_OPTIONS) - sometimes)
        said = [f"lacks {', '.join(lacks)}"] * bool(lacks) + [f"has {', '.join(has)}"] * bool(has)
        if said:
            findings.append(
                Finding.warning(
                    f"{subject_of(new.hostname)}, {fs.mount}",
                    f"its mount {' and '.join(said)}, unlike those of existing segments",
                    f"correct /etc/fstab and mount -o remount {fs.mount}",
                )
            )
    return findings


@check("new-host-filesystem-size", "Filesystems of new segments are as large as the existing ones")
def check_filesystem_size(new: HostFacts, cluster: Cluster) -> list[Finding]:
    """Every host gets the same share of the data: the smallest filesystem decides how much fits into the cluster."""
    existing = _data_filesystems(cluster)
    if not existing:
        return []
    least = min(existing, key=lambda fs: fs.size_kb)
    return [
        Finding.warning(
            f"{subject_of(new.hostname)}, {fs.mount}",
            f"it holds {_size(fs.size_kb)}, the smallest of existing segments {_size(least.size_kb)}",
            "give it as much, or expect it to be full first",
        )
        for fs in _by_mount(new.filesystems)
        if fs.size_kb < least.size_kb * _TOLERANCE
    ]


def _data_filesystems(cluster: Cluster) -> list[Filesystem]:
    return [fs for peer in cluster.peers for fs in peer.filesystems]


def _by_mount(filesystems: Sequence[Filesystem]) -> list[Filesystem]:
    """One of those that share a mount."""
    return list({fs.mount: fs for fs in filesystems}.values())
