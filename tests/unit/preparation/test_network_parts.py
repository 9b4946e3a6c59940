"""Firewall and time of a new host, from what real systems say about theirs."""

from __future__ import annotations

from greenplum_expansion.preparation import blocks
from greenplum_expansion.preparation.change import FileChange, StateChange
from greenplum_expansion.preparation.clock import plan_time, sources
from greenplum_expansion.preparation.firewall import openings, plan_firewall
from greenplum_expansion.request import FirewallChoice
from tests.unit.preparation import hosts
from tests.unit.preparation.hosts import changed, file_of, host, problems, situation, states_of

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


# As system-config-firewall of Red Hat wrote it: INPUT itself refuses nothing.
OWN_CHAIN = """-P INPUT ACCEPT
-P FORWARD DROP
-N RH-Firewall-1-INPUT
-N more
-A INPUT -j RH-Firewall-1-INPUT
-A RH-Firewall-1-INPUT -i lo -j ACCEPT
-A RH-Firewall-1-INPUT -p tcp -m tcp --dport 22 -j ACCEPT
-A RH-Firewall-1-INPUT -g more
-A more -j REJECT --reject-with icmp-host-prohibited
"""


def test_chains_to_which_input_leads_are_followed() -> None:
    saved = IPTABLES_SAVED.replace(
        "-A INPUT -j REJECT", "-A INPUT -j RH-Firewall-1-INPUT\n-A RH-Firewall-1-INPUT -j REJECT"
    )
    new = host("sdw3", {"/etc/sysconfig/iptables": saved}, iptables=OWN_CHAIN, sysctl=RANGE)
    plan = plan_firewall(situation(new))
    assert any("--dport 6000:6001" in subject for subject in states_of(plan))
    written = file_of(plan, "/etc/sysconfig/iptables").new
    assert written.index("--dport 6000:6001") < written.index("-j RH-Firewall-1-INPUT")


def test_chains_to_which_input_does_not_lead_refuse_nothing_that_comes_in() -> None:
    loop = "-A more -j RH-Firewall-1-INPUT"
    for rules in (
        OWN_CHAIN.replace("-A INPUT -j RH-Firewall-1-INPUT\n", ""),
        OWN_CHAIN.replace("-A more -j REJECT --reject-with icmp-host-prohibited", loop),
    ):
        assert plan_firewall(situation(host("sdw3", iptables=rules, sysctl=RANGE))).changes == ()


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
