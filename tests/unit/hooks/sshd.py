"""A real OpenSSH server for one test module: own keys, own port, as the current user, nothing outside its folder."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.ports import free_port

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def make_key(path: Path, kind: str = "ed25519", passphrase: str = "") -> str:
    """Make a key pair; return the public half."""
    command = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path)]
    if kind == "rsa":
        command += ["-b", "2048"]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
    return Path(f"{path}.pub").read_text().strip()


@dataclass
class Sshd:
    """One server. ``home`` is $HOME of who logs in, so ~/.ssh/known_hosts there is the test's own."""

    folder: Path
    options: list[str] = field(default_factory=list)
    port: int = 0
    host_key: str = ""
    process: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        """The home directory of the session."""
        return self.folder / "home"

    @property
    def client_key(self) -> Path:
        """A private key that may log in."""
        return self.folder / "client_key"

    def start(self) -> Sshd:
        """Start listening; returns when it answers."""
        if SSHD is None:
            pytest.skip("no sshd here (Debian: apt install openssh-server)")
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where Debian's sshd, as root, insists on separating
        (self.home / ".ssh").mkdir(parents=True, exist_ok=True)
        if not self.host_key:
            self.host_key = make_key(self.folder / "host_key")
            (self.folder / "authorized_keys").write_text(make_key(self.client_key) + "\n")
        self.port = self.port or free_port()
        lines = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.folder / 'host_key'}",
            f"AuthorizedKeysFile {self.folder / 'authorized_keys'}",
            "PidFile none",
            "StrictModes no",
            "UsePAM no",
            "PermitRootLogin yes",
            "PasswordAuthentication no",
            "KbdInteractiveAuthentication no",
            *self.options,  # of two values of one option the first counts
            "MaxStartups 100",
            "MaxSessions 50",
        ]
        if not any(option.startswith("SetEnv") for option in self.options):
            lines.append(f"SetEnv HOME={self.home}")
        config = self.folder / "sshd_config"
        config.write_text("\n".join(lines) + "\n")
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stdin=subprocess.DEVNULL, stderr=log)
        deadline = time.monotonic() + 60  # ends a hang
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=1) as probe:
                    if probe.recv(4) == b"SSH-":
                        return self
            except OSError:
                time.sleep(0.01)
        raise RuntimeError(f"sshd did not start: {(self.folder / 'log').read_text()}")

    def admit(self, other: Sshd) -> None:
        """Let the client key of another server log in here, too."""
        with (self.folder / "authorized_keys").open("a") as file:
            file.write(Path(f"{other.client_key}.pub").read_text())

    def sessions(self) -> list[int]:
        """Processes of this server that serve a connection: a monitor and, unless root logs in, its child."""
        found: list[int] = []
        todo = [self.process.pid] if self.process else []
        while todo:
            pid = todo.pop()
            try:
                children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
                servers = [int(c) for c in children if Path(f"/proc/{c}/comm").read_text().startswith("sshd")]
            except (FileNotFoundError, ProcessLookupError):  # ended meanwhile
                continue
            found += servers
            todo += servers
        return found

    def cut(self) -> None:
        """End all connections the hard way; the server goes on listening."""
        for pid in self.sessions():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def stop(self) -> None:
        """End the server and its connections."""
        if self.process is not None:
            self.cut()
            self.process.kill()
            self.process.wait()
            self.process = None

    def connection(self, **extra: Any) -> str:
        """An Airflow connection to this server as JSON; extras given replace the usual ones (None removes one)."""
        usual: dict[str, Any] = {
            "ssh_port": self.port,
            "ssh_key_file": str(self.client_key),
            "ssh_host_key": self.host_key,
        }
        merged = {name: value for name, value in (usual | extra).items() if value is not None}
        return json.dumps(
            {
                "conn_type": "greenplum",
                "host": "127.0.0.1",
                "port": 1,  # nothing answers SQL here
                "login": getpass.getuser(),
                "password": "sql-s3cret",
                "extra": merged,
            }
        )


def wait_until(condition: Any, what: str, seconds: float = 20) -> Any:
    """Wait for a condition to become true and return its value; the limit only ends a hang."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if value := condition():
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited in vain: {what}")
