"""The datacenter at work: real hosts, started by the command line as a user starts them. Needs root and namespaces."""

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox import layout
from sandbox.datacenter import control, preflight
from sandbox.datacenter.errors import SandboxError
from sandbox.datacenter.state import State

ROOT = Path(__file__).resolve().parents[2]
DEBIAN_PYTHON = "/usr/bin/python3"
pytestmark = pytest.mark.sandbox


def why_not() -> str | None:
    """Why this machine cannot have hosts."""
    try:
        preflight.check_machine(database=False)
    except SandboxError as error:
        return str(error)
    return None


class Sandbox:
    """One sandbox as its user sees it: the command line and its state directory."""

    def __init__(self, directory: Path, python: str = sys.executable) -> None:
        self.state, self.python = State(directory), python

    def call(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`python -m sandbox …`."""
        command = [self.python, "-m", "sandbox", "--state-dir", str(self.state.directory), *arguments]
        done = subprocess.run(
            command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, timeout=300
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done

    def up(self) -> None:
        self.call("up", "--hosts-only")

    def on(self, host: str, command: str, *, root: bool = False, check: bool = True) -> str:
        """What a command prints on a host."""
        done = self.call("ssh", *(["--root"] if root else []), host, command, check=check)
        return done.stdout + ("" if check else done.stderr)

    def lamp(self, host: str) -> dict[str, object]:
        lamp = control.ask(self.state, "status", host)[host]
        assert isinstance(lamp, dict)
        return lamp

    def processes(self) -> dict[int, str]:
        leader = control.leader(self.state)
        return control.processes_of(leader.user_namespace) if leader else {}


def wait_for(what: str, condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline, f"never came true: {what}"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    if reason := why_not():
        pytest.skip(reason)
    made = Sandbox(tmp_path_factory.mktemp("datacenter") / "state")
    try:
        made.up()
        yield made
    finally:
        made.call("down", "--purge")


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
    """The second one under a path too long for a Unix socket and with Debian's own Python, if it has one."""
    suits = subprocess.run([DEBIAN_PYTHON, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"], check=False)
    deep = tmp_path / "/".join(["long"] * 30)
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
