"""Hosts that disagree about each other, with nearly everything wrong between them at once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from greenplum_expansion.checks.finding import Finding
from tests.support.new_host_checks import ASKED, UNPREPARED, NewHostChecks, as_root, of
from tests.support.practice import Practice

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("cluster")]

GPHOME = "/usr/local/greenplum-db"
# Rules before the one for the host's own addresses: packets of others are dropped without a word, as a firewall does.
FIREWALL = """
ip rule add pref 100 lookup local
ip rule del pref 0
ip rule add pref 50 from 10.77.0.21 ipproto tcp dport 6000-6999 blackhole
ip rule add pref 51 from 10.77.0.22 ipproto udp blackhole
"""
NO_FIREWALL = """
ip rule add pref 0 lookup local
ip rule del pref 100
ip rule del pref 50
ip rule del pref 51
"""
HIDE_PYTHON = """
type -aP python3 python python2 | xargs -rn 1 readlink -f | sort -u >/var/tmp/pythons || true
while read -r python; do mount --bind /dev/null "$python"; done </var/tmp/pythons
"""
SHOW_PYTHON = 'while read -r python; do umount "$python"; done </var/tmp/pythons'
BOOT_ID = "/proc/sys/kernel/random/boot_id"
MACHINE_ID = "echo 0123456789abcdef0123456789abcdef >/etc/machine-id"
KEEP_NAMES, BACK = "cp /etc/hosts /var/tmp/hosts", "cp /var/tmp/hosts /etc/hosts"


@pytest.fixture(scope="class")
def at_odds(cluster: Practice) -> Iterator[list[Finding]]:
    """What is found of sdw3, of sdw4, which shows the same kernel, and of twin, which is sdw3 once more."""
    kernels = {host: as_root(cluster, host, f"cat {BOOT_ID}").strip() for host in ("sdw3", "sdw4")}
    astray = r"s/.*\tsmdw$/10.77.0.99\tsmdw/; s/.*\tsdw4$/127.0.1.1\tsdw4/"
    do = {
        "mdw": f"{KEEP_NAMES}\nsed -i '/sdw3$/d' /etc/hosts\necho 10.77.0.98 twin >>/etc/hosts",
        "sdw1": MACHINE_ID,
        "sdw2": f"{KEEP_NAMES}\nsed -i '/sdw4$/d' /etc/hosts",
        "sdw3": f"ip addr add 10.77.0.99/24 dev eth0\n{FIREWALL}",
        "sdw4": f"{KEEP_NAMES}\nsed -i '{astray}' /etc/hosts\n{MACHINE_ID}\necho {kernels['sdw3']} >{BOOT_ID}\n"
        f"mount -t tmpfs none {GPHOME}\n{HIDE_PYTHON}",
    }
    undo = {
        "mdw": BACK,
        "sdw1": "rm /etc/machine-id",
        "sdw2": BACK,
        "sdw3": f"ip addr del 10.77.0.99/24 dev eth0\n{NO_FIREWALL}",
        "sdw4": f"{BACK}\nrm /etc/machine-id\necho {kernels['sdw4']} >{BOOT_ID}\numount {GPHOME}\n{SHOW_PYTHON}",
    }
    for host, script in do.items():
        as_root(cluster, host, script)
    try:
        checks = NewHostChecks({**UNPREPARED, "new_hosts": [*ASKED["new_hosts"], "twin=10.77.0.99"]})
        found = checks.places()
        for host in ("sdw3", "sdw4", "twin"):
            found += checks.host(host)
        yield found + checks.network()
    finally:
        for host, script in undo.items():
            as_root(cluster, host, script)


class TestHostsAtOdds:
    @pytest.mark.proves("new-host-name")
    def test_the_coordinator_does_not_know_a_name(self, at_odds):
        assert of(at_odds, "new-host-name").subject == "new host sdw3"

    @pytest.mark.proves("new-host-name-right")
    def test_a_name_leads_the_coordinator_to_another_machine(self, at_odds):
        found = str(of(at_odds, "new-host-name-right"))
        assert "new host twin: its name leads the coordinator to 10.77.0.98, but the host reached has " in found

    @pytest.mark.proves("names-resolve-equally", "names-known-everywhere")
    def test_hosts_find_different_machines_behind_a_name(self, at_odds):
        names = sorted(str(found) for found in at_odds if found.check.startswith("names-"))
        assert [name.partition(". Remedy")[0] for name in names] == [
            "ERROR name sdw4: sdw2 cannot resolve it, the coordinator finds 10.77.0.24",
            "ERROR name smdw: sdw4 finds 10.77.0.99 for it, but it has 10.77.0.11",
            "ERROR name twin: sdw1, sdw2, smdw, sdw3, sdw4 cannot resolve it, the coordinator finds 10.77.0.98",
        ]

    @pytest.mark.proves("own-name-not-loopback")
    def test_a_host_finds_loopback_under_its_own_name(self, at_odds):
        assert "on sdw4 itself it leads to 127.0.1.1" in str(of(at_odds, "own-name-not-loopback"))

    @pytest.mark.proves("new-hosts-distinct")
    def test_two_names_of_one_machine(self, at_odds):
        found = of(at_odds, "new-hosts-distinct")
        assert "new hosts sdw3 and twin: both names lead to one machine (10.77.0.23, 10.77.0.99)" in str(found)

    @pytest.mark.proves("new-hosts-fail-alone")
    def test_containers_of_one_kernel(self, at_odds):
        assert "sdw3, sdw4, twin run on one kernel" in str(of(at_odds, "new-hosts-fail-alone"))

    @pytest.mark.proves("new-host-machine-id")
    def test_copies_of_one_image(self, at_odds):
        assert "sdw4, sdw1 have one machine id" in str(of(at_odds, "new-host-machine-id"))

    @pytest.mark.proves("ports-reachable")
    def test_a_firewall_before_the_ports_of_segments(self, at_odds):
        # One of sdw3 and its twin has opened the ports first.
        found = of(at_odds, "ports-reachable")
        assert found.subject in ("network from sdw1 to sdw3", "network from sdw1 to twin")
        assert found.problem == "TCP does not get through at port 6000, 6001 (no answer)"

    @pytest.mark.proves("interconnect-reachable")
    def test_a_firewall_that_knows_nothing_of_the_interconnect(self, at_odds):
        said = {str(found).partition(" (")[0] for found in at_odds if found.check == "interconnect-reachable"}
        # The echo comes back from 10.77.0.22, too: a datagram is lost in either direction.
        assert said == {
            "ERROR network from sdw2 to sdw3: UDP does not get through",
            "ERROR network from sdw2 to twin: UDP does not get through",
            "ERROR network from sdw3 to sdw2: UDP does not get through",
            "ERROR network from twin to sdw2: UDP does not get through",
        }

    @pytest.mark.proves("network-tested")
    def test_a_host_without_python_is_said_to_be_untested(self, at_odds):
        assert "network of sdw4: it could not be tried: there is no Python" in str(of(at_odds, "network-tested"))
