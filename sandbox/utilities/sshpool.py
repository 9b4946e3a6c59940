"""One SSH connection a host for all the commands of one run, so that a login is paid once.

The real utilities log in for every command; sixty logins make up most of a preparation's time on two cores. A host that
cannot be logged into is left to the command itself, whose own ssh then says why.
"""

from __future__ import annotations

import atexit
import shutil
import subprocess
import tempfile
import threading
from pathlib import Path

IDLE_SECONDS = 15
"""A kept connection ends by itself so long after its last command, also when the run was killed."""


class SshPool:
    """Kept connections of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._directory: Path | None = None
        self._hosts: dict[str, threading.Event] = {}
        self._kept: set[str] = set()

    def options(self, host: str) -> list[str]:
        """Options that make an ssh or scp use the kept connection; empty when there is none."""
        with self._lock:
            if self._directory is None:
                self._directory = Path(tempfile.mkdtemp(prefix=".gp-"))
                atexit.register(self._remove)
            ready = self._hosts.get(host)
            first = ready is None
            if ready is None:
                ready = self._hosts[host] = threading.Event()
        if first:
            try:
                self._connect(host)
            finally:
                ready.set()
        ready.wait()
        return ["-o", f"ControlPath={self._directory}/%C"] if host in self._kept else []

    def _connect(self, host: str) -> None:
        # Nothing of it may hold our pipes: a master that kept stderr open would keep its reader waiting.
        command = [
            "ssh", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "ServerAliveInterval=60",
            "-o", "ControlMaster=yes", "-o", f"ControlPersist={IDLE_SECONDS}",
            "-o", f"ControlPath={self._directory}/%C", host, "true",
        ]  # fmt: skip
        quiet = subprocess.DEVNULL
        done = subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, check=False)
        if done.returncode == 0:
            with self._lock:
                self._kept.add(host)

    def _remove(self) -> None:
        quiet = subprocess.DEVNULL
        for host in self._kept:
            command = ["ssh", "-o", f"ControlPath={self._directory}/%C", "-O", "exit", host]
            subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, check=False)
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)


POOL = SshPool()
