"""Each part of the preparation, from what real systems say about themselves."""

from __future__ import annotations

import pytest

from greenplum_expansion.preparation import blocks
from greenplum_expansion.preparation.account import plan_account, read_account
from greenplum_expansion.preparation.block_devices import plan_block_devices
from greenplum_expansion.preparation.change import FileChange, PartPlan, StateChange
from greenplum_expansion.preparation.clock import plan_time, sources
from greenplum_expansion.preparation.directories import plan_directories
from greenplum_expansion.preparation.facts import Family, FileState, HostFacts, read_os_release
from greenplum_expansion.preparation.firewall import openings, plan_firewall
from greenplum_expansion.preparation.huge_pages import plan_huge_pages
from greenplum_expansion.preparation.kernel import OUR_FILE, assignments, plan_kernel, values_at_boot
from greenplum_expansion.preparation.limits import effective, plan_limits
from greenplum_expansion.preparation.login import plan_login
from greenplum_expansion.preparation.names import plan_hostname, plan_hosts, plan_hosts_file
from greenplum_expansion.preparation.selinux import plan_selinux
from greenplum_expansion.preparation.software import plan_software
from greenplum_expansion.request import FirewallChoice, SoftwareSource
from tests.unit.preparation import hosts
from tests.unit.preparation.hosts import changed, host, situation, text_of


def file_of(plan: PartPlan, path: str) -> FileChange:
    return next(change for change in plan.changes if isinstance(change, FileChange) and change.path == path)


def states_of(plan: PartPlan) -> dict[str, StateChange]:
    return {change.subject: change for change in plan.changes if isinstance(change, StateChange)}


def problems(plan: PartPlan) -> str:
    return " ".join(map(str, plan.findings))


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


# --- firewall --------------------------------------------------------------------------------------------------------

RANGE = "net.ipv4.ip_local_port_range 10000 65535\n"


def test_the_clusters_ports_are_opened_ranges_joined() -> None:
    found = openings(situation(host("sdw3", sysctl=RANGE)))
    assert [(one.protocol, one.first, one.last) for one in found] == [
        ("tcp", 22, 22), ("tcp", 5432, 5432), ("tcp", 6000, 6001), ("tcp", 7000, 7000), ("tcp", 10000, 65535),
        ("udp", 10000, 65535),
    ]  # fmt: skip


def test_ufw_gets_rules_it_does_not_have() -> None:
    said = {"ufw": "Status: active\n", "sysctl": RANGE}
    plan = plan_firewall(situation(host("sdw3", **said)))
    assert len(plan.changes) == 3 * 6
    one = states_of(plan)["ufw: allow from 10.0.0.1 to any port 6000:6001 proto tcp"]
    assert one.undo == "ufw delete allow from 10.0.0.1 to any port 6000:6001 proto tcp"
    added = "".join(f"{change.do}\n" for change in plan.changes if isinstance(change, StateChange))
    assert plan_firewall(situation(host("sdw3", ufw_added=added, **said))).changes == ()


IPTABLES_SAVED = """# sample configuration for iptables service
*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [0:0]
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -p tcp -m state --state NEW -m tcp --dport 22 -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
COMMIT
"""
IPTABLES_LIVE = """-P INPUT ACCEPT
-A INPUT -m state --state RELATED,ESTABLISHED -j ACCEPT
-A INPUT -j REJECT --reject-with icmp-host-prohibited
"""


def test_iptables_rules_come_before_the_one_that_refuses_live_and_saved() -> None:
    new = host("sdw3", {"/etc/sysconfig/iptables": IPTABLES_SAVED}, iptables=IPTABLES_LIVE, sysctl=RANGE)
    plan = plan_firewall(situation(new))
    saved = file_of(plan, "/etc/sysconfig/iptables").new
    assert saved.index("--dport 6000:6001") < saved.index("-j REJECT")
    assert saved.startswith("# sample configuration for iptables service\n*filter\n:INPUT ACCEPT [0:0]\n")
    rules = "".join(f"-A {change.subject.removeprefix('iptables: ')}\n" for change in states_of(plan).values())
    after = changed(new, {"/etc/sysconfig/iptables": saved}, iptables=IPTABLES_LIVE + rules)
    assert plan_firewall(situation(after)).changes == ()


def test_rules_made_with_nft_are_told_rather_than_guessed_at() -> None:
    nft = "table inet filter {\n\tchain input {\n\t\ttype filter hook input priority filter; policy drop;\n\t}\n}\n"
    plan = plan_firewall(situation(host("sdw3", nft=nft, sysctl=RANGE)))
    assert plan.changes == ()
    assert "tcp 6000-6001" in problems(plan)


def test_a_firewall_is_left_or_switched_off_as_asked() -> None:
    new = host("sdw3", units="firewalld|enabled|active\n")
    assert plan_firewall(situation(new, firewall=FirewallChoice.LEAVE)).changes == ()
    off = states_of(plan_firewall(situation(new, firewall=FirewallChoice.OFF)))["service firewalld"]
    assert off.undo == "systemctl enable firewalld.service && systemctl start firewalld.service"


# --- time ------------------------------------------------------------------------------------------------------------


def test_chrony_is_pointed_to_the_coordinators_sources_instead_of_a_pool() -> None:
    new = host("sdw3", {"/etc/chrony.conf": hosts.CHRONY_RHEL8}, units="chronyd|enabled|active\n")
    change = file_of(plan_time(situation(new)), "/etc/chrony.conf")
    assert "# greenplum-expansion: pool 2.rhel.pool.ntp.org iburst\n" in change.new
    assert blocks.inside(change.new) == ["server ntp1.example.com iburst", "server ntp2.example.com iburst"]
    assert change.then.startswith("systemctl try-restart chronyd.service")
    assert plan_time(situation(changed(new, {"/etc/chrony.conf": change.new}))).changes == ()


def test_ntpd_is_enabled_and_started_if_it_is_what_there_is() -> None:
    new = host("sdw3", {"/etc/ntp.conf": hosts.NTP_CENTOS7}, units="ntpd|disabled|inactive\n")
    plan = plan_time(situation(new))
    text = file_of(plan, "/etc/ntp.conf").new
    assert "# greenplum-expansion: server 0.centos.pool.ntp.org iburst\n" in text
    assert "restrict default nomodify notrap nopeer noquery\n" in text
    assert states_of(plan)["service ntpd"].undo == "systemctl disable ntpd.service && systemctl stop ntpd.service"


def test_timesyncd_gets_a_file_of_ours() -> None:
    new = host("sdw3", {"/etc/systemd/timesyncd.conf": hosts.TIMESYNCD}, units="systemd-timesyncd|enabled|active\n")
    change = plan_time(situation(new)).changes[0]
    assert change.subject == "/etc/systemd/timesyncd.conf.d/99-greenplum-expansion.conf"
    assert isinstance(change, FileChange)
    assert list(sources(changed(new, {change.path: change.new}))) == ["ntp1.example.com", "ntp2.example.com"]


def test_a_host_without_any_such_program_is_told_and_left() -> None:
    assert "install chrony" in problems(plan_time(situation(host("sdw3"))))
    no_source = situation(host("sdw3"), coordinator=host("mdw"))
    assert "mdw: time" in problems(plan_time(no_source))


def test_local_clocks_are_no_source() -> None:
    assert "127.127.1.0" not in sources(host("x", {"/etc/ntp.conf": hosts.NTP_CENTOS7}))


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


# --- account, directories, software ----------------------------------------------------------------------------------


def test_group_user_and_key_are_made_with_the_coordinators_ids() -> None:
    plan = plan_account(situation(host("sdw3", account="")))
    subjects = list(states_of(plan))
    assert subjects == ["group gpadmin", "user gpadmin", "key of the connection in /home/gpadmin/.ssh/authorized_keys"]
    assert "useradd -u 530 -g 530 -M -d /home/gpadmin -s /bin/bash -p '*' gpadmin" in states_of(plan)["user gpadmin"].do
    assert "rm -rf -- /home/gpadmin" in states_of(plan)["user gpadmin"].undo


def test_a_home_that_was_there_before_is_never_removed() -> None:
    plan = plan_account(situation(host("sdw3", account="home there\n")))
    assert states_of(plan)["user gpadmin"].undo == "userdel gpadmin"


READY = """user_by_name gpadmin:x:530:530::/home/gpadmin:/bin/bash
user_by_id gpadmin:x:530:530::/home/gpadmin:/bin/bash
group_by_name gpadmin:x:530:
group_by_id gpadmin:x:530:
home there
"""


def test_an_account_that_is_as_it_should_be_is_left_alone() -> None:
    assert plan_account(situation(host("sdw3", account=READY, authorized_keys="ssh-ed25519 AAAAC3Nz x"))).changes == ()
    assert list(states_of(plan_account(situation(host("sdw3", account=READY))))) == [
        "key of the connection in /home/gpadmin/.ssh/authorized_keys"
    ]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("user_by_id oracle:x:530:54321::/home/oracle:/bin/bash\n", "user id 530: it belongs to user oracle"),
        ("group_by_id dba:x:530:\n", "group id 530: it belongs to group dba"),
        (READY.replace("530:530", "1001:530"), "its ids are 1001:530, on the coordinator 530:530"),
        (READY.replace("gpadmin:x:530:\n", "gpadmin:x:1001:\n"), "its id is 1001, on the coordinator 530"),
    ],
)
def test_ids_that_are_taken_or_differ_are_for_a_person_to_decide(answer: str, said: str) -> None:
    plan = plan_account(situation(host("sdw3", account=answer)))
    assert said in problems(plan)
    assert not any(change.subject.startswith(("user", "key")) for change in plan.changes)


def test_the_coordinators_account_is_read_from_getent() -> None:
    text = "gpadmin:x:530:531:Greenplum:/home/gpadmin:/bin/bash\ngp:x:531:\n"
    account = read_account(text)
    assert account is not None
    assert (account.group, account.uid, account.gid) == ("gp", 530, 531)
    assert read_account("") is None


def test_directories_are_made_one_by_one_and_empty_ones_handed_over() -> None:
    said = "directory 0:0 full /data\nabsent - empty /data/primary\ndirectory 0:0 empty /data/mirror\n"
    plan = plan_directories(situation(host("sdw3", directories=said)))
    assert list(states_of(plan)) == ["directory /data/primary", "owner of directory /data/mirror"]
    assert states_of(plan)["directory /data/primary"].undo == "rmdir -- /data/primary"


def test_a_directory_of_somebody_else_with_files_in_it_is_left_alone() -> None:
    said = "directory 0:0 full /data\ndirectory 54321:54321 full /data/primary\nother - full /data/mirror\n"
    plan = plan_directories(situation(host("sdw3", directories=said)))
    assert plan.changes == ()
    assert "is not empty" in problems(plan)
    assert "not a directory" in problems(plan)


def test_software_that_is_missing_is_copied_and_linked() -> None:
    plan = plan_software(situation(host("sdw3", software="")))
    assert list(states_of(plan)) == ["Greenplum at /usr/local/greenplum-db-6.24.3", "link /usr/local/greenplum-db"]


def test_software_of_another_version_is_not_replaced() -> None:
    said = "real /usr/local/greenplum-db-6.20.0\nowner 530:530\nversion postgres (Greenplum Database) 6.20.0\n"
    plan = plan_software(situation(host("sdw3", software=said)))
    assert plan.changes == ()
    assert "6.20.0" in problems(plan)
    right = said.replace("postgres (Greenplum Database) 6.20.0", hosts.VERSION)
    assert plan_software(situation(host("sdw3", software=right))) == PartPlan(part="software")


@pytest.mark.parametrize(
    ("package", "words"), [("/tmp/gp.rpm", "dnf install -y"), ("/tmp/gp.deb", "apt-get install -y")]
)
def test_a_package_is_installed_by_the_distributions_own_program(package: str, words: str) -> None:
    one = situation(host("sdw3", software=""), software_source=SoftwareSource.PACKAGE, software_package=package)
    change = next(iter(states_of(plan_software(one)).values()))
    assert words in change.do
    assert change.undo


def test_files_that_may_not_be_read_are_not_taken_for_absent() -> None:
    hidden = HostFacts(
        "sdw3", {"/etc/ssh/sshd_config": FileState(None, 0o600), "/etc/hosts": FileState(None)}, {}, False
    )
    assert plan_login(situation(hidden)).changes == ()
    assert "only root" in problems(plan_login(situation(hidden)))
    assert "cannot be read" in problems(plan_hosts_file(hidden, ADDRESSES))
