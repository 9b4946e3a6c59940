"""Switch one host on: `python -m sandbox.datacenter.machine NAME BOOT INTERPRETER-JSON`, a child of the supervisor.

Makes the host's namespaces, plugs its cable into the bridge, mounts its disk, becomes the parent of its process 1 and
ends with it: exit code `REBOOT`, `POWER_OFF` or `DIED` says how. SIGTERM to this process pulls the host's plug, SIGUSR1
shuts it down in order.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

from sandbox import layout
from sandbox.datacenter import disks, kernel, linux
from sandbox.datacenter.condition import Condition, condition
from sandbox.datacenter.furnish import OWN, furnish

BRIDGE = "dc0"
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
REBOOT, POWER_OFF, DIED = 10, 11, 12
STANDIN = "/opt/sandbox/sandbox/datacenter/standins/systemctl"
_NEW_ROOT = Path("/newroot")
_PLAIN_DIRECTORIES = ("proc", "sys", "dev", "run", "usr", "mnt", "media", "boot")
_PRIVATE_MOUNT = linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def main(name: str, boot: str, interpreter_json: str) -> int:
    """Run the host until it ends."""
    linux.die_with_parent(signal.SIGKILL)
    host = layout.host(name)
    interpreter = json.loads(interpreter_json)
    kind = condition(host, Path("/state/faults"))
    if furnish(host, disks.system_disk(name), disks.data_disk(name), Path("/template"), kind):
        print(f"{name}: disk made", flush=True)
    datacenter = os.open("/proc/self/ns/net", os.O_RDONLY)
    linux.unshare(linux.CLONE_NEWNET | linux.CLONE_NEWNS | linux.CLONE_NEWUTS)
    linux.unshare(linux.CLONE_NEWIPC | linux.CLONE_NEWCGROUP)
    _connect_cable(host, f"{name}-{boot}", datacenter)
    socket.sethostname(_hostname(disks.system_disk(name)) or name)
    kernel.start_clock()
    linux.unshare(linux.CLONE_NEWPID)  # last: the next child is the host's process 1
    pid = os.fork()
    if pid == 0:
        _become_first_process(host, interpreter, kind)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGKILL))  # the plug
    signal.signal(signal.SIGUSR1, lambda *_: os.kill(pid, signal.SIGTERM))  # orderly power off
    _, status = os.waitpid(pid, 0)  # returns when nothing of the host is left: the kernel sees to it
    how = os.waitstatus_to_exitcode(status)
    print(f"{name}: process 1 ended with {how}", flush=True)
    return {-signal.SIGHUP: REBOOT, -signal.SIGINT: POWER_OFF}.get(how, DIED)


def _hostname(disk: Path) -> str | None:
    """What /etc/hostname says, as any system takes its name from there."""
    try:
        name = (disk / "etc/hostname").read_text().strip()
    except (OSError, UnicodeDecodeError):
        return None
    return name if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]{0,63}", name) else None


def _connect_cable(host: layout.Host, plug: str, datacenter: int) -> None:
    """A pair of interfaces: eth0 here (with the same MAC always: neighbours need not relearn), `plug` at the bridge."""
    mac = f"02:4d:00:00:00:{host.last_octet:02x}"
    here = os.open("/proc/self/ns/net", os.O_RDONLY)
    _ip(
        f"link add eth0 address {mac} type veth peer name {plug} netns /proc/{os.getpid()}/fd/{datacenter}",
        "link set lo up",
        f"addr add {host.address}/{layout.PREFIX_LENGTH} dev eth0",
        "link set eth0 up",
        f"route add default via {layout.GATEWAY}",
    )
    linux.setns(datacenter, linux.CLONE_NEWNET)
    _ip(f"link set {plug} master {BRIDGE} up")
    linux.setns(here, linux.CLONE_NEWNET)
    os.close(here)
    os.close(datacenter)


def _ip(*commands: str) -> None:
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)


def _become_first_process(host: layout.Host, interpreter: dict[str, str | None], kind: Condition) -> None:
    os.setsid()
    linux.die_with_parent(signal.SIGKILL)
    _mount_root(disks.system_disk(host.name), disks.data_disk(host.name), interpreter, kind)
    linux.pivot_into(_NEW_ROOT)
    command = [layout.INTERPRETER, "-I", "-m", "sandbox.datacenter.firstprocess"]
    os.execve(command[0], command, {"PATH": _PATH, "LANG": "C.UTF-8", "HOME": "/"})


def _mount_root(disk: Path, data: Path, interpreter: dict[str, str | None], kind: Condition) -> None:
    root = _NEW_ROOT
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("root", root, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=64m")
    for name in _PLAIN_DIRECTORIES:
        (root / name).mkdir()
    linux.bind("/usr", root / "usr")
    for path in Path("/").iterdir():
        if path.name not in ("bin", "sbin") and not path.name.startswith("lib"):
            continue
        if path.is_symlink():
            (root / path.name).symlink_to(path.readlink())
        else:
            (root / path.name).mkdir()
            linux.bind(path, root / path.name)
    for name in OWN:
        target = root / ("usr/local" if name == "usr-local" else name)
        target.mkdir(exist_ok=True)
        linux.bind(data if name == "data" else disk / name, target, recursive=False)
    _mount_software(root, interpreter, kind)
    linux.mount("proc", root / "proc", "proc", _PRIVATE_MOUNT)
    linux.mount("sysfs", root / "sys", "sysfs", _PRIVATE_MOUNT | linux.MS_RDONLY)
    _mount_dev(root / "dev")
    linux.mount("tmpfs", root / "run", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=64m")
    (root / "run/sandbox/faults").mkdir(parents=True)
    linux.bind("/state/faults", root / "run/sandbox/faults")
    kernel.lay_settings(root)


def _mount_software(root: Path, interpreter: dict[str, str | None], kind: Condition) -> None:
    """The sandbox's own code, the stand-ins for Greenplum, and an interpreter that does not lie in /usr."""
    (root / "opt/sandbox").mkdir(exist_ok=True)
    linux.bind("/opt/sandbox", root / "opt/sandbox")
    if kind is not Condition.BARE:
        linux.bind("/opt/sandbox/sandbox/gphome", root / layout.GPHOME.lstrip("/"))
    prefix = interpreter["prefix"]
    if prefix == "/usr/local":  # shares its directory with what is the host's own
        for path in Path("/usr/local").iterdir():
            if path.is_dir() and path.name not in ("sbin", "greenplum-db"):
                (root / "usr/local" / path.name).mkdir(exist_ok=True)
                linux.bind(path, root / "usr/local" / path.name)
    elif prefix is not None:
        (root / prefix.lstrip("/")).mkdir(parents=True, exist_ok=True)
        linux.bind(prefix, root / prefix.lstrip("/"))
    for program in ("systemctl", "reboot", "shutdown", "poweroff", "halt"):  # links to systemctl follow by themselves
        for path in (Path("/usr/bin", program), Path("/usr/sbin", program)):
            if path.is_file() and not path.is_symlink():
                linux.bind(STANDIN, root / path.relative_to("/"))


def _mount_dev(dev: Path) -> None:
    linux.mount("dev", dev, "tmpfs", linux.MS_NOSUID, "mode=755,size=1m")
    for name in DEVICES:
        (dev / name).touch()
        linux.bind(f"/dev/{name}", dev / name)
    for name, fstype, options in (
        ("pts", "devpts", "newinstance,ptmxmode=0666,mode=620,gid=5"),
        ("shm", "tmpfs", "mode=1777"),
    ):
        (dev / name).mkdir()
        linux.mount(fstype, dev / name, fstype, linux.MS_NOSUID | linux.MS_NOEXEC, options)
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
    for name, target in links.items():
        (dev / name).symlink_to(target)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
