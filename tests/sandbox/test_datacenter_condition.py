"""Hosts come prepared, new or bare, and services are known by their state."""

import pytest

from sandbox.datacenter.condition import Condition, condition
from sandbox.layout import host
from tests.sandbox.datacenter import Sandbox

pytestmark = [pytest.mark.sandbox, pytest.mark.slow]


def test_members_have_the_settings_of_the_guide_and_new_hosts_those_of_a_distribution(sandbox: Sandbox) -> None:
    looking = "cat /proc/sys/vm/swappiness; grep -E '^(server|pool)' /etc/chrony/chrony.conf"
    assert sandbox.on("sdw1", looking).split() == ["10", "server", "10.77.0.1", "iburst"]
    assert sandbox.on("sdw3", looking).split()[1:] == ["pool", "2.debian.pool.ntp.org", "iburst"]
    assert "[never]" in sandbox.on("sdw1", "cat /sys/kernel/mm/transparent_hugepage/enabled")


def test_a_bare_host_has_neither_user_nor_software_and_is_new_again_afterwards(sandbox: Sandbox) -> None:
    refused = sandbox.call("fault", "bare-host", "sdw1", check=False)
    assert "it belongs to the cluster" in refused.stderr
    looking = "hostname; getent passwd gpadmin; ls -d /usr/local/greenplum-db; getent hosts mdw; ls -A /data /home"
    sandbox.call("fault", "bare-host", "sdw4")
    bare = sandbox.on("sdw4", f"{looking} 2>/dev/null; true", root=True).split()
    assert bare == ["ip-10-77-0-24", "/data:", "/home:"]
    # What is put there outlives a reboot, as on any host.
    sandbox.on("sdw4", "mkdir /usr/local/greenplum-db; touch /usr/local/greenplum-db/mine", root=True)
    boot = sandbox.lamp("sdw4")["boots"]
    sandbox.call("fault", "host-down", "sdw4")
    sandbox.call("fault", "host-up", "sdw4")
    assert sandbox.lamp("sdw4")["boots"] != boot
    assert sandbox.on("sdw4", "ls /usr/local/greenplum-db", root=True) == "mine\n"
    sandbox.call("fault", "clear", "bare-host.sdw4")
    assert sandbox.on("sdw4", "hostname; ls /usr/local/greenplum-db").split()[:2] == ["sdw4", "bin"]


def test_a_service_that_is_a_state_only_starts_at_boot_if_it_is_enabled(sandbox: Sandbox) -> None:
    state = "systemctl is-enabled chrony; systemctl is-active chrony"
    assert sandbox.on("sdw3", state).split() == ["enabled", "active"]
    assert "Interactive authentication required" in sandbox.on("sdw3", "systemctl stop chrony", check=False)
    sandbox.on("sdw3", "systemctl disable --now chrony", root=True)
    assert sandbox.on("sdw3", state, check=False).split() == ["disabled", "inactive"]
    sandbox.on("sdw3", "systemctl enable chrony; systemctl try-restart chrony", root=True)
    assert sandbox.on("sdw3", state, check=False).split() == ["enabled", "inactive"]
    assert "try-restart chrony" in sandbox.on("sdw3", "cat /run/sandbox/units.log")
    sandbox.call("fault", "host-down", "sdw3")
    sandbox.call("fault", "host-up", "sdw3")
    assert sandbox.on("sdw3", state).split() == ["enabled", "active"]


def test_settings_of_the_disk_are_the_hosts_own(sandbox: Sandbox) -> None:
    disk = "q=/sys/block/$(df --output=source /data | tail -n 1 | sed s,/dev/,,)/queue; "
    if sandbox.on("sdw4", f"{disk}ls $q/read_ahead_kb 2>/dev/null; true", root=True) == "":
        pytest.skip("no loop devices here, so no disk of its own")
    before = sandbox.on("sdw3", f"{disk}cat $q/read_ahead_kb")
    sandbox.on("sdw4", f"{disk}echo 16384 > $q/read_ahead_kb", root=True)
    assert sandbox.on("sdw4", f"{disk}cat $q/read_ahead_kb") == "16384\n"
    assert sandbox.on("sdw3", f"{disk}cat $q/read_ahead_kb") == before


def test_only_a_new_host_can_be_bare(tmp_path) -> None:
    (tmp_path / "bare-host.sdw1").touch()
    (tmp_path / "bare-host.sdw3").touch()
    assert [condition(host(name), tmp_path) for name in ("sdw1", "sdw3", "sdw4")] == [
        Condition.PREPARED,
        Condition.BARE,
        Condition.NEW,
    ]
