"""What a host of the datacenter is, and what root in it may do. Needs root and namespaces."""

import json
import shlex
import socket
import subprocess
import time
from pathlib import Path

import pytest

from sandbox import layout
from tests.sandbox.datacenter import ROOT, Sandbox, wait_for

pytestmark = pytest.mark.sandbox


# --- hosts


def test_hosts_have_names_addresses_and_find_each_other(sandbox: Sandbox) -> None:
    for host in layout.HOSTS:
        words = sandbox.on(host.name, "hostname; hostname -I; getent hosts sdw4").split()
        assert words == [host.name, host.address, "10.77.0.24", "sdw4"]


def test_cluster_trusts_its_members_and_no_strangers(sandbox: Sandbox) -> None:
    for member in ("mdw", "smdw", "sdw1", "sdw2"):
        assert sandbox.on("mdw", f"ssh -o BatchMode=yes {member} hostname").strip() == member
        assert sandbox.on(member, "ssh -o BatchMode=yes mdw hostname").strip() == "mdw"
    refused = sandbox.on("mdw", "ssh -o BatchMode=yes sdw3 hostname", check=False)
    assert "Host key verification failed" in refused
    refused = sandbox.on("mdw", "ssh -o BatchMode=yes -o StrictHostKeyChecking=no sdw3 hostname", check=False)
    assert "Permission denied" in refused


def test_new_hosts_have_no_data_directories(sandbox: Sandbox) -> None:
    assert sandbox.on("sdw1", "ls /data").split() == ["mirror", "primary"]
    for host in layout.HOSTS[-2:]:
        assert sandbox.on(host.name, "ls /data").strip() == ""
        assert sandbox.on(host.name, "stat -c %U /data").strip() == "gpadmin"


def test_interpreter_has_driver_and_package_for_gpadmin(sandbox: Sandbox) -> None:
    command = f"{layout.INTERPRETER} -I -c 'import sandbox, psycopg2; print(sandbox.__path__[0])'"
    assert sandbox.on("sdw3", command).strip() == layout.PACKAGE


def test_package_is_shown_live(sandbox: Sandbox) -> None:
    own = (ROOT / "sandbox/layout.py").stat()
    assert sandbox.on("sdw1", "stat -c '%i %s' /opt/sandbox/sandbox/layout.py").split() == [
        str(own.st_ino),
        str(own.st_size),
    ]
    assert sandbox.on("sdw1", f"ls {layout.GPHOME}/bin/gpexpand").strip() == f"{layout.GPHOME}/bin/gpexpand"


def test_each_host_has_processes_memory_and_temporary_files_of_its_own(sandbox: Sandbox) -> None:
    sandbox.on("sdw1", "echo here > /tmp/x; echo here > /dev/shm/x; setsid sleep 1000 >/dev/null 2>&1 </dev/null &")
    assert sandbox.on("sdw2", "cat /tmp/x /dev/shm/x; pgrep -x sleep", check=False).count("No such file") == 2
    assert sandbox.on("sdw1", "cat /tmp/x /dev/shm/x; pgrep -cx sleep").split() == ["here", "here", "1"]


def test_users_can_be_made_and_own_files(sandbox: Sandbox) -> None:
    script = "useradd -m -s /bin/bash somebody && su - somebody -c 'touch ~/x && stat -c %U ~/x' && userdel -r somebody"
    assert "somebody" in sandbox.on("sdw4", script, root=True)
    assert "somebody" not in sandbox.on("sdw3", "cat /etc/passwd")


def test_airflow_connection_leads_to_the_coordinator(sandbox: Sandbox) -> None:
    connection = json.loads(sandbox.call("connection").stdout)
    assert connection == json.loads(sandbox.state.connection.read_text())
    assert sandbox.state.connection.stat().st_mode & 0o777 == 0o600
    assert connection["conn_type"] == "greenplum"
    extra = connection["extra"]
    known = sandbox.state.directory / "known"
    known.write_text(f"[{extra['ssh_host']}]:{extra['ssh_port']} {extra['ssh_host_key']}\n")
    options = [
        "-F",
        "/dev/null",
        "-o",
        f"UserKnownHostsFile={known}",
        "-o",
        "StrictHostKeyChecking=yes",
        "-o",
        "BatchMode=yes",
    ]
    login = ["-i", extra["ssh_key_file"], "-p", str(extra["ssh_port"]), f"{extra['ssh_user']}@{extra['ssh_host']}"]
    done = subprocess.run(["ssh", *options, *login, "hostname"], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "mdw", done.stderr


def test_other_hosts_are_reached_through_the_coordinator(sandbox: Sandbox) -> None:
    connection = json.loads(sandbox.call("connection").stdout)["extra"]
    ssh = ["ssh", "-F", "/dev/null", "-i", connection["ssh_key_file"], "-o", "BatchMode=yes"]
    ssh += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    jump = shlex.join([*ssh, "-p", str(connection["ssh_port"]), "-W", "sdw4:22", "gpadmin@127.0.0.1"])
    command = [*ssh, "-o", f"ProxyCommand={jump}", "root@sdw4", "hostname; whoami"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["sdw4", "root"], done.stderr


# --- what root in a host may and may not


def test_root_in_a_host_reaches_nothing_of_the_machine(sandbox: Sandbox) -> None:
    machine = {path: Path(path).read_text() for path in ("/proc/sys/vm/swappiness", "/proc/sys/kernel/core_pattern")}
    attempts = """
        for place in /usr /opt/sandbox /opt/sandbox/sandbox /usr/local/greenplum-db /run/sandbox/faults; do
            mount -o remount,rw $place; mount -o remount,rw,bind $place; touch $place/x
        done
        mknod /tmp/disk b 254 0; mknod /tmp/mem c 1 1
        sysctl -w vm.swappiness=3; echo bad > /proc/sys/kernel/core_pattern; echo b > /proc/sysrq-trigger
        date -s 2001-01-01; ip link set lo down; ip link set lo up; hostname intruder; hostname sdw4
        for pid in 2 100 1000; do ls -d /proc/1/root/proc/$pid/cwd; done; ls /proc/1/root/work /proc/1/root/state
        insmod /x; swapoff -a; dmesg -C; kill -9 -1
    """
    name, now = socket.gethostname(), time.time()
    sandbox.on("sdw4", attempts, root=True, check=False)
    sandbox.up()  # process 1 has started sshd again
    seen = [ROOT / "sandbox/x", ROOT / "sandbox/gphome/x", Path("/usr/x"), sandbox.state.faults / "x"]
    assert not any(path.exists() for path in seen)
    assert "No such file" in sandbox.on("sdw3", "ls /opt/sandbox/x", check=False)
    assert {path: Path(path).read_text() for path in machine} == machine
    assert socket.gethostname() == name
    assert time.time() >= now
    assert sandbox.on("sdw4", "test -b /tmp/disk || test -c /tmp/mem || echo none").strip() == "none"


def test_hosts_see_no_network_but_their_own(sandbox: Sandbox) -> None:
    routes = sandbox.on("sdw1", "ip -o addr; cat /proc/net/route")
    assert "10.77.0.21/24" in routes
    listening = sandbox.state.settings().ports["mdw:22"]
    for address in ("10.77.0.1", "127.0.0.1"):  # the machine's own listeners are not there
        probe = f"timeout 5 bash -c ': < /dev/tcp/{address}/{listening}' 2>&1 && echo open || echo closed"
        assert sandbox.on("sdw1", probe).split()[-1] == "closed"


def test_secrets_of_the_state_directory_are_not_in_the_hosts(sandbox: Sandbox) -> None:
    key = sandbox.state.client_key.read_text().splitlines()[-2]  # the first lines are alike in all keys
    found = sandbox.on(
        "sdw4", f"grep -rslF {shlex.quote(key)} /etc /root /home /run /opt/sandbox/lib /var; true", root=True
    )
    assert found == ""
    assert sandbox.on("mdw", "cat /etc/sandbox/gpadmin_password").strip() == sandbox.state.password()
    assert "No such file" in sandbox.on("sdw4", "cat /etc/sandbox/gpadmin_password", root=True, check=False)


# --- kernel settings, limits, services


def test_kernel_settings_are_a_hosts_own_and_applied_at_boot(sandbox: Sandbox) -> None:
    script = "sysctl -w vm.overcommit_memory=2 >&2; echo vm.overcommit_ratio=95 > /etc/sysctl.d/99-gp.conf; reboot"
    before = sandbox.on("sdw4", "cat /proc/sys/kernel/random/boot_id").strip()
    boots = sandbox.lamp("sdw4")["boots"]
    sandbox.on("sdw4", script, root=True, check=False)
    wait_for("sdw4 booted again", lambda: sandbox.lamp("sdw4")["boots"] != boots)
    sandbox.up()
    reading = "cat /proc/sys/vm/overcommit_memory /proc/sys/vm/overcommit_ratio /proc/sys/kernel/random/boot_id"
    after = sandbox.on("sdw4", reading).split()
    assert after[:2] == [Path("/proc/sys/vm/overcommit_memory").read_text().strip(), "95"]
    assert after[2] != before
    machine = Path("/proc/sys/vm/overcommit_ratio").read_text()
    assert sandbox.on("sdw3", "cat /proc/sys/vm/overcommit_ratio") == machine


def test_hugepages_can_be_switched_off(sandbox: Sandbox) -> None:
    path = "/sys/kernel/mm/transparent_hugepage/enabled"
    if not Path(path).exists():
        pytest.skip("this kernel has no transparent huge pages")
    sandbox.on("sdw4", f"echo never > {path}", root=True)
    wait_for("shown as the kernel shows it", lambda: "[never]" in sandbox.on("sdw4", f"cat {path}"))


@pytest.mark.parametrize(
    ("command", "code", "words"),
    [
        ("systemctl is-active sshd", 0, "active"),
        ("systemctl is-active firewalld", 3, "inactive"),
        ("systemctl stop firewalld", 5, "Unit firewalld.service not loaded"),
        ("systemctl disable firewalld", 1, "does not exist"),
        ("systemctl status chronyd", 4, "could not be found"),
        ("systemctl restart sshd", 0, ""),
        ("systemctl stop sshd", 1, "not part of the sandbox"),
        ("shutdown -r +5", 1, "only 'now'"),
    ],
)
def test_service_manager_answers_or_says_that_it_cannot(sandbox: Sandbox, command: str, code: int, words: str) -> None:
    done = sandbox.call("ssh", "--root", "sdw4", command, check=False)
    assert (done.returncode, words in done.stdout + done.stderr) == (code, True), done


def test_limits_are_those_of_limits_conf_and_too_high_ones_lock_nobody_out(sandbox: Sandbox) -> None:
    ours, too_high = "gpadmin - nofile 4000", "* - nofile 99999999"
    limits = f"cd /etc/security/limits.d; echo '{ours}' > 1.conf; echo '{too_high}' > 0.conf"
    sandbox.on("sdw4", limits, root=True)
    assert sandbox.on("sdw4", "ulimit -n; ulimit -Hn").split() == ["4000", "4000"]
    sandbox.on("sdw4", "rm /etc/security/limits.d/1.conf", root=True)
    assert int(sandbox.on("sdw4", "ulimit -n")) >= 1024
    sandbox.on("sdw4", "rm /etc/security/limits.d/0.conf", root=True)
