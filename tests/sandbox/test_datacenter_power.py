"""Hosts that reboot, fail, fill up and are put back; sandboxes that start, stop, crash and stand side by side."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox import layout
from sandbox.datacenter import control
from tests.sandbox.datacenter import Sandbox, wait_for

DEBIAN_PYTHON = "/usr/bin/python3"
pytestmark = pytest.mark.sandbox


# --- power


@pytest.mark.parametrize("command", ["reboot", "shutdown -r now", "systemctl reboot", "reboot -f", "kill -INT 1"])
def test_rebooted_host_comes_back_with_its_files(sandbox: Sandbox, command: str) -> None:
    boots = sandbox.lamp("sdw3")["boots"]
    sandbox.on("sdw3", "touch /data/kept /tmp/lost")
    sandbox.on("sdw3", command, root=True, check=False)
    wait_for("sdw3 booted again", lambda: sandbox.lamp("sdw3")["boots"] != boots)
    sandbox.up()
    assert sandbox.on("sdw3", "ls /data /tmp").split() == ["/data:", "kept", "/tmp:"]
    assert float(sandbox.on("sdw3", "cut -d' ' -f1 /proc/uptime")) < float(Path("/proc/uptime").read_text().split()[0])


def test_host_is_named_by_its_file_after_a_reboot(sandbox: Sandbox) -> None:
    for name in ("renamed", "sdw3"):
        boots = sandbox.lamp("sdw3")["boots"]
        sandbox.on("sdw3", f"echo {name} > /etc/hostname; reboot", root=True, check=False)
        wait_for("sdw3 booted again", lambda before=boots: sandbox.lamp("sdw3")["boots"] != before)
        sandbox.up()
        assert sandbox.on("sdw3", "hostname").strip() == name


def test_connection_to_a_host_that_lost_power_ends(sandbox: Sandbox) -> None:
    port = sandbox.state.settings().ports["sdw4:22"]
    with socket.create_connection(("127.0.0.1", port), timeout=120) as open_one:
        assert open_one.recv(4) == b"SSH-"
        sandbox.call("fault", "host-down", "sdw4")
        try:
            while open_one.recv(4096):
                pass
        except ConnectionError:
            pass  # reset is as good an end as any
    sandbox.call("fault", "clear")


def test_only_root_may_reboot(sandbox: Sandbox) -> None:
    boots = sandbox.lamp("sdw3")["boots"]
    assert "authentication required" in sandbox.on("sdw3", "/usr/local/sbin/reboot", check=False)
    assert sandbox.lamp("sdw3")["boots"] == boots


def test_host_that_powered_off_stays_off_until_up(sandbox: Sandbox) -> None:
    sandbox.on("sdw3", "poweroff", root=True, check=False)
    wait_for("sdw3 off", lambda: sandbox.lamp("sdw3")["on"] is False)
    assert sandbox.call("status", "--hosts-only", check=False).returncode == 1
    sandbox.up()
    assert sandbox.call("status", "--hosts-only").returncode == 0


def test_host_down_unplugs_and_outlives_a_restart_of_the_sandbox(sandbox: Sandbox) -> None:
    sandbox.call("fault", "host-down", "sdw4")
    assert sandbox.lamp("sdw4")["on"] is False
    assert "host-down.sdw4" in sandbox.call("fault", "list").stdout
    silent = sandbox.on("mdw", "ssh -o BatchMode=yes -o ConnectTimeout=10 sdw4 true", check=False)
    assert "No route to host" in silent or "timed out" in silent
    sandbox.call("down")
    told = sandbox.call("up", "--hosts-only").stdout
    assert "sdw4 stays off" in told
    sandbox.call("fault", "host-up", "sdw4")
    assert sandbox.on("sdw4", "hostname").strip() == "sdw4"
    assert sandbox.call("fault", "list").stdout == ""


def test_full_disk_refuses_data_until_the_fault_is_cleared(sandbox: Sandbox) -> None:
    if not sandbox.state.settings().disk_mb:
        pytest.skip("no loop devices on this machine")
    sandbox.call("fault", "disk-full", "sdw3", "5")
    free = sandbox.on("sdw3", "df --output=avail -m /data | tail -n 1")
    assert int(free) <= 5
    assert "No space left" in sandbox.on("sdw3", "dd if=/dev/zero of=/data/x bs=1M count=20", check=False)
    assert int(sandbox.on("sdw4", "df --output=avail -m /data | tail -n 1")) > 1000
    sandbox.call("fault", "clear", "disk-full.sdw3")
    sandbox.on("sdw3", "dd if=/dev/zero of=/data/x bs=1M count=20 && rm /data/x")


def test_fault_is_seen_in_every_host(sandbox: Sandbox) -> None:
    sandbox.call("fault", "set", 'table.demo.Mixed Case.Täble "x"', "kaputt")
    for host in ("mdw", "sdw4"):
        assert sandbox.on(host, "cat /run/sandbox/faults/table.*").strip() == "kaputt"
    sandbox.call("fault", "clear")
    assert sandbox.on("mdw", "ls /run/sandbox/faults") == ""


# --- copies


def test_restored_hosts_are_as_they_were(sandbox: Sandbox) -> None:
    sandbox.on("sdw3", "mkdir -p /data/primary; echo one > /data/primary/x; echo kept > ~/kept")
    control.ask(sandbox.state, "shut-down")
    control.ask(sandbox.state, "snapshot")
    sandbox.up()
    changes = "echo two > /data/primary/x; touch /data/new; rm /home/gpadmin/kept; useradd other; chown root /data"
    sandbox.on("sdw3", changes, root=True)
    control.ask(sandbox.state, "pull-plug")
    control.ask(sandbox.state, "restore")
    sandbox.up()
    seen = sandbox.on("sdw3", "cat /data/primary/x ~/kept; ls /data/new; id other; stat -c %U /data", check=False)
    assert seen.split()[:3] == ["one", "kept", "gpadmin"]
    assert "no such user" in seen
    assert "cannot access '/data/new'" in seen


def test_restoring_that_a_crash_interrupted_is_finished_before_anything_starts(sandbox: Sandbox) -> None:
    sandbox.on("sdw3", "echo fresh > /data/x")
    control.ask(sandbox.state, "shut-down")
    control.ask(sandbox.state, "snapshot")
    sandbox.up()
    sandbox.on("sdw3", "echo half > /data/x")
    sandbox.call("down")
    mark = sandbox.state.snapshots / ".restoring"
    mark.touch()
    os.chown(mark, sandbox.state.settings().uid_base, sandbox.state.settings().uid_base)
    sandbox.up()
    assert sandbox.on("sdw3", "cat /data/x").strip() == "fresh"
    assert not mark.exists()


def test_reset_without_a_first_up_is_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    other = Sandbox(tmp_path / "other")
    try:
        other.up()
        refused = other.call("reset", check=False)
        assert refused.returncode == 1
        assert "nothing to go back to" in refused.stderr
        assert other.lamp("sdw1")["on"] is True
    finally:
        other.call("down", "--purge")


# --- up and down


def test_up_again_changes_nothing(sandbox: Sandbox) -> None:
    before = sandbox.processes()
    connection = sandbox.state.connection.read_text()
    sandbox.up()
    assert sandbox.processes().keys() == before.keys()
    assert sandbox.state.connection.read_text() == connection


def test_supervisor_killed_leaves_nothing_and_up_brings_all_back(sandbox: Sandbox) -> None:
    sandbox.on("sdw1", "touch /data/before; setsid sleep 1000 >/dev/null 2>&1 </dev/null &")
    leader = control.leader(sandbox.state)
    assert leader is not None
    os.kill(leader.pid, signal.SIGKILL)
    wait_for("no process left", lambda: not control.processes_of(leader.user_namespace))
    assert sandbox.call("status", check=False).stdout == "down\n"
    sandbox.up()
    assert "before" in sandbox.on("sdw1", "ls /data")
    assert sandbox.on("sdw1", "pgrep -x sleep; true") == ""


def test_down_leaves_no_process_no_port_no_disk_and_keeps_the_data(sandbox: Sandbox) -> None:
    sandbox.on("sdw1", "touch /data/before; trap '' TERM; setsid sleep 1000 >/dev/null 2>&1 </dev/null &")
    namespace = control.leader(sandbox.state)
    assert namespace is not None
    sandbox.call("down")
    assert control.processes_of(namespace.user_namespace) == {}
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", sandbox.state.settings().ports["mdw:22"])) != 0
    held = [p.read_text() for p in Path("/sys/block").glob("loop*/loop/backing_file")]
    assert not any(str(sandbox.state.directory) in path for path in held)
    sandbox.call("down")
    sandbox.up()
    assert "before" in sandbox.on("sdw1", "ls /data")


def test_up_after_a_power_failure_of_the_machine(sandbox: Sandbox) -> None:
    sandbox.call("down")
    # What a machine that lost power leaves: old files of a supervisor, whose number somebody else has now.
    (sandbox.state.run / "supervisor").write_text(json.dumps({"pid": os.getpid(), "user_namespace": 1}))
    with socket.socket(socket.AF_UNIX) as stale:
        directory = os.open(sandbox.state.run, os.O_PATH)
        sandbox.state.control.unlink(missing_ok=True)
        stale.bind(f"/proc/self/fd/{directory}/control.sock")
        os.close(directory)
    assert sandbox.call("status", check=False).stdout == "down\n"
    sandbox.call("down")
    sandbox.up()
    assert sandbox.on("mdw", "hostname").strip() == "mdw"


def test_relay_port_taken_by_another_program_is_named(sandbox: Sandbox) -> None:
    sandbox.call("down")
    port = sandbox.state.settings().ports["mdw:5432"]
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        refused = sandbox.call("up", "--hosts-only", check=False)
    assert refused.returncode == 1
    assert f"Port {port} of 127.0.0.1" in refused.stderr
    sandbox.up()


def test_two_sandboxes_side_by_side_do_not_meet(sandbox: Sandbox, tmp_path: Path) -> None:
    """The second with Debian's own Python, if it has one, under a nasty path that is too long for a Unix socket."""
    suits = subprocess.run([DEBIAN_PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], check=False)
    deep = tmp_path / "/".join(["100 %h ä"] * 20)
    other = Sandbox(deep, DEBIAN_PYTHON if suits.returncode == 0 else sys.executable)
    try:
        other.up()
        sandbox.on("sdw1", "touch /data/mine")
        assert other.on("sdw1", "ls /data").split() == ["mirror", "primary"]
        assert other.on("mdw", "ssh sdw1 hostname").strip() == "sdw1"
        assert (
            other.on("mdw", f"{layout.INTERPRETER} -c 'from sandbox import layout; print(layout.GPADMIN)'").strip()
            == "gpadmin"
        )
        assert not set(other.processes()) & set(sandbox.processes())
        mine, theirs = sandbox.state.settings(), other.state.settings()
        assert mine.uid_base != theirs.uid_base
        assert not set(mine.ports.values()) & set(theirs.ports.values())
        before = sandbox.processes().keys()
    finally:
        other.call("down", "--purge")
    assert not other.state.directory.exists()
    assert sandbox.processes().keys() == before
    assert sandbox.on("mdw", "ssh sdw1 ls /data/mine").strip() == "/data/mine"
