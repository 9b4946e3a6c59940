"""Each part of the preparation, from what real systems say about themselves."""

from __future__ import annotations

import pytest

from greenplum_expansion.preparation import blocks
from greenplum_expansion.preparation.block_devices import plan_block_devices
from greenplum_expansion.preparation.change import FileChange
from greenplum_expansion.preparation.facts import Family, read_os_release
from greenplum_expansion.preparation.huge_pages import plan_huge_pages
from greenplum_expansion.preparation.kernel import OUR_FILE, assignments, plan_kernel, values_at_boot
from greenplum_expansion.preparation.limits import effective, plan_limits
from greenplum_expansion.preparation.login import plan_login
from greenplum_expansion.preparation.names import names_in, plan_hostname, plan_hosts, plan_hosts_file
from greenplum_expansion.preparation.selinux import plan_selinux
from tests.unit.preparation import hosts
from tests.unit.preparation.hosts import changed, file_of, host, problems, situation, states_of, text_of


@pytest.mark.parametrize(
    ("name", "family", "release"),
    [
        ("rhel7", Family.REDHAT, 7),
        ("centos7", Family.REDHAT, 7),
        ("rocky8", Family.REDHAT, 8),
        ("ol8", Family.REDHAT, 8),
        ("rhel9", Family.REDHAT, 9),
        ("ubuntu22", Family.DEBIAN, 22),
        ("debian12", Family.DEBIAN, 12),
        ("sles15", Family.OTHER, 15),
    ],
)
def test_a_distribution_is_known_by_its_os_release(name: str, family: Family, release: int) -> None:
    system = read_os_release(hosts.OS_RELEASES[name])
    assert (system.family, system.release) == (family, release)


# --- kernel parameters -----------------------------------------------------------------------------------------------

DELIVERED = host("sdw3", sysctl=text_of(hosts.SYSCTL_RHEL8), memory=hosts.MEMORY_128G)


def test_what_differs_from_the_existing_hosts_is_set_live_and_for_the_next_boot() -> None:
    plan = plan_kernel(situation(DELIVERED))
    live = {name.removeprefix("kernel parameter "): change for name, change in states_of(plan).items()}
    assert live["vm.swappiness"].old == "60"
    assert live["vm.swappiness"].new == "10"
    assert live["vm.swappiness"].undo == "sysctl -q -w vm.swappiness=60"
    assert live["net.ipv4.ip_local_port_range"].new == "10000 65535"
    assert live["vm.dirty_bytes"].new == "4294967296"
    assert "vm.dirty_ratio" not in live, "of a ratio and its bytes only one is in force"
    written = dict(assignments(file_of(plan, OUR_FILE).new))
    assert set(written) == set(live)


def test_more_shared_memory_than_needed_is_kept() -> None:
    live = states_of(plan_kernel(situation(DELIVERED)))
    assert not {"kernel parameter kernel.shmall", "kernel parameter kernel.sem"} & set(live)


def test_what_depends_on_memory_is_computed_from_the_hosts_own() -> None:
    small = changed(
        DELIVERED,
        memory="pages 4194304\npage_size 4096\n",
        sysctl=text_of({**hosts.SYSCTL_RHEL8, "kernel.shmall": "100"}),
    )
    live = states_of(plan_kernel(situation(small)))
    assert live["kernel parameter kernel.shmall"].new == str(4194304 // 2)
    assert live["kernel parameter vm.min_free_kbytes"].new == str(16 * 1024 * 1024 * 3 // 100)
    assert live["kernel parameter vm.dirty_ratio"].new == "10", "below 64 GB ratios, whatever larger hosts have"
    assert "kernel parameter vm.dirty_bytes" not in live


def test_existing_hosts_that_differ_are_told_and_the_guide_decides() -> None:
    odd = changed(hosts.member("sdw2"), sysctl=text_of({**hosts.SYSCTL_GREENPLUM, "vm.swappiness": "1"}))
    plan = plan_kernel(situation(DELIVERED, existing=(hosts.member("sdw1"), odd)))
    assert states_of(plan)["kernel parameter vm.swappiness"].new == "10"
    assert "sdw1: 10, sdw2: 1" in problems(plan)


def test_a_line_that_would_win_at_boot_is_commented_out() -> None:
    files = {"/etc/sysctl.conf": "# mine\nvm.swappiness=60\nnet.core.somaxconn = 9\n"}
    plan = plan_kernel(situation(changed(DELIVERED, files)))
    assert (
        file_of(plan, "/etc/sysctl.conf").new
        == f"# mine\n# vm.swappiness=60  # see {OUR_FILE}\nnet.core.somaxconn = 9\n"
    )


def test_right_values_that_a_file_would_undo_at_boot_are_not_ready() -> None:
    right = changed(
        DELIVERED, {"/etc/sysctl.d/50-x.conf": "vm.swappiness = 60\n"}, sysctl=text_of(hosts.SYSCTL_GREENPLUM)
    )
    plan = plan_kernel(situation(right))
    assert [change.subject for change in plan.changes] == [OUR_FILE]
    assert plan_kernel(situation(changed(right, {OUR_FILE: file_of(plan, OUR_FILE).new}))).changes == ()


def test_files_count_in_the_order_of_systemd() -> None:
    files = {
        "/usr/lib/sysctl.d/50-default.conf": "kernel.sysrq = 16\nvm.swappiness = 1\n",
        "/etc/sysctl.d/50-default.conf": "kernel.sysrq = 1\n",  # hides the other as a whole
        "/etc/sysctl.d/99-last.conf": "-net/ipv4/tcp_syncookies = 0\n; comment\nvm.swappiness=5",
    }
    boot = values_at_boot(host("x", files))
    assert boot == {
        "kernel.sysrq": ("1", "/etc/sysctl.d/50-default.conf"),
        "net.ipv4.tcp_syncookies": ("0", "/etc/sysctl.d/99-last.conf"),
        "vm.swappiness": ("5", "/etc/sysctl.d/99-last.conf"),
    }


# --- limits ----------------------------------------------------------------------------------------------------------


def test_limits_are_written_for_the_user_and_the_distributions_own_file_is_raised() -> None:
    path = "/etc/security/limits.d/20-nproc.conf"
    new = host("sdw3", {path: hosts.LIMITS_20_NPROC}, nr_open="1048576")
    plan = plan_limits(situation(new))
    ours = file_of(plan, "/etc/security/limits.d/99-greenplum-expansion.conf").new
    assert "gpadmin  hard  nofile  524288\n" in ours
    assert "*          soft    nproc     131072\n" in file_of(plan, path).new
    assert "root       soft    nproc     unlimited\n" in file_of(plan, path).new


def test_more_open_files_than_the_kernel_allows_would_shut_the_user_out() -> None:
    plan = plan_limits(situation(host("sdw3", nr_open="65536")))
    assert "nofile  65536" in plan.diff()
    assert "fs.nr_open is 65536" in problems(plan)


@pytest.mark.parametrize(
    ("lines", "soft"),
    [
        ("* soft nofile 10\ngpadmin soft nofile 20\n* soft nofile 30\n", 20),
        ("@gpadmin - nofile 15\n* soft nofile 30\n", 15),
        ("* soft nofile 10\n* soft nofile 30\n", 30),
        ("gpadmin soft nofile unlimited\n", 2**63),
        ("root soft nofile 5\n# * soft nofile 6\n* soft nofile many\n", None),
        ("530 soft nofile 7\n", 7),
    ],
)
def test_limits_are_read_as_pam_reads_them(lines: str, soft: int | None) -> None:
    found = effective(host("x", {"/etc/security/limits.conf": lines}), hosts.GPADMIN)
    assert found.get(("soft", "nofile")) == soft


# --- names -----------------------------------------------------------------------------------------------------------

ADDRESSES = {"mdw": "10.0.0.1", "sdw3": "10.0.0.13"}


def test_only_names_that_nothing_else_knows_are_entered() -> None:
    new = host("sdw3", {"/etc/hosts": "127.0.0.1 localhost\n"}, resolves="mdw 10.0.0.1 \nsdw3 \n")
    plan = plan_hosts_file(new, ADDRESSES)
    assert blocks.inside(file_of(plan, "/etc/hosts").new) == ["10.0.0.13\tsdw3"]
    assert file_of(plan, "/etc/hosts").new.startswith("127.0.0.1 localhost\n")


def test_a_name_at_a_loopback_address_leads_nobody_else_to_the_host() -> None:
    text = "127.0.0.1\tlocalhost\n127.0.1.1\tsdw3.example.com sdw3 # installer\n"
    new = host("sdw3", {"/etc/hosts": text}, resolves="mdw 10.0.0.1\nsdw3 127.0.1.1\n")
    changed_text = file_of(plan_hosts_file(new, ADDRESSES), "/etc/hosts").new
    assert "127.0.1.1\tsdw3.example.com  # installer\n" in changed_text
    assert blocks.inside(changed_text) == ["10.0.0.13\tsdw3"]


def test_a_name_that_leads_elsewhere_is_for_a_person_to_decide() -> None:
    by_file = host("sdw3", {"/etc/hosts": "10.9.9.9 mdw\n10.0.0.13 sdw3\n"}, resolves="mdw 10.9.9.9\nsdw3 10.0.0.13\n")
    by_dns = host("sdw3", {"/etc/hosts": ""}, resolves="mdw 10.9.9.9\nsdw3 10.0.0.13\n")
    for new in (by_file, by_dns):
        plan = plan_hosts_file(new, ADDRESSES)
        assert plan.changes == ()
        assert "10.9.9.9" in problems(plan)


def test_an_entered_name_stays_entered_and_a_second_look_changes_nothing() -> None:
    new = host("sdw3", {"/etc/hosts": "127.0.0.1 localhost\n"}, resolves="mdw \nsdw3 127.0.1.1\n")
    text = file_of(plan_hosts(situation(new, addresses=ADDRESSES)), "/etc/hosts").new
    after = changed(new, {"/etc/hosts": text}, resolves="mdw 10.0.0.1\nsdw3 10.0.0.13\n")
    assert plan_hosts_file(after, ADDRESSES).changes == ()
    # A host more: the block grows where it stands.
    grown = plan_hosts_file(
        changed(after, resolves=after.said["resolves"] + "sdw4 \n"), {**ADDRESSES, "sdw4": "10.0.0.14"}
    )
    assert blocks.inside(file_of(grown, "/etc/hosts").new)[-1] == "10.0.0.14\tsdw4"
    assert file_of(grown, "/etc/hosts").new.count(blocks.BEGIN) == 1


def test_a_later_expansion_leaves_the_names_that_an_earlier_one_has_entered() -> None:
    first = {"sdw3": "10.0.0.13", "sdw4": "10.0.0.14"}
    old = host("sdw1", {"/etc/hosts": "127.0.0.1 localhost\n"}, resolves="sdw3 \nsdw4 \n")
    after_first = file_of(plan_hosts_file(old, first), "/etc/hosts").new
    second = {"sdw5": "10.0.0.15"}
    unknown = changed(old, {"/etc/hosts": after_first}, resolves="sdw5 \n")
    grown = file_of(plan_hosts_file(unknown, second), "/etc/hosts").new
    assert names_in(grown) == {**names_in(after_first), "sdw5": {"10.0.0.15"}}
    # A name server that knows the newest host says nothing about the others.
    assert plan_hosts_file(changed(unknown, resolves="sdw5 10.0.0.15\n"), second).changes == ()


def test_a_host_of_an_earlier_expansion_keeps_the_names_of_the_whole_cluster() -> None:
    everybody = {"mdw": "10.0.0.1", "sdw1": "10.0.0.11", "sdw1-1": "10.0.0.11", "sdw3": "10.0.0.13"}
    text = file_of(plan_hosts_file(host("sdw3", {"/etc/hosts": ""}, resolves=""), everybody), "/etc/hosts").new
    old = host("sdw3", {"/etc/hosts": text}, resolves="sdw5 \n")
    grown = file_of(plan_hosts_file(old, {"sdw5": "10.0.0.15"}), "/etc/hosts").new
    assert blocks.inside(grown) == [*blocks.inside(text), "10.0.0.15\tsdw5"]
    # The address of a name that is asked about is corrected, and the name beside it stays.
    moved = plan_hosts_file(changed(old, resolves="sdw1 10.0.0.11\n"), {"sdw1": "10.0.0.99"})
    assert names_in(file_of(moved, "/etc/hosts").new)["sdw1"] == {"10.0.0.99"}
    assert names_in(file_of(moved, "/etc/hosts").new)["sdw1-1"] == {"10.0.0.11"}


def test_a_host_keeps_its_domain_and_cloud_init_keeps_its_hands_off() -> None:
    assert (
        plan_hostname(
            situation(host("sdw3", {"/etc/hostname": "sdw3.example.com\n"}, hostname="sdw3.example.com"))
        ).changes
        == ()
    )
    plan = plan_hostname(
        situation(host("sdw3", {"/etc/hostname": "ip-10\n", "/etc/cloud/cloud.cfg": ""}, hostname="ip-10"))
    )
    assert file_of(plan, "/etc/hostname").new == "sdw3\n"
    assert file_of(plan, "/etc/cloud/cloud.cfg.d/99-greenplum-expansion.cfg").new == "preserve_hostname: true\n"
    assert states_of(plan)["name of the host"].do == "hostname -- sdw3"


def test_a_host_known_by_its_address_only_is_not_called_that() -> None:
    facts = host("10.0.0.23", {"/etc/hostname": "web7\n"}, hostname="web7")
    assert plan_hostname(situation(facts)).changes == ()


# --- huge pages, SELinux ---------------------------------------------------------------------------------------------


def test_huge_pages_are_switched_off_by_grubby_where_there_is_one() -> None:
    plan = plan_huge_pages(situation(host("sdw3", huge_pages="[always] madvise never", grub_arguments='"ro quiet"')))
    subjects = list(states_of(plan))
    assert subjects == ["kernel argument transparent_hugepage, for the next boot", "transparent huge pages"]
    assert states_of(plan)[subjects[0]].undo.endswith("--remove-args=transparent_hugepage")
    assert not any(change.needs_reboot for change in plan.changes)


def test_huge_pages_are_switched_off_by_tmpfiles_elsewhere() -> None:
    plan = plan_huge_pages(situation(host("sdw3", huge_pages="always [madvise] never")))
    path = "/etc/tmpfiles.d/greenplum-expansion.conf"
    assert file_of(plan, path).new.endswith("enabled - - - - never\n")
    after = host("sdw3", {path: file_of(plan, path).new}, huge_pages="always madvise [never]")
    assert plan_huge_pages(situation(after)).changes == ()


SELINUX_CONFIG = "# This file controls the state of SELinux\nSELINUX=enforcing\nSELINUXTYPE=targeted\n"


def test_selinux_is_disabled_as_on_the_existing_hosts_which_needs_a_reboot() -> None:
    files = {"/etc/selinux/config": SELINUX_CONFIG, "/etc/os-release": hosts.OS_RELEASES["centos7"]}
    plan = plan_selinux(situation(host("sdw3", files, selinux="Enforcing")))
    change = file_of(plan, "/etc/selinux/config")
    assert "SELINUX=disabled\nSELINUXTYPE=targeted\n" in change.new
    assert change.needs_reboot
    assert states_of(plan)["SELinux"].new == "permissive"


def test_selinux_cannot_be_disabled_by_its_file_from_red_hat_9_on() -> None:
    files = {"/etc/selinux/config": SELINUX_CONFIG, "/etc/os-release": hosts.OS_RELEASES["rhel9"]}
    plan = plan_selinux(situation(host("sdw3", files, selinux="Enforcing")))
    assert "SELINUX=permissive" in file_of(plan, "/etc/selinux/config").new
    assert not any(change.needs_reboot for change in plan.changes)


def test_selinux_is_never_tightened() -> None:
    strict = tuple(changed(hosts.member(name), selinux="Enforcing") for name in ("sdw1", "sdw2"))
    plan = plan_selinux(
        situation(host("sdw3", {"/etc/selinux/config": "SELINUX=permissive\n"}, selinux="Permissive"), existing=strict)
    )
    assert plan.changes == ()
    assert "left so" in problems(plan)


# --- login -----------------------------------------------------------------------------------------------------------


def test_sshd_gets_a_drop_in_file_if_it_includes_such() -> None:
    new = host("sdw3", {"/etc/ssh/sshd_config": hosts.SSHD_UBUNTU}, units="ssh|enabled|active\n")
    change = file_of(plan_login(situation(new)), "/etc/ssh/sshd_config.d/00-greenplum-expansion.conf")
    assert change.new.endswith("MaxStartups 200:30:400\nMaxSessions 200\n")
    assert (change.check, change.then) == ("sshd -t", "systemctl reload ssh.service")
    assert plan_login(situation(changed(new, {change.path: change.new}))).changes == ()


def test_sshd_gets_a_block_at_the_top_otherwise_since_its_first_word_counts() -> None:
    new = host("sdw3", {"/etc/ssh/sshd_config": hosts.SSHD_CENTOS7}, units="sshd|enabled|active\n")
    text = file_of(plan_login(situation(new)), "/etc/ssh/sshd_config").new
    assert text.startswith(blocks.BEGIN)
    assert text.endswith(hosts.SSHD_CENTOS7)
    assert plan_login(situation(changed(new, {"/etc/ssh/sshd_config": text}))).changes == ()


def test_what_sshd_itself_says_counts_more_than_its_file() -> None:
    said = "maxstartups 500:30:600\nmaxsessions 300\n"
    assert plan_login(situation(host("sdw3", {"/etc/ssh/sshd_config": ""}, sshd=said))).changes == ()


def test_logind_is_told_to_leave_shared_memory_alone() -> None:
    new = host(
        "sdw3", {"/etc/systemd/logind.conf": "[Login]\n#RemoveIPC=yes\n"}, units="systemd-logind|static|active\n"
    )
    change = plan_login(situation(new)).changes[0]
    assert isinstance(change, FileChange)
    assert "RemoveIPC=no" in change.new
    assert plan_login(situation(changed(new, {change.path: change.new}))).changes == ()


# --- disks -----------------------------------------------------------------------------------------------------------


def test_disks_read_ahead_and_schedule_as_the_existing_ones() -> None:
    plan = plan_block_devices(
        situation(host("sdw3", disks="sdb|128|noop [cfq] deadline|1\nnvme0n1|128|[none] mq-deadline|0\n"))
    )
    live = states_of(plan)
    assert live["disk sdb: scheduler"].new == "deadline"
    assert live["disk nvme0n1: read_ahead_kb"].new == "8192"
    assert "disk nvme0n1: scheduler" not in live
    rules = file_of(plan, "/etc/udev/rules.d/99-greenplum-expansion.rules").new
    assert 'KERNEL=="sdb", ATTR{bdi/read_ahead_kb}="8192", ATTR{queue/scheduler}="deadline"\n' in rules


def test_names_of_devices_that_are_none_are_not_believed() -> None:
    assert plan_block_devices(situation(host("sdw3", disks="sdb;reboot|128|[none]|0\n"))).changes == ()
