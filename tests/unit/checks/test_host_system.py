"""A new host beside the hosts of the cluster: each difference that matters is one finding, the others are none."""

from dataclasses import replace

import pytest

from greenplum_expansion.checks import host_system
from greenplum_expansion.checks.finding import Severity
from greenplum_expansion.checks.host_system import ClockFacts
from greenplum_expansion.checks.hosts import Account
from tests.unit.checks.hosts_seen import CLUSTER, GIB, cluster_of, filesystem, host, system

COMPARED = [
    host_system.check_system,
    host_system.check_architecture,
    host_system.check_locales,
    host_system.check_sort_order,
    host_system.check_memory,
    host_system.check_swap,
    host_system.check_processors,
    host_system.check_filesystem_type,
    host_system.check_mount_options,
    host_system.check_filesystem_size,
]


@pytest.mark.parametrize("check", COMPARED)
def test_a_host_like_the_others_has_no_finding(check):
    assert check(host("sdw3"), CLUSTER) == []


@pytest.mark.parametrize("check", COMPARED)
def test_a_cluster_whose_hosts_could_not_be_seen_is_no_measure(check):
    blind = replace(CLUSTER, hosts=(), locales=())
    assert check(host("sdw3"), blind) == []


@pytest.mark.parametrize(
    ("check", "new", "severity", "said"),
    [
        (
            host_system.check_system,
            system("sdw3", family=("ubuntu", "debian"), version="22.04", name="Ubuntu 22.04"),
            Severity.ERROR,
            "it runs Ubuntu 22.04, sdw1 Rocky Linux 9.4",
        ),
        (
            host_system.check_system,
            system("sdw3", version="8.9", name="Rocky Linux 8.9"),
            Severity.WARNING,
            "it runs Rocky Linux 8.9, sdw1 Rocky Linux 9.4",
        ),
        (
            host_system.check_architecture,
            system("sdw3", architecture="aarch64"),
            Severity.ERROR,
            "it is aarch64, sdw1 x86_64",
        ),
        (
            host_system.check_locales,
            system("sdw3", locales=("C", "POSIX")),
            Severity.ERROR,
            "it has no locale en_US.UTF-8, which databases of the cluster use",
        ),
        (
            host_system.check_sort_order,
            system("sdw3", libc="glibc 2.28"),
            Severity.WARNING,
            "it has glibc 2.28, sdw1 glibc 2.34; text in en_US.UTF-8 may sort differently",
        ),
        (
            host_system.check_memory,
            system("sdw3", memory_kb=128 * GIB),
            Severity.WARNING,
            "it has 128.0 GiB memory, sdw1 256.0 GiB. Remedy: use hosts of one size, or lower gp_vmem_protect_limit",
        ),
        (host_system.check_swap, system("sdw3", swap_kb=0), Severity.WARNING, "it has 0 B swap, sdw1 32.0 GiB"),
        (host_system.check_processors, system("sdw3", cpus=16), Severity.WARNING, "it has 16 processors, sdw1 32"),
        (
            host_system.check_filesystem_type,
            host("sdw3", filesystems=(filesystem("/data/primary", kind="btrfs"),)),
            Severity.WARNING,
            "new host sdw3, /data: it is btrfs, on existing hosts xfs",
        ),
        (
            host_system.check_filesystem_type,
            host("sdw3", filesystems=(filesystem("/data/primary", mount="/"),)),
            Severity.WARNING,
            "it would lie on the root filesystem, while existing segments lie on filesystems of their own (/data)",
        ),
        (
            host_system.check_mount_options,
            host("sdw3", filesystems=(filesystem("/data/primary", options=("rw", "nodev", "sync", "inode64")),)),
            Severity.WARNING,
            "its mount lacks noatime and has sync, unlike those of existing segments",
        ),
        (
            host_system.check_filesystem_size,
            host("sdw3", filesystems=(filesystem("/data/primary", size_kb=500 * GIB),)),
            Severity.WARNING,
            "it holds 500.0 GiB, the smallest of existing segments 1000.0 GiB",
        ),
    ],
)
def test_each_difference_is_one_finding(check, new, severity, said):
    found = check(new, CLUSTER)
    assert [finding.severity for finding in found] == [severity]
    assert said in str(found[0])
    assert found[0].remedy


def test_a_relative_of_the_same_family_and_release_passes():
    relative = system("sdw3", family=("rhel", "fedora"), version="9.2")
    assert [finding.severity for finding in host_system.check_system(relative, CLUSTER)] == [Severity.WARNING]
    assert host_system.check_system(system("sdw3", version="9.2"), CLUSTER) == []


def test_the_c_library_does_not_matter_where_text_sorts_by_bytes():
    cluster = replace(CLUSTER, locales=("C", "POSIX", "C.UTF-8"))
    assert host_system.check_sort_order(system("sdw3", libc="glibc 2.17"), cluster) == []


def test_equal_hardware_may_differ_by_a_little():
    assert host_system.check_memory(system("sdw3", memory_kb=250 * GIB), CLUSTER) == []


def test_the_smallest_existing_host_is_the_measure():
    cluster = cluster_of()
    cluster = replace(cluster, hosts=(*cluster.hosts[:2], system("sdw2", cpus=8), cluster.hosts[3]))
    assert host_system.check_processors(system("sdw3", cpus=8), cluster) == []


def test_a_coordinator_with_more_memory_is_no_measure():
    cluster = replace(CLUSTER, hosts=(system("mdw", memory_kb=999 * GIB), *CLUSTER.hosts[1:]))
    assert host_system.check_memory(host("sdw3"), cluster) == []


def test_directories_on_one_mount_are_told_once():
    both = (filesystem("/data/primary", kind="ext4"), filesystem("/data/mirror", kind="ext4"))
    assert len(host_system.check_filesystem_type(host("sdw3", filesystems=both), CLUSTER)) == 1
    assert host_system.check_mount_options(host("sdw3", filesystems=both), CLUSTER) == []


def test_a_user_that_is_missing_and_one_with_other_ids():
    missing = host_system.check_user(host("sdw3", account=None), "gpadmin")
    assert "the user gpadmin does not exist there" in str(missing[0])
    assert host_system.check_user_ids(host("sdw3", account=None), CLUSTER, "gpadmin") == []
    other = host_system.check_user_ids(host("sdw3", account=Account(1001, 1000, "gpadmin")), CLUSTER, "gpadmin")
    assert "gpadmin is uid 1001, gid 1000 there, uid 1000, gid 1000 on the coordinator" in str(other[0])
    assert host_system.check_user(host("sdw3"), "gpadmin") == []
    assert host_system.check_user_ids(host("sdw3"), CLUSTER, "gpadmin") == []


@pytest.mark.parametrize(
    ("ahead", "uncertainty", "severity", "said"),
    [
        (30.0, 0.1, Severity.ERROR, "its clock is 30.0 s ahead of the coordinator's"),
        (-1.5, 0.1, Severity.ERROR, "its clock is 1.5 s behind the coordinator's"),
        (0.2, 1.5, Severity.WARNING, "could not be compared: an answer took 3.0 s"),
    ],
)
def test_a_clock_that_differs(ahead, uncertainty, severity, said):
    found = host_system.check_clock(ClockFacts("sdw3", ahead, uncertainty))
    assert [finding.severity for finding in found] == [severity]
    assert said in str(found[0])


def test_a_difference_that_the_way_of_the_question_explains_is_none():
    assert host_system.check_clock(ClockFacts("sdw3", 1.05, 0.1)) == []
    assert host_system.check_clock(ClockFacts("sdw3", -0.9, 0.05)) == []
