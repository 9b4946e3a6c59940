"""What the machine must offer, looked at before anything is made: every problem at once, each with its remedy."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path

from sandbox import layout
from sandbox.datacenter.errors import SandboxError

# program -> Debian package; looked for on PATH and in the two directories an ordinary user's PATH lacks
PROGRAMS = {
    "sshd": "openssh-server",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "ip": "iproute2",
    "nsenter": "util-linux",
    "unshare": "util-linux",
    "rsync": "rsync",
    "ps": "procps",
    "sysctl": "procps",
}
OLDEST_KERNEL = (5, 12)  # mount_setattr
_SBIN = ("/usr/local/sbin", "/usr/sbin", "/sbin")


def find_program(name: str) -> str | None:
    """Path of a program, also where only root's PATH looks."""
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), *_SBIN]))


def check_machine(*, database: bool) -> None:
    """Refuse a machine the sandbox cannot run on; `database`: PostgreSQL and psycopg2 are needed, too.

    :raises SandboxError: naming all that is missing
    """
    _check_kernel()
    _check_packages(database)
    _check_rights()
    _check_namespaces()


def _check_kernel() -> None:
    if sys.platform != "linux":
        raise SandboxError(
            "The sandbox does not run on this machine",
            f"it is made of Linux namespaces, this is {platform.system()}",
            "run it on Linux, or use the service `sandbox` of docker-compose.yaml",
        )
    match = re.match(r"(\d+)\.(\d+)", platform.release())
    if match and (int(match[1]), int(match[2])) < OLDEST_KERNEL:
        raise SandboxError(
            "The kernel is too old for the sandbox",
            f"Linux {platform.release()}, and mount_setattr came with {OLDEST_KERNEL[0]}.{OLDEST_KERNEL[1]}",
            "use Debian 12, Ubuntu 22.04 or newer",
        )


def _check_packages(database: bool) -> None:
    missing = {package for program, package in PROGRAMS.items() if find_program(program) is None}
    if database:
        try:
            layout.postgres_bin()
        except FileNotFoundError:
            missing.add("postgresql")
    if missing:
        names = " ".join(sorted(missing))
        raise SandboxError(
            "Debian packages are missing", f"the sandbox runs their programs: {names}", f"sudo apt-get install {names}"
        )


def _check_rights() -> None:
    if os.geteuid() == 0:
        return
    raise SandboxError(
        f"The sandbox needs root, and this is uid {os.geteuid()}",
        "only root may give a user namespace a range of uids, which sshd and PostgreSQL need; the hosts themselves run "
        "under uids that own nothing on this machine",
        f"run it as root: sudo {sys.executable} -m sandbox up",
    )


def _check_namespaces() -> None:
    """Try what `staging` does. A container's /proc is partly covered, so a whole one is laid over it first."""
    unshare = find_program("unshare") or "unshare"
    inner = f"{unshare} --user --map-root-user --mount --net --pid --ipc --uts --fork --mount-proc true"
    trial = subprocess.run(
        [unshare, "--mount", "sh", "-c", f"mount --bind /proc /proc && exec {inner}"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if trial.returncode == 0:
        return
    cause = f"`{inner}` is refused: {trial.stderr.strip() or f'exit code {trial.returncode}'}"
    raise SandboxError("This machine does not permit namespaces", cause, _namespace_remedy())


def _namespace_remedy() -> str:
    if _sysctl("user/max_user_namespaces") == "0":
        return "sysctl -w user.max_user_namespaces=10000"
    if _sysctl("kernel/unprivileged_userns_clone") == "0":
        return "sysctl -w kernel.unprivileged_userns_clone=1"
    if _in_container():
        return "this is a container: start it with `docker run --privileged` (compose: `privileged: true`)"
    if _sysctl("kernel/apparmor_restrict_unprivileged_userns") == "1":
        return "Ubuntu's AppArmor restricts them: sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
    return (
        "look for what restricts namespaces here (seccomp, AppArmor, SELinux: dmesg names it) and permit them to root"
    )


def _sysctl(key: str) -> str | None:
    try:
        return (Path("/proc/sys") / key).read_text().strip()
    except OSError:
        return None


def _in_container() -> bool:
    return any(Path(p).exists() for p in ("/.dockerenv", "/run/.containerenv")) or "container" in os.environ
