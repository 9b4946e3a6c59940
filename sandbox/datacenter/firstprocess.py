"""Process 1 of a host: starts sshd, buries orphans, and shuts down in order.

SIGINT means reboot (as Ctrl-Alt-Del does to any init), SIGTERM power off; the stand-ins for reboot and shutdown send
them. PostgreSQL servers get a fast shutdown first, as a service manager would give them.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from sandbox.datacenter import condition, kernel, linux

SSHD = ("/usr/sbin/sshd", "-D", "-e", "-f", "/etc/ssh/sshd_config")
_POSTGRES_PATIENCE = 20.0  # seconds for servers to shut down
_PATIENCE = 3.0  # seconds for anything else
_FIRST_PIDS = (1000, 30000)  # the smallest pid_max there is is 32768
_RESTART_DELAY = 0.5  # seconds before an sshd that ended (a bad configuration, perhaps) is tried again


class FirstProcess:
    """The loop of process 1."""

    def __init__(self) -> None:
        self._wanted: int | None = None  # RB_* once somebody asked for it
        self._sshd: subprocess.Popen[bytes] | None = None
        self._sshd_due = 0.0
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_read, False)
        os.set_blocking(self._wake_write, False)

    def run(self) -> None:
        """Until reboot or power off."""
        signal.set_wakeup_fd(self._wake_write)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGINT, lambda *_: self._ask(linux.RB_AUTOBOOT))
        signal.signal(signal.SIGTERM, lambda *_: self._ask(linux.RB_POWER_OFF))
        choices = _watch_choices()
        while self._wanted is None:
            if self._sshd is None and time.monotonic() >= self._sshd_due:
                self._sshd = subprocess.Popen(SSHD, stdin=subprocess.DEVNULL)
            select.select([self._wake_read], [], [], None if self._sshd else _RESTART_DELAY)
            with contextlib.suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
            self._bury()
            choices.answer()
        shut_down(self._bury)
        linux.reboot(self._wanted)

    def _ask(self, how: int) -> None:
        self._wanted = how

    def _bury(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if self._sshd is not None and pid == self._sshd.pid:
                print(f"sshd ended with {os.waitstatus_to_exitcode(status)}", flush=True)
                self._sshd, self._sshd_due = None, time.monotonic() + _RESTART_DELAY


def _watch_choices() -> kernel.Choices:
    """Have SIGIO wake the loop when somebody writes there."""
    signal.signal(signal.SIGIO, lambda *_: None)
    directory = os.open(kernel.Choices.DIRECTORY, os.O_RDONLY)
    fcntl.fcntl(directory, fcntl.F_NOTIFY, fcntl.DN_MODIFY | fcntl.DN_MULTISHOT)
    return kernel.Choices()


def shut_down(bury: Callable[[], None]) -> None:
    """End all processes: servers fast, the others by SIGTERM, what is left by SIGKILL."""
    deadline = time.monotonic() + _POSTGRES_PATIENCE
    asked: set[int] = set()
    while (servers := postmasters()) and time.monotonic() < deadline:
        for pid in servers - asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGINT)
        asked |= servers
        time.sleep(0.02)
        bury()
    if servers:
        print(f"servers that did not shut down: {servers}", flush=True)
    for number, patience in ((signal.SIGTERM, _PATIENCE), (signal.SIGKILL, _PATIENCE)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, number)
        deadline = time.monotonic() + patience
        while len(_processes()) > 1 and time.monotonic() < deadline:
            time.sleep(0.02)
            bury()


def postmasters() -> set[int]:
    """Pids of PostgreSQL servers: processes named postgres whose parent is not one."""
    parents = {}
    for pid in _processes():
        try:
            name, _, rest = Path(f"/proc/{pid}/stat").read_text().partition("(")[2].rpartition(")")
        except OSError:
            continue  # ended meanwhile
        if name == "postgres" and rest.split()[0] != "Z":
            parents[pid] = int(rest.split()[1])
    return {pid for pid, parent in parents.items() if parent not in parents}


def _processes() -> list[int]:
    return [int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit()]


def prepare() -> None:
    """What a boot makes anew: runtime directories, an empty /tmp, kernel settings from /etc."""
    for path, mode in ((Path("/run/sshd"), 0o755), (Path("/run/lock"), 0o1777), (Path("/run/user"), 0o755)):
        path.mkdir()
        path.chmod(mode)
    Path("/run/utmp").touch()
    for left in Path("/tmp").iterdir():
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink()
    # Older kernels refuse both to a namespace's root. Only an unprivileged ping needs the first. The second has each
    # boot number its processes from elsewhere on: from 2 again, a pid file that a crash left would nearly always name a
    # living process, and PostgreSQL would refuse to start beside it.
    for setting, text in (
        ("/proc/sys/net/ipv4/ping_group_range", "0 65534"),
        ("/proc/sys/kernel/ns_last_pid", str(random.randrange(*_FIRST_PIDS))),
    ):
        with contextlib.suppress(OSError):
            Path(setting).write_text(f"{text}\n")
    subprocess.run(["sysctl", "--system", "-q"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    _apply_tmpfiles()
    _start_units()


def _apply_tmpfiles() -> None:
    """Lines ``w /sys/… - - - - word`` of /etc/tmpfiles.d, as systemd-tmpfiles does; its other kinds are not known."""
    for conf in sorted(Path("/etc/tmpfiles.d").glob("*.conf")):
        for line in conf.read_text().splitlines():
            words = line.split()
            if len(words) == 7 and words[0] == "w" and words[1].startswith("/sys/") and Path(words[1]).exists():
                kernel.choose_at_boot(Path(words[1]), words[6])


def _start_units() -> None:
    """Services that are known by their state only: active from boot on, if they are enabled."""
    running = Path("/run", condition.UNITS)
    running.mkdir(parents=True, exist_ok=True)
    units = Path("/etc", condition.UNITS)
    for unit in units.iterdir() if units.is_dir() else ():
        if unit.read_text().strip() in ("enabled", "static"):
            (running / unit.name).touch()


if __name__ == "__main__":
    prepare()
    print("booted", flush=True)
    FirstProcess().run()
    sys.exit(1)
