"""Switch one host on: `python -m sandbox.datacenter.machine NAME BOOT INTERPRETER-JSON`, a child of the supervisor.

Makes the host's namespaces, plugs its cable into the bridge, mounts its disk, becomes the parent of its process 1 and ends with
it: exit code `REBOOT`, `POWER_OFF` or `DIED` says how. SIGTERM to this process pulls the host's plug, SIGUSR1 shuts it
down in order.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from sandbox import layout
from sandbox.datacenter import disks, kernel, linux
from sandbox.datacenter.furnish import OWN, furnish

BRIDGE = "dc0"
REBOOT, POWER_OFF, DIED = 10, 11, 12
STANDIN = "/opt/sandbox/sandbox/datacenter/standins/systemctl"
_NEW_ROOT = "/newroot"
_PLAIN_DIRECTORIES = ("proc", "sys", "dev", "run", "usr", "mnt", "media", "boot")


def main(name: str, boot: str, interpreter_json: str) -> int:
    """Run the host until it ends."""
    linux.die_with_parent(signal.SIGKILL)
    host = layout.host(name)
    interpreter = json.loads(interpreter_json)
    if furnish(host, disks.system_disk(name), disks.data_disk(name), Path("/template")):
        print(f"{name}: disk made", flush=True)
    datacenter = os.open("/proc/self/ns/net", os.O_RDONLY)
    linux.unshare(linux.CLONE_NEWNET | linux.CLONE_NEWNS | linux.CLONE_NEWUTS | linux.CLONE_NEWIPC | linux.CLONE_NEWCGROUP)
    _connect_cable(host, f"{name}-{boot}", datacenter)
    socket.sethostname(name)
    kernel.start_clock()
    linux.unshare(linux.CLONE_NEWPID)  # last: the next child is the host's process 1
    pid = os.fork()
    if pid == 0:
        _become_first_process(host, interpreter)
    signal.signal(signal.SIGTERM, lambda *_: os.kill(pid, signal.SIGKILL))  # the plug
    signal.signal(signal.SIGUSR1, lambda *_: os.kill(pid, signal.SIGTERM))  # orderly power off
    _, status = os.waitpid(pid, 0)  # returns when nothing of the host is left: the kernel sees to it
    how = os.waitstatus_to_exitcode(status)
    print(f"{name}: process 1 ended with {how}", flush=True)
    return {-signal.SIGHUP: REBOOT, -signal.SIGINT: POWER_OFF}.get(how, DIED)


def _connect_cable(host: layout.Host, plug: str, datacenter: int) -> None:
    """A pair of interfaces: eth0 here (always with the same MAC, so neighbours need not relearn), `plug` at the bridge."""
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


def _become_first_process(host: layout.Host, interpreter: dict[str, str | None]) -> None:
    os.setsid()
    linux.die_with_parent(signal.SIGKILL)
    _mount_root(disks.system_disk(host.name), disks.data_disk(host.name), interpreter)
    linux.pivot_into(_NEW_ROOT)
    environment = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "HOME": "/"}
    os.execve(layout.INTERPRETER, [layout.INTERPRETER, "-I", "-m", "sandbox.datacenter.firstprocess"], environment)


def _mount_root(disk: Path, data: Path, interpreter: dict[str, str | None]) -> None:
    root = _NEW_ROOT
    linux.mount("none", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.mount("root", root, "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=64m")
    for name in _PLAIN_DIRECTORIES:
        os.mkdir(f"{root}/{name}")
    linux.bind("/usr", f"{root}/usr")
    for entry in os.scandir("/"):
        if entry.name in ("bin", "sbin") or entry.name.startswith("lib"):
            if entry.is_symlink():
                os.symlink(os.readlink(entry.path), f"{root}/{entry.name}")
            else:
                os.mkdir(f"{root}/{entry.name}")
                linux.bind(entry.path, f"{root}/{entry.name}")
    for name in OWN:
        target = f"{root}/{name}" if name != "usr-local" else f"{root}/usr/local"
        os.makedirs(target, exist_ok=True)
        linux.bind(str(data if name == "data" else disk / name), target, recursive=False)
    _mount_software(root, interpreter)
    linux.mount("proc", f"{root}/proc", "proc", linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    linux.mount("sysfs", f"{root}/sys", "sysfs", linux.MS_RDONLY | linux.MS_NOSUID | linux.MS_NODEV | linux.MS_NOEXEC)
    _mount_dev(f"{root}/dev")
    linux.mount("tmpfs", f"{root}/run", "tmpfs", linux.MS_NOSUID | linux.MS_NODEV, "mode=755,size=64m")
    os.makedirs(f"{root}/run/sandbox/faults")
    linux.bind("/state/faults", f"{root}/run/sandbox/faults")
    kernel.lay_settings(root)


def _mount_software(root: str, interpreter: dict[str, str | None]) -> None:
    """The sandbox's own code, the stand-ins for Greenplum, and an interpreter that does not lie in /usr."""
    os.makedirs(f"{root}/opt/sandbox", exist_ok=True)
    linux.bind("/opt/sandbox", f"{root}/opt/sandbox", readonly=True)
    gphome = "/opt/sandbox/sandbox/gphome"
    if os.path.isdir(gphome):
        linux.bind(gphome, f"{root}{layout.GPHOME}")
    prefix = interpreter["prefix"]
    if prefix == "/usr/local":  # shares its directory with what is the host's own
        for name in os.listdir("/usr/local"):
            if name not in ("sbin", "greenplum-db") and os.path.isdir(f"/usr/local/{name}"):
                os.makedirs(f"{root}/usr/local/{name}", exist_ok=True)
                linux.bind(f"/usr/local/{name}", f"{root}/usr/local/{name}")
    elif prefix is not None:
        os.makedirs(root + prefix, exist_ok=True)
        linux.bind(prefix, root + prefix)
    for program in ("systemctl", "reboot", "shutdown", "poweroff", "halt"):  # links to systemctl follow by themselves
        for path in (f"/usr/bin/{program}", f"/usr/sbin/{program}"):
            if os.path.isfile(path) and not os.path.islink(path):
                linux.bind(STANDIN, root + path)


def _mount_dev(dev: str) -> None:
    linux.mount("dev", dev, "tmpfs", linux.MS_NOSUID, "mode=755,size=1m")
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        Path(f"{dev}/{name}").touch()
        linux.bind(f"/dev/{name}", f"{dev}/{name}")
    for name, options in (("pts", "newinstance,ptmxmode=0666,mode=620,gid=5"), ("shm", "mode=1777")):
        os.mkdir(f"{dev}/{name}")
        fstype = "devpts" if name == "pts" else "tmpfs"
        linux.mount(fstype, f"{dev}/{name}", fstype, linux.MS_NOSUID | linux.MS_NOEXEC, options)
    links = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
    for name, target in links.items():
        os.symlink(target, f"{dev}/{name}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:4]))
